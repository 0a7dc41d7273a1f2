"""What was graded before, from the records alone."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.grading import records
from autograder.grading.grade import Outcome
from autograder.grading.submission import read_submission


def recall(course: Course, assignment: Assignment, students: Sequence[str]) -> Generator[Outcome, None, None]:
    """Give what the records say, one student after the other.

    Where there is no record that can be read, or the submission or the assignment has changed since,
    the outcome says so in the place of a record.
    """
    for student in students:
        try:
            yield Outcome(student, _current(course, assignment, student), fresh=False)
        except UserError as error:
            yield Outcome(student, None, trouble=f"{error} Run `autograder grade {assignment.name}`.")


def _current(course: Course, assignment: Assignment, student: str) -> records.Record:
    path = records.path(course, assignment.name, student)
    record = records.read(course, assignment.name, student)
    if record is None:
        what = "this record is damaged" if path.exists() else "there is no such record"
        raise UserError(f"{path}: {what}.")
    records.demand_current(course, assignment, read_submission(course, assignment, student), record)
    return record
