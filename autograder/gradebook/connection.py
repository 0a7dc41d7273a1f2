"""Opening nbgrader's gradebook, waiting for other programs that use it, and saying what is wrong with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from nbgrader.api import Gradebook
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.nbgrader.database import make_gradebook
from autograder.nbgrader.run import database

T = TypeVar("T")
WAIT_SECONDS = 10
"""How long to wait for another program that is writing to the gradebook, by the second: Ctrl-C gets through between."""


@contextlib.contextmanager
def open_gradebook(course: Course, url: str = "") -> Iterator[Any]:
    """Give the gradebook of a course, or the one at an address.

    Raises:
        UserError: it cannot be used; the text says what to do.
    """
    address = make_url(url or database(course))
    if address.get_backend_name() == "sqlite" and "timeout" not in address.query:
        address = address.update_query_dict({"timeout": "1"})
    try:
        _when_free(lambda: make_gradebook(address))
        with _when_free(lambda: Gradebook(address)) as gradebook:
            yield gradebook
    except SQLAlchemyError as error:
        raise UserError(_problem(address, error)) from None


@contextlib.contextmanager
def one_transaction(session: Any) -> Iterator[None]:
    """Write everything or nothing; other programs wait meanwhile."""
    if session.get_bind().dialect.name == "sqlite":  # before anything is read: another program may be writing
        _when_free(lambda: session.execute(text("BEGIN IMMEDIATE")), session.rollback)
    try:
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise


def cell_ids(released: Any) -> set[str]:
    """Return the ids that nbgrader knows the cells of a released notebook by."""
    return {cell.metadata.nbgrader.grade_id for cell in released.cells if "nbgrader" in cell.metadata}


def demand_same_cells(gradebook: Any, assignment: Assignment, released: Any) -> None:
    """Demand that the release and the gradebook know the same cells; another clone may have moved on.

    Raises:
        MissingEntry: the gradebook does not know the assignment.
        UserError: they do not.
    """
    row = gradebook.find_notebook(assignment.notebook_id, assignment.name)
    recorded = {cell.name for cell in row.source_cells}
    given = cell_ids(released)
    if recorded != given:
        names = ", ".join(sorted(recorded ^ given))
        path = f"release/{assignment.name}/{assignment.files.notebook}"
        raise UserError(
            f"{path}: the gradebook has other cells; only one of the two has {names}. "
            f"Run `autograder release {assignment.name}`."
        )


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
            "run `autograder rebuild NAME`: automatic scores are entered anew, what a person entered is lost."
        )
    return f"{where}: the gradebook cannot be used: {reason}. Mend this and try again."
