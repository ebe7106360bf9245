"""What figures are drawn from and claims are decided on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from throughtime.core.errors import UserError
from throughtime.results import tables
from throughtime.results.parameters import with_parameters

READ = ("summary", "curves", "breakdown", "references", "probes", "computed")  # of an experiment


def has_tables(results_dir: Path, experiments: Iterable[str]) -> bool:
    """Whether one of these experiments has networks, or something computed."""
    return any(
        (results_dir / name / f"{table}.parquet").exists()
        for name in experiments
        for table in ("summary", "computed")
    )


@dataclass(frozen=True, eq=False)
class Results:
    """What a figure is drawn from and claims are decided on: the tables of an experiment and of
    those it reads, one below the other.

    Attributes:
        summary: as tables.py says, and one column per parameter of a component that varies, e.g.
            ``forget_bias``.
        curves, breakdown, references: as tables.py says.
        title, question: from the experiment's YAML.
        probes: what was measured on the networks; ``probe`` gives it beside the summary's columns.
        computed: what the experiments' compute.py computed.
    """

    summary: pd.DataFrame
    curves: pd.DataFrame
    breakdown: pd.DataFrame
    references: pd.DataFrame
    title: str = ""
    question: str = ""
    probes: pd.DataFrame = field(default_factory=lambda: tables.empty("probes"))
    computed: pd.DataFrame = field(default_factory=lambda: tables.empty("computed"))

    @classmethod
    def load(
        cls,
        results_dir: Path,
        experiment: str,
        reads: Sequence[str] = (),
        title: str = "",
        question: str = "",
    ) -> "Results":
        """Read results_dir/EXPERIMENT/*.parquet; a table that is not there yet is empty, so that a
        partly failed sweep can be looked at.

        Raises:
            UserError: there is no summary and nothing computed of any of the experiments, or a
                table is damaged.
        """
        names = [experiment, *reads]
        if not has_tables(results_dir, names):
            raise UserError(
                f"{results_dir}: no summary.parquet of {' or '.join(names)}; run `snakemake "
                f"{experiment}` first"
            )
        read = {
            table: _read_all(table, [results_dir / name / f"{table}.parquet" for name in names])
            for table in READ
        }
        read["summary"] = with_parameters(read["summary"])
        return cls(**read, title=title, question=question)

    def select(self, **values: object) -> "Results":
        """The networks whose summary has these values (a list: any of them), with their curves,
        breakdown, probes and references.

        What was computed outside of training stays whole.

        >>> Results.empty().select(task="copy", mode=["full", "chunked"]).summary.shape[0]
        0
        """
        keep = pd.Series(data=True, index=self.summary.index)
        for column, value in values.items():
            keep &= self.summary[column].isin(value if isinstance(value, list) else [value])
        summary = self.summary[keep]
        keys = ["experiment", "task", "task_args"]
        references = self.references.merge(summary[keys].drop_duplicates(), on=keys)
        own = {
            t: getattr(self, t)[getattr(self, t)["run_key"].isin(summary["run_key"])]
            for t in ("curves", "breakdown", "probes")
        }
        return replace(self, summary=summary, references=references, **own)

    @property
    def bins(self) -> pd.DataFrame:
        """The breakdown beside the summary's columns: one row per network,
        data set and bin.
        """
        return self.breakdown.drop(columns="measure").merge(self.summary, on="run_key")

    def probe(
        self, name: str, quantity: str, step: Literal["first", "last"] | None = None
    ) -> pd.DataFrame:
        """One quantity that a probe measured, beside the summary's columns: one row per network,
        step and index.

        Args:
            name: of the probe.
            quantity: see the probe's module.
            step: keep the first or the last moment at which the sweep was probed (with ``moments``
                0 and 1: before and after training). A network that diverged has no last; None: all
                moments.

        >>> Results.empty().probe("spectrum", "spectral_radius", "last").shape[0]
        0
        """
        chosen = self.probes[(self.probes["probe"] == name) & (self.probes["quantity"] == quantity)]
        if step:
            sweep = ["experiment", "sweep", "updates"]
            steps = (
                self.probes[["run_key", "step"]]
                .drop_duplicates()
                .merge(self.summary[["run_key", *sweep]], on="run_key")
            )
            # Of the sweep, not of the network, whose own last step may be its divergence.
            moment = steps.groupby(sweep)["step"].transform("min" if step == "first" else "max")
            at = steps.loc[steps["step"] == moment, ["run_key", "step"]]
            chosen = chosen.merge(at, on=["run_key", "step"])
        return chosen.merge(self.summary, on="run_key")

    @classmethod
    def empty(cls) -> "Results":
        """Without any network."""
        summary, curves, breakdown, references = (tables.empty(table) for table in READ[:4])
        return cls(summary, curves, breakdown, references)


def _read_all(table: str, paths: list[Path]) -> pd.DataFrame:
    frames = [tables.read(table, path) for path in paths if path.exists()]
    return pd.concat(frames, ignore_index=True) if frames else tables.empty(table)
