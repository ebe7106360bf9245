"""Reproductions of copy, adding, brackets and text: numbers from tables whose truth is known."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.aicher2019 import reproduction as aicher
from experiments.arjovsky2016 import analysis as curves
from experiments.arjovsky2016 import reproduction as arjovsky
from experiments.hewitt2020 import analysis as closing
from experiments.hewitt2020 import reproduction as hewitt
from experiments.khandelwal2018 import analysis as context
from experiments.khandelwal2018 import reproduction as khandelwal
from throughtime.analysis import reproductions
from throughtime.results.load import Results

ROOT = Path(__file__).parents[2] / "experiments"
MEASURES = {"arjovsky2016": arjovsky, "hewitt2020": hewitt, "khandelwal2018": khandelwal}
WHOLE = json.dumps({"length": 20, "score": "whole"})


def of(summary: list[dict], curve: list[tuple] = (), probes: list[tuple] = ()) -> Results:
    """Results with the columns that the measures read."""
    shared = {"experiment": "any", "sweep": "any", "updates": 100, "status": "unsolved"}
    return replace(
        Results.empty(),
        summary=pd.DataFrame([{**shared, **row} for row in summary]),
        curves=pd.DataFrame(curve, columns=["run_key", "step", "metric", "value"]),
        probes=pd.DataFrame(
            probes, columns=["run_key", "step", "probe", "quantity", "index", "value"]
        ),
    )


@pytest.mark.parametrize("name", MEASURES)
def test_published_and_measured_have_the_same_quantities_whatever_there_is(name: str) -> None:
    published = reproductions.read_published(ROOT / name / "published.csv")
    measured = reproductions.read_measured(
        MEASURES[name].measure(Results.empty()), ROOT / name / "reproduction.py"
    )
    assert set(published) == set(measured)
    verdicts = {q: reproductions.judge(published[q], measured[q])[0] for q in published}
    baselines = {q for q in published if q.startswith("baseline")}
    assert {q for q, verdict in verdicts.items() if verdict == "same"} == baselines
    assert "differs" not in verdicts.values()


def network(key: str, cell: str, **more) -> dict:
    args = {"task": "copy", "task_args": WHOLE, "length": 20}
    return {"run_key": key, "cell": cell, **args, **more}


def test_a_network_leaves_the_baseline_at_its_first_loss_below_nine_tenths() -> None:
    line = 10 * math.log(8) / 40
    assert curves.baseline("copy", WHOLE) == pytest.approx(line)
    losses = {"a": [1.2, 0.95, 0.89, 0.91], "b": [1.0, 0.91, 0.91, 0.91], "c": [0.5, 0.1, 0.1, 0]}
    curve = [
        (key, step, "eval_loss", share * line)
        for key, shares in losses.items()
        for step, share in zip((10, 20, 30, 40), shares, strict=True)
    ]
    curve.append(("b", 10, "loss", 0.0))  # of training, and not asked
    results = of([network(k, "lstm") for k in "abc"] + [network("d", "tanh")], curve)
    left = curves.departures(results).set_index("run_key")["left"]
    assert left.to_dict() == {"a": 30, "b": math.inf, "c": 10, "d": math.inf}
    rows = arjovsky.measure(results).set_index("quantity")
    own = rows.loc["left_copy_lstm"]
    assert own[["value", "low", "high", "n"]].tolist() == [30, 10, math.inf, 3]
    assert "T = 20, 100 updates" in own["why"]
    assert rows.loc["left_copy_irnn", "why"] == "no networks"


def test_recall_alone_and_shorter_sequences_are_not_taken_for_the_papers_loss() -> None:
    recall = json.dumps({"length": 20, "score": "recall"})
    short = json.dumps({"length": 5, "score": "whole"})
    results = of(
        [
            network("a", "tanh"),
            network("b", "tanh", task_args=recall),
            network("c", "tanh", task_args=short, length=5),
        ]
    )
    assert arjovsky.measure(results).set_index("quantity").loc["left_copy_tanh", "n"] == 1
    assert curves.baseline("copy", recall) == pytest.approx(math.log(8))


def test_a_score_is_the_mean_over_distances_and_not_over_positions() -> None:
    probes = [
        ("a", 100, "closing", "closing", 0, 1.0),
        ("a", 100, "closing", "closing", 8, 0.5),
        ("a", 100, "closing", "positions", 0, 999.0),
        ("a", 100, "closing", "positions", 8, 1.0),
        ("a", 100, "closing", "strings", 0, 0.25),
        ("a", 100, "closing", "long_closing", 2, 0.1),
        ("a", 100, "closing", "long_strings", 0, 0.0),
    ]
    summary = [
        {"run_key": "a", "cell": "lstm", "sweep": "theirs"},
        {"run_key": "b", "cell": "lstm", "sweep": "theirs", "status": "diverged"},
    ]
    results = of(summary, probes=probes)
    found = closing.scores(results).set_index(["data", "run_key"])
    assert found.loc[("train", "a"), ["score", "strings"]].tolist() == [0.75, 0.25]
    assert found.loc[("long", "a"), ["score", "strings"]].tolist() == [0.1, 0.0]
    assert found.loc[("train", "b"), "score"] == 0
    own = hewitt.measure(results).set_index("quantity").loc["k2_train_score_lstm"]
    assert own[["value", "low", "high", "n", "n_diverged"]].tolist() == [0.375, 0, 0.75, 2, 1]


def test_the_effective_context_is_where_one_per_cent_of_perplexity_is_left() -> None:
    shares = {1: 0.5, 10: 0.0101, 20: 0.0099, 100: 0.0}
    probes = [
        (key, 100, "context", quantity, n, 2 + math.log1p(share * factor))
        for key, factor in (("a", 1.0), ("b", 0.5))
        for quantity in ("loss_reset", "loss_shuffled")
        for n, share in shares.items()
    ]
    summary = [
        {"run_key": "a", "mode": "full", "K": 100, "steps": 100},
        {"run_key": "b", "mode": "chunked", "K": 10, "steps": 100},
    ]
    results = of(summary, probes=probes)
    table = context.excess(results)
    own = table[(table["run_key"] == "a") & (table["kind"] == "reset")].set_index("n")["excess"]
    assert own.to_dict() == pytest.approx(shares)
    rows = khandelwal.measure(results).set_index("quantity")
    assert rows.loc["context_ptb", ["value", "n"]].tolist() == [20, 1]
    assert rows.loc["context_short_k", "value"] == 10
    assert rows.loc["order", "value"] == 20


def test_tables_of_papers_say_where_each_number_was_read() -> None:
    for name in MEASURES:
        for row in reproductions.read_published(ROOT / name / "published.csv").values():
            missing = math.isnan(row["value"])
            assert missing == (
                "not be found" in row["source"] or "not of the paper" in row["source"]
            )


def test_the_papers_two_layers_stand_for_it_where_there_are_any() -> None:
    """At K = 10 both were trained, at K = 5 one layer alone; perplexity is 2 to the bits."""

    def trained(sweep: str, K: int, bits: float) -> dict:
        budget = {"updates": 14_000, "steps": 60, "batch": 64, "status": "solved", "adapt": 0.0}
        cell = "stacked_lstm" if sweep.startswith("two_layers") else "lstm"
        return {"sweep": sweep, "cell": cell, "K": K, "final": bits, "chance": 1.5, **budget}

    rows = [trained("coupled_5", 5, bits) for bits in (0.9, 1.1)]
    rows += [trained("coupled_10", 10, bits) for bits in (0.5, 0.7)]
    rows += [trained("two_layers_10", 10, bits) for bits in (0.0, 1.0)]
    rows += [trained("fixed", 10, bits) for bits in (2.0, 3.0)]
    measured = aicher.measure(of(rows)).set_index("quantity")
    assert measured["value"]["ppl_10"] == pytest.approx(1.5)
    assert measured["why"]["ppl_10"] == ""
    assert measured["value"]["ppl_5"] == pytest.approx((2**0.9 + 2**1.1) / 2)
    assert measured["why"]["ppl_5"] == "one layer of LSTM, the paper two"
    fewer = [{**row, "updates": 1_000, "batch": 16} for row in rows]
    assert aicher.measure(of(fewer)).set_index("quantity")["why"]["ppl_10"] == (
        "a smaller budget: 60,000 steps of each stream, the paper up to 840,000; "
        "fewer streams: 16, the paper 64"
    )
