"""What the same attacks earn in nbgrader, otter-grader, plain pytest and this kit, each run for real.

    python -m benchmarks.attacks_elsewhere [--otter PYTHON] [--json]

One assignment for all: write `double(x)`; one hidden check, worth 3 points, asks for `double(3)`. It is set
up for each grader as that grader's documentation shows: nbgrader with hidden tests in a grade cell, otter
with `otter assign` and `otter run`, pytest with a hidden test file beside the submission (exit status 0
is 3 points), this kit with a check. Every submission but the first is wrong, so that it should get 0; a
score that is missing because the grader fell over is "none".

otter-grader needs other versions of what the kit is installed with, so it gets an environment of its own:

    python3 -m venv build/otter && build/otter/bin/pip install 'otter-grader[grading]==7.0.0'
    python -m benchmarks.attacks_elsewhere --otter build/otter/bin/python

Submissions other than the kit's run here without walls. They are short, touch nothing and end by themselves.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from nbgrader.api import Gradebook, MissingEntry

from autograder.course import init_course
from benchmarks.other_graders import (
    nbgrader_cell,
    nbgrader_release,
    otter_assign,
    otter_name,
    otter_question,
    run,
    write,
)

POINTS = 3
SOLUTION = "def double(x):\n    return 2 * x\n"
TEST = "assert abs(double(3) - 6) < 1e-9"
WRONG = "def double(x):\n    return x\n"
RIGHT, WRONG_ONLY = "answers right", "answers wrong, no attack"

# The name of a submission: the files in it. `answer.py` is the module; where notebooks are handed in, its text
# stands in the answer's cell. One text is aimed at all graders, and passes over those that are not there.
SUBMISSIONS: dict[str, dict[str, str]] = {
    RIGHT: {"answer.py": SOLUTION},
    WRONG_ONLY: {"answer.py": WRONG},
    "replaces `abs`, which the check compares with": {
        "answer.py": f"""\
import builtins
import sys

{WRONG}

builtins.abs = lambda x, real=abs: 0 if x == -3 else real(x)
if "torch" in sys.modules:
    sys.modules["torch"].Tensor.abs = lambda self: self * 0
"""
    },
    "replaces the function that runs the tests": {
        "answer.py": f"""\
import importlib

{WRONG}

for module, owner, name in (
    ("otter.test_files.ok_test", None, "run_doctest"),
    ("_pytest.python", "Function", "runtest"),
    ("toolbox.checks.case", "Case", "compare"),
):
    try:
        found = importlib.import_module(module)
        setattr(getattr(found, owner) if owner else found, name, lambda *args: (True, ""))
    except ImportError:
        pass
"""
    },
    "takes the tests out of the notebook's later cells": {
        "answer.py": f"{WRONG}\n\nget_ipython().input_transformers_cleanup.append(\n"
        "    lambda lines: [line for line in lines if not line.startswith('assert')]\n)\n"
    },
    "displays 3.0 as the cell's result": {"answer.py": "def double(x):\n    get_ipython().displayhook(3.0)\n"},
    "reads the tests, from disk or from `In[-1]`": {
        "answer.py": """\
import glob
import re


def double(x):
    texts = globals().get("In", [])[-1:]
    for pattern in ("*.py", "tests/*.py", "/tmp/elsewhere-*/**/checks/*.py"):
        texts += [open(name).read() for name in glob.glob(pattern, recursive=True)]
    found = [re.search(rf"double\\({x}\\)[^\\n\\d]*(\\d+)", text) for text in texts]
    return int(next(one[1] for one in found if one))
"""
    },
    "reads the numbers in the code of its caller": {
        "answer.py": "import sys\n\n\ndef double(x):\n"
        "    return max(n for n in sys._getframe(1).f_code.co_consts if type(n) is int)\n"
    },
    "answers with an object that is always right": {
        "answer.py": """\
