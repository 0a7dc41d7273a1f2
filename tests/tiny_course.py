"""A course with one small assignment, for tests: one module, one check, one written answer."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.apps.api import NbGraderAPI

from autograder.assignment import load_assignment
from autograder.course import Course, init_course, open_course, secret_seed
from autograder.grading import records
from autograder.grading.submission import read_submission
from autograder.nbgrader.run import load_config
from tests.command import run

REPOSITORY = Path(__file__).resolve().parents[1]

MODULE = '''\
"""Doubling."""


def double(x):
    """Return twice x, a tensor of shape (N,)."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION
'''

CHECK = '''\
"""The checks of doubling."""

from toolbox.checks import case, graded


@graded(
    points=4,
    tolerance=1e-7,
    cases=[case("a vector", 3, n=5), case("another", 1, n=7)],
    hint="Multiply.",
)
def test_double(student, case):
    """`double` gives twice its input."""
    x = case.randn(case.n)
    case.compare("double(x)", student.double(x), 2 * x)
'''

MANIFEST = """\
title = "Tiny"
points = 4
written = 2

[files]
modules = ["tiny.py"]
notebook = "tiny.ipynb"
models = ["tiny.pth"]
"""

MUTANTS = """\
[[mistake]]
name = "once too few"
kind = "missing term"
fails = "double"
change = ["2 * x", "1 * x"]

[[right]]
name = "the sum"
change = ["2 * x", "x + x"]
"""

UNANSWERED = "YOUR ANSWER HERE"


def cell_metadata(grade_id, *, grade, solution, points=None):
    about = {"schema_version": 3, "grade": grade, "solution": solution, "locked": not solution, "task": False}
    about["grade_id"] = grade_id
    if points is not None:
        about["points"] = points
    return {"nbgrader": about}


def source_notebook():
    check = cell_metadata("double", grade=True, solution=False, points=4)
    written = cell_metadata("why", grade=True, solution=True, points=2)
    return new_notebook(
        cells=[
            new_markdown_cell("# Tiny"),
            new_code_cell('check("double")', metadata=check),
            new_markdown_cell("Because.", metadata=written),
        ]
    )


def make_course(root: Path) -> Course:
    """Make a course with the tiny assignment in it."""
    course = init_course(root).course
    (root / "course.toml").write_text('title = "Test"\n[grading]\ndata = "standin"\nminimum = "process"\n')
    folder = course.assignments / "tiny"
    (folder / "checks").mkdir(parents=True)
    (folder / "assignment.toml").write_text(MANIFEST)
    (folder / "tiny.py").write_text(MODULE)
    (folder / "mutants.toml").write_text(MUTANTS)
    (folder / "checks" / "test_tiny.py").write_text(CHECK)
    (course.source / "tiny").mkdir(parents=True)
    nbformat.write(source_notebook(), course.source / "tiny" / "tiny.ipynb")
    return open_course(root)


def submit(course: Course, student: str, *, answer: str | None = None, notebook: bytes | None = None) -> Path:
    """Hand in the released notebook, with the written answer given or a file of other bytes."""
    folder = course.submitted / student / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.py").write_text("def double(x):\n    return 2 * x\n")
    (folder / "timestamp.txt").write_text("2031-02-03 04:05:06.000000 UTC")
    if notebook is None:
        notebook = (course.release / "tiny" / "tiny.ipynb").read_bytes()
        if answer is not None:
            notebook = notebook.replace(UNANSWERED.encode(), answer.encode())
    (folder / "tiny.ipynb").write_bytes(notebook)
    return folder


def record(student: str, fraction: str = "4", **changed) -> dict:
    """Return a record as grading writes it."""
    status = "passed" if fraction == "4" else "failed"
    check = {
        "id": "double",
        "sentence": "`double` gives twice its input.",
        "status": status,
        "score": round(eval(fraction), 2),
        "fraction": fraction,
        "max_score": 4,
        "measured": 1e-9,
        "threshold": 1e-7,
        "case": "",
        "message": "",
        "hint": "Multiply.",
        "seconds": 0.1,
    }
    check.update(changed)
    return {
        "schema": 1, "assignment": "tiny", "student": student, "score": check["score"], "max_score": 4,
        "checks": [check], "notices": [], "data": "standin", "level": "process", "layers": [],
    }  # fmt: skip


def write_record(course: Course, content: dict) -> None:
    """Write a record that fits the submission as it lies there, so that it counts as current."""
    assignment = load_assignment(course, "tiny")
    seed, _ = secret_seed(course)
    basis = records.basis(assignment, seed, course.grading.data)
    key = basis.key(read_submission(course, assignment, content["student"]))
    records.write(course, {**content, "key": key})


def nbgrader(course: Course, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an nbgrader command in the course folder."""
    modules = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": modules, "PATH": programs}
    return run("nbgrader", *arguments, cwd=course.root, environment=environment)


def press(course: Course, button: str, student: str) -> dict:
    """Do what formgrader's endpoint behind a button does, and return its answer: success, log, error."""
    return getattr(NbGraderAPI(config=load_config(course)), button)("tiny", student)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
