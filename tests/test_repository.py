"""What holds the repository together: its files agree with each other, and layers point one way."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from autograder.assignment import assignment_names, load_assignment
from autograder.course import open_course
from autograder.release.build import stale

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch"}
STANDARD = sys.stdlib_module_names


def requirements():
    return dict(re.match(r"([\w-]+)(.*)", line).groups() for line in PROJECT["dependencies"])


def test_the_conda_environment_is_in_step_with_the_project():
    listed = yaml.safe_load((REPOSITORY / "environment.yml").read_text())["dependencies"]
    plain = {line for line in listed if isinstance(line, str)}
    wanted = {f"{CONDA_NAMES.get(name, name)}{bound}" for name, bound in requirements().items()}
    assert plain == wanted | {f"python{PROJECT['requires-python']}", "pip"}


def pins():
    """Return the pinned versions by normalised name."""
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    found = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normal(name): version for name, version in found}


def normal(name):
    return name.lower().replace("_", "-")


def test_every_dependency_is_pinned_to_one_version():
    dev = [re.match(r"[\w-]+", line).group() for line in PROJECT["optional-dependencies"]["dev"]]
    assert {normal(name) for name in [*requirements(), *dev]} <= set(pins())


def test_every_pinned_version_installs_on_the_oldest_python():
    oldest = re.fullmatch(r">=(\d+\.\d+)", PROJECT["requires-python"]).group(1)
    installed = {normal(dist.name): dist for dist in distributions()}
    here = {name: installed[name] for name in pins() if name in installed}
    assert len(here) > len(requirements())
    asked = {name: dist.metadata.get("Requires-Python") or "" for name, dist in here.items()}
    assert {name: python for name, python in asked.items() if f"{oldest}.0" not in SpecifierSet(python)} == {}


def test_the_readme_begins_with_the_two_commands():
    commands = re.findall(r"^\s*(make \w+)$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]


def test_the_makefile_has_every_target():
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "lint", "release", "verify", "notebooks", "bench", "clean"} <= set(targets)


@pytest.mark.parametrize("name", assignment_names(open_course(REPOSITORY)))
def test_the_release_in_git_is_what_its_source_gives(name):
    course = open_course(REPOSITORY)
    load_assignment(course, name)
    assert stale(course, name) == []


def imports(path):
    """Return the modules that a file imports, at its top or inside its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


LAYERS = {
    # what may not be imported from where
    "toolbox": ("autograder", "assignments", "examples", "benchmarks", "nbgrader", "typer", "rich"),
    "autograder/sandbox": ("toolbox", "autograder.grading", "autograder.course", "autograder.assignment", "pytest"),
    "autograder/grading": ("autograder.gradebook", "autograder.nbgrader", "autograder.cli", "nbgrader"),
    "autograder/intake": ("autograder.cli", "autograder.sandbox", "autograder.gradebook", "autograder.nbgrader", "torch"),
    "autograder/release": ("autograder.cli", "autograder.grading", "autograder.sandbox"),
    "autograder/feedback": ("autograder.cli", "autograder.sandbox", "autograder.verify", "autograder.release"),
    "autograder/verify": ("autograder.cli", "autograder.gradebook", "autograder.sandbox"),
    "autograder/new": ("autograder.cli", "autograder.grading", "autograder.sandbox", "autograder.verify", "torch"),
    "autograder/course": ("autograder.grading", "autograder.release", "autograder.nbgrader", "nbgrader"),
}


@pytest.mark.parametrize("name", assignment_names(open_course(REPOSITORY)))
def test_no_line_within_a_paragraph_of_a_notebook_is_taken_for_a_list(name):
    mark = re.compile(r"\s*(\d+[.)]|[-+*#>])\s")
    path = REPOSITORY / "source" / name / f"{name}.ipynb"
    texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    pairs = [pair for text in texts for pair in pairwise(text.split("\n"))]
    assert len(pairs) > 50
    taken = [(one, two) for one, two in pairs if mark.match(two) and one.strip() and not mark.match(one)]
    assert [two for one, two in taken if not one.startswith((" ", "|"))] == []


def test_nothing_but_the_command_line_needs_the_gate():
    for path in (REPOSITORY / "autograder").rglob("*.py"):
        if path.name != "cli.py" and path.parent.name != "verify":
            assert not any(module.startswith("autograder.verify") for module in imports(path)), f"{path} imports it"


@pytest.mark.parametrize("folder", LAYERS)
def test_layers_point_one_way(folder):
    for path in (REPOSITORY / folder).rglob("*.py"):
        for module in imports(path):
            for forbidden in LAYERS[folder]:
                assert module != forbidden and not module.startswith(f"{forbidden}."), f"{path}: imports {module}"


@pytest.mark.parametrize("module", ["autograder.export", "autograder.feedback.write", "toolbox.validate"])
def test_what_reads_results_does_not_wait_for_pytorch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_the_toolbox_needs_nothing_but_what_students_install():
    allowed = {"toolbox", "numpy", "torch", "matplotlib", "tqdm", "pytest", "IPython", "_pytest"}
    for path in (REPOSITORY / "toolbox").rglob("*.py"):
        for module in imports(path):
            top = module.split(".")[0]
            assert top in allowed or top in STANDARD, f"{path}: imports {module}"


def test_nothing_but_the_command_line_prints():
    for path in (REPOSITORY / "autograder").rglob("*.py"):
        if path.name == "cli.py":
            continue
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], f"{path} prints"


def engine():
    """Return the text of every file of the engine and the toolbox, templates included."""
    folders = [REPOSITORY / "autograder", REPOSITORY / "toolbox"]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".j2")]
    return {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in sorted(paths)}


def named(words):
    """Return where one of some words stands as a whole word in the engine: the file, the line and the word."""
    grammar = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b")
    return [
        f"{path}:{number}: {match[0]}"
        for path, text in engine().items()
        for number, line in enumerate(text.splitlines(), start=1)
        for match in grammar.finditer(line)
    ]


def test_the_engine_knows_no_assignment_by_name():
    names = sorted(folder.name for folder in (REPOSITORY / "assignments").iterdir() if folder.is_dir())
    assert names == assignment_names(open_course(REPOSITORY))
    assert named(names) == []


def test_the_engine_knows_no_class_of_an_assignment():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "assignments").glob("*/*.py")]
    classes = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    assert len(classes) > 10
    assert named(sorted(classes)) == []
