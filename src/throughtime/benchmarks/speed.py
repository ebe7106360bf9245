"""``make bench``: milliseconds per network and training step, beside other ways of training many
small networks, and what it costs to make them longer, wider or deeper in time.

One run, on one thread. The ways take turns: in every turn each is timed for a moment, together with
torch's matrix product. Times are the fastest of all turns: interruptions only ever add time. Shares
and ratios are taken inside a turn, and their median over turns counts, because the machine itself
is faster in one turn than in another.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from throughtime.benchmarks import roofline, scaling
from throughtime.benchmarks.peers import EARLIER, OURS, TORCH, all_ways
from throughtime.benchmarks.ways import PARTS, Shape, Timed, Unavailable, Way, shape_of
from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.planning.resources import bytes_per_row, bytes_shared
from throughtime.planning.sweep import expand
from throughtime.results.provenance import machine
from throughtime.training.reproducibility import one_thread

SIZES = ((32, 20), (64, 32), (128, 32))  # N, B
SHAPES = tuple(Shape(cell, N, B) for cell in ("tanh", "lstm", "gru") for N, B in SIZES)
TURNS = 7
SECONDS = 0.1  # of a way in a turn
NAMES = {"step": "whole training step", "gradients": "forward + backward"}
KEYS = ["cell", "N", "B", "T", "part", "way"]


# Measuring ----------------------------------------------------------------------------------------


def prepare(
    ways: Sequence[Way], shape: Shape
) -> tuple[dict[tuple[str, str], Timed | None], list[str]]:
    """(way, part) -> what times it, for the ways that know the shape's cell; None for one that is
    not at hand, and a line on each of these.
    """
    ready: dict[tuple[str, str], Timed | None] = {}
    absent = []
    for way in ways:
        if shape.cell not in way.cells:
            continue
        ready |= dict.fromkeys((way.name, part) for part in PARTS)
        try:
            ready |= {(way.name, part): way.prepare(shape, part) for part in PARTS}
        except Unavailable as reason:
            absent.append(f"{way.name}: {reason}")
    return ready, absent


def measure(
    ways: Sequence[Way],
    shapes: Sequence[Shape] = SHAPES,
    turns: int = TURNS,
    seconds: float = SECONDS,
) -> tuple[pd.DataFrame, list[str]]:
    """Time all ways in turns, every other turn in the opposite order.

    Args:
        ways: of peers.all_ways.
        shapes: networks.
        turns: per shape.
        seconds: of a way in a turn.

    Returns:
        One row per shape, turn, way and part: KEYS, turn, ms per network and step (NaN where it
        could not be measured), and sgemm_gflops of that turn (the better of its beginning and its
        end); and lines on why something could not be measured.
    """
    rows, absent = [], []
    for shape in shapes:
        print(f"measuring {shape.cell}, N={shape.N} B={shape.B}", file=sys.stderr, flush=True)
        ready, lines = prepare(ways, shape)
        absent += lines
        own = {k: asdict(shape)[k] for k in KEYS[:4]}
        for turn in range(turns):
            ms = dict.fromkeys(ready, math.nan)
            peak = roofline.sgemm(seconds)
            for key in list(ready)[:: 1 if turn % 2 == 0 else -1]:
                timed = ready[key]
                try:
                    ms[key] = timed(seconds) * 1e3 if timed else math.nan
                except Unavailable as reason:
                    absent.append(f"{key[0]}: {reason}")
                    ready[key] = None
            peak = max(peak, roofline.sgemm(seconds))
            rows += [
                {**own, "part": part, "way": way, "turn": turn, "ms": value, "sgemm_gflops": peak}
                for (way, part), value in ms.items()
            ]
    return pd.DataFrame(rows), list(dict.fromkeys(absent))


# Reading ------------------------------------------------------------------------------------------


def baseline(turns: pd.DataFrame, cell: str) -> str:
    """What ratios of a cell are taken to: the earlier commit where it was measured, else today's
    engine torch.
    """
    measured = turns[(turns["cell"] == cell) & turns["ms"].notna()]
    return EARLIER if EARLIER in set(measured["way"]) else TORCH


def ratios(turns: pd.DataFrame) -> pd.DataFrame:
    """``measure``'s table with what is taken inside a turn: gflops, share (of sgemm's rate), and
    ratio (the baseline's time over the way's; NaN where the baseline was not measured).
    """
    flops = [shape_of(row).flops for row in turns.itertuples()]
    turns = turns.assign(gflops=np.array(flops) / turns["ms"] / 1e6)
    turns["share"] = turns["gflops"] / turns["sgemm_gflops"]
    turns["baseline"] = [baseline(turns, cell) for cell in turns["cell"]]
    same = [k for k in (*KEYS, "turn") if k != "way"]
    old = turns.loc[turns["way"] == turns["baseline"], [*same, "ms"]]
    turns = turns.merge(old.rename(columns={"ms": "old_ms"}), "left", same)
    return turns.assign(ratio=turns["old_ms"] / turns["ms"]).drop(columns="old_ms")


def summarize(turns: pd.DataFrame) -> pd.DataFrame:
    """One row per KEYS: ms, gflops (of the fastest turn), sgemm_gflops (the best), and the median,
    least and largest of share and ratio over turns, with the baseline of the ratio.
    """
    groups = ratios(turns).groupby(KEYS, sort=False)
    return groups.agg(
        ms=("ms", "min"),
        gflops=("gflops", "max"),
        sgemm_gflops=("sgemm_gflops", "max"),
        share=("share", "median"),
        share_low=("share", "min"),
        share_high=("share", "max"),
        ratio=("ratio", "median"),
        ratio_low=("ratio", "min"),
        ratio_high=("ratio", "max"),
        baseline=("baseline", "first"),
        turns=("turn", "size"),
    ).reset_index()


@dataclass(frozen=True)
class Goal:
    """What the engine numba with tanh is to reach: ``quantity`` (ratio or share) of a part."""

    N: int
    B: int
    part: str
    quantity: str
    least: float

    def line(self, table: pd.DataFrame) -> str:
        """Whether it is met, with the figure.

        Args:
            table: of ``summarize``.
        """
        percent = self.quantity == "share"
        scale, unit, digits = (100, " %", 0) if percent else (1, "", 2)
        rows = table[
            (table["way"] == OURS)
            & (table["cell"] == "tanh")
            & (table["part"] == self.part)
            & (table["N"] == self.N)
            & (table["B"] == self.B)
        ]
        against = "of sgemm's rate" if percent else "times as fast as the baseline"
        if len(rows) and not percent:
            against = f"times as fast as {rows['baseline'].iloc[0]}"
        place = f"{NAMES[self.part]}, N={self.N} B={self.B}"
        goal = f"goal {self.least * scale:g}{unit}"
        value = float(rows[self.quantity].iloc[0]) if len(rows) else math.nan
        if math.isnan(value):
            return f"not measured: {place}, {against} ({goal})"
        low, high = (
            f"{float(rows[f'{self.quantity}_{end}'].iloc[0]) * scale:.{digits}f}"
            for end in ("low", "high")
        )
        met = "met" if value >= self.least else "not met"
        shown = f"{value * scale:.{digits}f}{unit}"
        return f"{met}: {place}: {shown} {against} ({goal}; turns {low} to {high})"


GOALS = (
    Goal(32, 20, "step", "ratio", 2.2),
    Goal(64, 32, "step", "ratio", 1.5),
    Goal(128, 32, "step", "ratio", 1.3),
    Goal(64, 32, "gradients", "share", 0.8),
    Goal(128, 32, "gradients", "share", 0.8),
)


def tables(table: pd.DataFrame) -> str:
    """``summarize``'s table as plain text: a block per cell and part, a line per way."""
    blocks = []
    columns = {"ms": 3, "gflops": 1, "share": 2, "ratio": 2}
    for key, rows in table.groupby(["cell", "part"], sort=False):
        cell, part = map(str, key)
        rows = rows.assign(size=[f"N={r.N} B={r.B}" for r in rows.itertuples()])
        wide = rows.pivot(index="way", columns="size", values=list(columns))
        order = list(dict.fromkeys(rows["size"]))
        wide = wide.reindex(
            index=list(dict.fromkeys(rows["way"])),
            columns=[(c, s) for c in columns for s in order],
        )
        for c, digits in columns.items():
            for s in order:
                wide[c, s] = [f"{v:.{digits}f}" if math.isfinite(v) else "-" for v in wide[c, s]]
        head = (
            f"{cell}, {NAMES[part]}, T = {rows['T'].iloc[0]}; ratio to {rows['baseline'].iloc[0]}"
        )
        blocks.append(f"{head}\n{wide.rename_axis(index=None).to_string()}")
    return "\n\n".join(blocks)


