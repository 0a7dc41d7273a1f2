"""Reading what the gradebook holds of a class."""

from __future__ import annotations

from typing import Any

from nbgrader.api import MissingEntry, Student
from sqlalchemy import select

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.gradebook.connection import demand_same_cells, open_gradebook
from autograder.gradebook.rows import Standing, read_rows, read_sheet

Row = tuple[float | None, float | None, bool, float]
"""auto_score, manual_score, needs_manual_grade, max_score."""


def rows(course: Course, name: str) -> dict[str, dict[str, Row]]:
    """Return the gradebook's rows of an assignment: by student, then by the id of the grade cell."""
    with open_gradebook(course) as gradebook:
        found = read_rows(gradebook.db, read_sheet(gradebook.db, load_assignment(course, name)))
    return {
        student: {
            cell: (mark.auto_score, mark.manual_score, mark.needs_manual_grade, mark.max_score)
            for cell, mark in held.marks.items()
        }
        for student, held in found.items()
    }


def standings(
    course: Course, assignment: Assignment, released: Any, *, student: str = "", url: str = ""
) -> dict[str, Standing | None]:
    """Return what the gradebook holds of a class: everybody on its roster, None for who has not submitted.

    Args:
        course: the course.
        assignment: the assignment.
        released: its notebook, as students were given it.
        student: return this student only.
        url: the gradebook, the one that the course's settings name by default.

    Raises:
        UserError: the gradebook cannot be used, does not know the assignment, or knows it with other cells.
    """
    with open_gradebook(course, url) as gradebook:
        try:
            demand_same_cells(gradebook, assignment, released)
        except MissingEntry:
            raise UserError(
                f"The gradebook does not know {assignment.name}. Run `autograder release {assignment.name}`, "
                f"then `autograder grade {assignment.name}`."
            ) from None
        sheet = read_sheet(gradebook.db, assignment)
        found = {one: rows.standing(sheet) for one, rows in read_rows(gradebook.db, sheet, student or None).items()}
        roster = [] if student else gradebook.db.scalars(select(Student.id)).all()
    return {one: found.get(one) for one in sorted({*roster, *found})}
