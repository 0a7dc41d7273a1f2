"""The notebook that nbgrader grades: the release's cells, with what the student wrote in them.

Every cell of the release that nbgrader knows by its id is there once, of the release's type and worth
the release's points, whatever became of it on the way; a deleted one is put back as it was handed out.
The student's other cells stay around them. So a broken notebook costs its answers and nothing else.
"""

from __future__ import annotations

import copy
from typing import Any

import nbformat
from nbformat.v4 import new_notebook

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.nbgrader.clean import clean_cell, text_of
from autograder.nbgrader.read import read_cells
from autograder.plain_file import Unreadable

MB = 1024**2


def released_notebook(course: Course, assignment: Assignment) -> Any:
    """Return the notebook that students were given.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = course.release / assignment.name / assignment.files.notebook
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "there is no such notebook" if missing else f"this cannot be read: {error}"
        raise UserError(f"{path}: {reason}. Run `autograder release {assignment.name}`.") from None


def submitted_notebook(course: Course, assignment: Assignment, student: str, released: Any) -> tuple[Any, str]:
    """Return a student's notebook put into shape, and why theirs was not used ("" where it was)."""
    path = course.submitted / student / assignment.name / assignment.files.notebook
    try:
        cells = read_cells(path, assignment.limits.notebook_mb * MB)
    except Unreadable as reason:
        return merge(released, []), f"{assignment.files.notebook} {reason}; its answers count as not given"
    return merge(released, cells), ""


def submitted_answers(course: Course, assignment: Assignment, student: str, released: Any) -> dict[str, Any]:
    """Return the cells of a student's notebook that are the student's to fill, as `submitted_notebook` has them."""
    path = course.submitted / student / assignment.name / assignment.files.notebook
    try:
        cells = read_cells(path, assignment.limits.notebook_mb * MB)
    except Unreadable:
        cells = []
    known = {_grade_id(cell): cell for cell in released.cells if _grade_id(cell)}
    texts = _texts(released)
    chosen = {name: cells[index] for name, index in _choose(known, cells).items()}
    return {
        name: _fill(cell, chosen[name], texts) if name in chosen else cell
        for name, cell in known.items()
        if cell.metadata.nbgrader.get("solution")
    }


def merge(released: Any, cells: list[dict[str, Any]]) -> Any:
    """Return the release's notebook with a student's cells in it."""
    known = {_grade_id(cell): cell for cell in released.cells if _grade_id(cell)}
    texts = _texts(released)
    chosen = _choose(known, cells)
    merged: list[Any] = []
    for index, cell in enumerate(cells):
        name = _grade_id(cell)
        merged.append(_fill(known[name], cell, texts) if chosen.get(name) == index else clean_cell(cell, texts))
    if not cells:
        merged = [copy.deepcopy(cell) for cell in released.cells]
    else:
        _put_back(merged, [cell for cell in released.cells if _grade_id(cell)])
    for number, cell in enumerate(merged):
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=merged, metadata=copy.deepcopy(released.metadata))


def _texts(released: Any) -> set[str]:
    return {cell.source for cell in released.cells if cell.cell_type == "markdown"}


def _choose(known: dict[str, Any], cells: list[dict[str, Any]]) -> dict[str, int]:
    """Return which of a student's cells stands for each known one.

    Of a cell that the student copied, the last one that differs from the release counts, else the last.
    """
    chosen: dict[str, int] = {}
    for index, cell in enumerate(cells):
        name = _grade_id(cell)
        if name in known:
            changed = _changed(cell, known[name])
            if changed or name not in chosen or not _changed(cells[chosen[name]], known[name]):
                chosen[name] = index
    return chosen


def _changed(cell: dict[str, Any], given: Any) -> bool:
    return bool(text_of(cell.get("source")) != given.source)


def _fill(given: Any, theirs: dict[str, Any], texts: set[str]) -> Any:
    """Return a known cell: the student's text where it is theirs to write, all else from the release."""
    student = clean_cell({**theirs, "cell_type": given.cell_type}, texts)
    cell = copy.deepcopy(given)
    if given.metadata.nbgrader.get("solution"):
        cell["source"] = student.source
        if given.cell_type == "markdown" and "attachments" in student:
            cell["attachments"] = student["attachments"]
    if given.cell_type == "code":
        cell["outputs"] = student.get("outputs", [])
        cell["execution_count"] = None
    return cell


def _put_back(merged: list[Any], known: list[Any]) -> None:
    """Insert the known cells that are missing, each after the known cell before it."""
    there = {_grade_id(cell) for cell in merged}
    previous = ""
    for cell in known:
        name = _grade_id(cell)
        if name not in there:
            place = next((i + 1 for i, c in enumerate(merged) if previous and _grade_id(c) == previous), 0)
            merged.insert(place, copy.deepcopy(cell))
        previous = name


def _grade_id(cell: Any) -> str:
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    return name if isinstance(name, str) else ""
