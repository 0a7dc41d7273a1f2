"""The kit's results in nbgrader's gradebook: the same rows that `nbgrader autograde` leaves."""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import compute_checksum, determine_grade, is_task, parse_utc
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import OperationalError, SAWarning, SQLAlchemyError

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.nbgrader.run import database, load_config
from autograder.nbgrader.show import score_of
from autograder.nbgrader.submission import released_notebook, submitted_notebook
from autograder.plain_file import Unreadable, read_plain_file

T = TypeVar("T")
WAIT_SECONDS = 10
"""How long to wait for another program that is writing to the gradebook, by the second: Ctrl-C gets through between."""
Row = tuple[float | None, float | None, bool, float]
"""auto_score, manual_score, needs_manual_grade, max_score."""


@dataclass(frozen=True)
class Mark:
    """What the gradebook holds for one grade cell of one student."""

    auto_score: float | None
    manual_score: float | None
    extra_credit: float | None
    needs_manual_grade: bool
    max_score: float

    @property
    def points(self) -> float:
        """What it earns, as nbgrader counts: a person's score goes before the kit's, extra credit comes on top."""
        score = self.auto_score if self.manual_score is None else self.manual_score
        return 0.0 if score is None else score + (self.extra_credit or 0.0)

    @property
    def is_open(self) -> bool:
        """Whether nobody has given a score yet."""
        return self.auto_score is None and self.manual_score is None


@dataclass(frozen=True)
class Standing:
    """What the gradebook holds for one student's submission of an assignment.

    Attributes:
        marks: by the id of the grade cell.
        comments: what a person wrote on answers, by the id of the cell.
        penalty: the points that lateness costs.
        timestamp: when it was handed in, if that is known.
        seconds_late: how long after the due date, extensions counted.
    """

    marks: Mapping[str, Mark]
    comments: Mapping[str, str]
    penalty: float
    timestamp: datetime | None
    seconds_late: float

    @property
    def score(self) -> float:
        """The points of the whole submission, after the penalty."""
        return max(0.0, math.fsum(mark.points for mark in self.marks.values()) - self.penalty)

    @property
    def max_score(self) -> float:
        """What the submission could have earned."""
        return math.fsum(mark.max_score for mark in self.marks.values())


