"""Entering submissions into the gradebook as they are graded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import compute_checksum, parse_utc

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.gradebook.connection import cell_ids, demand_same_cells, one_transaction, open_gradebook
from autograder.gradebook.rows import Mark, Rows, Sheet, Standing, read_rows, read_sheet, write_rows
from autograder.nbgrader.run import load_config
from autograder.nbgrader.show import score_of
from autograder.nbgrader.submission import released_notebook, submitted_answers
from autograder.plain_file import Unreadable, read_plain_file

Entered = Callable[[str, Standing, bool], None]
"""Told of a student whose scores stand in the gradebook, with all that stands there, and whether any is new."""


def save(
    course: Course,
    assignment: str | Assignment,
    records: Iterable[dict[str, Any]],
    unchanged: Collection[str] = (),
    entered: Entered | None = None,
) -> None:
    """Write submissions into the gradebook as they are graded, one transaction each.

    Scores, comments and extra credit that a person entered are left alone; a row with a person's score is
    marked for another look, as nbgrader does. An assignment that the gradebook does not know is released
    first.

    Args:
        course: the course.
        assignment: the assignment, or its name.
        records: what grading finds, one record per submission. They are gone through to the end even where the
            gradebook cannot be used, so that a generator does its work.
        unchanged: students whose record is the one of an earlier run. Where their scores already stand in the
            gradebook, nothing is written and no row is marked: the person has seen what there is to see.
        entered: called for each student whose scores are in.

    Raises:
        UserError: the gradebook cannot be used, or does not fit the assignment.
    """
    records = iter(records)
    first = list(itertools.islice(records, 1))  # before the gradebook is opened: perhaps nothing can be graded
    try:
        if isinstance(assignment, str):
            assignment = load_assignment(course, assignment)
        _demand_release(course, assignment)
        released = released_notebook(course, assignment)
        failed: list[str] = []
        with open_gradebook(course) as gradebook:
            demand_same_cells(gradebook, assignment, released)
            book = _Book(gradebook.db, course, assignment, released)
            for record in itertools.chain(first, records):
                student = record["student"]
                book.demand_cells(record)
                try:
                    standing, new = book.enter(record, known=student in unchanged)
                except OSError as error:  # of one submission; what is wrong with the gradebook itself concerns all
                    failed.append(f"{student}: {error}")
                    continue
                if entered is not None:
                    entered(student, standing, new)
    except UserError:
        for _ in records:
            pass
        raise
    if failed:
        raise UserError(f"The gradebook lacks {len(failed)} of the scores ({'; '.join(failed[:5])}); all have records.")


class _Book:
    """The open gradebook, which takes in one submission after the other."""

    def __init__(self, session: Any, course: Course, assignment: Assignment, released: Any) -> None:
        self._session = session
        self._course = course
        self._assignment = assignment
        self._released = released
        self._cells = cell_ids(released)
        penalties = AssignLatePenalties(config=load_config(course))
        penalties.init_plugin()
        self._late_penalty = penalties.plugin_inst.late_submission_penalty
        self._there: tuple[Sheet, dict[str, Rows]] | None = None

    def demand_cells(self, record: Mapping[str, Any]) -> None:
        """Demand a cell for each check of a record; without one its points would go nowhere.

        Raises:
            UserError: there is none; the text says what to do.
        """
        if lacking := sorted(check["id"] for check in record["checks"] if check["id"] not in self._cells):
            notebook = self._course.source / self._assignment.name / self._assignment.files.notebook
            raise UserError(
                f"{notebook}: the released notebook has no grade cell for {', '.join(lacking)}. See that this one has, "
                f"and run `autograder release {self._assignment.name}`."
            )

    def enter(self, record: Mapping[str, Any], known: bool) -> tuple[Standing, bool]:
        """Enter a submission; return what the gradebook holds of it then, and whether any of that is new."""
        student = record["student"]
        answers = submitted_answers(self._course, self._assignment, student, self._released)
        timestamp = submitted_at(self._course, self._assignment.name, student)
        if known:
            sheet, rows = self._as_found(student)
            if rows.notebook and rows == self._graded(sheet, rows, record, answers, timestamp, known):
                return rows.standing(sheet), False
        with one_transaction(self._session):
            sheet = read_sheet(self._session, self._assignment)
            old = read_rows(self._session, sheet, student).get(student, Rows())
            new = self._graded(sheet, old, record, answers, timestamp, known)
            write_rows(self._session, sheet, student, old, new)
        return new.standing(sheet), True

    def _as_found(self, student: str) -> tuple[Sheet, Rows]:
        """Return a student's rows as they were when they were first asked for, all of the class at once."""
        if self._there is None:
            sheet = read_sheet(self._session, self._assignment)
            self._there = sheet, read_rows(self._session, sheet)
            self._session.rollback()  # nothing was written, and others may
        sheet, rows = self._there
        return sheet, rows.pop(student, Rows())

    def _graded(
        self,
        sheet: Sheet,
        rows: Rows,
        record: Mapping[str, Any],
        answers: Mapping[str, Any],
        timestamp: datetime | None,
        known: bool,
    ) -> Rows:
        """Return what a student's rows should be: what SaveAutoGrades and AssignLatePenalties would leave."""
        given = {name for name, cell in answers.items() if sheet.checksums.get(name) != compute_checksum(cell)}
        checks = {check["id"]: check for check in record["checks"]}
        scores: dict[str, float | None] = {
            name: score_of(checks[name], points) if name in checks else None if name in given else 0.0
            for name, points in sheet.points.items()
            if name not in sheet.tasks
        }
        seen = known and all(name in rows.marks and rows.marks[name].auto_score == scores[name] for name in scores)
        marks = {name: _mark(rows.marks.get(name), sheet.points[name]) for name in sheet.graded}
        for name, score in scores.items():
            mark = marks[name]
            look = score is None if mark.manual_score is None else mark.needs_manual_grade or not seen
            marks[name] = replace(mark, auto_score=score, needs_manual_grade=look)
        remarks = {
            name: (
                None if name in given or name in sheet.tasks else "No response.",
                rows.remarks.get(name, (None, None))[1],
            )
            for name in sheet.commented
        }
        new = replace(rows, timestamp=timestamp or rows.timestamp, marks=marks, remarks=remarks)
        return replace(new, penalty=self._penalty(sheet, new, record["student"]))

    def _penalty(self, sheet: Sheet, rows: Rows, student: str) -> float | None:
        """Return what lateness costs, at least nothing and at most the score."""
        late = rows.seconds_late(sheet)
        if not late:
            return None
        score = sum(mark.points for mark in rows.marks.values())
        penalty = self._late_penalty(student, score, late)
        return None if penalty is None else max(0.0, min(penalty, score))


def _mark(mark: Mark | None, points: float) -> Mark:
    return mark or Mark(None, None, None, True, points)


def submitted_at(course: Course, name: str, student: str) -> datetime | None:
    """Return when a submission came in, UTC, from its `timestamp.txt`; None without a usable one."""
    try:
        path = course.submitted / student / name / "timestamp.txt"
        text = read_plain_file(path, 200).decode("utf-8").strip()
        return parse_utc(text) if text else None
    except (Unreadable, ValueError, OverflowError):
        return None


def _demand_release(course: Course, assignment: Assignment) -> None:
    with open_gradebook(course) as gradebook:
        try:
            gradebook.find_notebook(assignment.notebook_id, assignment.name)
            return
        except MissingEntry:
            pass
    from autograder.release.build import generate

    generate(course, assignment.name)
