# One rule per stage. throughtime.pipeline.workflow says what depends on what.
# What a stage does is a command of `throughtime`.
# Every stage has a digest of the code behind it among its params.
# So an edit reruns what it concerns and nothing else.
import os
import sys
import time
from pathlib import Path

from snakemake.logging import logger

from throughtime.pipeline import startup
from throughtime.cli.main import THREADS
from throughtime.core.errors import UserError
from throughtime.planning import rounds
from throughtime.pipeline.live_line import Monitor
from throughtime.pipeline.messages import Messages, list_jobs
from throughtime.pipeline.workflow import (
    HIGHEST_PRIORITY,
    JOB_FILES,
    OTHER_FORMATS,
    RULES,
    Pipeline,
)

# Processes are the parallelism: each has one thread.
# Their number (--cores here, --jobs on a cluster) is needed for the expected time.
CORES = workflow.resource_settings.cores or 1
WORKERS = workflow.resource_settings.nodes or CORES
os.environ.update(dict.fromkeys(THREADS, "1"), THROUGHTIME_WORKERS=str(WORKERS))

try:
    PIPELINE = Pipeline.open(Path(workflow.basedir), config)
    startup.prepare(
        PIPELINE,
        workflow.is_main_process,
        sys.argv[1:],
        local=workflow.resource_settings.nodes is None,
    )
except UserError as error:
    sys.exit(f"throughtime: {error}")

RESULTS = PIPELINE.results
# A pack has a rule because something is left of it. So it runs, whatever Snakemake remembers:
# no other run has this parameter.
HERE = workflow.storage_settings.default_storage_provider is None
if PIPELINE.searches() and not HERE:
    sys.exit("throughtime: a search needs its results on this disk, not in a storage")
PACKS = PIPELINE.packs(here=HERE, main=workflow.is_main_process)
RUN = time.time_ns() if HERE else 0
MESSAGES = Messages([*RULES, *PIPELINE.project.experiments], PACKS, Path(RESULTS))
logger.addFilter(MESSAGES.filter)  # before the monitor's: what it drops is no failure
if workflow.output_settings.dryrun:
    list_jobs(logger, sys.argv[1:], PACKS, Path(RESULTS))
MONITOR = Monitor(PIPELINE.plan, Path(RESULTS), sys.stderr, PACKS)
shell.prefix(PIPELINE.shell(sys.executable))


def follow(*experiments):
    """Go from round to round of the searches of some experiments, or of all.

    Where a round has not been chosen yet Snakemake leaves this function by an exception, and calls
    it again later. When it returns, the networks of all rounds are known.
    """
    for search in PIPELINE.searches(*experiments):
        number = 1
        while rounds.read(Path(chosen(search, number))):
            number += 1


def chosen(search, number):
    """The file of a round, which has been chosen."""
    place = dict(experiment=search.experiment, search=search.name, number=str(number))
    return checkpoints.choose.get(**place).output[0]


def before_round(w):
    """The files of the jobs of the rounds before one."""
    search, number = PIPELINE.search(w.experiment, w.search), int(w.number)
    if number > 1:
        chosen(search, number - 1)
    return PIPELINE.before_round(search, number)


report: "captions/workflow.rst"


wildcard_constraints:
    experiment="|".join(PIPELINE.project.experiments),


# On a cluster these run beside Snakemake: they take seconds, and MLflow's database wants one
# writer, on one machine.
localrules:
    manifest,
    track,
    track_early,
    track_experiment,
    report,
    report_experiment,


rule all:
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/claims.parquet",
        f"{RESULTS}/mlflow/ingested.txt",
        PIPELINE.computed_tables(),
        lambda w: follow() or PIPELINE.all_outputs(),
        PIPELINE.reproductions(),


rule validate:
    log:
        f"{RESULTS}/logs/validate.log",
    shell:
        "throughtime {log} plan"


# One process trains a pack of jobs, and each job has its own tables, log and record.
# A job that is finished has no rule: its files are inputs like any other.
for pack in PACKS.values():

    rule:
        name:
            pack.name
        output:
            PIPELINE.pack_files(pack),
        log:
            PIPELINE.pack_log(pack),
        priority: PIPELINE.order(pack)
        resources:  # what a cluster is asked for; on one machine nothing is held back
            mem_mb=lambda w, attempt, pack=pack: pack.megabytes(attempt),
            runtime=lambda w, attempt, pack=pack: pack.minutes(attempt),
        params:
            code=PIPELINE.training_code(pack),
            run=RUN,
            jobs=[pack.experiment, *pack.keys],
        shell:
            "throughtime {log} train --logs {params.jobs}"


