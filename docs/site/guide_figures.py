"""The figures of the guide: one panel each, drawn at build and never kept.

``draw(name, folder)`` is the only door. A panel is a function ``(Tables, Axes)``. Its tables are
those of a run in results/ where there is one, else of results/reference. Figures that need no run
are computed from the package's theory. A panel of an experiment (``throughtime figure NAME --panel
P``) takes the place of one here by a line in PANELS.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from guide_numbers import COPY, ROOT, backward_steps, logistic, terms
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from throughtime.analysis import stats
from throughtime.figures import panels
from throughtime.figures.draw import STYLE, UNDATED, freeze_layout
from throughtime.theory import one_unit
from throughtime.theory.gradients import log_norm_by_lag
from throughtime.theory.influence import Balancing
from throughtime.theory.mean_field import PYTORCH_SIGMA_W, chi_1, critical_sigma_w
from throughtime.theory.reach import copy_coverage, depths, reachable

SIZE = (5.2, 3.3)  # inches
SQUARE = (3.4, 3.3)
BLUE, ORANGE, GREEN = (panels.SERIES[i]["color"] for i in range(3))


@dataclass(frozen=True)
class Tables:
    """Where tables lie: ``run`` first, then ``reference``, for each experiment by itself."""

    run: Path = ROOT / "results"
    reference: Path = ROOT / "results" / "reference"

    def folder(self, experiment: str) -> Path:
        """The folder that has the experiment's summary."""
        own = self.run / experiment / "summary.parquet"
        return self.run if own.is_file() else self.reference

    def read(self, experiment: str, table: str = "summary", **values: object) -> pd.DataFrame:
        """A table of an experiment, its rows with these values (a list: any of them).

        Read as it is: the reference may be older than a column that no figure here needs.
        """
        rows = pd.read_parquet(self.folder(experiment) / experiment / f"{table}.parquet")
        for column, value in values.items():
            rows = rows[rows[column].isin(value if isinstance(value, list) else [value])]
        return rows


Panel = Callable[[Tables, Axes], None]
PANELS: dict[str, tuple[Panel, tuple[float, float]]] = {}


def panel(size: tuple[float, float] = SIZE) -> Callable[[Panel], Panel]:
    """Register a panel by its function's name."""

    def register(function: Panel) -> Panel:
        PANELS[function.__name__] = (function, size)
        return function

    return register


def draw(name: str, tables: Tables | None = None) -> Figure:
    """The figure of a name, in throughtime's style.

    Raises:
        KeyError: no such figure.
    """
    function, size = PANELS[name]
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=size, layout="constrained")
        function(tables or Tables(), figure.subplots())
        freeze_layout(figure)
    return figure


def svg(name: str, tables: Tables | None = None) -> bytes:
    """The figure as SVG; equal tables give equal bytes."""
    figure, content = draw(name, tables), BytesIO()
    with mpl.rc_context({"svg.hashsalt": STYLE["svg.hashsalt"]}):
        figure.savefig(content, format="svg", metadata=UNDATED["svg"])
    return content.getvalue()


# 1 to 4: states and gradients ---------------------------------------------------------------------


def orthogonal(rng: np.random.Generator, units: int) -> np.ndarray:
    """(N, N) Haar-random."""
    q, r = np.linalg.qr(rng.standard_normal((units, units)))
    return q * np.sign(np.diag(r))


