"""A released assignment in a few lines: one module, two checks, a notebook with a written question, one model."""

import json
from pathlib import Path

import torch

MODULE = """\
def double(x):
    return 2 * x


def triple(x):
    return 3 * x
"""

CHECKS = '''\
"""The checks of the tiny assignment."""

from toolbox.checks import case, graded


@graded(points=4, tolerance=1e-7, cases=[case("a vector", 1, n=5)], hint="Multiply.")
def test_double(student, case):
    """`double` gives twice its input."""
    x = case.randn(case.n)
    case.compare("double(x)", student.double(x), 2 * x)


@graded(points=2, tolerance=1e-7, cases=[case("a vector", 1, n=5)], hint="Multiply.")
def test_triple(student, case):
    """`triple` gives three times its input."""
    x = case.randn(case.n)
    case.compare("triple(x)", student.triple(x), 3 * x)
'''

DATA_CHECK = '''

@graded(points=1, tolerance=1e-7, cases=[case("an image", 1)], hint="Look.")
def test_image(student, case):
    """`double` gives twice an image."""
    x = case.data.X_train[:1]
    case.compare("double(x)", student.double(x), 2 * x)
'''

MANIFEST = """\
title = "Tiny"
points = 6
written = 3

[files]
modules = ["tiny.py"]
notebook = "tiny.ipynb"
models = ["tiny.pth"]
support = ["given.py"]

[limits]
check_seconds = 0.5
import_seconds = 3
module_kb = 4
notebook_mb = 1
model_mb = 1
"""


def cell(kind, source, **about):
    """Return a cell; `about` is what nbgrader knows of it."""
    return {"cell_type": kind, "source": source, "metadata": {"nbgrader": about} if about else {}}


def notebook_cells(answer="Because."):
    """Return the cells of the tiny notebook."""
    return [
        cell("markdown", ["# Tiny\n", "\n", "A title."]),
        cell("code", "check('double')", grade=True, solution=False, grade_id="double", points=4),
        cell("code", "check('triple')", grade=True, solution=False, grade_id="triple", points=2),
        cell("markdown", answer, grade=True, solution=True, grade_id="why", points=3),
    ]


def write_notebook(folder: Path, cells) -> None:
    """Write a notebook as Jupyter does."""
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "tiny.ipynb").write_text(json.dumps(content, indent=1), encoding="utf-8")


def make_folder(folder: Path) -> Path:
    """Make the folder of the tiny assignment with everything done."""
    (folder / "checks").mkdir(parents=True)
    (folder / "checks" / "assignment.toml").write_text(MANIFEST, encoding="utf-8")
    (folder / "checks" / "test_tiny.py").write_text(CHECKS, encoding="utf-8")
    (folder / "tiny.py").write_text(MODULE, encoding="utf-8")
    (folder / "given.py").write_text("TWO = 2\n", encoding="utf-8")
    write_notebook(folder, notebook_cells())
    torch.save({"w": torch.ones(2, 3)}, folder / "tiny.pth")
    return folder
