"""The schema of every table: column, dtype, unit and meaning; and the only code that reads and
writes them.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from throughtime.core import files
from throughtime.core.errors import UserError


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    dtype: str  # pandas dtype; a capital or "boolean" means that values may be missing
    meaning: str

    @property
    def unit(self) -> str:
        """Of its values; empty for names and flags."""
        return UNITS.get(self.name, "")


# The unit of a column, in every table that has it; 1: a number without a unit.
UNITS = {
    **dict.fromkeys(
        ("length", "steps", "lag_min", "lag_max", "lag_mean", "K", "k1", "reach"), "steps"
    ),
    **dict.fromkeys(
        ("updates", "diverged_at", "first_solved_at", "step", "adapt_every"), "updates"
    ),
    **dict.fromkeys(("gain", "input_gain", "output_gain", "lr", "omega", "tail", "adapt"), "1"),
    "clipped_share": "1",
    **dict.fromkeys(("radius_start", "radius_end", "missed_beyond"), "1"),
    **dict.fromkeys(("signal_start", "signal_end", "signal_max"), "1"),
    **dict.fromkeys(("final", "chance"), "as column measure says"),
    **dict.fromkeys(("final_loss", "train_loss"), "nats, or squared units where measure is mse"),
    **dict.fromkeys(("clip", "grad_norm", "grad_norm_max"), "unit of the mean loss's gradient"),
    "improvement": "standard errors",
    "hidden": "units",
    "batch": "sequences",
    "tokens": "steps of sequences",
    "parameters": "numbers",
    **dict.fromkeys(("n_failed", "failed", "n_solved", "false_alarms"), "networks"),
    "rate": "1",
    "n_diverged": "networks",
    **dict.fromkeys(
        ("published", "published_low", "published_high", "ours"), "as column unit says"
    ),
    "n": "cases",
    "bin": "as column by says",
    "index": "as column quantity says",
    "value": "as the columns beside it say",
}


def _columns(text: str) -> tuple[Column, ...]:
    lines = [line.split("|") for line in text.strip().splitlines()]
    return tuple(
        Column(name.strip(), dtype.strip(), meaning.strip()) for name, dtype, meaning in lines
    )


IDENTITY = _columns("""
run_key        | str     | names the trained network; a digest of the experiment, the sweep, the job and the row
job_key        | str     | names the job that trained it
experiment     | str     | suite experiment
sweep          | str     | sweep of the experiment
task           | str     | task
task_args      | str     | the task's parameters, canonical JSON
length         | Int64   | the task's length parameter; missing where it has none
steps          | int64   | T, steps of a training sequence
lag_min        | Int64   | smallest lag between a scored step and the earliest input it depends on, steps; missing: no fixed lag
lag_max        | Int64   | largest such lag, steps
lag_mean       | float64 | mean such lag over sequences, steps; NaN where the task does not tell it
cell           | str     | recurrent cell
cell_args      | str     | the cell's parameters, canonical JSON
hidden         | int64   | N, hidden units
batch          | int64   | B, sequences per batch
updates        | int64   | optimizer steps budgeted
mode           | str     | truncation mode, what K means
K              | int64   | truncation length, steps; where it adapts, the first
k1             | int64   | stride of sliding windows, steps
tail           | float64 | exponent of the tail of random lengths; inf: a constant chance of a cut
border         | str     | state at a chunk border
align          | str     | where windows are anchored
adapt          | float64 | largest relative bias of the gradient, by which K adapts; 0: K stays
adapt_every    | int64   | updates between two estimates of K, where it adapts
adapt_rates    | bool    | learning rate and clip threshold go with K, where it adapts
h0             | str     | initial state
optimizer      | str     | update rule
optimizer_args | str     | the optimizer's parameters, canonical JSON
schedule       | str     | course of the learning rate
schedule_args  | str     | the schedule's parameters, canonical JSON
dtype          | str     | arithmetic of the engine
engine         | str     | what computed: numba or torch
device         | str     | where it was trained
seed           | int64   | names the streams of data, initial weights and phase
init           | str     | distribution of W_hh
gain           | float64 | factor on W_hh's initial matrix
input_gain     | float64 | W_xh ~ N(0, input_gain^2 / I)
output_gain    | float64 | W_hy ~ N(0, output_gain^2 / N)
clip_kind      | str     | norm, value or none
clip           | float64 | clipping threshold; inf: none
lr             | float64 | learning rate
frozen         | bool    | W_hh kept at its initial value
omega          | float64 | weight of the penalty on gradients that change size on the way back
""")

SUMMARY = IDENTITY + _columns("""
status         | str     | solved, unsolved or diverged, at the end of the budget; untrained: the budget was 0
diverged_at    | Int64   | first update (from 1) with a non-finite loss, gradient or parameter, or a loss beyond the task's bound
first_solved_at| Int64   | first update at which a check met the criterion; runs may lose it again
measure        | str     | in what success is judged: accuracy, mse or bpc
final          | float64 | measure on fresh data at the end; NaN where diverged
chance         | float64 | measure of the best prediction that ignores the inputs
final_loss     | float64 | evaluation loss at the end, nats or squared units; NaN where diverged
train_loss     | float64 | mean training loss since the last point of the curve; last finite value where diverged
grad_norm      | float64 | median over updates of the global gradient norm before clipping; NaN without updates
grad_norm_max  | float64 | largest finite such norm
clipped_share  | float64 | share of updates (up to divergence) at which clipping changed the gradient
reach          | int64   | largest lag at which a scored loss reaches an input, steps
radius_start   | float64 | spectral radius of W_hh before training
radius_end     | float64 | after training; NaN where diverged
signal_start   | float64 | gradient signal at the dependency's lag over that at lag 1, before training, full depth
signal_end     | float64 | after training; NaN where diverged
signal_max     | float64 | median, over what is missed within reach, of the largest signal of all points of the curve; NaN where nothing is
missed_beyond  | float64 | share of what is missed that lies at lags beyond reach; NaN where diverged or without lags
improvement    | float64 | of the measure over the last quarter of the budget, paired by sequence, in its standard errors; NaN where diverged
truncated      | boolean | at least half of what is missed lies beyond reach (outcome.BEYOND); this and the next causes hold of solved networks too, and are missing where they cannot be asked for
vanishing      | boolean | signal_max below the stated fraction (outcome.VANISHING): no signal at any point of the curve
clipped        | boolean | clipped at more than the stated share of updates (outcome.CLIPPED)
still_learning | boolean | improvement beyond the stated number of standard errors (outcome.IMPROVED)
plateau        | boolean | none of these
failure        | str     | none, or of a network that failed the first that holds of: diverged, truncated, vanishing, clipped, still learning, plateau; not applicable where no cause can be asked for
parameters     | int64   | trained numbers of the network
tokens         | int64   | sequence steps seen in training: updates done x B x T, or each batch's own length
""")

CURVES = _columns("""
run_key        | str     | names the trained network
step           | int64   | updates done
metric         | str     | loss (training, mean since the last point), eval_loss, eval_measure, grad_norm (before clipping, median since the last point), grad_norm_max, clipped_share (since the last point), radius (start and end), K (in use from this update on, where it adapts)
value          | float64 | finite
""")

BREAKDOWN = _columns("""
run_key        | str     | names the trained network
data           | str     | train (fresh sequences of the training length) or a named variant, e.g. long
by             | str     | what errors are grouped by: all, lag, length, distance, depth, position, word, repeat
bin            | int64   | the group, in the unit of by (steps, levels); 0 for all
n              | int64   | scored positions in the group
measure        | str     | accuracy, mse or bpc
value          | float64 | mean over the group
""")

PROBES = _columns("""
run_key        | str     | names the trained network
step           | int64   | updates done when it was measured
probe          | str     | what measured it: a file in throughtime/probes, where its quantities are explained
quantity       | str     | what was measured; log_: natural logarithm
index          | int64   | what the quantity runs over: lag, step, K, unit, update; 0 where it runs over nothing
value          | float64 | never NaN; -inf: the logarithm of exactly zero
""")

COMPUTED = _columns("""
series         | str     | what a legend says
quantity       | str     | what was computed, with its unit
x              | float64 | first coordinate; which, the experiment's README says
y              | float64 | second coordinate; 0 where there is none
value          | float64 | may be infinite or NaN where the quantity is
""")

CLAIMS = _columns("""
experiment     | str     | suite experiment whose claim it is
name           | str     | names the claim within its experiment
sentence       | str     | what is claimed
test           | str     | what decides it: statistic, interval and threshold, fixed beforehand, and why
verdict        | str     | supported, not supported or undecided
statistic      | float64 | NaN where nothing could be computed
low            | float64 | lower end of the statistic's interval
high           | float64 | upper end
threshold      | float64 | what the interval is held against
n              | int64   | networks, or other independent cases, behind the statistic
detail         | str     | the numbers in words; why it is undecided
p              | float64 | 1 less the largest level at which it is decided, two-sided; NaN where its test has one level
adjusted       | float64 | p adjusted over the confirmatory claims of the run (Holm 1979)
confirmatory   | bool    | belongs to that family
power          | float64 | chance of being decided as claimed, at the planned seeds; NaN where it is not stated
power_for      | str     | the effect, the spread between seeds and the seeds that the power is for
commit         | str     | last commit that changed the experiment's claims; + edited since; unknown without git
precedes       | str     | whether that commit is an ancestor of those at which the networks were trained
""")

REPRODUCTIONS = _columns("""
experiment     | str     | suite experiment that reproduces a paper
quantity       | str     | names the number within its experiment
described      | str     | the number in plain words
unit           | str     | of both numbers and their intervals; empty: none
published      | float64 | what the paper reports; NaN where it could not be found
published_low  | float64 | lower end of its interval, or of the error of reading a figure; NaN where there is none
published_high | float64 | upper end
source         | str     | where the number was read; that it could not be found
ours           | float64 | what was measured here; NaN where nothing was
low            | float64 | lower end of our interval, in the same unit
high           | float64 | upper end
n              | int64   | networks, or other independent cases, behind our number
n_diverged     | int64   | diverged networks among them
verdict        | str     | same (the intervals overlap; a published number without one is the number itself), differs or not comparable
why            | str     | why the two are not comparable; empty where they are
""")

CAUSES = _columns("""
task           | str     | task
label          | str     | why networks failed: of causes.CAUSES
n_failed       | int64   | networks that failed
failed         | int64   | those of them with this label
n_solved       | int64   | solved networks
false_alarms   | int64   | those of them that would have got this label, were their status not known
rate           | float64 | false_alarms / n_solved; NaN where no network is solved
low            | float64 | lower end of Wilson's interval
high           | float64 | upper end
shown          | bool    | rate is at most causes.LIMIT: figures and the report show the label for this task
""")

REFERENCES = _columns("""
experiment     | str     | suite experiment
task           | str     | task
task_args      | str     | the task's parameters, canonical JSON
name           | str     | what a legend says
measure        | str     | accuracy, mse, bpc or loss; share: no line, but a share of the characters
by             | str     | what it differs by; all: nothing
bin            | int64   | the group; 0 for all
value          | float64 | in the unit of measure
""")

# Columns that are younger than some tables, and what networks had before there were any: a new axis
# changes no key, so that older tables stay in use.
LATER: dict[str, float | int | bool] = {
    "omega": 0.0, "tail": math.inf, "adapt": 0.0, "adapt_every": 100, "adapt_rates": False,
}  # fmt: skip

TABLES = {
    "summary": SUMMARY,
    "curves": CURVES,
    "breakdown": BREAKDOWN,
    "probes": PROBES,
    "references": REFERENCES,
    "computed": COMPUTED,
    "claims": CLAIMS,
    "reproductions": REPRODUCTIONS,
    "causes": CAUSES,
}
JOB_TABLES = ("summary", "curves", "breakdown", "probes")  # what a training yields
# How a training can end; untrained: it had no updates, and is neither solved nor failed.
STATUSES = ("solved", "unsolved", "diverged", "untrained")
# what the seeds of a grid point share
GRID_POINT = tuple(
    c.name for c in IDENTITY if c.name not in ("run_key", "job_key", "seed", "lag_mean")
)


def conform(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """``frame`` with exactly the table's columns, in order and dtype.

    Raises:
        ValueError: a column is missing, is unknown, or holds what its dtype cannot.
    """
    schema = TABLES[table]
    names = [c.name for c in schema]
    if wrong := set(names) ^ set(frame.columns):
        raise ValueError(f"table {table}: columns missing or unknown: {sorted(wrong)}")
    made = frame[names].reset_index(drop=True)
    has = {str(name): str(dtype) for name, dtype in made.dtypes.items()}
    # astype copies every column that it is given
    other = {c.name: c.dtype for c in schema if has[c.name] != c.dtype}
    return made.astype(other) if other else made


def empty(table: str) -> pd.DataFrame:
    """The table without rows.

    >>> list(empty("probes").columns)
    ['run_key', 'step', 'probe', 'quantity', 'index', 'value']
    """
    return _empty(table).copy()


@cache
def _empty(table: str) -> pd.DataFrame:
    return pd.DataFrame({c.name: pd.Series(dtype=c.dtype) for c in TABLES[table]})


def encode(frame: pd.DataFrame, table: str) -> bytes:
    """A table as a parquet file's content. Equal frames give equal bytes.

    Every column carries its ``description`` and ``unit`` as metadata of its field.
    """
    sink = pa.BufferOutputStream()
    converted = pa.Table.from_pandas(conform(frame, table), preserve_index=False)
    fields = [
        converted.schema.field(c.name).with_metadata({"description": c.meaning, "unit": c.unit})
        for c in TABLES[table]
    ]
    described = converted.cast(pa.schema(fields, metadata=converted.schema.metadata))
    pq.write_table(described, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def write(frame: pd.DataFrame, table: str, path: Path) -> None:
    """Write a table as parquet, whole or not at all; see ``encode``.

    Raises:
        UserError: it cannot be written.
    """
    files.write(path, encode(frame, table))


def read(table: str, path: Path) -> pd.DataFrame:
    """Read a table and check its schema.

    Raises:
        UserError: the file is missing, damaged, or has other columns.
    """
    try:
        frame = pq.read_table(pa.BufferReader(files.read(path))).to_pandas()
        new = {c.name for c in TABLES[table]} & set(LATER) - set(frame.columns)
        return conform(frame.assign(**{name: LATER[name] for name in new}), table)
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; run the pipeline first") from None
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: not a readable {table} table ({str(error).splitlines()[0]}); delete it and "
            "run again"
        ) from None


def content_hash(frame: pd.DataFrame) -> str:
    """SHA-256 of a frame's values, column by column; independent of the file's encoding.

    >>> content_hash(pd.DataFrame({"a": [1.0]})) == content_hash(pd.DataFrame({"a": [1.0]}))
    True
    """
    hasher = hashlib.sha256()
    for name in frame.columns:
        hasher.update(name.encode())
        hasher.update(pd.util.hash_pandas_object(frame[name], index=False).to_numpy().tobytes())
    return hasher.hexdigest()