def describe(
    table: pd.DataFrame, absent: Sequence[str], powers: pd.DataFrame, memory: float
) -> str:
    """What was measured, as plain text.

    Args:
        table: of ``summarize``.
        absent: lines on what could not be measured.
        powers: of scaling.exponents.
        memory: of roofline.bandwidth, GB/s.
    """
    (planned,) = expand("bench", "bench", SHAPES[0].axes, "bench").jobs
    job, peak = planned.job, float(table["sgemm_gflops"].max())
    own, shared = bytes_per_row(job) / 2**20, bytes_shared(job) / 2**20
    stands_in = set(table.loc[table["cell"] == "tanh", "baseline"]) == {TORCH}
    parts = [
        "One thread; the ways in turns. ms: per network and step, the fastest turn. gflops: of "
        "that turn.\nshare: of sgemm's rate in the same turn. ratio: the baseline's time over the "
        "way's in the same turn.\nBoth are medians over turns.",
        tables(table),
        "\n".join(f"not measured: {line}" for line in absent),
        f"{TORCH} stands in for {EARLIER}, which was not measured" if stands_in else "",
        "The time of forward + backward grows with a power of what is varied; 95 % interval:\n"
        + powers.round(2).to_string(index=False),
        "\n".join(goal.line(table) for goal in GOALS),
        f"sgemm {peak:.0f} GFLOP/s, copy of memory {memory:.1f} GB/s, on {machine()['processor']}\n"
        f"memory at N={job.hidden}, B={job.batch}, T={job.steps}: {own:.2f} MiB per network, "
        f"{shared:.2f} MiB per block",
    ]
    return "\n\n".join(part for part in parts if part)


def main(root: Path = Path()) -> None:
    """Measure, print, and keep tables, text and figure below results/bench.

    Args:
        root: the project's folder.

    Raises:
        UserError: they cannot be written.
    """
    out = root / "results" / "bench"
    with one_thread(), all_ways(root) as ways:
        turns, absent = measure(ways)
        memory = roofline.bandwidth(1.0)
        print("measuring cost against size", file=sys.stderr, flush=True)
        series = scaling.measure_series()
    table, powers = summarize(turns), scaling.exponents(series)
    text = describe(table, absent, powers, memory)
    print(text)
    kept = {"bench": table, "turns": ratios(turns), "scaling": series, "exponents": powers}
    for name, frame in kept.items():
        files.write(out / f"{name}.csv", frame.to_csv(index=False).encode())
    files.write(out / "bench.txt", f"{text}\n".encode())
    peak = float(table["sgemm_gflops"].max())
    roofline.draw(table, peak, memory, out / "roofline.png")
    print(f"tables, text and figure: {out}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