if PIPELINE.searches():

    # A round of a search: which networks are trained next, by the tables of the rounds before it.
    checkpoint choose:
        input:
            before_round,
        output:
            f"{RESULTS}/{{experiment}}/rounds/{{search}}-{{number}}.json",
        log:
            f"{RESULTS}/logs/{{experiment}}/{{search}}-{{number}}.log",
        wildcard_constraints:
            search="[^/]+",
            number=r"\d+",
        priority: HIGHEST_PRIORITY
        params:
            code=PIPELINE.choosing_code(),
        shell:
            "throughtime {log} choose {wildcards.experiment} {wildcards.search} {wildcards.number}"

    # A job that a round has chosen. A job that fails is recorded beside the log: NAME.failed.json.
    rule train_chosen:
        output:
            [f"{RESULTS}/{{experiment}}/jobs/{{job}}/{name}" for name in JOB_FILES],
        log:
            f"{RESULTS}/logs/{{experiment}}/{{job}}.txt",
        wildcard_constraints:
            job=PIPELINE.chosen_jobs(main=workflow.is_main_process),
        priority: HIGHEST_PRIORITY / 2
        resources:
            mem_mb=lambda w, attempt: PIPELINE.chosen(**w).megabytes(attempt),
            runtime=lambda w, attempt: PIPELINE.chosen(**w).minutes(attempt),
        params:
            run=RUN,
        shell:
            "throughtime {log} train --logs {wildcards.experiment} {wildcards.job}"


rule train:
    input:
        lambda w: follow() or PIPELINE.records(*PIPELINE.trained),


rule references:
    output:
        f"{RESULTS}/{{experiment}}/references.parquet",
    log:
        f"{RESULTS}/logs/{{experiment}}/references.log",
    priority: HIGHEST_PRIORITY
    params:
        code=lambda w: PIPELINE.reference_code(w.experiment),
    shell:
        "throughtime {log} references {wildcards.experiment}"


rule compute:
    output:
        f"{RESULTS}/{{experiment}}/computed.parquet",
    log:
        f"{RESULTS}/logs/{{experiment}}/compute.log",
    # What runs alone goes first: it would have to wait for others that have begun.
    priority: lambda w: HIGHEST_PRIORITY * (2 if PIPELINE.alone(w.experiment) else 1)
    threads: lambda w: CORES if PIPELINE.alone(w.experiment) else 1
    resources:
        slurm_extra=lambda w: "--exclusive" if PIPELINE.alone(w.experiment) else "",
    params:
        code=lambda w: PIPELINE.compute_code(w.experiment),
    shell:
        "throughtime {log} compute {wildcards.experiment}"


rule collect:
    input:
        lambda w: follow(w.experiment) or PIPELINE.job_tables(w.experiment),
    output:
        f"{RESULTS}/{{experiment}}/summary.parquet",
        f"{RESULTS}/{{experiment}}/curves.parquet",
        f"{RESULTS}/{{experiment}}/breakdown.parquet",
        f"{RESULTS}/{{experiment}}/probes.parquet",
    log:
        f"{RESULTS}/logs/{{experiment}}/collect.log",
    priority: HIGHEST_PRIORITY
    shell:
        "throughtime {log} collect {wildcards.experiment}"


rule manifest:
    input:
        lambda w: follow(w.experiment) or PIPELINE.records(w.experiment),
    output:
        f"{RESULTS}/{{experiment}}/manifest.json",
    log:
        f"{RESULTS}/logs/{{experiment}}/manifest.log",
    priority: HIGHEST_PRIORITY
    params:
        config=lambda w: PIPELINE.manifest_code(w.experiment),
    shell:
        "throughtime {log} manifest {wildcards.experiment}"


rule figure:
    input:
        lambda w: PIPELINE.tables(w.experiment),
    output:
        report(
            f"{RESULTS}/figures/{{experiment}}.png",
            caption="captions/figure.rst",
            category="Figures",
            labels={"experiment": "{experiment}"},
        ),
        [f"{RESULTS}/figures/{{experiment}}.{kind}" for kind in OTHER_FORMATS],
        caption=f"{RESULTS}/figures/{{experiment}}.md",
    log:
        f"{RESULTS}/logs/{{experiment}}/figure.log",
    params:
        code=lambda w: PIPELINE.figure_code(w.experiment),
        title=lambda w: PIPELINE.experiment(w.experiment).title,
        question=lambda w: PIPELINE.experiment(w.experiment).question,
    shell:
        "throughtime {log} figure {wildcards.experiment}"


