"""Memory and time against T and K with straight lines through them, and the throughput that shows
what runs in parallel.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis.lines import Line, line
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

MIB = 2.0**20
MEMORY = {
    "numba": "Memory is counted: this engine computes one network after the other on the memory of "
    "one.",
    "torch": "Memory is counted, all networks together: this engine computes them at once.",
}
NAMES = {"chunked": "chunked", "sliding": "sliding, k1 = 1"}


def measured(results: Results) -> dict[str, pd.DataFrame]:
    """Series -> a row a program: x, y and the quantities, x ascending; empty where nothing was
    measured.
    """
    wide = results.computed.pivot_table(
        index=["series", "x", "y"], columns="quantity", values="value"
    ).reset_index()
    return {str(series): rows.sort_values("x") for series, rows in wide.groupby("series")}


def engine(table: dict[str, pd.DataFrame]) -> str:
    """The engine that was measured, ``numba`` or ``torch``; tables that do not say it are of the
    time when torch was the only one.

    >>> engine({"full": pd.DataFrame({"compiled": [1.0]})}), engine({"full": pd.DataFrame()})
    ('numba', 'torch')
    """
    compiled = [
        bool((rows["compiled"] == 1).all()) for rows in table.values() if "compiled" in rows
    ]
    return "numba" if compiled and all(compiled) else "torch"


def law(ax: Axes, x: pd.Series, y: pd.Series, series: int, label: str) -> Line:
    """Points and the straight line through them."""
    fit, style = line(x, y), panels.SERIES[series]
    ax.plot(
        x,
        y,
        linestyle="none",
        marker=style["marker"],
        color=style["color"],
        markersize=4.5,
        label=label,
    )
    ends = np.array([0.0, float(x.max())])
    ax.plot(
        ends,
        fit.intercept + fit.slope * ends,
        color=style["color"],
        linestyle=style["linestyle"],
        linewidth=1.1,
    )
    return fit


def laws(
    ax: Axes, table: dict[str, pd.DataFrame], parts: dict[str, tuple[str, float, str]], unit: str
) -> None:
    """Several laws on one axes: label -> (series, divisor, quantity); each line's slope in the
    legend.
    """
    for place, (label, (series, divisor, quantity)) in enumerate(parts.items()):
        if series in table and len(table[series]) > 1:
            rows = table[series]
            fit = law(ax, rows["x"], rows[quantity] / divisor, place, label)
            ax.lines[-2].set_label(f"{label}: {fit.slope:.3g} {unit} per step")
    if not ax.lines:
        panels.empty_panel(ax, "nothing measured")
        return
    ax.set(xlim=(0, None), ylim=(0, None))
    composition.legend(ax)


def throughput(results: Results, ax: Axes) -> None:
    """Steps of training per second, over T at one batch and over B at one T."""
    table = measured(results)
    gains = {
        axis: rows["tokens_per_second"].iloc[-1] / rows["tokens_per_second"].iloc[0]
        for axis, series in (("T", "full"), ("B", "batch"))
        if (rows := table.get(series)) is not None
    }
    told = ", ".join(f"{gain:.2g} times over {axis}" for axis, gain in gains.items())
    ax.set_title(f"Throughput, last point against first: {told}" if told else "Throughput")
    for place, (series, label) in enumerate(
        {"full": "over T, B = {batch:g}", "batch": "over B, T = {T:g}"}.items()
    ):
        if series in table:
            rows, style = table[series], panels.SERIES[place]
            text = label.format(**{c: float(rows[c].iloc[0]) for c in ("batch", "T")})
            ax.plot(rows["x"], rows["tokens_per_second"] / 1e6, label=text, markersize=4.5, **style)
    if not ax.lines:
        panels.empty_panel(ax, "nothing measured")
        return
    ax.set(
        xscale="log",
        ylim=(0, None),
        xlabel="T, steps, or B, sequences",
        ylabel="million steps per second",
    )
    composition.legend(ax)


def grown(table: dict[str, pd.DataFrame], quantity: str, series: str = "full") -> str:
    """How much a quantity of a series is at its largest T or K against the smallest, as words for a
    title.
    """
    if series not in table or len(table[series]) < 2:
        return ""
    rows = table[series].sort_values("x")
    first, last = rows.iloc[0], rows.iloc[-1]
    factors = last[quantity] / first[quantity], last["x"] / first["x"]
    how = "" if series == "full" else f" ({NAMES[series]})"
    return ": {:.3g} times as much for {:.3g} times the steps".format(*factors) + how


def memory_over_T(results: Results, ax: Axes) -> None:
    """Memory that is kept for backward, and that was planned for, over T."""
    parts = {"kept": ("full", MIB, "kept_bytes"), "planned for": ("full", MIB, "predicted_bytes")}
    table = measured(results)
    title = f"Full depth: memory over T{grown(table, 'kept_bytes')}"
    ax.set(title=title, xlabel="T, steps", ylabel="memory, MiB")
    laws(ax, table, parts, "MiB")


def memory_over_K(results: Results, ax: Axes) -> None:
    """Memory in chunks and in sliding windows, over K."""
    table = measured(results)
    title = f"Memory against K, {steps(table)}{grown(table, 'kept_bytes', 'chunked')}"
    ax.set(title=title, xlabel="K, steps", ylabel="memory, MiB")
    laws(ax, table, {NAMES["chunked"]: ("chunked", MIB, "kept_bytes")}, "MiB")
    if "sliding" in table:
        rows = table["sliding"]
        label = f"{NAMES['sliding']}: all of T"
        ax.plot(
            rows["x"], rows["kept_bytes"] / MIB, label=label, markersize=4.5, **panels.SERIES[1]
        )
        ax.set_ylim(0, 1.1 * max(rows["kept_bytes"].max() / MIB, ax.get_ylim()[1]))
        composition.legend(ax)


def time_over_T(results: Results, ax: Axes) -> None:
    """Time of an update and its halves, over T."""
    table = measured(results)
    halves = {name: ("full", 1.0, f"{name}_ms") for name in ("update", "backward", "forward")}
    title = f"Time of an update over T{grown(table, 'update_ms')} (engine {engine(table)})"
    ax.set(title=title, xlabel="T, steps", ylabel="time, ms")
    laws(ax, table, halves, "ms")


def time_over_K(results: Results, ax: Axes) -> None:
    """Time of an update in chunks and in sliding windows, over K."""
    table = measured(results)
    said = grown(table, "update_ms", "sliding")
    ax.set(title=f"Time of an update against K, {steps(table)}{said}", xlabel="K, steps")
    ax.set_ylabel("time, ms")
    laws(ax, table, {NAMES[s]: (s, 1.0, "update_ms") for s in ("chunked", "sliding")}, "ms")


def nothing(results: Results) -> pd.DataFrame:
    """No networks were trained: programs were measured."""
    return results.summary.iloc[:0]


def named_panels(results: Results) -> list[Panel]:
    """Memory and time over T and over K, throughput, and how straight the lines are."""
    fitted = "lines: least squares"
    table = measured(results)
    sizes = f"An update of tanh networks ({sizes_of(table)}), with every step scored."
    return [
        Panel(name, draw, shows, nothing, interval, sizes)
        for name, draw, shows, interval in (
            ("memory-t", memory_over_T, "Memory kept for backward at full depth, over T", fitted),
            ("memory-k", memory_over_K, "Memory kept for backward, over K", fitted),
            ("time-t", time_over_T, "Time of an update and its halves, over T", fitted),
            ("time-k", time_over_K, "Time of an update, over K", fitted),
            ("throughput", throughput, "Steps per second of all networks, over T and over B", ""),
            ("residuals", relative, "Measured over fitted: what a straight line hides", ""),
        )
    ]


def figure(results: Results) -> Figure:
    """Six panels."""
    return composition.compose(results, named_panels(results), height=2.5)


def relative(results: Results, ax: Axes) -> None:
    """Measured over fitted: a line's residuals, which a figure of the line hides."""
    table = measured(results)
    ax.set_title("How straight the lines are: measured / fitted")
    parts = {
        "memory, T": ("full", "x", "kept_bytes"),
        "memory, K chunked": ("chunked", "x", "kept_bytes"),
    }
    parts |= {
        "time, T": ("full", "x", "update_ms"),
        "time, mean depth sliding": ("sliding", "depth", "update_ms"),
    }
    off = 0.0
    for place, (label, (series, x, quantity)) in enumerate(parts.items()):
        if series in table:
            rows = table[series]
            fit = line(rows[x], rows[quantity])
            ratio = rows[quantity] / (fit.intercept + fit.slope * rows[x])
            off = max(off, float((ratio - 1).abs().max()))
            ax.plot(
                rows[x],
                ratio,
                label=label,
                markersize=4,
                **panels.SERIES[place],
            )
    if not ax.lines:
        panels.empty_panel(ax, "nothing measured")
        return
    ax.set_title(f"What is measured lies within {100 * off:.0f} % of straight lines")
    ax.axhline(1, color="0.4", linewidth=0.8)
    ax.set(xscale="log", xlabel="T, K or mean depth, steps", ylabel="measured / fitted")
    composition.legend(ax)


