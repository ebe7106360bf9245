"""What holds for the project as a whole: who imports whom, what is pinned, what files say about
files.
"""

import ast
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.projects import copy_project
from throughtime.cli.main import parser
from throughtime.planning.experiment_files import load_module
from throughtime.planning.project import Project
from throughtime.results.load import Results

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LIGHT = next(c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["id"] == "light")[
    "source_modules"
]


def tracked() -> list[Path]:
    """The files that git knows; without git, those that it would."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and done.stdout:
        return [p for name in done.stdout.split("\0") if name and (p := ROOT / name).is_file()]
    return sorted(p for top in ROOT.iterdir() if top.name != ".git" for p in unignored(top))


def unignored(path: Path) -> Iterator[Path]:
    """The files at and below a path that .gitignore does not leave out. It knows the patterns that
    ours has: a name, a folder, what lies in a folder, and an exception from it.
    """
    lines = (ROOT / ".gitignore").read_text().split()
    place = path.relative_to(ROOT).as_posix()

    def named(pattern: str) -> bool:
        whole = place if "/" in pattern else path.name
        return whole.count("/") == pattern.count("/") and fnmatch.fnmatch(whole, pattern)

    if any(named(line.rstrip("/")) for line in lines) and f"!{place}/" not in lines:
        return
    if path.is_file():
        yield path
    elif path.is_dir():
        for below in path.iterdir():
            yield from unignored(below)


def test_without_git_the_same_files_are_found() -> None:
    known = set(tracked())
    found = {p for top in ROOT.iterdir() if top.name != ".git" for p in unignored(top)}
    assert known <= found
    assert not {p for p in found if {".venv", "__pycache__"} & set(p.relative_to(ROOT).parts)}


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture, a table


LINES_OF_CODE = {".py", ".js", ".css", ".yaml", ".yml", ".cff"}
NOT_TO_BE_CUT = {
    "src/throughtime/results/tables.py": "a line per column of the tables",
    "results/reference": "what a run wrote",
}


def test_lines_of_code_have_at_most_100_columns() -> None:
    """What a checker is told at the end of a line does not count."""
    own = [
        (path, text)
        for path, text in texts()
        if (path.suffix in LINES_OF_CODE or path.name in ("Snakefile", "Dockerfile"))
        and not path.relative_to(ROOT).as_posix().startswith(tuple(NOT_TO_BE_CUT))
    ]
    assert len(own) > 300
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path, text in own
        for number, line in enumerate(text.splitlines(), 1)
        if len(re.sub(r"  # (noqa|type: ignore).*", "", line)) > 100
    ]
    assert long == []


# Imports ------------------------------------------------------------------------------------------


def test_imports_run_downward() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_planning_and_reading_load_neither_torch_nor_mlflow() -> None:
    """The contract reads import statements; this one runs them."""
    code = (
        f"import sys, {', '.join(LIGHT)}; "
        "sys.exit(', '.join({'torch', 'mlflow'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_training_does_not_load_mlflow() -> None:
    code = (
        "import sys, throughtime.training.train, throughtime.training.trainer; "
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "path",
    [
        path
        for name in ("figure", "claims", "reproduction")
        for path in sorted(ROOT.glob(f"experiments/*/{name}.py"))
    ],
    ids=lambda p: f"{p.parent.name}/{p.stem}",
)
def test_figures_and_claims_import_only_what_reads_tables(path: Path) -> None:
    imports = [
        n
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    names = {a.name for n in imports if isinstance(n, ast.Import) for a in n.names} | {
        n.module or "" for n in imports if isinstance(n, ast.ImportFrom)
    }
    rooms = {n.split(".")[1] for n in names if n.startswith("throughtime.")}
    assert not {n.partition(".")[0] for n in names} & {"torch", "mlflow"}
    assert rooms <= {"core", "tasks", "planning", "theory", "results", "analysis", "figures"}


# Packaging ----------------------------------------------------------------------------------------


def locked(*names: str) -> dict[str, str]:
    """Package -> version, of some lock files."""
    lines = [line for n in names for line in (ROOT / n).read_text().splitlines()]
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


PROJECT = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
APART = {
    "slurm": "requirements-slurm.lock",
    "postgres": "requirements-postgres.lock",
    "docs": "requirements-docs.lock",
}


def required(extra: str) -> Iterator[Requirement]:
    """What an extra asks for, with the extras that it names of this project."""
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name == PROJECT["name"]:
            for other in sorted(requirement.extras):
                yield from required(other)
        else:
            yield requirement


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_the_lock_has_every_dependency_in_a_version_that_fits(extra: str | None) -> None:
    wanted = [*map(Requirement, PROJECT["dependencies"])] if extra is None else [*required(extra)]
    locks = ["requirements.lock", *([APART[extra]] if extra in APART else [])]
    versions = locked(*locks)
    assert wanted
    for requirement in wanted:
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_every_package_that_is_imported_is_asked_for() -> None:
    """Two are not: which build of torch is the machine's choice, and the benchmark installs jax
    into an environment of its own.
    """
    asked = {canonicalize_name(r.name) for r in [*map(Requirement, PROJECT["dependencies"])]}
    asked |= {canonicalize_name(r.name) for extra in ("all", *APART) for r in required(extra)}
    imported: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.partition(".")[0])
    others = imported - sys.stdlib_module_names - {"throughtime", "torch", "jax"}
    brought = {
        "sqlalchemy": "mlflow",
        "PIL": "pillow",
        "yaml": "pyyaml",
        "vl_convert": "vl-convert-python",
    }
    assert {canonicalize_name(brought.get(name, name)) for name in others} <= asked


def test_the_extra_all_has_what_the_extras_of_users_have() -> None:
    everything = {str(r) for r in required("all")}
    for extra in set(EXTRAS) - {"all", "dev", *APART}:
        assert {str(r) for r in required(extra)} <= everything, extra
    assert everything <= {str(r) for r in required("dev")}


@cache
def imported(path: Path) -> set[str]:
    """The first names of all modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    names += [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom) if not n.level]
    return {name.partition(".")[0] for name in names}


