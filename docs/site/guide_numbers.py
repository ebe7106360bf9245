"""The numbers of the guide: what each marker of a page names, and how it is computed.

A number on a page is followed by a comment that names a function of this file:
``41<!--=balance.sliding-->``. The tests hold every page against these functions. Numbers of a run
are read from results/reference. After `throughtime keep` has replaced it, ``python
docs/site/guide_numbers.py`` writes the new numbers into the pages; what the sentences around them
say is then to be read again. ``<!--=given-->`` marks a number that was chosen and not computed.
``<!--?cost.steps_serial undecided-->`` says which verdict of a claim a sentence rests on; without
the verdict, ``undecided<!--?cost.steps_serial-->``, the word before it is the verdict.
"""

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from throughtime.engine.cells import cells
from throughtime.engine.sizes import shapes, size
from throughtime.engine.truncation import strides, windows
from throughtime.tasks.copy import Copy
from throughtime.theory import drives, varying
from throughtime.theory.gradients import slope
from throughtime.theory.influence import Balancing
from throughtime.theory.mean_field import PYTORCH_SIGMA_W, chi_1, critical_sigma_w
from throughtime.theory.reach import copy_coverage, depths

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"
PAGES = ROOT / "docs" / "guide"
GIVEN = "given"
MARKER = re.compile(
    r"(?P<value>[-−]?\d+(?:,\d{3})*(?:\.\d+)?)(?P<between>[^\d\n<]{0,8})"
    r"<!--=\s*(?P<name>[\w.]+)\s*-->"
)
VERDICTS = {"supported": "支持", "not supported": "不支持", "undecided": "未判定"}
VERDICT = re.compile(
    r"(?P<word>not supported|supported|undecided|不支持|支持|未判定)?"
    r"<!--\?(?P<experiment>\w+)\.(?P<claim>\w+)(?: (?P<verdict>[a-z ]+))?-->"
)


# What was run -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reference:
    """The tables of the run that numbers are read from."""

    folder: Path = REFERENCE

    @cached_property
    def claims(self) -> pd.DataFrame:
        """Indexed by experiment and name."""
        return pd.read_parquet(self.folder / "claims.parquet").set_index(["experiment", "name"])

    def summary(self, experiment: str, **values: object) -> pd.DataFrame:
        """The trained networks of an experiment whose summary has these values."""
        table = pd.read_parquet(self.folder / experiment / "summary.parquet")
        table = table[table["status"] != "untrained"]
        for column, value in values.items():
            table = table[table[column] == value]
        return table

    def line(self, experiment: str, name: str) -> float:
        """A reference line over all of the data, such as an n-gram model's bits."""
        table = pd.read_parquet(self.folder / experiment / "references.parquet")
        return float(table[(table["name"] == name) & (table["by"] == "all")]["value"].iloc[0])

    def claim(self, experiment: str, name: str) -> Any:
        """A row of the claims: sentence, verdict, statistic, low, high, detail .."""
        return self.claims.loc[(experiment, name)]

    def said(self, experiment: str, name: str, pattern: str) -> float:
        """A number of a claim's detail: the only group of ``pattern``."""
        found = re.search(pattern, self.claim(experiment, name)["detail"])
        if found is None:
            raise LookupError(f"claim {experiment}.{name}: no {pattern!r} in its detail")
        return float(found[1])


Compute = Callable[[Reference], float]
NUMBERS: dict[str, Compute] = {}


def number(name: str) -> Callable[[Compute], Compute]:
    """Register what a marker names."""

    def register(compute: Compute) -> Compute:
        if name in NUMBERS or name == GIVEN:
            raise ValueError(f"two numbers are called {name}")
        NUMBERS[name] = compute
        return compute

    return register


def constant(name: str, value: Callable[[], float]) -> None:
    """Register a number that no run changes."""
    number(name)(lambda _: value())


# 1 Hidden state -----------------------------------------------------------------------------------


def weights(inputs: int, hidden: int, outputs: int, cell: str = "tanh") -> int:
    """Weights of a network, as the engine lays them out."""
    return size(shapes(cells()[cell](), inputs, hidden, outputs))


constant("state.weights", lambda: weights(10, 32, 10))
constant("state.recurrent", lambda: 32 * 32)
constant("state.lag", lambda: Copy(length=5, payload=2).lags[1])
constant("state.lstm", lambda: weights(10, 32, 10, "lstm"))

