"""Do the gains of a longer K fall off?"""

import math

import pandas as pd

from throughtime.analysis.claims import Claim, Evidence
from throughtime.analysis.columns import with_depth
from throughtime.analysis.verdicts import below, mean, unknown
from throughtime.results.load import Results

NEAR = 20  # the largest K that was run short of the window


def by_depth(results: Results) -> pd.DataFrame:
    """Final bits per character: a row a seed, a column a K (inf: full). A diverged network has its
    task's chance.
    """
    rows = with_depth(results.summary[results.summary["sweep"] == "K"])
    rows = rows.assign(bits=rows["final"].fillna(rows["chance"]))
    return rows.pivot_table(index="seed", columns="depth", values="bits").sort_index(axis=1)


def saturates(results: Results) -> Evidence:
    """The share of all that K gains which its last stretch gains, beside what the logarithm of K
    would give.
    """
    bits, window = (
        by_depth(results),
        results.summary.loc[results.summary["sweep"] == "K", "steps"].max(),
    )
    depths = [float(d) for d in bits.columns.to_numpy(float) if d <= NEAR]
    if bits.shape[1] < 3 or math.inf not in bits.columns or len(depths) < 2:
        return unknown(f"needs two K of at most {NEAR} beside full depth")
    first, near = depths[0], depths[-1]
    threshold = math.log(window / near) / math.log(window / first)
    whole = bits[first] - bits[math.inf]
    if not (whole > 0).all():
        return unknown(
            f"full depth is no better than K={first:g} in every seed: there is no gain to share "
            "out",
            threshold,
        )
    statistic, low, high, n = mean((bits[near] - bits[math.inf]) / whole)
    means = ", ".join(f"{v:.3f}" for v in bits[[first, near, math.inf]].mean())
    words = f"bits per character {means} at K={first:g}, {near:g} and full ({window})"
    return below(statistic, low, high, threshold, n, words)


CLAIMS = [
    Claim(
        "gains_saturate",
        f"What a longer K gains in text saturates: beyond K={NEAR} it gains less than its "
        "logarithm would say.",
        f"(bits at the largest K up to {NEAR} - bits at full depth) / (bits at the smallest K - "
        "bits at full depth), per seed, "
        "which shares data and first weights; Student's 95 % interval of the mean below ln(T / K "
        "near) / ln(T / K smallest), "
        "the share of a gain that goes on like ln K. Diverged networks count with the entropy of "
        "single characters.",
        saturates,
    ),
]