ROOMS_OF_EXTRAS = {
    "workflow": {"pipeline", "results", "cli"},
    "tracking": {"tracking", "pipeline"},
    "report": {"report"},
    "text": {"tasks"},
    "fast": {"engine"},
}
MODULES = {
    "pillow": "PIL",
    "pyyaml": "yaml",
    "vl-convert-python": "vl_convert",
}  # package -> what is imported


@pytest.mark.parametrize("extra", ROOMS_OF_EXTRAS)
def test_what_an_extra_brings_is_imported_in_its_rooms_alone(extra: str) -> None:
    """Who does not track need not install MLflow."""
    shared = {"filelock", "PIL"}  # of two extras
    own = {MODULES.get(r.name, r.name) for r in required(extra)} - shared
    core = ROOT / "src" / "throughtime"
    users = {
        p.relative_to(core).parts[0].removesuffix(".py")
        for p in core.rglob("*.py")
        if imported(p) & own
    }
    assert users <= ROOMS_OF_EXTRAS[extra]


def test_the_lock_pulls_no_gpu_build() -> None:
    versions = locked("requirements.lock")
    assert versions["torch"] == "2.13.0"
    assert not [n for n in versions if re.search("nvidia|cuda|triton|rocm", n)]
    assert not [v for v in versions.values() if "+" in v]


def test_every_ignored_rule_is_explained() -> None:
    lint = re.search(
        r"^ignore = \[\n(.*?)^\]",
        (ROOT / "pyproject.toml").read_text(),
        flags=re.MULTILINE | re.DOTALL,
    )
    assert lint
    assert all(re.match(r' +"[A-Z]+\d+", +# .{15,}', line) for line in lint[1].splitlines())


def test_every_exception_from_a_check_is_explained() -> None:
    short = [
        f"{path.relative_to(ROOT)}:{number}"
        for path, text in texts()
        if path.suffix == ".py" and path != Path(__file__)
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(r"# (noqa|type: ignore)", line)
        and not re.search(r"# (noqa: \w+|type: ignore\[[\w-]+\])( {1,2}#| -| \w).{8,}", line)
    ]
    assert short == []


# Files about files --------------------------------------------------------------------------------

HOSTS = [
    "py" + "pi.org",
    "python" + "hosted",
    "registry." + "npmjs",
    "deb.debian" + ".org",
    "download.pytorch" + ".org",
]
PLACES = re.compile(r"(?<![\w.])/(home|root|opt|work|Users|mnt)" + r"/\w")


def test_no_tracked_file_names_a_machine_s_path_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match}"
        for path, text in texts()
        for match in [*(m.group() for m in PLACES.finditer(text)), *(h for h in HOSTS if h in text)]
    ]
    assert found == []


def trees() -> list[str]:
    """The fenced blocks of README.md and ARCHITECTURE.md that show the project's folders."""
    pages = [
        (ROOT / name).read_text()
        for name in ("README.md", "ARCHITECTURE.md")
        if (ROOT / name).exists()
    ]
    blocks = [b for page in pages for b in re.findall(r"```\w*\n(.*?)```", page, flags=re.DOTALL)]
    return [b for b in blocks if "Snakefile" in b and "src/" in b]