class Always(float):
    def __sub__(self, other):
        return 0

    __rsub__ = __sub__

    def __eq__(self, other):
        return True

    __hash__ = None


def double(x):
    return Always()
"""
    },
    "hands in a `conftest.py` that reports every test as passed": {
        "answer.py": WRONG,
        "conftest.py": """\
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = "passed"
    return report
""",
    },
    "hands in a `pytest.ini` by which no test is run": {
        "answer.py": WRONG,
        "pytest.ini": "[pytest]\naddopts = --collect-only\n",
    },
    "ends the process with status 0 when it is imported": {"answer.py": f"import os\n\n{WRONG}\n\nos._exit(0)\n"},
    "lets the process end with status 0": {
        "answer.py": f"import atexit, os\n\n{WRONG}\n\natexit.register(os._exit, 0)\n"
    },
}
Scores = dict[str, float | None]
EARNED: Scores = {name: POINTS if name == RIGHT else 0 for name in SUBMISSIONS}


def nbgrader(folder: Path) -> Scores:
    """Release a notebook with hidden tests in a grade cell, hand in, run `nbgrader autograde`, read the gradebook."""
    solution = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
    test = f"### BEGIN HIDDEN TESTS\n{TEST}\n### END HIDDEN TESTS"
    cells = [nbgrader_cell(solution, "double", solution=True), nbgrader_cell(test, "test", points=POINTS)]
    released = nbgrader_release(folder, "tiny", "answer.ipynb", cells)
    for number, files in enumerate(SUBMISSIONS.values()):
        handed_in = folder / "submitted" / f"{number:02d}" / "tiny"
        write(_answered(released, files), handed_in / "answer.ipynb")
        _write_others(files, handed_in)
    run(folder, sys.executable, "-m", "nbgrader", "autograde", "tiny", "--create", fails=True)
    scores: Scores = {}
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        for number, name in enumerate(SUBMISSIONS):
            try:
                grade = gradebook.find_grade("test", "answer", "tiny", f"{number:02d}")
                scores[name] = grade.auto_score
            except MissingEntry:
                scores[name] = None
    return scores


def otter(folder: Path, python: str) -> Scores:
    """Run `otter assign` on a master notebook, then `otter run` on each student's zip file."""
    task = [
        new_markdown_cell("Write `double(x)`."),
        new_raw_cell("# BEGIN SOLUTION"),
        new_code_cell("def double(x):\n    return 2 * x # SOLUTION"),
        new_raw_cell("# END SOLUTION"),
    ]
    autograder, released = otter_assign(folder, python, "answer.ipynb", otter_question("double", POINTS, TEST, task))
    scores: Scores = {}
    for number, (name, files) in enumerate(SUBMISSIONS.items()):
        handed_in = folder / f"{number:02d}"
        write(_answered(released, files), handed_in / "answer.ipynb")
        _write_others(files, handed_in)
        shutil.make_archive(str(handed_in), "zip", handed_in)
        run(handed_in, python, "-m", "otter", "run", "-a", str(autograder), f"../{number:02d}.zip", fails=True)
        results = handed_in / "results.json"
        tests = json.loads(results.read_text())["tests"] if results.is_file() else []
        found = [test["score"] for test in tests if test["name"] == "double" and "score" in test]
        scores[name] = found[0] if found else None
    return scores


def pytest(folder: Path) -> Scores:
    """Put the hidden test file beside the module and run pytest; exit status 0 is full marks."""
    scores: Scores = {}
    for number, (name, files) in enumerate(SUBMISSIONS.items()):
        handed_in = folder / f"{number:02d}"
        _write_others(files, handed_in)
        (handed_in / "answer.py").write_text(files["answer.py"])
        (handed_in / "test_hidden.py").write_text(f"from answer import double\n\n\ndef test_double():\n    {TEST}\n")
        done = run(handed_in, sys.executable, "-m", "pytest", "-q", "test_hidden.py", fails=True)
        scores[name] = 0 if done.status else POINTS
    return scores


