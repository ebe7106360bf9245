"""What Snakemake says, as a person reads it."""

import logging
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.logging import DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness

from tests.support import synthetic
from throughtime.pipeline import failures
from throughtime.pipeline.messages import LAST, Messages, count_trainings, job_lines, list_jobs
from throughtime.planning.packs import Pack

FAILED = """RuleException:
CalledProcessError in file "Snakefile", line 160:
Command 'set -euo pipefail
throughtime() {{ attempt "$@" 3>&1 | shown; }}
 throughtime results/logs/tiny/figure.log figure tiny' {}"""
ENDED = "returned non-zero exit status {}."
KILLED = "died with <Signals.{}: 2>."


class Event(Enum):
    """As Snakemake's."""

    JOB_ERROR = "job_error"


def record(text: str, **extra: object) -> logging.LogRecord:
    """A message of Snakemake's."""
    made = logging.LogRecord("snakemake", logging.ERROR, "", 0, text, None, None)
    vars(made).update(extra)
    return made


@pytest.fixture
def messages() -> Messages:
    return Messages(["cliff", "clipping", "figures"], {})


def last_words(messages: Messages) -> str:
    """What the last message becomes."""
    last = record(f"WorkflowError:\n{LAST}")
    assert messages.filter(last)
    return str(last.msg)


def test_a_failed_command_is_its_reason_and_no_shell_function(
    messages: Messages, tmp_path: Path
) -> None:
    log = tmp_path / "figure.log"
    log.write_text("throughtime: experiments/tiny/figure.py:12: KeyError: 'gain'; mend it\n")
    assert not messages.filter(record(FAILED.format(ENDED.format(1))))
    assert messages.filter(record("Error in rule", event=Event.JOB_ERROR, log=[str(log)]))
    assert last_words(messages).splitlines() == [
        "1 failed",
        f"{log}: experiments/tiny/figure.py:12: KeyError: 'gain'; mend it",
    ]


def test_of_many_failures_ten_are_listed(messages: Messages, tmp_path: Path) -> None:
    for i in range(12):
        messages.filter(record("Error", event=Event.JOB_ERROR, log=[str(tmp_path / f"{i}.log")]))
    lines = last_words(messages).splitlines()
    assert lines[0] == "12 failed, 2 of them not shown"
    assert len(lines) == 11


@pytest.mark.parametrize("end", [ENDED.format(130), KILLED.format("SIGINT")])
def test_what_an_interrupt_stops_is_no_failure(messages: Messages, end: str) -> None:
    assert not messages.filter(record(FAILED.format(end)))
    assert messages.interrupted
    assert not messages.filter(record("Error in rule", event=Event.JOB_ERROR, log=["a.log"]))
    assert not messages.filter(record("Exiting because a job execution failed. Look above"))
    assert messages.failed == []
    assert last_words(messages) == "Interrupted; the same command goes on from here."


@pytest.mark.parametrize("end", [ENDED.format(1), ENDED.format(13), KILLED.format("SIGKILL")])
def test_other_ends_are_no_interrupt(messages: Messages, end: str) -> None:
    messages.filter(record(FAILED.format(end)))
    assert not messages.interrupted
    assert messages.filter(record("Exiting because a job execution failed. Look above"))


def test_a_signal_is_noticed_before_the_jobs_have_ended(messages: Messages) -> None:
    with pytest.raises(KeyboardInterrupt):
        messages._on_interrupt(2, None)
    assert messages.interrupted


def test_a_mistyped_target_names_the_nearest(messages: Messages) -> None:
    missing = record(
        "MissingRuleException:\nNo rule to produce clif (if you use input functions make sure .."
    )
    assert messages.filter(missing)
    assert missing.msg == (
        "throughtime: clif: no such experiment, rule or file; did you mean 'cliff'?"
    )


def test_chatter_is_dropped_and_the_rest_stays(messages: Messages) -> None:
    assert not messages.filter(record("Select jobs to execute..."))
    kept = record("Building DAG of jobs...")
    assert messages.filter(kept)
    assert kept.msg == "Building DAG of jobs..."


def dry_run(*arguments: str) -> DefaultFilter:
    """The filter of a dry run under the profile's `quiet`."""
    quiet = {Quietness.RULES, Quietness.REASON, Quietness.PROGRESS, Quietness.HOST}
    handler = logging.StreamHandler()
    handler.addFilter(DefaultFilter(quiet, False, False, True, False))
    handler.setFormatter(DefaultFormatter(quiet))
    logger = logging.Logger("snakemake")
    logger.addHandler(handler)
    list_jobs(logger, arguments, {}, Path())
    assert isinstance(handler.filters[0], DefaultFilter)
    return handler.filters[0]


def test_a_dry_run_lists_its_jobs_unless_it_is_told_how_quiet_to_be() -> None:
    assert set(dry_run("-n").quiet) == {Quietness.HOST}
    for arguments in (("-n", "--quiet", "rules"), ("-n", "--quiet=all"), ("-n", "-q")):
        assert Quietness.RULES in dry_run(*arguments).quiet


def test_an_unknown_event_is_shown(messages: Messages) -> None:
    assert messages.filter(record("x", event=SimpleNamespace(name="JOB_INFO")))


@pytest.fixture
def pack() -> Pack:
    """Four jobs that one process trains."""
    return Pack("clipping", 1, synthetic.toy_plan().jobs)


def test_of_a_pack_the_jobs_that_failed_are_named_each_with_its_reason(
    pack: Pack, tmp_path: Path
) -> None:
    messages = Messages([], {pack.name: pack}, tmp_path)
    own = [failures.job_log(tmp_path, planned) for planned in pack.jobs]
    failures.record_failure(own[1], "out of memory")
    failures.record_failure(own[3], "no such symbol")
    log = failures.pack_log(tmp_path, pack)
    messages.filter(record("Error in rule", event=Event.JOB_ERROR, log=[str(log)]))
    assert last_words(messages).splitlines() == [
        "2 failed",
        f"{own[1]}: out of memory",
        f"{own[3]}: no such symbol",
    ]


def test_a_dry_run_lists_and_counts_the_jobs_of_a_pack_and_no_packs(
    pack: Pack, tmp_path: Path
) -> None:
    packs = {pack.name: pack, "train_brackets_1": Pack("brackets", 1, pack.jobs[:1])}
    lines = job_lines(packs, tmp_path, {"rule_name": pack.name}).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"train clipping {key}" for key in pack.keys]
    assert all(": Missing output files: " in line for line in lines)
    table = """Job stats:
job                  count
-----------------  -------
compute                  2
train_clipping_1         1
train_brackets_1         1
total                    4
"""
    assert [line.split() for line in count_trainings(table, packs).splitlines()[3:]] == [
        ["compute", "2"],
        ["train", "5"],
        ["total", "7"],
    ]
    assert count_trainings(table, {}) == table