def test_the_tree_in_the_readme_is_the_tree() -> None:
    assert trees(), "README.md needs a fenced tree of the project"
    names = {p.name for p in tracked()} | {
        part for p in tracked() for part in p.relative_to(ROOT).parts[:-1]
    }
    drawn = " ".join(line.split("#")[0] for tree in trees() for line in tree.splitlines())
    mentioned = set(re.findall(r"[\w.-]+\.(?:py|md|yaml|toml|lock|cff)\b", drawn))
    assert mentioned - names - {"NAME.py"} == set()
    modules = {p.name for p in (ROOT / "src" / "throughtime").glob("*.py")} - {
        "__init__.py",
        "__main__.py",
        "api.py",
    }
    assert modules - mentioned == set()


def test_every_room_has_a_line_with_a_comment_in_the_tree() -> None:
    rooms = {p.parent.name for p in (ROOT / "src" / "throughtime").glob("*/__init__.py")}
    lines = [line for tree in trees() for line in tree.splitlines() if "#" in line]
    drawn = {name for line in lines for name in re.findall(r"(\w+)/", line.split("#")[0])}
    assert rooms <= drawn


def test_every_module_is_in_the_table_of_rooms() -> None:
    table = [t for t in (ROOT / "ARCHITECTURE.md").read_text().splitlines() if t.startswith("|")]
    named: dict[str, set[str]] = {}
    for line in table:
        room, _, modules = line.strip("| ").partition("|")
        named.setdefault(room.split(",")[0].strip(), set()).update(re.findall(r"\w+", modules))
    package = ROOT / "src" / "throughtime"
    rooms = [p.parent for p in package.glob("*/__init__.py")]
    missing = {
        f"{room.name}/{path.name}"
        for room in rooms
        for path in room.glob("*.py")
        if path.name != "__init__.py" and path.stem not in named.get(room.name, set())
    }
    found = {m for m in missing if m.split("/")[0] in ("tasks", "probes")}  # a file per component
    assert missing - found == set()


PAGES = sorted(
    p
    for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("experiments/*/README.md"))
    if p.is_file()
)
HISTORY = ("LOGBOOK.md", "CHANGELOG.md")  # they name what was
PROSE = [p for p in PAGES if p.name not in HISTORY]
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
each_page_of_prose = pytest.mark.parametrize("path", PROSE, ids=lambda p: str(p.relative_to(ROOT)))
CODE = re.compile(r"^```.*?^```$|(?:^ {4}\S[^\n]*\n)+", flags=re.MULTILINE | re.DOTALL)
CAPTION = re.compile(r"<!-- caption -->.*?<!-- /caption -->", flags=re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", flags=re.DOTALL)


def prose(path: Path) -> str:
    """A page without its blocks of code, without the caption that the pipeline writes, and without
    comments, such as the markers of the guide's numbers.
    """
    return COMMENT.sub("", CAPTION.sub("", CODE.sub("", path.read_text())))


def anchors(path: Path) -> set[str]:
    """What a link may name after #, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.*)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@each_page
def test_what_a_page_links_to_is_there(path: Path) -> None:
    dead = []
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose(path)):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_page_of_docs_is_in_its_index() -> None:
    index = ROOT / "docs" / "README.md"
    links = set(re.findall(r"\]\(([^)#\s]+)", index.read_text()))
    pages = {str(p.relative_to(index.parent)) for p in index.parent.rglob("*.md") if p != index}
    assert pages - links == set()


@each_page
def test_a_make_target_that_a_page_names_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", path.read_text())) <= targets


@each_page
def test_a_command_that_a_page_names_exists(path: Path) -> None:
    commands = set(re.findall(r"`throughtime ([a-z]+)", path.read_text()))
    known = parser().format_help()
    assert {c for c in commands if not re.search(rf"^ +{c}\b", known, flags=re.MULTILINE)} == set()


@each_page_of_prose
def test_a_line_of_prose_is_one_sentence(path: Path) -> None:
    lines = [line for line in prose(path).splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 200] == []
    assert [line for line in lines if re.search(r"[a-z`)*][.?!] [A-Z`*]", line)] == []


@each_page_of_prose
def test_a_cell_of_a_table_is_short(path: Path) -> None:
    rows = [line for line in prose(path).splitlines() if line.startswith("|")]
    cells = [cell.strip() for row in rows for cell in row.strip("|").split("|")]
    assert [cell for cell in cells if len(cell) > 160] == []


@each_page
def test_a_module_that_a_page_names_is_there(path: Path) -> None:
    if path.name in HISTORY:
        return
    names = set(re.findall(r"\bthroughtime((?:\.[a-z_]\w*)+)", path.read_text())) - {
        ".train",
        ".load",
    }
    places = {n: ROOT / "src" / "throughtime" / n[1:].replace(".", "/") for n in names}
    # a module, or something in one
    parts = {n: (p, *([p.parent] if n.count(".") > 1 else [])) for n, p in places.items()}
    assert {
        n
        for n, around in parts.items()
        if not any(p.is_dir() or p.with_suffix(".py").is_file() for p in around)
    } == set()


@each_page
def test_a_file_of_the_package_that_a_page_names_is_there(path: Path) -> None:
    named = set(re.findall(r"`((?:src|tests|experiments|profiles|docs)/[\w./-]+)`", prose(path)))
    if path.name not in HISTORY:
        assert {n for n in named if "NAME" not in n and not (ROOT / n).exists()} == set()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results" / "reference" / "figures").glob("*.md")), ids=lambda p: p.stem
)
def test_a_readme_s_caption_is_the_reference_s(path: Path) -> None:
    assert path.read_text().strip() in (ROOT / "experiments" / path.stem / "README.md").read_text()


# What is never called -----------------------------------------------------------------------------

FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}  # modules
CALLS = {
    "eval",
    "exec",
    "torch.load",
    "pd.read_pickle",
    "pandas.read_pickle",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}


def unsafe(source: str) -> list[str]:
    """What a file imports or calls that runs code from data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [n for n in names if n.split(".")[0] in FORBIDDEN]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            allowed = {k.arg: ast.unparse(k.value) for k in node.keywords}.get("allow_pickle")
            found += [called] if called in CALLS or called.endswith(".to_pickle") else []
            found += [called] if called in ("np.load", "numpy.load") and allowed != "False" else []
    return found


@pytest.mark.parametrize(
    "snippet",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(p)",
        "np.load(p)",
        "np.load(p, allow_pickle=True)",
        "yaml.load(t, L)",
        "pd.read_pickle(p)",
        "frame.to_pickle(p)",
        "eval(t)",
        "exec(t)",
    ],
)
def test_what_runs_code_from_data_is_noticed(snippet: str) -> None:
    assert len(unsafe(snippet)) == 1


