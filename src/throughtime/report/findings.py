"""What the page begins with: the claims that tell the story, in its order, each with a picture and
a number.

Here stands only which claims these are, what their numbers are of, and which panel shows them.
Sentences, numbers, intervals and verdicts are the claims table's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime.report import pictures
from throughtime.report.pictures import Picture


@dataclass(frozen=True)
class Finding:
    """A claim of the story.

    Attributes:
        experiment, claim: its name.
        number: what the claim's statistic is of, with its unit.
        panel: of the experiment's figure; where it is not drawn, the whole figure is shown.
    """

    experiment: str
    claim: str
    number: str
    panel: str = ""


STORY: dict[str, tuple[Finding, ...]] = {
    "What fails": (
        Finding(
            "truncation",
            "below_lag_costs",
            "share of pairs of networks that full depth alone solves, less the share that K below "
            "the lag alone solves",
            "copy-chunked",
        ),
        Finding(
            "initialization",
            "default_vanishes",
            "share of pairs of networks that σ_w = 1 alone solves, less the share that 0.577 alone "
            "solves",
            "copy-gaussian",
        ),
        Finding(
            "gradient_flow",
            "diverged_share_grows",
            "share of networks that diverge beyond the critical gain, less the share below gain 1",
            "diverged",
        ),
    ),
    "Why": (
        Finding(
            "gradient_flow",
            "below_one_vanishes",
            "slope of the gradient's log norm over the lag, nats per step, where it is nearest to "
            "the threshold",
            "copy-gaussian",
        ),
        Finding(
            "gradient_flow",
            "border_is_critical_gain",
            "ln(measured border / theory's critical gain), where it is farthest from 0",
            "copy-slope",
        ),
        Finding(
            "truncation_bias",
            "sequence_decays_at_lyapunov_rate",
            "rate of decay of the bias over K less the Lyapunov exponent, nats per step, where it "
            "is farthest from 0",
            "rates",
        ),
        Finding(
            "phase",
            "copy_follows_xi",
            "exponent b of frontier ~ ξ^b: theory says 1, no influence would be 0",
            "copy-frontier",
        ),
        Finding(
            "truncation",
            "random_state_rescues",
            "share of seeds solved at the best grid point without any gradient across the lag",
            "copy-frozen",
        ),
    ),
    "What helps": (
        Finding(
            "initialization",
            "gain_1_beats_both_ends",
            "share of pairs of networks that gain 1 alone solves, less the share that the end of "
            "the sweep alone solves; the smaller one of both ends",
            "copy-frontier",
        ),
        Finding(
            "cliff",
            "wall",
            "share of starts that clipping alone brings to the minimum, less the share that no "
            "clipping alone does",
            "starts",
        ),
        Finding(
            "clipping",
            "widens_upward",
            "share of pairs of networks that clipping at 1 alone solves, less the share that no "
            "clipping alone solves",
            "copy-full",
        ),
        Finding(
            "language",
            "nothing_beyond_20",
            "bits per character at K = 20 less bits at full depth",
            "depth",
        ),
        Finding(
            "context",
            "context_beyond_K",
            "ln(effective context / K) at the smallest K, characters",
            "effective",
        ),
    ),
}


def panels() -> list[tuple[str, str]]:
    """(experiment, panel) of the story, for whoever draws them."""
    named = [(f.experiment, f.panel) for findings in STORY.values() for f in findings if f.panel]
    return list(dict.fromkeys(named))


# Before a sentence that the tables do not support.
OPENINGS = {"supported": "", "not supported": "Not so: ", "undecided": "Not decided: "}


@dataclass(frozen=True)
class ShownFinding:
    """A finding as the page shows it.

    Attributes:
        claim: its row, numbers as words.
        number: what its statistic is of.
        opening: before the sentence.
        picture: None where there is none, or where it stands earlier on the page.
        above: the identifier of the finding that has shown the same picture; empty: none has.
    """

    claim: dict[str, Any]
    number: str
    opening: str
    picture: Picture | None
    above: str

    @property
    def identifier(self) -> str:
        """Of its place on the page."""
        return f"finding-{self.claim['experiment']}-{self.claim['name']}"


def shown_findings(
    results: Path, claims: list[dict[str, Any]], drawn: Mapping[tuple[str, str], bytes]
) -> dict[str, list[ShownFinding]]:
    """Heading -> its findings; claims that the run did not decide upon are left out, and headings
    without any.

    Args:
        results: where figures lie.
        claims: rows of the claims table.
        drawn: (experiment, panel) -> PNG.
    """
    rows = {(row["experiment"], row["name"]): row for row in claims}
    shown: dict[tuple[str, str], str] = {}
    story: dict[str, list[ShownFinding]] = {}
    for heading, findings in STORY.items():
        for finding in findings:
            if (row := rows.get((finding.experiment, finding.claim))) is None:
                continue
            key = finding.experiment, finding.panel
            if key not in drawn:
                key = finding.experiment, ""
            png = drawn.get(key) or pictures.read(pictures.figure_file(results, key[0]))
            above = shown.get(key, "")
            picture = None if above or not png else pictures.embed(png, pictures.NARROWER)
            shown_finding = ShownFinding(
                row, finding.number, OPENINGS[row["verdict"]], picture, above
            )
            if picture:
                shown[key] = shown_finding.identifier
            story.setdefault(heading, []).append(shown_finding)
    return story
