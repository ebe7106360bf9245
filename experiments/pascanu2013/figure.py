"""Success over the length, a panel per initial scheme, and one of networks of many lengths."""

from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from .analysis import METHODS, SCHEMES, by_length, networks, networks_of_many_lengths, rates

TITLES = {
    "sigmoid": "Sigmoid, σ = 0.01",
    "basic-tanh": "Basic tanh, σ = 0.1",
    "smart-tanh": "Smart tanh, radius 0.95",
}
MANY = "many-lengths"
SHORT = {"clip": "clipped", "omega": "with Ω"}


def of_scheme(scheme: str, results: Results) -> pd.DataFrame:
    """The networks of a scheme."""
    return results.summary[results.summary["sweep"].isin([scheme, f"{scheme}-omega"])]


def finding(scheme: str, results: Results) -> str:
    """What Omega does beside clipping alone, over all lengths, where intervals lie apart."""
    rows = networks(results)
    own = rows[rows["scheme"] == scheme]
    with_it, without = (own[own["method"] == method] for method in ("omega", "clip"))
    if (sign := composition.differ(with_it, without)) == 0:
        return "share solved over the length"
    told = composition.solved(with_it), composition.solved(without)
    return f"Ω {'helps' if sign > 0 else 'hurts'}, {told[0]} solved with it, {told[1]} without"


def lengths(scheme: str, results: Results, ax: Axes) -> None:
    """Share solved over the length, a line per method."""
    table = rates(results)
    own = table[table["scheme"] == scheme]
    ax.set_xscale("log")
    for series, (method, label) in enumerate(METHODS.items()):
        rows = own[own["method"] == method]
        panels.points(
            ax, rows, "length", "rate", series, label, shift=0.04 * (series - 1), line=True
        )
    marks = sorted(own["length"].unique())
    ax.set_xticks(marks, [str(mark) for mark in marks])
    ax.minorticks_off()
    ax.set(xlabel="length of a sequence (steps)", ylabel="share solved", ylim=(-0.05, 1.05))
    ax.set_title(f"{TITLES[scheme]}: {finding(scheme, results)}")
    if len(own):
        composition.legend(ax)


def of_many_lengths(results: Results) -> pd.DataFrame:
    """The networks that learn many lengths."""
    return results.summary[
        results.summary["run_key"].isin(networks_of_many_lengths(results)["run_key"])
    ]


def found_of_many(results: Results) -> str:
    """The title: how many networks learn the whole range."""
    rows = networks_of_many_lengths(results)
    return f"One network for many lengths: {composition.solved(rows)} solved"


def many_lengths(results: Results, ax: Axes) -> None:
    """Share of sequences classified rightly over their length, a line per scheme and method; the
    trained lengths are shaded.
    """
    table = by_length(results)
    if table.empty:
        panels.empty_panel(ax, "no networks of many lengths")
        return
    ax.set_xscale("log")
    own = networks_of_many_lengths(results)
    trained = int(own["shortest"].min()), int(own["length"].max())
    ax.axvspan(*trained, color="0.93", lw=0, label="trained lengths")
    means = stats.summarize(table, ["scheme", "method", "length"], "value", "mean")
    for series, ((scheme, method), rows) in enumerate(means.groupby(["scheme", "method"])):
        label = f"{TITLES[str(scheme)].split(',')[0]}, {SHORT[str(method)]}"
        panels.points(ax, rows, "length", "value", series, label, line=True)
    marks = [*trained, *sorted(table[table["by"] == "all"]["length"].unique())]
    ax.set_xticks(marks, [str(mark) for mark in marks])
    ax.minorticks_off()
    ax.axhline(0.25, color="0.5", lw=0.8, ls=":")
    ax.set(xlabel="length of a sequence (steps)", ylabel="share right", ylim=(0, 1.05))
    ax.set_title(found_of_many(results))
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """One per scheme, and one of networks of many lengths."""
    return [
        Panel(
            scheme,
            partial(lengths, scheme),
            f"Share of networks that solve temporal order over its length, {TITLES[scheme]}",
            partial(of_scheme, scheme),
            "bars: 95 % Wilson intervals",
            "Solved: the criterion is met at any check, where the authors stop.",
        )
        for scheme in SCHEMES
    ] + [
        Panel(
            MANY,
            many_lengths,
            "Mean share of sequences that networks trained on many lengths classify rightly, over "
            "the length of a sequence",
            of_many_lengths,
            "bars: 95 % bootstrap intervals over seeds",
            "Grey: the lengths of the training, one per batch; dotted: chance. To the right, "
            "sequences twice and five times as long as the longest of the training.",
        )
    ]


def overview(results: Results) -> list[Panel]:
    """All of them."""
    return composition.choose(named_panels(results), [*SCHEMES, MANY])


def figure(results: Results) -> Figure:
    """Four panels."""
    return composition.compose(results, overview(results))


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    rows = networks(results)
    shares = ", ".join(
        f"{label} {int((own['status'] == 'solved').sum())} of {len(own)}"
        for method, label in METHODS.items()
        if len(own := rows[rows["method"] == method])
    )
    counts = f" Over all schemes and lengths, one per network: {shares}." if shares else ""
    return (
        "**Temporal order after Pascanu, Mikolov & Bengio 2013: what clipping and the penalty Ω "
        f"solve, from three initial schemes.** {composition.describe(overview(results))} Solved: "
        "the criterion is met at any check, where the authors stop. Clip threshold 1, weight of Ω "
        "4. The paper's own points (its Figure 7) could not be found, and are not drawn."
        f"{counts} {describe_networks(results)}"
    )