# 2 A sum over lags --------------------------------------------------------------------------------


def terms(w: float, x: tuple[float, ...] = (0.5, 1.5, 0.0), h: float = 1.0) -> list[float]:
    """The terms of dL/dw by lag, for h_t = w h_{t-1} + x_t and L = h_T^2 / 2."""
    states = [h]
    for value in x:
        states.append(w * states[-1] + value)
    last = len(x)
    return [states[-1] * w**k * states[last - k - 1] for k in range(last)]


for _k in range(3):
    constant(f"sum.lag{_k}", lambda k=_k: terms(0.5)[k])
    constant(f"sum.two.lag{_k}", lambda k=_k: terms(2.0)[k])
constant("sum.total", lambda: sum(terms(0.5)))
constant("sum.cut", lambda: sum(terms(0.5)[:2]))
constant("sum.two.total", lambda: sum(terms(2.0)))
constant("sum.two.lost", lambda: 100 * sum(terms(2.0)[1:]) / sum(terms(2.0)))

# 3 Vanishing and exploding ------------------------------------------------------------------------

COPY = 6  # inputs of copy in the laptop preset: 4 symbols, a blank and a marker
constant("vanish.power", lambda: PYTORCH_SIGMA_W**-20)
constant("vanish.steps", lambda: math.ceil(math.log(1000) / -math.log(PYTORCH_SIGMA_W)))
constant("explode.power", lambda: 1.5**20)
constant("vanish.slope.pytorch", lambda: slope(PYTORCH_SIGMA_W, 1 / COPY))
constant("vanish.slope.one", lambda: slope(1.0, 1 / COPY))
constant("vanish.slope.two", lambda: slope(2.0, 1 / COPY))
number("vanish.points")(
    lambda r: r.said("gradient_flow", "slope_is_theory", r"of (\d+) grid points")
)
number("vanish.held")(lambda r: r.said("gradient_flow", "slope_is_theory", r"(\d+) supported"))
number("vanish.after.points")(
    lambda r: r.said("gradient_flow", "slope_is_theory_after_training", r"of (\d+) grid points")
)
number("vanish.after.failed")(
    lambda r: r.said("gradient_flow", "slope_is_theory_after_training", r"(\d+) not supported")
)

# 4 The border -------------------------------------------------------------------------------------

constant("border.silent", lambda: critical_sigma_w(0.0))
constant("border.copy", lambda: critical_sigma_w(1 / COPY))
constant("border.adding", lambda: varying.critical_sigma_w(varying.adding(40)))
constant("border.ten", lambda: critical_sigma_w(drives.one_hot(10).s))
constant("border.ten.chi", lambda: chi_1(1.0, 0.1))
constant("border.ten.slope", lambda: slope(1.0, 0.1))
constant("border.ten.left", lambda: 100 * math.exp(20 * slope(1.0, 0.1)))
number("border.held")(lambda r: r.said("gradient_flow", "border_is_critical_gain", r"(\d+) supp"))
number("border.points")(
    lambda r: r.said("gradient_flow", "border_is_critical_gain", r"of (\d+) grid points")
)


def solved(r: Reference, experiment: str, **values: object) -> float:
    """Networks that solve their task."""
    return float((r.summary(experiment, **values)["status"] == "solved").sum())


def count(r: Reference, experiment: str, **values: object) -> float:
    """Networks that were trained."""
    return float(len(r.summary(experiment, **values)))


# 5 Truncation -------------------------------------------------------------------------------------


def within_reach(r: Reference, frozen: bool, reset: bool, *, inside: bool) -> pd.DataFrame:
    """Networks of the experiment truncation, chunked or full, with K at least (below) the lag."""
    table = r.summary("truncation")
    table = table[table["mode"].isin(["chunked", "full"]) & (table["frozen"] == frozen)]
    table = table[(table["border"] == "reset") == reset]
    reach = table["K"].where(table["mode"] == "chunked", table["steps"]) > table["lag_max"]
    return table[reach == inside]


def _share(name: str, frozen: bool, reset: bool, inside: bool) -> None:
    def rows(r: Reference) -> pd.DataFrame:
        return within_reach(r, frozen, reset, inside=inside)

    number(f"cut.{name}.n")(lambda r: float(len(rows(r))))
    number(f"cut.{name}")(lambda r: float((rows(r)["status"] == "solved").sum()))