def save(
    course: Course,
    assignment: str | Assignment,
    records: Iterable[dict[str, Any]],
    unchanged: Collection[str] = (),
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
            gradebook, no row is marked: the person has seen what there is to see.

    Raises:
        UserError: the gradebook cannot be used, or does not fit the assignment.
    """
    records = iter(records)
    first = list(itertools.islice(records, 1))  # before the gradebook is opened: perhaps nothing can be graded
    try:
        if isinstance(assignment, str):
            assignment = load_assignment(course, assignment)
        _save_all(course, assignment, itertools.chain(first, records), unchanged)
    except UserError:
        for _ in records:
            pass
        raise


def _save_all(
    course: Course, assignment: Assignment, records: Iterable[dict[str, Any]], unchanged: Collection[str]
) -> None:
    _demand_release(course, assignment)
    released = released_notebook(course, assignment)
    penalties = AssignLatePenalties(config=load_config(course))
    penalties.init_plugin()
    with _open(course) as gradebook, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # nbgrader's way of adding a submission
        demand_same_cells(gradebook, assignment, released)
        failed: list[str] = []
        for record in records:
            known = record["student"] in unchanged
            try:
                with _one_transaction(gradebook):
                    _save_one(gradebook, course, assignment, record, released, penalties, known)
            except OSError as error:  # of one submission; what is wrong with the gradebook itself concerns all
                gradebook.db.rollback()
                failed.append(f"{record['student']}: {error}")
    if failed:
        raise UserError(f"The gradebook lacks {len(failed)} of the scores ({'; '.join(failed[:5])}); all have records.")


def rows(course: Course, name: str) -> dict[str, dict[str, Row]]:
    """Return the gradebook's rows of an assignment: by student, then by the id of the grade cell."""
    found: dict[str, dict[str, Row]] = {}
    with _open(course) as gradebook:
        for submission in gradebook.assignment_submissions(name):
            found[submission.student.id] = {
                grade.name: (grade.auto_score, grade.manual_score, grade.needs_manual_grade, grade.max_score)
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
    return found


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
    with _open(course, url) as gradebook:
        try:
            demand_same_cells(gradebook, assignment, released)
        except MissingEntry:
            raise UserError(
                f"The gradebook does not know {assignment.name}. Run `autograder release {assignment.name}`, "
                f"then `autograder grade {assignment.name}`."
            ) from None
        if student:
            try:
                return {student: _standing(gradebook.find_submission(assignment.name, student))}
            except MissingEntry:
                return {}
        found: dict[str, Standing | None] = {one.id: None for one in gradebook.students}
        for submission in gradebook.assignment_submissions(assignment.name):
            found[submission.student.id] = _standing(submission)
        return dict(sorted(found.items()))


def _standing(submission: Any) -> Standing:
    notebooks = list(submission.notebooks)
    timestamp = submission.timestamp
    return Standing(
        marks={
            row.name: Mark(row.auto_score, row.manual_score, row.extra_credit, row.needs_manual_grade, row.max_score)
            for notebook in notebooks
            for row in notebook.grades
        },
        comments={
            comment.name: comment.manual_comment
            for notebook in notebooks
            for comment in sorted(notebook.comments, key=lambda one: one.name)
            if (comment.manual_comment or "").strip()
        },
        penalty=math.fsum(notebook.late_submission_penalty or 0.0 for notebook in notebooks),
        timestamp=timestamp.replace(tzinfo=UTC) if timestamp else None,
        seconds_late=submission.total_seconds_late,
    )


@contextlib.contextmanager
def _one_transaction(gradebook: Any) -> Iterator[None]:
    """Hold back the commits of nbgrader's methods, one for each row they add, and commit once at the end."""
    session = gradebook.db

    def flush() -> None:
        try:
            session.flush()
        except SQLAlchemyError as error:  # in words already: nbgrader would write a traceback on the terminal
            raise UserError(_problem(gradebook.engine.url, error)) from None

    if session.get_bind().dialect.name == "sqlite":  # before anything is read: another program may be writing
        _when_free(lambda: session.execute(text("BEGIN IMMEDIATE")), session.rollback)
    session.commit = flush
    try:
        yield
    finally:
        del session.commit
    session.commit()


def _save_one(
    gradebook: Any,
    course: Course,
    assignment: Assignment,
    record: dict[str, Any],
    released: Any,
    penalties: Any,
    known: bool,
) -> None:
    student = record["student"]
    timestamp = submitted_at(course, assignment.name, student)
    given = {"timestamp": timestamp} if timestamp else {}
    gradebook.update_or_create_student(student)
    submission = gradebook.update_or_create_submission(assignment.name, student, **given)
    notebook, _ = submitted_notebook(course, assignment, student, released)
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}
    checks = {check["id"]: check for check in record["checks"]}
    for row in submission.notebooks:
        if row.name != assignment.notebook_id:
            continue
        for source in row.notebook.source_cells:
            if source.name in cells:
                cells[source.name].metadata.nbgrader["checksum"] = source.checksum
        _save_grades(row, cells, checks, known)
        _save_comments(row, cells)
        gradebook.db.flush()
        gradebook.db.refresh(row)
        _save_penalty(row, submission, penalties)


def _save_grades(row: Any, cells: dict[str, Any], checks: dict[str, Any], known: bool) -> None:
    """Write what SaveAutoGrades would."""
    scores: dict[Any, float | None] = {}
    for grade in row.grades:
        cell = cells.get(grade.name)
        if cell is not None and is_task(cell):
            continue
        if grade.name in checks:
            scores[grade] = score_of(checks[grade.name], grade.cell.max_score)
        elif cell is None or not cell.metadata.nbgrader.get("solution"):
            scores[grade] = 0.0
        else:
            scores[grade], _ = determine_grade(cell)
    seen = known and all(grade.auto_score == score for grade, score in scores.items())
    for grade, score in scores.items():
        grade.auto_score = score
        if grade.manual_score is None:
            grade.needs_manual_grade = score is None
        elif not seen:
            grade.needs_manual_grade = True


def _save_comments(row: Any, cells: dict[str, Any]) -> None:
    for comment in row.comments:
        cell = cells.get(comment.name)
        unanswered = cell is None or _is_as_released(cell)
        comment.auto_comment = "No response." if unanswered and not (cell and is_task(cell)) else None


def _is_as_released(cell: Any) -> bool:
    return bool(cell.metadata.nbgrader.get("checksum") == compute_checksum(cell))


def _save_penalty(row: Any, submission: Any, penalties: Any) -> None:
    """Write what AssignLatePenalties would."""
    row.late_submission_penalty = None
    late = submission.total_seconds_late
    if late > 0:
        penalty = penalties.plugin_inst.late_submission_penalty(submission.student.id, row.score, late)
        if penalty is not None:
            row.late_submission_penalty = penalties._check_late_penalty(row, penalty)


def submitted_at(course: Course, name: str, student: str) -> datetime | None:
    """Return when a submission came in, UTC, from its `timestamp.txt`; None without a usable one."""
    try:
        path = course.submitted / student / name / "timestamp.txt"
        text = read_plain_file(path, 200).decode("utf-8").strip()
        return parse_utc(text) if text else None
    except (Unreadable, ValueError, OverflowError):
        return None


def _demand_release(course: Course, assignment: Assignment) -> None:
    with _open(course) as gradebook:
        try:
            gradebook.find_notebook(assignment.notebook_id, assignment.name)
            return
        except MissingEntry:
            pass
    from autograder.release.build import generate

    generate(course, assignment.name)


def demand_same_cells(gradebook: Any, assignment: Assignment, released: Any) -> None:
    """Demand that the release and the gradebook know the same cells; another clone may have moved on.

    Raises:
        UserError: they do not.
    """
    row = gradebook.find_notebook(assignment.notebook_id, assignment.name)
    recorded = {cell.name for cell in row.source_cells}
    given = {cell.metadata.nbgrader.grade_id for cell in released.cells if "nbgrader" in cell.metadata}
    if recorded != given:
        names = ", ".join(sorted(recorded ^ given))
        path = f"release/{assignment.name}/{assignment.files.notebook}"
        raise UserError(
            f"{path}: the gradebook has other cells; only one of the two has {names}. "
            f"Run `autograder release {assignment.name}`."
        )


@contextlib.contextmanager
def _open(course: Course, url: str = "") -> Iterator[Any]:
    address = make_url(url or database(course))
    if address.get_backend_name() == "sqlite" and "timeout" not in address.query:
        address = address.update_query_dict({"timeout": "1"})
    try:
        with _when_free(lambda: Gradebook(address)) as gradebook:
            yield gradebook
    except SQLAlchemyError as error:
        raise UserError(_problem(address, error)) from None


def _when_free(action: Callable[[], T], between: Callable[[], object] = lambda: None) -> T:
    """Do something to the gradebook as soon as no other program is writing to it."""
    for _ in range(WAIT_SECONDS - 1):
        try:
            return action()
        except OperationalError as error:
            if not _is_locked(str(error.orig)):
                raise
            between()
    return action()


def _is_locked(reason: str) -> bool:
    return "locked" in reason or "busy" in reason


def _problem(address: URL, error: SQLAlchemyError) -> str:
    reason = str(getattr(error, "orig", None) or error).split("\n")[0]
    where = address.database
    if _is_locked(reason):
        return f"{where}: another program is writing to the gradebook. Close it, or wait, and try again."
    if any(text in reason for text in ("no such column", "has no column", "no such table")):
        return (
            f"{where}: the gradebook was made by an older nbgrader ({reason}). Make a copy of it, then run "
            "`nbgrader db upgrade` in the course folder."
        )
    if "not a database" in reason or "malformed" in reason:
        return (
            f"{where}: the gradebook is damaged ({reason}). Put it back from a copy. Without one, move it away and "
            "grade again: automatic scores are entered anew, what a person entered is lost."
        )
    return f"{where}: the gradebook cannot be used: {reason}. Mend this and try again."
