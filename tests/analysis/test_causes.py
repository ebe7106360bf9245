"""What a label of failure is worth, worked by hand."""

from typing import Any

import pandas as pd
import pytest

from throughtime.analysis import causes
from throughtime.analysis.stats import wilson
from throughtime.results import tables
from throughtime.results.causes import CAUSES, LABELS, failure, label


def network(status: str = "unsolved", task: str = "copy", **holds: Any) -> dict[str, Any]:
    """A row of the summary: which causes hold, plateau being the rest."""
    known = {name: holds.get(name, False) for name in CAUSES}
    known["plateau"] = not any(known.values())
    if status not in ("solved", "unsolved"):
        known = dict.fromkeys(CAUSES, pd.NA)
    elif task == "text":
        known = dict.fromkeys(CAUSES, pd.NA) | {"still_learning": known["still_learning"]}
    return {"task": task, "status": status, **known}


def summary(*rows: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame(rows).astype(dict.fromkeys(CAUSES, "boolean"))
    return made.assign(failure=failure(made))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (network("diverged"), "diverged"),
        (network(truncated=True, vanishing=True, clipped=True, still_learning=True), "truncated"),
        (network(vanishing=True, clipped=True, still_learning=True), "vanishing"),
        (network(clipped=True, still_learning=True), "clipped"),
        (network(still_learning=True), "still learning"),
        (network(), "plateau"),
        (network(task="text"), "not applicable"),
        (network(task="text", still_learning=True), "still learning"),
        (network("diverged", "text"), "diverged"),
    ],
)
def test_the_first_cause_that_holds_is_the_label(row: dict[str, Any], expected: str) -> None:
    assert summary(row)["failure"].tolist() == [expected]
    assert expected in LABELS


def test_solved_and_untrained_networks_have_no_failure_but_solved_ones_a_label_to_try() -> None:
    rows = summary(network("solved", truncated=True), network("untrained"))
    assert rows["failure"].tolist() == ["none", "none"]
    assert label(rows).tolist() == ["truncated", "not applicable"]


WORLD = summary(
    *[network("solved")] * 17,
    network("solved", truncated=True, clipped=True),  # counts as truncated alone
    *[network("solved", still_learning=True)] * 2,
    *[network(truncated=True)] * 5,
    *[network(clipped=True)] * 3,
    network(),
    network("diverged"),
    *[network("untrained")] * 4,
    *[network("solved", "text", still_learning=True)] * 2,
    network("solved", "text"),
    network(task="text"),
    network(task="text", still_learning=True),
    network(task="adding", vanishing=True),
)


def test_the_specificity_of_a_world_worked_by_hand() -> None:
    table = causes.specificity(WORLD)
    rows = [
        ("copy", "truncated", 10, 5, 20, 1, True),
        ("copy", "vanishing", 10, 0, 20, 0, True),
        ("copy", "clipped", 10, 3, 20, 0, True),
        ("copy", "still learning", 10, 0, 20, 2, True),  # 10 % does not exceed 10 %
        ("copy", "plateau", 10, 1, 20, 17, False),
        ("adding", "truncated", 1, 0, 0, 0, True),
        ("adding", "vanishing", 1, 1, 0, 0, True),
        ("adding", "clipped", 1, 0, 0, 0, True),
        ("adding", "still learning", 1, 0, 0, 0, True),
        ("adding", "plateau", 1, 0, 0, 0, True),
        ("text", "still learning", 2, 1, 3, 2, False),
    ]
    names = ["task", "label", "n_failed", "failed", "n_solved", "false_alarms", "shown"]
    assert list(table[names].itertuples(index=False, name=None)) == rows
    assert table["rate"][:5].tolist() == [0.05, 0, 0, 0.1, 0.85]
    assert table["rate"][5:10].isna().all()
    low, high = wilson([1, 0, 0, 2, 17], 20)
    assert table["low"][:5].tolist() == pytest.approx(low)
    assert table["high"][:5].tolist() == pytest.approx(high)
    # Wilson's interval of 1 in 20, by its formula: (p + z^2/2n -+ z sqrt(..)) / (1 + z^2/n)
    assert (table["low"][0], table["high"][0]) == pytest.approx((0.00888, 0.23613), abs=1e-5)


def test_a_label_is_hidden_in_the_tasks_where_solved_networks_get_it_and_nowhere_else() -> None:
    kinds = causes.with_kind(WORLD)
    copy, text = (kinds[kinds["task"] == task] for task in ("copy", "text"))
    assert copy["kind"].value_counts().to_dict() == {
        "solved": 20,
        "truncated": 5,
        "clipped": 3,
        "untrained": 4,
        "diverged": 1,
        "cause not shown": 1,
    }
    assert text["kind"].tolist() == ["solved"] * 3 + ["not applicable", "cause not shown"]
    assert set(kinds["kind"]) - {"untrained"} <= set(causes.KINDS)


def test_a_caption_has_every_rate_and_what_is_hidden() -> None:
    words = causes.describe(causes.specificity(WORLD))
    assert "copy (n = 20): truncated 5 % (1 to 24), vanishing 0 % (0 to 16)" in words
    assert "adding: none is solved" in words
    assert "text (n = 3): still learning 67 %" in words
    assert words.endswith(
        "Labels that more than 10 % of a task's solved networks would have got are not shown: "
        "copy: plateau; text: still learning."
    )


def test_no_networks_give_an_empty_table() -> None:
    table = causes.specificity(tables.empty("summary"))
    assert table.empty
    assert causes.describe(table) == ""
    assert causes.with_kind(tables.empty("summary"))["kind"].empty