def test_nothing_runs_code_from_data() -> None:
    assert unsafe("np.load(p, allow_pickle=False)") == []
    paths = [p for p in tracked() if p.suffix == ".py" and "tests" not in p.relative_to(ROOT).parts]
    assert len(paths) > 100
    assert {str(p.relative_to(ROOT)): u for p in paths if (u := unsafe(p.read_text()))} == {}


# The examples of the how-to pages -----------------------------------------------------------------

ADDED = {
    "task": "tasks",
    "cell": "engine/cells",
    "optimizer": "engine/optimizers",
    "schedule": "engine/schedules",
    "initial-scheme": "engine/initialization",
    "probe": "probes",
}  # page -> folder of the package
RUN = """
import pandas as pd
from throughtime.planning.sweep import expand
from throughtime.probes import probe
from throughtime.training.train import train

axes = dict(task="recall", length=4, cell="leaky", leak=0.3, optimizer="signum", schedule="linear")
axes |= dict(init="sparse", hidden=8, batch=4, updates=4, points=2, K=2, mode="sliding", seeds=2)
axes |= dict(eval_size=20, lr=0.01, probes="weight_norm")
(planned,) = expand("mine", "sweep", axes, "here").jobs
made = train(planned, probe=probe)
assert set(made.summary["status"]) <= {"solved", "unsolved"}, made.summary["status"]
assert (made.probes["value"] > 0).all() and len(made.probes) == 4
"""


def example(page: str) -> str:
    """The block of Python of a how-to page."""
    text = (ROOT / "docs" / "how-to" / page).read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    return block


@pytest.mark.slow
def test_the_examples_of_the_pages_run_together(tmp_path: Path) -> None:
    package = copy_project(tmp_path, ("src",), ()) / "src" / "throughtime"
    for kind, folder in ADDED.items():
        block = example(f"add-a{'n' if kind[0] in 'aeiou' else ''}-{kind}.md")
        named = re.search(r'name: ClassVar\[str\] = "(\w+)"', block)
        name = named[1] if named else "weight_norm"
        (package / folder / f"{name}.py").write_text(block)
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_experiment_of_the_page_is_planned_and_drawn(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "add-an-experiment.md").read_text()
    folder = tmp_path / "experiments" / "mine"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "config.yaml", tmp_path)
    (sweep,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    (folder / "experiment.yaml").write_text(sweep)
    (folder / "figure.py").write_text(example("add-an-experiment.md"))
    assert Project.open(tmp_path).plan().networks == 200
    assert Project.open(tmp_path, "smoke").plan().networks == 4
    module = load_module(folder / "figure.py", "figure", "caption")
    assert len(module.figure(Results.empty()).axes) == 1
    assert "No networks trained" in module.caption(Results.empty())
