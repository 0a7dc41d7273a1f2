"""A class of example submissions for the fully connected assignment: honest, mistaken, broken, hostile.

    python examples/class_of_examples.py COURSE [cifar10|standin]

writes them into COURSE/submitted/. Each is the solution with something done to it, so that the table
below says all there is to know about them; the tests and the demo use the same class.
"""

from __future__ import annotations

import base64
import functools
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from autograder.release.strip import strip_module
from toolbox import data, plots
from toolbox.saved_models import read_pth

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = "fully_connected_networks"
MODULE = f"{NAME}.py"
NOTEBOOK = f"{NAME}.ipynb"
SOLUTION = REPOSITORY / "assignments" / NAME / MODULE
MODELS = REPOSITORY / "assignments" / NAME / "models"

Edit = Callable[[str], str]


def _swap(old: str, new: str) -> Edit:
    """Replace text that must be there."""

    def edit(source: str) -> str:
        if old not in source:
            raise ValueError(f"{SOLUTION} no longer contains {old!r}")
        return source.replace(old, new)

    return edit


def _append(text: str) -> Edit:
    return lambda source: f"{source}\n\n{text}"


def _starter(source: str) -> str:
    return strip_module(source, MODULE)


def _cut_out(name: str) -> Edit:
    """Leave one class as the starter has it."""

    def edit(source: str) -> str:
        start = source.index(f"class {name}:")
        end = source.index("\nclass ", start)
        return source[:start] + _starter(source[start:end] + "\n") + source[end:]

    return edit


CHEAT = """
# A submission that patches what a careless grader would compare with, and looks for the tests.
import builtins
import glob

torch.allclose = lambda *args, **kwargs: True
torch.equal = lambda *args, **kwargs: True
builtins.abs = lambda x: 0


class Anything(torch.Tensor):
    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return torch.zeros(())


FOUND = glob.glob('/**/checks/test_*.py', recursive=True)


class Linear:
    @staticmethod
    def forward(x, w, b):
        return torch.zeros(x.shape[0], w.shape[1]).as_subclass(Anything), (x, w, b)

    @staticmethod
    def backward(dout, cache):
        return tuple(torch.zeros_like(value).as_subclass(Anything) for value in cache)
"""

CLASS: dict[str, Edit | None] = {
    "complete": lambda source: source,
    "starter": _starter,
    "forgot_bias": _swap("@ w + b", "@ w"),
    "relu_everywhere": _swap("dx = dout * (x > 0)", "dx = dout * (x >= 0)"),
    "regularised_once": _swap("for name in ('W1', 'W2'):", "for name in ('W1',):"),
    "no_dropout_yet": _cut_out("Dropout"),
    "endless_loop": _swap("mask = (torch.rand", "while True:\n                pass\n            mask = (torch.rand"),
    "syntax_error": _swap("def sgd_momentum(w, dw, config=None):", "def sgd_momentum(w, dw, config=None)"),
    "gpu_habit": _swap("next_w = w + v", "next_w = (w.cuda() + v.to('cuda:0'))"),
    "cheater": _append(CHEAT),
    "no_module": None,
    "unreadable_notebook": lambda source: source,
    "no_notebook": lambda source: source,
}
"""Who is in the class, and what was done to the solution; None hands in no module."""

NO_MODELS = {"starter", "no_module"}
"""Who hands in no saved models, and no answers."""

ANSWERS = {
    "question_two_layer": "It learns the training images by heart: the gap between the curves grows.\n\nCats and dogs.",
    "question_depth": "With small weights the signal is **gone** after four layers, see the histograms.",
    "question_dropout": "The larger $p$, the lower the training accuracy. Validation accuracy stays about the same.",
}
"""What most of the class answer to the written questions; `complete` hands in the author's answers."""


def write_class(course: Path, images: str, students: list[str] | None = None) -> list[str]:
    """Write submissions into a course folder in which the assignment is released; return who is in it."""
    chosen = students or list(CLASS)
    for student in chosen:
        folder = course / "submitted" / student / NAME
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        edit = CLASS[student]
        if edit is not None:
            (folder / MODULE).write_text(edit(SOLUTION.read_text(encoding="utf-8")), encoding="utf-8")
        if student == "unreadable_notebook":
            (folder / NOTEBOOK).write_text('{"cells": [', encoding="utf-8")
        elif student != "no_notebook":
            nbformat.write(_notebook(course, student, images), folder / NOTEBOOK)
        if student not in NO_MODELS:
            for model in sorted((MODELS / images).glob("*.pth")):
                shutil.copyfile(model, folder / model.name)
    return chosen


def _notebook(course: Path, student: str, images: str) -> Any:
    """Return the released notebook with a student's answers, and pictures of the saved net beside them."""
    notebook = nbformat.read(course / "release" / NAME / NOTEBOOK, as_version=4)
    if student in NO_MODELS:
        return notebook
    answers = ANSWERS
    if student == "complete":
        author = nbformat.read(course / "source" / NAME / NOTEBOOK, as_version=4)
        answers = {_grade_id(cell): cell.source for cell in author.cells if _grade_id(cell) in ANSWERS}
    pictures = _pictures(images)
    for cell in notebook.cells:
        cell.source = answers.get(_grade_id(cell), cell.source)
        if cell.id in pictures:
            cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": pictures[cell.id]})]
            cell.execution_count = 1
    return notebook


def _grade_id(cell: Any) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


@functools.cache
def _pictures(name: str) -> dict[str, str]:
    """Draw the saved two-layer net of a data set, for the cells of the notebook that do: PNG in base64."""
    images = data.load(name, parts=("val",))
    net = read_pth(MODELS / name / "best_two_layer_net.pth")["params"]
    W1, b1, W2, b2 = (net[key].float() for key in ("W1", "b1", "W2", "b2"))
    scores = (images.X_val.flatten(1) @ W1 + b1).clamp(min=0) @ W2 + b2
    figures = {
        "draw-weights": plots.weights_as_images(W1),
        "draw-confusion": plots.confusion_matrix(scores, images.y_val, images.classes),
        "draw-mistakes": plots.worst_mistakes(images.X_val, scores, images.y_val, images.classes, n=10),
    }
    drawn = {}
    for cell, figure in figures.items():
        figure.savefig(png := io.BytesIO(), format="png", dpi=80)
        drawn[cell] = base64.b64encode(png.getvalue()).decode()
    return drawn


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    written = write_class(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else "cifar10")
    print(f"{len(written)} submissions in {Path(sys.argv[1]) / 'submitted'}: {', '.join(written)}")
