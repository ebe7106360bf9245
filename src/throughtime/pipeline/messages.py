"""What Snakemake's messages become before a person reads them.

A failed command is named by its log and its reason, not by the text of a shell function. What an
interrupt stops is no failure. A mistyped target names the nearest one. A dry run lists its jobs.
"""

import logging
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from throughtime.core.errors import nearest
from throughtime.pipeline.failures import has_failed, job_log, pack_log, why
from throughtime.pipeline.progress import why_left
from throughtime.planning.packs import Pack

CHATTER = ("Select jobs", "Execute ")  # two lines per job that say nothing
# How Snakemake reports that a rule's shell command failed, and how it ended.
SHELL_FAILED = re.compile(
    r"^\s*throughtime \S+ .*' (?:returned non-zero exit status (\d+)|died with <Signals\.(\w+))",
    re.MULTILINE,
)
BY_INTERRUPT = ("130", "SIGINT")  # ends of a command that Ctrl-C stopped
NO_RULE = re.compile(r"No rule to produce ([\w.-]+) ")
LAST = "At least one job did not complete successfully."
MOST = 10  # failures that are listed at the end; `throughtime status` has all
QUIET_OPTIONS = ("-q", "--quiet")


class Messages:
    """A filter of Snakemake's logger, which changes some messages and drops others.

    Args:
        names: what may be asked for by name: rules and experiments.
        packs: what trains, by the name of its rule.
        results: the folder of results.

    Attributes:
        interrupted: whether the run was stopped by Ctrl-C.
        failed: logs of the commands that failed.
    """

    def __init__(
        self, names: Iterable[str], packs: Mapping[str, Pack], results: Path = Path()
    ) -> None:
        self.names = sorted(names)
        self.jobs = {
            pack_log(results, pack): [job_log(results, planned) for planned in pack.jobs]
            for pack in packs.values()
        }
        self.interrupted = False
        self.failed: list[Path] = []

    def watch_interrupts(self) -> None:
        """Notice Ctrl-C at once: before the jobs that it stops have ended."""
        signal.signal(signal.SIGINT, self._on_interrupt)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        signal.default_int_handler(number, frame)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is shown; its text may be changed."""
        text = str(record.msg)
        if text.startswith(CHATTER):
            return False
        if failed := SHELL_FAILED.search(text):
            self.interrupted |= failed[1] in BY_INTERRUPT or failed[2] in BY_INTERRUPT
            return False  # the command has said why, and the last line says it again
        if getattr(getattr(record, "event", None), "name", "") == "JOB_ERROR":
            if self.interrupted:
                return False
            self.failed += [Path(log) for log in getattr(record, "log", [])[:1]]
        elif LAST in text:
            record.msg = self._last_words(text)
        elif unknown := NO_RULE.search(text):
            record.msg = (
                f"throughtime: {unknown[1]}: no such experiment, rule or file; "
                f"{nearest(unknown[1], self.names)}"
            )
        return not (self.interrupted and text.startswith("Exiting because a job execution failed"))

    def _last_words(self, text: str) -> str:
        if self.interrupted:
            return "Interrupted; the same command goes on from here."
        if not self.failed:
            return text
        failed = [log for command in self.failed for log in self._failed_jobs(command)]
        shown = [f"{log}: {why(log)}" for log in failed[:MOST]]
        more = len(failed) - len(shown)
        heading = f"{len(failed):,} failed" + (f", {more:,} of them not shown" * (more > 0))
        return "\n".join([heading, *shown])

    def _failed_jobs(self, log: Path) -> list[Path]:
        """The logs of the jobs that failed with a command: of a pack, those of its jobs."""
        return [own for own in self.jobs.get(log, []) if has_failed(own)] or [log]


def list_jobs(
    logger: logging.Logger, arguments: Sequence[str], packs: Mapping[str, Pack], results: Path
) -> None:
    """Let a dry run list its jobs, one line each, with the reason and a table of counts, although
    the profile says to be quiet about them. Of a pack it lists what is trained.

    Args:
        logger: Snakemake's.
        arguments: of the command line; where they say how quiet to be, nothing is changed.
        packs: what trains, by the name of its rule.
        results: the folder of results.
    """
    if any(argument.split("=")[0] in QUIET_OPTIONS for argument in arguments):
        return
    from snakemake.settings.enums import Quietness

    shown = {Quietness.RULES, Quietness.REASON, Quietness.PROGRESS}
    for handler in logger.handlers:
        formatter: Any = handler.formatter
        for part in (formatter, *handler.filters):
            if hasattr(part, "quiet"):
                part.quiet = set(part.quiet or ()) - shown
        if hasattr(formatter, "format_job_info"):
            formatter.format_job_info = partial(job_lines, packs, results)
            formatter.format_run_info = lambda info: count_trainings(info["msg"], packs)


def job_lines(packs: Mapping[str, Pack], results: Path, job: Mapping[str, Any]) -> str:
    """A job of Snakemake's in a dry run: a line; of a pack, one per job that it trains."""
    if pack := packs.get(job["rule_name"]):
        return "\n".join(
            job_line(
                {
                    "rule_name": "train",
                    "wildcards": {"experiment": planned.experiment, "job": planned.key},
                    "reason": why_left(results, planned),
                }
            )
            for planned in pack.jobs
        )
    return job_line(job)


def count_trainings(table: str, packs: Mapping[str, Pack]) -> str:
    """Snakemake's table of rules and counts, with one row for all that is trained: jobs, and not
    the processes that train them.
    """
    lines = table.splitlines()
    mine = [i for i, line in enumerate(lines) if line.split()[:1] and line.split()[0] in packs]
    if not mine:
        return table
    jobs = sum(len(packs[lines[i].split()[0]].jobs) for i in mine)
    width = max(len(line) for line in lines)
    row = "train" + f"{jobs}".rjust(width - len("train"))
    kept = [row if i == mine[0] else line for i, line in enumerate(lines) if i not in mine[1:]]
    total = "total" + f"{sum(map(_count, kept))}".rjust(width - len("total"))
    return "\n".join(total if line.startswith("total ") else line for line in kept) + "\n"


def _count(line: str) -> int:
    """What a row of that table counts; 0 for what is no row of a rule."""
    name, _, number = line.partition(" ")
    return int(number) if name != "total" and number.strip().isdigit() else 0


def job_line(job: Mapping[str, Any]) -> str:
    """One job of a dry run: its rule, what it is for, and why it would run.

    >>> job_line(
    ...     {
    ...         "rule_name": "figure",
    ...         "wildcards": {"experiment": "cliff"},
    ...         "reason": "Missing output files: a.png, a.pdf; Code has changed",
    ...     }
    ... )
    'figure cliff: Missing output files: a.png and 1 more; Code has changed'
    """
    name = " ".join([job["rule_name"], *map(str, dict(job["wildcards"] or {}).values())])
    return f"{name}: {'; '.join(_shorten(part) for part in str(job['reason']).split('; '))}"


def _shorten(part: str) -> str:
    """A reason with the first of the files that it names; digests of code are left out."""
    heading, colon, rest = " ".join(part.split()).partition(": ")
    if not colon or heading.startswith(("Params", "Code")):
        return heading
    first, *others = rest.split(", ")
    return f"{heading}: {first}" + f" and {len(others)} more" * bool(others)
