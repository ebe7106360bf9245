"""What holds for the project as a whole: who imports whom, what is pinned, what files say about
files.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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
    places = ("src", "tests", "experiments", "profiles", ".ci")
    return [
        p
        for place in places
        for p in (ROOT / place).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    ]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture, a table


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


def test_training_does_not_load_mlflow() -> None:
    code = (
        "import sys, throughtime.training.train, throughtime.training.trainer; "
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "path",
    sorted(ROOT.glob("experiments/*/figure.py")) + sorted(ROOT.glob("experiments/*/claims.py")),
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


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def test_the_lock_has_every_dependency_in_a_version_that_fits() -> None:
    wanted = (
        PYPROJECT["project"]["dependencies"] + PYPROJECT["project"]["optional-dependencies"]["dev"]
    )
    versions = locked()
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(versions[requirement.name.lower()]), requirement


def test_the_lock_pulls_no_gpu_build() -> None:
    versions = locked()
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


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=lambda p: p.name)
def test_what_a_page_links_to_is_there(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=lambda p: p.name)
def test_a_make_target_that_a_page_names_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", path.read_text())) <= targets


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