_share("in", frozen=False, reset=False, inside=True)
_share("in.frozen", frozen=True, reset=False, inside=True)
_share("out", frozen=False, reset=False, inside=False)
_share("out.frozen", frozen=True, reset=False, inside=False)
_share("out.reset", frozen=False, reset=True, inside=False)


def copy_point(r: Reference, lag: int, K: int, *, frozen: bool = False) -> pd.DataFrame:
    """The networks of copy at one lag and K, chunked, state carried."""
    return r.summary(
        "truncation",
        task="copy",
        mode="chunked",
        K=K,
        lag_max=lag,
        frozen=frozen,
        border="carry",
    )


def _solved(table: pd.DataFrame) -> float:
    return float((table["status"] == "solved").sum())


number("cut.k5lag20")(lambda r: _solved(copy_point(r, 20, 5)))
number("cut.k5lag20.n")(lambda r: float(len(copy_point(r, 20, 5))))
number("cut.k5lag20.frozen")(lambda r: _solved(copy_point(r, 20, 5, frozen=True)))
number("cut.clean.points")(lambda r: r.said("truncation", "below_lag_costs", r"at (\d+) grid"))
number("cut.clean")(lambda r: r.said("truncation", "below_lag_costs", r"solves (\d+) of"))
number("cut.clean.n")(lambda r: r.said("truncation", "below_lag_costs", r"solves \d+ of (\d+)"))
number("cut.clean.gained")(lambda r: r.said("truncation", "below_lag_costs", r"(\d+) gained"))
number("cut.clean.lost")(lambda r: r.said("truncation", "below_lag_costs", r"(\d+) lost"))
constant("cut.mean.chunked", lambda: depths("chunked", 5, 5).mean())
constant("cut.mean.sliding", lambda: depths("sliding", 50, 5)[-5:].mean())
constant("cut.mean.buffered", lambda: depths("buffered", 50, 5)[-5:].mean())
constant("cut.least.buffered", lambda: depths("buffered", 50, 5)[-5:].min())
constant("cut.most.buffered", lambda: depths("buffered", 50, 5)[-5:].max())
constant("cut.reach", lambda: depths("sliding", 50, 5)[-1] - 1)

# 6 Bias -------------------------------------------------------------------------------------------

for _mode in ("sliding", "chunked", "buffered"):
    constant(f"balance.{_mode}", lambda m=_mode: Balancing().smallest_K(m))
constant("balance.n", lambda: Balancing().n)
constant("balance.positive", lambda: Balancing().positive)
constant("balance.negative", lambda: Balancing().n - Balancing().positive)
constant("balance.total", lambda: Balancing().total)
SMALL = Balancing(n=5, positive=2)
for _k in range(5):
    constant(f"balance.small.a{_k}", lambda k=_k: SMALL.influence(k).item())
constant("balance.small.total", lambda: SMALL.total)
constant("balance.small.K", lambda: SMALL.smallest_K("sliding"))
constant("balance.small.G4", lambda: SMALL.cumulative(4)[-1])
number("bias.points")(
    lambda r: r.said("truncation_bias", "mean_decays_at_lyapunov_rate", r"of (\d+) grid points")
)
number("bias.held")(
    lambda r: r.said("truncation_bias", "mean_decays_at_lyapunov_rate", r"(\d+) supported")
)

# 7 Clipping ---------------------------------------------------------------------------------------


def threshold(r: Reference, clip: float) -> pd.DataFrame:
    """Networks of the clipping planes at full depth with SGD, text left out, at one threshold."""
    table = r.summary("clipping", mode="full", optimizer="sgd")
    return table[(table["clip"] == clip) & (table["task"] != "text")]


for _name, _clip in (("tenth", 0.1), ("one", 1.0), ("none", math.inf)):
    number(f"clip.{_name}")(lambda r, c=_clip: _solved(threshold(r, c)))
