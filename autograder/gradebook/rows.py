"""The rows that nbgrader's gradebook holds for submissions of an assignment, read and written as data.

Everything goes by the gradebook's indexes: one student's rows cost the same in a class of any size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from nbgrader import api
from sqlalchemy import func, insert, select, update

from autograder.assignment import Assignment


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


@dataclass(frozen=True)
class Sheet:
    """What the gradebook knows of an assignment whoever submits it; cells go by their names.

    Attributes:
        assignment: the id of its row.
        notebook: the id of its notebook's row.
        duedate: when it is due, UTC.
        graded: the id of each cell that is worth points.
        points: what those are worth.
        tasks: those that the student writes elsewhere.
        commented: the id of each cell that may have a comment.
        checksums: of each cell as students were given it.
    """

    assignment: str
    notebook: str
    duedate: datetime | None
    graded: Mapping[str, str]
    points: Mapping[str, float]
    tasks: frozenset[str]
    commented: Mapping[str, str]
    checksums: Mapping[str, str]


@dataclass(frozen=True)
class Rows:
    """One student's rows of an assignment; what has no row yet is missing, an id is "" then.

    Attributes:
        submission: the id of the row of the submission.
        notebook: the id of the row of its notebook.
        timestamp: when it was handed in, UTC.
        extension: what the due date is put off by.
        penalty: the points that lateness costs.
        marks: by the name of the cell.
        remarks: nbgrader's own comment and a person's, by the name of the cell.
    """

    submission: str = ""
    notebook: str = ""
    timestamp: datetime | None = None
    extension: timedelta | None = None
    penalty: float | None = None
    marks: Mapping[str, Mark] = field(default_factory=dict)
    remarks: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)

    def seconds_late(self, sheet: Sheet) -> float:
        """Return how long after the due date it was handed in."""
        if self.timestamp is None or sheet.duedate is None:
            return 0.0
        return max(0.0, (self.timestamp - sheet.duedate - (self.extension or timedelta())).total_seconds())

    def standing(self, sheet: Sheet) -> Standing:
        """Return what a page or a table says of them."""
        return Standing(
            marks=self.marks,
            comments={name: text for name, (_, text) in sorted(self.remarks.items()) if text and text.strip()},
            penalty=self.penalty or 0.0,
            timestamp=self.timestamp.replace(tzinfo=UTC) if self.timestamp else None,
            seconds_late=self.seconds_late(sheet),
        )


def read_sheet(session: Any, assignment: Assignment) -> Sheet:
    """Read what the gradebook knows of an assignment; it must know it."""
    assignment_id, notebook_id, duedate = session.execute(
        select(api.Assignment.id, api.Notebook.id, api.Assignment.duedate)
        .join(api.Notebook, api.Notebook.assignment_id == api.Assignment.id)
        .where(api.Assignment.name == assignment.name, api.Notebook.name == assignment.notebook_id)
    ).one()
    cell, grade, task = (kind.__table__ for kind in (api.BaseCell, api.GradeCell, api.TaskCell))
    cells = session.execute(
        select(cell.c.id, cell.c.name, cell.c.type, func.coalesce(grade.c.max_score, task.c.max_score))
        .outerjoin(grade, grade.c.id == cell.c.id)
        .outerjoin(task, task.c.id == cell.c.id)
        .where(cell.c.notebook_id == notebook_id)
    ).all()
    source = api.SourceCell.__table__
    checksums = session.execute(select(source.c.name, source.c.checksum).where(source.c.notebook_id == notebook_id))
    return Sheet(
        assignment_id,
        notebook_id,
        duedate,
        graded={name: id for id, name, kind, _ in cells if kind != "SolutionCell"},
        points={name: points for _, name, kind, points in cells if kind != "SolutionCell"},
        tasks=frozenset(name for _, name, kind, _ in cells if kind == "TaskCell"),
        commented={name: id for id, name, kind, _ in cells if kind != "GradeCell"},
        checksums=dict(checksums.all()),
    )


def read_rows(session: Any, sheet: Sheet, student: str | None = None) -> dict[str, Rows]:
    """Read the rows of whoever has submitted and is on the roster, or of one student; nothing for who has not."""
    submission, notebook = api.SubmittedAssignment.__table__, api.SubmittedNotebook.__table__
    handed_in = (
        select(
            submission.c.student_id, submission.c.id, notebook.c.id, submission.c.timestamp, submission.c.extension,
            notebook.c.late_submission_penalty,
        )
        .outerjoin(
            notebook, (notebook.c.assignment_id == submission.c.id) & (notebook.c.notebook_id == sheet.notebook)
        )
        .where(submission.c.assignment_id == sheet.assignment)
    )  # fmt: skip
    if student is None:
        handed_in = handed_in.join(api.Student, api.Student.id == submission.c.student_id)
    else:
        handed_in = handed_in.where(submission.c.student_id == student)
    found: dict[str, Rows] = {}
    of_notebook: dict[str, tuple[dict[str, Mark], dict[str, tuple[str | None, str | None]]]] = {}
    for one, submission_id, notebook_id, timestamp, extension, penalty in session.execute(handed_in):
        marks, remarks = of_notebook.setdefault(notebook_id or submission_id, ({}, {}))
        found[one] = Rows(submission_id, notebook_id or "", timestamp, extension, penalty, marks, remarks)

    def cells(kind: Any, ids: Mapping[str, str], *columns: str) -> Any:
        """Give the rows of cells: the marks and remarks of whose they are, the cell's name and the columns."""
        table, names = kind.__table__, {id: name for name, id in ids.items()}
        query = select(table.c.notebook_id, table.c.cell_id, *(table.c[name] for name in columns))
        query = query.where(table.c.cell_id.in_(names))
        if student is not None:
            query = query.where(table.c.notebook_id.in_(of_notebook))
        for notebook_id, cell_id, *values in session.execute(query):
            if notebook_id in of_notebook:
                yield *of_notebook[notebook_id], names[cell_id], values

    scores = ("auto_score", "manual_score", "extra_credit", "needs_manual_grade")
    for marks, _, name, (auto, manual, extra, look) in cells(api.Grade, sheet.graded, *scores):
        marks[name] = Mark(auto, manual, extra, look, sheet.points[name])
    for _, remarks, name, (auto, manual) in cells(api.Comment, sheet.commented, "auto_comment", "manual_comment"):
        remarks[name] = auto, manual
    return found