def steps(table: dict[str, pd.DataFrame]) -> str:
    """The T at which K was varied.

    >>> steps({})
    'T = none'
    """
    found = sorted({f"{v:g}" for s in ("chunked", "sliding") if s in table for v in table[s]["T"]})
    return f"T = {', '.join(found) or 'none'}"


def sizes_of(table: dict[str, pd.DataFrame]) -> str:
    """Networks, N and B of what is measured, but where B is varied."""
    if "full" not in table:
        return "none"
    first = table["full"].iloc[0]
    return f"{first['rows']:g} networks at once, N = {first['hidden']:g}, B = {first['batch']:g}"


def caption(results: Results) -> str:
    """What is drawn, with the sizes and the laws."""
    table = measured(results)
    said = []
    for name, series, quantity, divisor, unit in (
        ("memory at full depth", "full", "kept_bytes", MIB, "MiB"),
        ("memory in chunks", "chunked", "kept_bytes", MIB, "MiB"),
        ("time at full depth", "full", "update_ms", 1.0, "ms"),
        ("time in sliding windows", "sliding", "update_ms", 1.0, "ms"),
    ):
        if series in table:
            fit = line(table[series]["x"], table[series][quantity] / divisor)
            said.append(
                f"{name} {fit.slope:.3g} [{fit.slope_low:.3g}, {fit.slope_high:.3g}] {unit}"
                if fit.n > 2
                else name
            )
    return (
        "**Memory kept for backward and time of an update, against T and K, with least-squares "
        f"lines.** {composition.describe(named_panels(results))} Measured on the engine "
        f"{engine(table)}. An update is forward "
        "and backward of tanh networks on random symbols with every step scored "
        f"({sizes_of(table)}, but where B is varied); "
        "no data, no optimizer. Mode full: K = T. Chunked: one chunk after the other on the memory "
        "of one. Sliding (k1 = 1): "
        "every loss sees K steps, on the memory of all T; the first losses of a sequence see "
        "fewer, which bends its line. "
        f"{MEMORY[engine(table)]} "
        "Times of an update are of all networks: the fastest of several calls on the "
        "machine that ran this, and "
        "differ from run to run. Steps per second are constant "
        "over T where time steps do not run in parallel. Slopes per step, with Student's 95 % "
        "intervals: "
        f"{'; '.join(said) or 'none'}. {describe_networks(results)}"
    )