number("clip.one.n")(lambda r: float(len(threshold(r, 1.0))))
number("clip.diverged")(lambda r: float((threshold(r, math.inf)["status"] == "diverged").sum()))
number("clip.gained")(lambda r: r.said("clipping", "widens_upward", r"(\d+) gained"))
number("clip.lost")(lambda r: r.said("clipping", "widens_upward", r"(\d+) lost"))
number("clip.pairs")(lambda r: r.said("clipping", "widens_upward", r"of (\d+) pairs"))
number("clip.below.gained")(lambda r: r.said("clipping", "not_downward", r"(\d+) gained"))
number("clip.below.lost")(lambda r: r.said("clipping", "not_downward", r"(\d+) lost"))
number("clip.below.pairs")(lambda r: r.said("clipping", "not_downward", r"of (\d+) pairs"))
number("clip.starts")(lambda r: r.said("cliff", "wall", r"of (\d+) starts"))
number("clip.starts.gained")(lambda r: r.said("cliff", "wall", r"(\d+) gained"))
number("clip.starts.lost")(lambda r: r.said("cliff", "wall", r"(\d+) lost"))
CLIPPED = np.array([3.0, 4.0])
constant("clip.norm", lambda: np.linalg.norm(CLIPPED))
constant("clip.first", lambda: (CLIPPED / np.linalg.norm(CLIPPED))[0])
constant("clip.second", lambda: (CLIPPED / np.linalg.norm(CLIPPED))[1])
constant(
    "clip.angle",
    lambda: math.degrees(math.acos(CLIPPED.sum() / (np.linalg.norm(CLIPPED) * math.sqrt(2)))),
)

# 8 Language ---------------------------------------------------------------------------------------


def bits(r: Reference, K: int, *, full: bool = False) -> float:
    """Median bits per character of the sweep over K."""
    table = r.summary("language", sweep="K", mode="full" if full else "chunked")
    return float((table if full else table[table["K"] == K])["final"].median())


for _k in (1, 2, 5):
    number(f"text.k{_k}")(lambda r, k=_k: bits(r, k))
number("text.full")(lambda r: bits(r, 0, full=True))
for _k in (2, 3):
    number(f"text.order{_k}")(lambda r, k=_k: r.line("language", f"Kneser-Ney order {k}"))
number("text.context.k1")(lambda r: r.said("context", "context_grows", r"\b1: ([\d.]+)"))
number("text.context.full")(lambda r: r.said("context", "context_grows", r"\b100: ([\d.]+)"))
constant("text.uniform", lambda: math.log2(88))
number("text.perplexity")(lambda r: 2 ** round(bits(r, 0, full=True), 2))
number("text.nats")(lambda r: math.log(2) * round(bits(r, 0, full=True), 2))

# 9 Cost -------------------------------------------------------------------------------------------


def backward_steps(mode: str, T: int, K: int) -> int:
    """Steps that backward runs over, in all windows of a sequence."""
    return sum(w.stop - w.start for w in windows(T, *strides(mode, T, K)))


for _mode in ("sliding", "buffered"):
    constant(f"cost.{_mode}", lambda m=_mode: backward_steps(m, 100, 10))
number("cost.serial")(lambda r: r.said("cost", "steps_serial", r"take ([\d.]+) times"))
number("cost.batch")(lambda r: r.said("cost", "sequences_parallel", r"take ([\d.]+) times"))
constant("cost.state", lambda: 4 * 20 * 32 * 100)
constant("cost.state.chunked", lambda: 4 * 20 * 32 * 10)

# 10 Finite memory ---------------------------------------------------------------------------------


def memory_steps(g: float, units: int, error: float) -> int:
    """Steps after which two states have come within ``error``, by the bound."""
    return math.ceil(math.log(2 * math.sqrt(units) / error) / -math.log(g))


constant("memory.pytorch", lambda: memory_steps(PYTORCH_SIGMA_W, 32, 0.01))
constant("memory.nine", lambda: memory_steps(0.9, 32, 0.01))
constant("memory.start", lambda: 2 * math.sqrt(32))
constant("memory.bits", lambda: 10 * math.log2(8))
number("memory.multiple")(lambda r: r.said("phase", "six_xi", r"m = ([\d.]+)"))
number("memory.exponent")(lambda r: float(r.claim("phase", "copy_follows_xi")["statistic"]))
number("memory.exponent.low")(lambda r: float(r.claim("phase", "copy_follows_xi")["low"]))
number("memory.exponent.high")(lambda r: float(r.claim("phase", "copy_follows_xi")["high"]))

# 11 Gates -----------------------------------------------------------------------------------------


def logistic(x: float) -> float:
    """The gate at a pre-activation."""
    return 1 / (1 + math.exp(-x))


constant("gate.zero", lambda: logistic(0))
constant("gate.one", lambda: logistic(1))
constant("gate.one.percent", lambda: 100 * logistic(1) ** 20)
constant("gate.half", lambda: 0.5 ** (1 / 20))
constant("gate.bias", lambda: math.log(0.5 ** (1 / 20) / (1 - 0.5 ** (1 / 20))))
constant("gate.three", lambda: logistic(3))
constant("gate.three.percent", lambda: 100 * logistic(3) ** 20)