def write_rows(session: Any, sheet: Sheet, student: str, old: Rows, new: Rows) -> None:
    """Make the rows of a student what they should be; what is so already is not written."""
    if session.execute(select(api.Student.id).where(api.Student.id == student)).first() is None:
        session.execute(insert(api.Student.__table__).values(id=student))
    new = replace(new, submission=old.submission or uuid4().hex, notebook=old.notebook or uuid4().hex)
    submission, notebook = api.SubmittedAssignment.__table__, api.SubmittedNotebook.__table__
    if not old.submission:
        session.execute(
            insert(submission).values(id=new.submission, assignment_id=sheet.assignment, student_id=student)
        )
    if old.timestamp != new.timestamp:
        session.execute(update(submission).where(submission.c.id == new.submission).values(timestamp=new.timestamp))
    if not old.notebook:
        session.execute(
            insert(notebook).values(
                id=new.notebook, assignment_id=new.submission, notebook_id=sheet.notebook, flagged=False
            )
        )
    if old.penalty != new.penalty:
        penalty = update(notebook).where(notebook.c.id == new.notebook)
        session.execute(penalty.values(late_submission_penalty=new.penalty))

    def write(kind: Any, cells: Mapping[str, str], before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Write the cells whose values are others; `after` has the columns by the cell's name."""
        table = kind.__table__
        added = [
            {"notebook_id": new.notebook, "cell_id": cells[name], **values}
            for name, values in after.items()
            if name not in before
        ]
        if added:
            session.execute(insert(table), added)
        for name, values in after.items():
            if name in before and before[name] != values:
                row = update(table).where(table.c.cell_id == cells[name], table.c.notebook_id == new.notebook)
                session.execute(row.values(**values))

    write(api.Grade, sheet.graded, _automatic(old.marks), _automatic(new.marks))
    write(
        api.Comment,
        sheet.commented,
        *({name: {"auto_comment": text} for name, (text, _) in rows.remarks.items()} for rows in (old, new)),
    )


def _automatic(marks: Mapping[str, Mark]) -> dict[str, dict[str, Any]]:
    """Return the columns that are not a person's."""
    return {
        name: {"auto_score": mark.auto_score, "needs_manual_grade": mark.needs_manual_grade}
        for name, mark in marks.items()
    }
