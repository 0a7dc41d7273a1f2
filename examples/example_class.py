"""A class of example submissions: each is the solution with something done to it."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from autograder.release.strip import strip_module

REPOSITORY = Path(__file__).resolve().parent.parent
Sources = dict[str, str]
"""The text of each module that is handed in, by its file name; checks see the last."""
Edit = Callable[[Sources], Sources]
Pictures = Callable[[str], Mapping[str, Any]]
"""From the name of a data set to figures, by the id of the notebook's cell that they stand in."""


@dataclass(frozen=True)
class ExampleClass:
    """Who hands in what.

    Attributes:
        name: the assignment.
        modules: file names of the modules that are handed in; the first ones may be of earlier assignments.
        students: what was done to the solution, by student; None hands in no module.
        no_models: who hands in no saved models, and no answers.
        answers: what most of the class answer to the written questions; `complete` hands in the author's.
        pictures: the figures near those questions.
    """

    name: str
    modules: tuple[str, ...]
    students: Mapping[str, Edit | None]
    no_models: Collection[str]
    answers: Mapping[str, str]
    pictures: Pictures
    _drawn: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The author's side of the assignment."""
        return REPOSITORY / "assignments" / self.name

    def solution(self) -> Sources:
        """Return the modules with their solutions."""
        return {module: (self.folder / module).read_text(encoding="utf-8") for module in self.modules}

    def write(self, course: Path, images: str, students: list[str] | None = None) -> list[str]:
        """Write submissions into a course folder in which the assignment is released; return who is in it."""
        chosen = students or list(self.students)
        for student in chosen:
            folder = course / "submitted" / student / self.name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            edit = self.students[student]
            for module, text in ({} if edit is None else edit(self.solution())).items():
                (folder / module).write_text(text, encoding="utf-8")
            notebook = f"{self.name}.ipynb"
            if student == "unreadable_notebook":
                (folder / notebook).write_text('{"cells": [', encoding="utf-8")
            elif student != "no_notebook":
                nbformat.write(self._notebook(course, student, images), folder / notebook)
            if student not in self.no_models:
                for model in sorted((self.folder / "models" / images).iterdir()):
                    shutil.copyfile(model, folder / model.name)
        return chosen

    def _notebook(self, course: Path, student: str, images: str) -> Any:
        """Return the released notebook with a student's answers, and pictures of the saved net beside them."""
        notebook = nbformat.read(course / "release" / self.name / f"{self.name}.ipynb", as_version=4)
        if student in self.no_models:
            return notebook
        answers = self.answers
        if student == "complete":
            author = nbformat.read(course / "source" / self.name / f"{self.name}.ipynb", as_version=4)
            answers = {_grade_id(cell): cell.source for cell in author.cells if _grade_id(cell) in self.answers}
        if images not in self._drawn:
            self._drawn[images] = {cell: _png(figure) for cell, figure in self.pictures(images).items()}
        for cell in notebook.cells:
            cell.source = answers.get(_grade_id(cell), cell.source)
            if cell.id in self._drawn[images]:
                cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": self._drawn[images][cell.id]})]
                cell.execution_count = 1
        return notebook


def unchanged(sources: Sources) -> Sources:
    """Hand in the solution."""
    return sources


def starter(sources: Sources) -> Sources:
    """Hand in what the release gave, and modules of earlier assignments as they are."""
    last = list(sources)[-1]
    return {**sources, last: strip_module(sources[last], last)}


def swap(old: str, new: str) -> Edit:
    """Replace text that must be there."""

    def edit(sources: Sources) -> Sources:
        if not any(old in text for text in sources.values()):
            raise ValueError(f"{', '.join(sources)}: {old!r} is no longer there")
        return {module: text.replace(old, new) for module, text in sources.items()}

    return edit


def append(code: str) -> Edit:
    """Add code at the end of the last module."""
    return lambda sources: {**sources, list(sources)[-1]: f"{list(sources.values())[-1]}\n\n{code}"}


def cut_out(name: str) -> Edit:
    """Leave one class of the last module as the starter has it."""

    def edit(sources: Sources) -> Sources:
        module = list(sources)[-1]
        text = sources[module]
        start = text.index(f"class {name}:")
        end = text.index("\nclass ", start)
        return {**sources, module: text[:start] + strip_module(text[start:end] + "\n", module) + text[end:]}

    return edit


def without(module: str) -> Edit:
    """Hand in all modules but one."""
    return lambda sources: {name: text for name, text in sources.items() if name != module}


def _grade_id(cell: Any) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _png(figure: Any) -> str:
    """Return a figure as PNG in base64, as notebooks hold it."""
    figure.savefig(png := io.BytesIO(), format="png", dpi=80)
    return base64.b64encode(png.getvalue()).decode()