number("gates.pairs")(lambda r: float(r.claim("successors", "lstm_reaches_farther")["n"]))
for _what in ("gained", "lost"):
    number(f"gates.{_what}")(
        lambda r, w=_what: r.said("successors", "lstm_reaches_farther", rf"(\d+) {w}")
    )

# 12 Exercises -------------------------------------------------------------------------------------


def smallest_reach(mode: str, lag: int, T: int = 200) -> int:
    """The smallest K with which the last loss of a sequence reaches a lag, windows aligned to the
    end.
    """
    for K in range(1, T + 1):
        stride, _ = strides(mode, T, K)
        if depths(mode, T, K, offset=T % stride)[-1] > lag:
            return K
    raise LookupError(f"{mode}: no K up to {T} reaches lag {lag}")


for _mode in ("sliding", "chunked", "buffered"):
    constant(f"task.reach.{_mode}", lambda m=_mode: smallest_reach(m, 20))
constant("task.cover.end", lambda: copy_coverage("chunked", 10, 4, 4))
constant("task.cover.random", lambda: copy_coverage("chunked", 10, 4, 4, align="random"))
constant(
    "task.cover.least",
    lambda: next(k for k in range(1, 99) if copy_coverage("chunked", k, 4, 4) == 1),
)
constant("task.chance.copy", lambda: math.log(8))
constant("task.chance.adding", lambda: 1 / 6)
constant("task.lag", lambda: math.ceil(math.log(100) / -slope(1.0, 1 / COPY)))
constant("task.wilson.high", lambda: _wilson(0, 3)[1])
constant("task.wilson.ten", lambda: _wilson(0, 10)[1])


def _wilson(k: int, n: int) -> tuple[float, float]:
    from throughtime.analysis.stats import wilson

    low, high = wilson(k, n)
    return float(low), float(high)


# Pages --------------------------------------------------------------------------------------------


def pages() -> list[Path]:
    """The pages of the guide, English and Japanese."""
    return sorted(PAGES.glob("*.md"))


def marked(text: str) -> Iterator[re.Match[str]]:
    """Every number that a marker follows, with what it names."""
    yield from MARKER.finditer(text)


def wrong_verdicts(text: str, reference: Reference) -> list[str]:
    """The claims whose verdict is another than a page says."""
    return [
        f"{m['experiment']}.{m['claim']}"
        for m in VERDICT.finditer(text)
        if _verdict(m, reference) != (m["verdict"] or m["word"])
    ]


def _verdict(match: re.Match[str], reference: Reference) -> str:
    """The verdict of a marker's claim, in the language of the word before the marker."""
    verdict = str(reference.claim(match["experiment"], match["claim"])["verdict"])
    japanese = not match["verdict"] and match["word"] in VERDICTS.values()
    return VERDICTS[verdict] if japanese else verdict


def printed(value: float, like: str) -> str:
    """A number with as many decimals as ``like`` has, and with its commas and its minus sign."""
    decimals = len(like.partition(".")[2])
    text = f"{round(value, decimals) + 0.0:,.{decimals}f}"
    text = text if "," in like or abs(value) < 10_000 else text.replace(",", "")
    return text.replace("-", "−") if "−" in like else text


def rewritten(text: str, reference: Reference) -> str:
    """A page with its numbers as they are computed now."""

    def new(match: re.Match[str]) -> str:
        if match["name"] == GIVEN:
            return match[0]
        value = printed(float(NUMBERS[match["name"]](reference)), match["value"])
        return f"{value}{match['between']}<!--={match['name']}-->"

    def verdict(match: re.Match[str]) -> str:
        if match["verdict"]:
            return match[0]
        word = _verdict(match, reference)
        return f"{word}<!--?{match['experiment']}.{match['claim']}-->"

    return VERDICT.sub(verdict, MARKER.sub(new, text))


def main() -> None:
    """Write the numbers into the pages."""
    reference = Reference()
    for path in pages():
        before = path.read_text(encoding="utf-8")
        after = rewritten(before, reference)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: numbers changed; read the sentences around them")
        for claim in wrong_verdicts(after, reference):
            print(f"{path.relative_to(ROOT)}: {claim} has another verdict; mend the sentence")


if __name__ == "__main__":
    sys.exit(main())