rule figures:
    input:
        PIPELINE.figures(),


rule claims:
    input:
        PIPELINE.claim_inputs(),
    output:
        f"{RESULTS}/claims.parquet",
    log:
        f"{RESULTS}/logs/claims.log",
    params:
        code=PIPELINE.claims_code(),
    shell:
        "throughtime {log} claims"


rule reproductions:
    input:
        PIPELINE.reproduction_inputs(),
    output:
        f"{RESULTS}/reproductions.parquet",
    log:
        f"{RESULTS}/logs/reproductions.log",
    params:
        code=PIPELINE.reproductions_code(),
    shell:
        "throughtime {log} reproductions"


# Beside training; what it has recorded the other finds up to date.
rule track_early:
    input:
        [PIPELINE.tables(name) for name in PIPELINE.early],
        PIPELINE.manifests(*PIPELINE.early) if PIPELINE.early else [],
    output:
        f"{RESULTS}/mlflow/early.txt",
    log:
        f"{RESULTS}/logs/track_early.log",
    priority: HIGHEST_PRIORITY
    params:
        code=PIPELINE.tracking_code(),
    shell:
        f"throughtime {{log}} track --receipt early {' '.join(PIPELINE.early)} > /dev/null"


rule track:
    input:
        f"{RESULTS}/claims.parquet",
        PIPELINE.early_tracking_files(),
        PIPELINE.collected_tables(),
        PIPELINE.figures(),
        PIPELINE.manifests(),
    output:
        f"{RESULTS}/mlflow/experiments.json",
        receipt=f"{RESULTS}/mlflow/ingested.txt",
    log:
        f"{RESULTS}/logs/track.log",
    params:
        code=PIPELINE.tracking_code(),
    shell:
        "throughtime {log} track > /dev/null"


rule report:
    input:
        f"{RESULTS}/claims.parquet",
        PIPELINE.reproductions(),
        PIPELINE.collected_tables(),
        PIPELINE.figures(),
        PIPELINE.manifests(),
        f"{RESULTS}/mlflow/experiments.json",
    output:
        report(
            f"{RESULTS}/report.html",
            caption="captions/report.rst",
            category="Report",
            labels={"page": "everything, with every grid point"},
        ),
    log:
        f"{RESULTS}/logs/report.log",
    params:
        code=PIPELINE.report_code(),
    shell:
        "throughtime {log} report > /dev/null"


# `snakemake NAME` decides the claims again, records that experiment and writes the report.
# Of the other experiments the report has what is there.
rule track_experiment:
    input:
        lambda w: PIPELINE.tables(w.experiment),
        lambda w: PIPELINE.figures(w.experiment),
        lambda w: PIPELINE.manifests(w.experiment),
    output:
        f"{RESULTS}/mlflow/{{experiment}}.txt",
    log:
        f"{RESULTS}/logs/{{experiment}}/track.log",
    params:
        code=PIPELINE.tracking_code(),
        claims=PIPELINE.claims_code(),
        reproductions=PIPELINE.reproductions_code(),
        decided=PIPELINE.decided,
    shell:
        "for table in {params.decided}; do throughtime {log} $table > /dev/null; done; "
        "throughtime {log} track {wildcards.experiment} > /dev/null"


rule report_experiment:
    input:
        f"{RESULTS}/mlflow/{{experiment}}.txt",
    output:
        f"{RESULTS}/logs/{{experiment}}/reported.txt",
    log:
        f"{RESULTS}/logs/{{experiment}}/report.log",
    params:
        code=PIPELINE.report_code(),
    shell:
        "throughtime {log} report > /dev/null"


for experiment in PIPELINE.project.experiments:

    rule:
        name:
            experiment
        input:
            PIPELINE.figures(experiment),
            lambda w, name=experiment: follow(name) or PIPELINE.all_outputs(name),
            PIPELINE.report_files(experiment),


onstart:
    MESSAGES.watch_interrupts()
    MONITOR.start(workflow.dag.needrun_jobs(), WORKERS, logger)


onsuccess:
    MONITOR.stop()


onerror:
    MONITOR.stop()
    if not MESSAGES.interrupted:
        print(
            "Some jobs failed. Run the same command again for the rest; "
            "`make salvage` collects, draws and tracks what is there."
        )
