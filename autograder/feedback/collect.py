"""What a page of feedback says, as data: gathered from the record, the gradebook and the notebook."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.gradebook import Mark, Standing
from autograder.grading import records
from autograder.grading.submission import read_submission
from autograder.nbgrader.submission import submitted_notebook
from toolbox.results import HINTED
from toolbox.results_table import MARKS, figure

MAX_NOTICES = 40
MAX_FIGURES = 6
"""Figures beside one answer, the last ones."""
SHARED = 4
"""So many checks with one message get it once, above the table."""
HEADING = re.compile(r"#{1,6}[ \t]+(.+?)[ \t#]*(?:\n|$)")
DATA_SETS = {"cifar10": "CIFAR-10", "standin": "the stand-in data set"}

Attachments = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Check:
    """A row of the table of checks; `remarks` says below it what went wrong."""

    id: str
    sentence: str
    status: str
    mark: str
    measured: str
    allowed: str
    points: Mark
    case: str = ""
    message: str = ""
    hint: str = ""

    @property
    def remarks(self) -> bool:
        """Whether there is something to say below the row."""
        return self.status != "passed" and any((self.case, self.message, self.hint))


@dataclass(frozen=True)
class Text:
    """The source of a cell, Markdown or code, with its pictures."""

    source: str
    is_code: bool = False
    attachments: Attachments = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A question that a person grades; `answer` is None where there is none."""

    title: str
    text: Text
    answer: Text | None
    is_task: bool
    figures: tuple[Mapping[str, str], ...]
    points: Mark
    comment: str


@dataclass(frozen=True)
class GradedFile:
    """A file that was graded: its size in bytes and its SHA-256, in hexadecimal digits."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Feedback:
    """All that a page says."""

    course: str
    title: str
    student: str
    standing: Standing
    graded: datetime
    data: str
    is_standin: bool
    checks: tuple[Check, ...]
    questions: tuple[Question, ...]
    notices: tuple[str, ...]
    comments: tuple[tuple[str, str], ...]
    files: tuple[GradedFile, ...]

    @property
    def code(self) -> float:
        """The points of the checks."""
        return math.fsum(check.points.points for check in self.checks)

    @property
    def code_max(self) -> float:
        """The points that the checks are worth."""
        return math.fsum(check.points.max_score for check in self.checks)

    @property
    def written(self) -> float:
        """The points that a person gave for answers."""
        return math.fsum(question.points.points for question in self.questions)

    @property
    def written_max(self) -> float:
        """The points that the questions are worth."""
        return math.fsum(question.points.max_score for question in self.questions)

    @property
    def shared(self) -> str:
        """The message that many checks have in common, such as a module that cannot be read; "" without one."""
        messages = Counter(check.message for check in self.checks if check.message)
        message, count = messages.most_common(1)[0] if messages else ("", 0)
        return message if count >= SHARED else ""

    @property
    def open(self) -> int:
        """How many answers nobody has graded yet."""
        return sum(question.points.is_open for question in self.questions)


def collect(course: Course, assignment: Assignment, student: str, standing: Standing | None, released: Any) -> Feedback:
    """Gather what the page of a student says.

    Args:
        course: the course.
        assignment: the assignment.
        student: whose page it is.
        standing: the student's rows in the gradebook, None without any.
        released: the notebook that students were given.

    Raises:
        UserError: there is no record, it is of an earlier submission or of other checks, or the gradebook
            does not hold its scores. A page would say what is no longer so.
    """
    again = f"Run `autograder grade {assignment.name}`, then make the feedback again."
    path = records.path(course, assignment.name, student)
    record = records.read(course, assignment.name, student)
    if record is None:
        raise UserError(f"{path}: there is no record that can be read. {again}")
    submission = read_submission(course, assignment, student)
    try:  # whatever data set it was graded with: the page names it
        records.demand_current(course, assignment, submission, record)
    except UserError as error:
        raise UserError(f"{error} {again}") from None
    if standing is None:
        raise UserError(f"{path}: the gradebook has no scores of this submission. {again}")
    try:
        checks = _checks(record, standing, released)
        notices = tuple(str(notice) for notice in record.get("notices", []))
        data = str(record.get("data", course.grading.data))
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        raise UserError(f"{path}: this record is damaged. Delete the file. {again}") from None
    for check in record["checks"]:
        if _differs(standing.marks.get(check["id"]), check):
            raise UserError(f"{path}: the gradebook has another score for {check['id']!r}. {again}")
    notebook, _ = submitted_notebook(course, assignment, student, released)
    questions = tuple(_questions(notebook, released, standing))
    asked = {_grade_id(cell) for cell in released.cells if _is_graded_by_hand(cell)}
    return Feedback(
        course=course.title,
        title=assignment.title,
        student=student,
        standing=standing,
        graded=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        data=DATA_SETS.get(data, data),
        is_standin=data == "standin",
        checks=checks,
        questions=questions,
        notices=(*notices[:MAX_NOTICES], *(["… and more."] if len(notices) > MAX_NOTICES else [])),
        comments=tuple((name, text) for name, text in standing.comments.items() if name not in asked),
        files=tuple(
            GradedFile(name, len(content), hashlib.sha256(content).hexdigest())
            for name, content in submission.files.items()
        ),
    )


def _checks(record: Mapping[str, Any], standing: Standing, released: Any) -> tuple[Check, ...]:
    """Return a row for each check of the record, and for a cell that the record says nothing about."""
    rows = [_check(check, standing.marks) for check in record["checks"]]
    there = {row.id for row in rows}
    for cell in released.cells:
        name = _grade_id(cell)
        if name and _is_check(cell) and name not in there and name in standing.marks:
            rows.append(Check(name, "This check was not run.", "not run", "–", "", "", standing.marks[name]))
    return tuple(rows)


def _check(check: Mapping[str, Any], marks: Mapping[str, Mark]) -> Check:
    sense = check.get("sense", "at most")
    sign = "≥ " if sense == "at least" else "≤ "
    measured, threshold = check.get("measured"), check.get("threshold")
    failed = check["status"] != "passed"
    unknown = Mark(float(Fraction(check["fraction"])), None, None, False, check["max_score"])
    return Check(
        id=check["id"],
        sentence=check["sentence"],
        status=check["status"],
        mark=MARKS[check["status"]],
        measured="" if measured is None else figure(float(measured), sense),
        allowed="" if threshold is None else sign + figure(float(threshold), sense),
        points=marks.get(check["id"], unknown),
        case=str(check.get("case") or "") if failed else "",
        message=str(check.get("message") or "") if failed else "",
        hint=str(check.get("hint") or "") if check["status"] in HINTED else "",
    )


def _differs(mark: Mark | None, check: Mapping[str, Any]) -> bool:
    """Tell whether the gradebook's automatic score is not the record's."""
    score = None if mark is None else mark.auto_score
    return score is None or not math.isclose(score, float(Fraction(check["fraction"])), abs_tol=1e-9)


def _questions(notebook: Any, released: Any, standing: Standing) -> list[Question]:
    """Return what a person grades, in the order of the release."""
    theirs = {_grade_id(cell): index for index, cell in enumerate(notebook.cells) if _grade_id(cell)}
    found: list[Question] = []
    for index, cell in enumerate(released.cells):
        name = _grade_id(cell)
        if not _is_graded_by_hand(cell) or name not in standing.marks:
            continue
        is_task = bool(cell.metadata.nbgrader.get("task"))
        asks = cell if is_task else _before(released.cells, index)
        source = asks.source if asks is not None else ""
        heading = HEADING.match(source.lstrip())
        answer = None if is_task else _answer(notebook.cells[theirs[name]], cell)
        found.append(
            Question(
                title=heading.group(1) if heading else f"Question {len(found) + 1}",
                text=Text(source.lstrip()[heading.end() :] if heading else source, attachments=_attached(asks)),
                answer=answer,
                is_task=is_task,
                figures=_figures(notebook.cells, theirs[name], source, released),
                points=standing.marks[name],
                comment=standing.comments.get(name, ""),
            )
        )
    return found


def _before(cells: Any, index: int) -> Any:
    """Return the author's Markdown just before an answer, which asks for it; None without any."""
    for cell in reversed(cells[:index]):
        if cell.cell_type == "markdown":
            return None if _is_graded_by_hand(cell) else cell
    return None