def kit(folder: Path) -> Scores:
    """Make a course with one check and run `autograder grade`."""
    course = init_course(folder / "course").course
    assignment = course.assignments / "tiny"
    (assignment / "checks").mkdir(parents=True)
    (assignment / "answer.py").write_text(SOLUTION)
    (assignment / "assignment.toml").write_text(
        f'title = "Tiny"\npoints = {POINTS}\n[files]\nmodules = ["answer.py"]\nnotebook = "answer.ipynb"\n'
    )
    (assignment / "checks" / "test_tiny.py").write_text(
        "import torch\n\nfrom toolbox.checks import case, graded\n\n\n"
        f'@graded(points={POINTS}, tolerance=1e-9, cases=[case("three", 1)], hint="Add it to itself.")\n'
        "def test_double(student, case):\n"
        '    """`double` gives twice its input."""\n'
        '    case.compare("double(3)", student.double(3), torch.tensor(6.0))\n'
    )
    check = nbgrader_cell('check("double")', "double", points=POINTS)
    write(new_notebook(cells=[check]), course.source / "tiny" / "answer.ipynb")
    for number, files in enumerate(SUBMISSIONS.values()):
        handed_in = course.submitted / f"{number:02d}" / "tiny"
        _write_others(files, handed_in)
        (handed_in / "answer.py").write_text(files["answer.py"])
    command = [sys.executable, "-m", "autograder", "grade", "tiny", "--course", str(course.root)]
    run(folder, *command, "--data", "standin", "--quiet")
    record = {path.stem: json.loads(path.read_text()) for path in (course.results / "tiny").glob("*.json")}
    return {name: record[f"{number:02d}"]["score"] for number, name in enumerate(SUBMISSIONS)}


def _write_others(files: Mapping[str, str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if name != "answer.py":
            (folder / name).write_text(text)


def _answered(released: Path, files: Mapping[str, str]) -> nbformat.NotebookNode:
    """Return a released notebook with a student's text in the cell that defines `double`."""
    notebook = nbformat.read(released, as_version=4)
    (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code" and "def double" in cell.source)
    cell.source = files["answer.py"]
    return notebook


def main() -> int:
    """Run every grader on every submission and print the table.

    Returns 0 if the kit gave every score as it should, and every attack earned something elsewhere: one that
    earns nothing anywhere would show nothing.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks_elsewhere", description=__doc__.split("\n")[0])
    parser.add_argument("--otter", metavar="PYTHON", help="the Python of an environment with otter-grader")
    parser.add_argument("--json", action="store_true", help="print scores by grader and submission as JSON")
    options = parser.parse_args()
    graders: dict[str, Callable[[Path], Scores]] = {f"nbgrader {version('nbgrader')}": nbgrader}
    if options.otter:
        python = str(Path(options.otter).absolute())
        graders[otter_name(python)] = partial(otter, python=python)
    graders[f"pytest {version('pytest')}, one process"] = pytest
    graders[f"this kit {version('coursekit')}"] = kit
    table: dict[str, Scores] = {}
    for name, grader in graders.items():
        print(f"running {name}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="elsewhere-") as folder:
            table[name] = grader(Path(folder))
    print(json.dumps(table, indent=1) if options.json else _markdown(table))
    if not options.otter:
        print("otter-grader is not installed: see `python -m pydoc benchmarks.attacks_elsewhere`", file=sys.stderr)
    *others, here = table.values()
    idle = [name for name, earned in EARNED.items() if not earned and not any(scores[name] for scores in others)]
    return 0 if here == EARNED and idle == [WRONG_ONLY] else 1


def _markdown(table: Mapping[str, Scores]) -> str:
    rows = [["a submission that", *table], ["---", *["--:"] * len(table)]]
    for name in SUBMISSIONS:
        scores = [column[name] for column in table.values()]
        rows.append([name, *("none" if score is None else f"{score:g}" for score in scores)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
