"""The grades of an assignment as a table, one row a student, for a spreadsheet or another program."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from autograder import gradebook
from autograder.assignment import Assignment
from autograder.course import Course
from autograder.nbgrader.submission import released_notebook
from toolbox.results import rounded

HEADINGS = ("student", "total", "code", "written", "late_penalty", "to_grade")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would take for a formula."""


def as_csv(course: Course, assignment: Assignment) -> str:
    """Return the gradebook's scores of an assignment as CSV; empty ones for who has not submitted.

    Raises:
        UserError: the release or the gradebook cannot be used.
    """
    released = released_notebook(course, assignment)
    graded = [cell.metadata.nbgrader for cell in released.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    checks = [about.grade_id for about in graded if not about.get("solution")]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([_harmless(name) for name in (*HEADINGS, *checks)])
    for student, standing in gradebook.standings(course, assignment, released).items():
        cells = [""] * (len(HEADINGS) - 1 + len(checks)) if standing is None else _scores(standing, checks)
        table.writerow([_harmless(student), *cells])
    return text.getvalue()


def _scores(standing: gradebook.Standing, checks: list[str]) -> list[Any]:
    code = math.fsum(standing.marks[name].points for name in checks if name in standing.marks)
    written = [mark for name, mark in standing.marks.items() if name not in checks]
    return [
        _number(standing.score),
        _number(code),
        _number(math.fsum(mark.points for mark in written)),
        _number(standing.penalty),
        sum(mark.is_open or mark.needs_manual_grade for mark in standing.marks.values()),
        *(_number(standing.marks[name].points) if name in standing.marks else "" for name in checks),
    ]


def _number(value: float) -> str:
    return f"{rounded(value):.2f}".rstrip("0").rstrip(".")


def _harmless(text: str) -> str:
    """Return a cell that a spreadsheet shows as text."""
    return f"'{text}" if text.startswith(FORMULA) else text