def _answer(cell: Any, given: Any) -> Text | None:
    if cell.source.strip() in ("", given.source.strip()) and not cell.get("attachments"):
        return None
    return Text(cell.source, cell.cell_type == "code", _attached(cell))


def _figures(cells: Any, answer: int, question: str, released: Any) -> tuple[Mapping[str, str], ...]:
    """Return what a student's own cells drew, between the author's heading before the question and the answer.

    A cell that nbgrader knows is passed over: what stands below a check is the kit's.
    """
    sections = {c.source for c in released.cells if c.cell_type == "markdown" and HEADING.match(c.source.lstrip())}
    drawn: list[Mapping[str, str]] = []
    for cell in reversed(cells[:answer]):
        if cell.cell_type == "markdown" and cell.source in sections and cell.source != question:
            break
        if _is_graded_by_hand(cell):
            break
        if cell.cell_type == "code" and not _grade_id(cell):
            pictures = [output.data for output in cell.outputs if "image/png" in output.get("data", {})]
            drawn += reversed(pictures)
    return tuple(reversed(drawn[:MAX_FIGURES]))


def _attached(cell: Any) -> Attachments:
    return dict(cell.get("attachments", {})) if cell is not None else {}


def _is_check(cell: Any) -> bool:
    about = cell.metadata.get("nbgrader", {})
    return bool(about.get("grade") and not about.get("solution"))


def _is_graded_by_hand(cell: Any) -> bool:
    about = cell.metadata.get("nbgrader", {})
    return bool((about.get("grade") and about.get("solution")) or about.get("task"))


def _grade_id(cell: Any) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