def run_states(gain: float, steps: int, units: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """States (steps + 1, N) of two sequences that differ in their first symbol alone, and the
    recurrent matrix; other symbols are copy's blank.
    """
    rng = np.random.default_rng(seed)
    W = gain * orthogonal(rng, units)
    V = rng.standard_normal((COPY, units)) / math.sqrt(COPY)
    paths = []
    for first in (0, 1):
        h = [np.zeros(units)]
        for step in range(steps):
            h.append(np.tanh(V[first if step == 0 else COPY - 1] + h[-1] @ W))
        paths.append(np.array(h))
    return np.array(paths), W


@panel()
def state_remembers(_: Tables, ax: Axes) -> None:
    """How far apart the states of two sequences stay."""
    steps = 30
    for series, gain in enumerate((PYTORCH_SIGMA_W, 1.0, 1.3)):
        logs = []
        for seed in range(20):
            (a, b), _W = run_states(gain, steps, 32, seed)
            logs.append(np.log(np.linalg.norm(a - b, axis=1)[1:]))
        y = np.exp(np.median(logs, 0))
        style = {**panels.SERIES[series], "markersize": 3}
        ax.semilogy(range(steps), y / y[0], label=f"g = {gain:.3g}", **style)
    ax.set(
        xlabel="steps after the symbol that differs",
        ylabel="distance of the two states\n(at the symbol: 1)",
        title="The state keeps a trace of what was read, and loses it",
        ylim=(1e-6, 2),
    )
    ax.legend(title="gain of W_hh")


@panel()
def terms_by_lag(_: Tables, ax: Axes) -> None:
    """The worked example: what each lag adds to dL/dw."""
    values = terms(0.5)
    ax.bar(range(3), values, color=BLUE, width=0.6)
    for k, value in enumerate(values):
        ax.annotate(f"{value:g}", (k, value), (0, 3), textcoords="offset points", ha="center")
    ax.set(
        xticks=range(3),
        xlabel="lag k, steps",
        ylabel="term of dL/dw",
        ylim=(0, 2.4),
        title=f"Three terms, one per lag: their sum is {sum(values):g}",
    )
    ax.grid(visible=False, axis="x")


def gradient_norms(gain: float, steps: int = 40, units: int = 128, seeds: int = 5) -> np.ndarray:
    """(steps,) median over seeds of ln ||dL/dh_{T-k}|| / ||dL/dh_T||, orthogonal W_hh, copy's
    blanks as inputs, a random gradient at the last step.
    """
    logs = []
    for seed in range(seeds):
        (h, _other), W = run_states(gain, steps, units, seed)
        rng = np.random.default_rng(1000 + seed)
        g = rng.standard_normal((20, units))
        start = math.sqrt((g**2).mean())
        rows = []
        for t in range(steps, 0, -1):
            rows.append(math.log(math.sqrt((g**2).mean()) / start))
            g = (g * (1 - h[t] ** 2)) @ W.T
        logs.append(rows)
    return np.asarray(np.median(logs, 0))


@panel()
def gradient_by_lag(_: Tables, ax: Axes) -> None:
    """Norm of the gradient by lag: networks as they are drawn, and mean field theory."""
    for series, gain in enumerate((PYTORCH_SIGMA_W, 1.0, 1.5, 2.0)):
        style = {**panels.SERIES[series], "markersize": 3, "linestyle": "none"}
        lags = np.arange(0, 40, 2)
        ax.semilogy(lags, np.exp(gradient_norms(gain))[lags], label=f"g = {gain:.3g}", **style)
        theory = np.exp(log_norm_by_lag(gain, 1 / COPY, 40))
        ax.semilogy(range(40), theory, color=style["color"], linewidth=1)
    ax.plot([], [], color="0.4", linewidth=1, label="mean field theory")
    ax.set(
        xlabel="lag k, steps",
        ylabel="norm of dL/dh at lag k\n(at lag 0: 1)",
        title="Over the lag the gradient's norm is nearly a straight line",
    )
    ax.legend(title="gain of W_hh", fontsize=6.5)


@panel()
def critical_gain(_: Tables, ax: Axes) -> None:
    """chi_1 over sigma_w for three strengths of the input."""
    gains = np.linspace(0.3, 2.5, 90)
    names = {0.0: "no input", 1 / COPY: "copy's input, s = 1/6", 1.0: "strong input, s = 1"}
    for series, (s, name) in enumerate(names.items()):
        style = {**panels.SERIES[series], "marker": ""}
        ax.plot(gains, [chi_1(g, s) for g in gains], label=name, **style)
        border = critical_sigma_w(s)
        ax.plot([border], [1], "o", color=style["color"], markersize=5)
        ax.annotate(f"{border:.2f}", (border, 1), (4, -10), textcoords="offset points", fontsize=7)
    ax.axhline(1, color="0.3", linewidth=0.8)
    ax.axvline(PYTORCH_SIGMA_W, color="0.3", linestyle=":", linewidth=0.8)
    ax.annotate(
        "PyTorch's default", (PYTORCH_SIGMA_W, 1.75), (3, 0), textcoords="offset points", fontsize=7
    )
    ax.set(
        xlabel="initial gain σ_w of W_hh",
        ylabel="χ₁: growth of the squared\ngradient per step",
        title="With inputs the border lies above gain 1",
        ylim=(0, 2),
    )
    ax.legend(loc="lower right")


@panel()
def frontier_by_gain(tables: Tables, ax: Axes) -> None:
    """Copy's frontier over the gain, trained networks."""
    rows = tables.read("initialization", task="copy", sweep="gain")
    for series, (init, group) in enumerate(rows.groupby("init")):
        panels.frontiers(ax, stats.frontier(group, ["gain"]), "gain", series, str(init))
    panels.lag_axis(ax, rows["lag_max"])
    border = critical_sigma_w(1 / COPY)
    ax.axvline(border, color="0.3", linestyle="--", linewidth=0.8)
    ax.annotate(
        "critical gain", (border, 7), (-3, 0), textcoords="offset points", ha="right", fontsize=7
    )
    ax.axvline(PYTORCH_SIGMA_W, color="0.3", linestyle=":", linewidth=0.8)
    n = len(rows)
    ax.set(
        xlabel="initial gain of W_hh",
        title=f"Copy: the lag that half the networks learn (n = {n})",
    )
    ax.legend(loc="lower right")


# 5 and 6: truncation ------------------------------------------------------------------------------


def _mode(mode: str, title: str) -> Panel:
    def function(_: Tables, ax: Axes) -> None:
        steps, K = 15, 5
        seen = reachable(mode, steps, K)
        ax.imshow(
            np.where(seen, 1.0, np.where(np.tri(steps, dtype=bool), 0.25, np.nan)),
            cmap="Blues",
            vmin=0,
            vmax=1.4,
            origin="lower",
        )
        depth = depths(mode, steps, K)
        ax.set(
            xlabel="step i of the input",
            ylabel="step t of the loss",
            xticks=range(0, steps, 5),
            yticks=range(0, steps, 5),
            title=f"{title}, K = {K}",
        )
        ax.set_xticks(np.arange(-0.5, steps), minor=True)
        ax.set_yticks(np.arange(-0.5, steps), minor=True)
        ax.grid(visible=False)
        ax.grid(which="minor", color="white", linewidth=0.8)
        ax.tick_params(which="minor", length=0)
        last = depth[-5:]
        span = f"{last.min()}" if last.min() == last.max() else f"{last.min()} to {last.max()}"
        ax.annotate(f"a loss sees\n{span} steps", (0.05, 0.95), xycoords="axes fraction", va="top")

    return function


for _name in ("chunked", "sliding", "buffered"):
    PANELS[f"mode_{_name}"] = (_mode(_name, _name), SQUARE)


@panel()
def copy_by_K(tables: Tables, ax: Axes) -> None:
    """Copy over lag and K, chunked with a carried state."""
    rows = tables.read("truncation", task="copy", frozen=False, sweep=["chunked", "full"])
    rows = rows.assign(K=rows["K"].where(rows["mode"] == "chunked", math.inf).astype(float))
    panels.heatmap(
        ax, stats.success(rows, ["lag_max", "K"]), "lag_max", "K", infinite=("none", "full")
    )
    lags = sorted(set(rows["lag_max"].astype(float)))
    Ks = sorted(set(rows["K"]))
    edge = [sum(K <= lag for K in Ks) for lag in lags]
    ax.step(
        np.arange(len(lags) + 1),
        [len(Ks) - e for e in [*edge, edge[-1]]],
        where="post",
        color=ORANGE,
        linewidth=2,
    )
    ax.set(
        xlabel="lag of the dependency, steps",
        ylabel="truncation length K, steps",
        title="Copy, chunked, state carried: solved / networks (orange: K = lag)",
    )


@panel()
def wrong_way(_: Tables, ax: Axes) -> None:
    """Influence balancing: the derivative that a truncated gradient sees, over K."""
    balancing, Ks = Balancing(), np.arange(1, 161)
    for series, mode in enumerate(("sliding", "chunked", "buffered")):
        style = {**panels.SERIES[series], "marker": ""}
        ax.plot(Ks, [balancing.resting(mode, int(K)) for K in Ks], label=mode, **style)
        first = balancing.smallest_K(mode)
        ax.plot([first], [balancing.resting(mode, first)], "o", color=style["color"], markersize=5)
        place = (3, 6) if mode != "buffered" else (-34, -11)
        ax.annotate(f"K = {first}", (first, 0), place, textcoords="offset points", fontsize=7)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.axhline(balancing.total, color="0.3", linestyle=":", linewidth=0.8)
    ax.annotate("the true value", (118, balancing.total), (0, 3), textcoords="offset points",
                fontsize=7)  # fmt: skip
    ax.set(
        xlabel="truncation length K, steps",
        ylabel="derivative of s₀ by θ\nthat is seen",
        title="Above 0 the truncated gradient points the wrong way",
    )
    ax.legend()


# 7: clipping --------------------------------------------------------------------------------------


@panel()
def wall(_: Tables, ax: Axes) -> None:
    """Descents of the one-unit network at its wall."""
    for series, clip in enumerate((math.inf, 0.1)):
        path = one_unit.descend(4.6, -2.7, 0.05, 300, clip)
        label = f"clipped at {clip:g}" if math.isfinite(clip) else "not clipped"
        style = {**panels.SERIES[series], "marker": ""}
        ax.semilogy(path["update"], path["loss"], label=label, **style)
    ax.set(
        xlabel="updates",
        ylabel="loss",
        title="Unclipped, one step from the wall is the end of learning",
    )
    ax.legend()


@panel()
def solved_by_clip(tables: Tables, ax: Axes) -> None:
    """Share solved over the threshold, for three gains, SGD at full depth."""
    rows = tables.read("clipping", mode="full", optimizer="sgd")
    rows = rows[rows["task"] != "text"]
    clips = sorted(set(rows["clip"].astype(float)))
    gains = sorted(set(rows["gain"].astype(float)))
    width = 0.8 / len(gains)
    colors = mpl.colormaps["cividis"](np.linspace(0.05, 0.9, len(gains)))
    for place, gain in enumerate(gains):
        table = stats.success(rows[rows["gain"] == gain], ["clip"])
        x = [clips.index(float(c)) + (place - (len(gains) - 1) / 2) * width for c in table["clip"]]
        bars = [table["rate"] - table["low"], table["high"] - table["rate"]]
        ax.bar(x, table["rate"], width, yerr=bars, color=colors[place], ecolor="0.4",
               error_kw={"elinewidth": 0.6}, label=f"{gain:.3g}")  # fmt: skip
    n, diverged = len(rows), int((rows["status"] == "diverged").sum())
    ax.set(
        xticks=range(len(clips)),
        xticklabels=[panels.format_number(c) for c in clips],
        xlabel="clip threshold on the gradient's norm",
        ylabel="solved networks",
        ylim=(0, 1),
        title=f"SGD, full depth, four tasks (n = {n}, diverged {diverged})",
    )
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(visible=False, axis="x")
    ax.legend(title="gain", fontsize=6.5, ncols=2)


# 8 to 12 ------------------------------------------------------------------------------------------


@panel()
def bits_by_K(tables: Tables, ax: Axes) -> None:
    """Bits per character over K, beside n-gram models of the same text."""
    rows, lines = tables.read("language", sweep="K"), tables.read("language", "references")
    rows = rows.assign(K=rows["K"].where(rows["mode"] == "chunked", rows["steps"]).astype(float))
    for name, text in (("Kneser-Ney order 2", "n-gram, 2 characters of context"),
                       ("Kneser-Ney order 3", "n-gram, 3 characters of context")):  # fmt: skip
        value = lines[(lines["name"] == name) & (lines["by"] == "all")]["value"].iloc[0]
        ax.axhline(value, color="0.3", linestyle=":", linewidth=0.9)
        ax.annotate(text, (1, value), (0, 3), textcoords="offset points", fontsize=7)
    Ks = sorted(set(rows["K"]))
    ax.semilogx(rows["K"], rows["final"], "o", color=BLUE, markersize=4, label="one network")
    middle = rows.groupby("K")["final"].median()
    ax.semilogx(middle.index, middle, color=BLUE, linewidth=1, label="median")
    ax.set_xticks(Ks, [f"{K:g}" for K in Ks[:-1]] + ["full"])
    ax.minorticks_off()
    ax.set(
        xlabel="truncation length K, characters",
        ylabel="bits per character",
        ylim=(1.95, 2.85),
        title=f"Beyond a few characters a longer K saves nothing (n = {len(rows)})",
    )
    ax.legend(loc="upper right", bbox_to_anchor=(1, 0.72))


@panel()
def cost_by_K(_: Tables, ax: Axes) -> None:
    """Backward steps per step of the sequence, by K and mode."""
    T, Ks = 200, np.arange(1, 41)
    for series, mode in enumerate(("sliding", "buffered", "chunked")):
        style = {**panels.SERIES[series], "marker": ""}
        ax.plot(Ks, [backward_steps(mode, T, int(K)) / T for K in Ks], label=mode, **style)
    ax.set(
        xlabel="truncation length K, steps",
        ylabel="steps backward\nper step of the sequence",
        title=f"Only sliding windows cost more with K (T = {T})",
    )
    ax.legend()


@panel()
def forgetting(_: Tables, ax: Axes) -> None:
    """Distance of two states that read the same, and the bound g^k."""
    steps = 30
    for series, gain in enumerate((PYTORCH_SIGMA_W, 0.9)):
        logs = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            W = gain * orthogonal(rng, 32)
            V = rng.standard_normal((COPY, 32)) / math.sqrt(COPY)
            a, b = np.sign(rng.standard_normal((2, 32)))
            start, row = np.linalg.norm(a - b), []
            for _step in range(steps):
                row.append(math.log(np.linalg.norm(a - b) / start))
                x = V[rng.integers(COPY)]
                a, b = np.tanh(x + a @ W), np.tanh(x + b @ W)
            logs.append(row)
        style = {**panels.SERIES[series], "markersize": 3, "linestyle": "none"}
        y = np.exp(np.max(logs, 0))
        ax.semilogy(range(steps), y, label=f"g = {gain:.3g}, largest of 20 networks", **style)
        k = np.arange(steps)
        ax.semilogy(k, gain**k, color=style["color"], linewidth=1, label=f"bound: {gain:.3g}^k")
    ax.set(
        xlabel="steps of equal input, k",
        ylabel="distance of the two states\n(at the start: 1)",
        title="Below gain 1 a network forgets where it came from",
        ylim=(1e-8, 2),
    )
    ax.legend(fontsize=6.5)


@panel()
def gates(_: Tables, ax: Axes) -> None:
    """f^k: what is left on the direct path through a cell state."""
    k = np.arange(0, 61)
    for series, bias in enumerate((0.0, 1.0, 3.0)):
        f = logistic(bias)
        style = {**panels.SERIES[series], "marker": ""}
        ax.semilogy(k, f**k, label=f"bias {bias:g}: f = {f:.2f}", **style)
    ax.set(
        xlabel="lag k, steps",
        ylabel="share left of the gradient\non the direct path",
        title="The bias of the forget gate sets how far the gradient reaches",
        ylim=(1e-6, 2),
    )
    ax.legend(title="forget gate")


@panel()
def coverage(_: Tables, ax: Axes) -> None:
    """Copy: the share of symbols within reach, over K, by how windows are laid."""
    Ks = np.arange(1, 31)
    for series, align in enumerate(("end", "random")):
        style = {**panels.SERIES[series], "markersize": 3}
        y = [copy_coverage("chunked", int(K), 4, 4, align=align) for K in Ks]
        text = {"end": "windows end with the sequence", "random": "windows begin anywhere"}[align]
        ax.plot(Ks, y, label=text, **style)
    ax.axvline(8, color="0.3", linestyle=":", linewidth=0.8)
    ax.annotate("K = lag", (8, 0.95), (-4, 0), textcoords="offset points", ha="right", fontsize=7)
    ax.set(
        xlabel="truncation length K, steps",
        ylabel="symbols within reach",
        title="Copy of 4 symbols at lag 8, chunked",
    )
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.legend()
