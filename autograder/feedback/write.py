"""Writing the pages of a class into feedback/<student>/<assignment>/, where nbgrader puts them as well."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograder import gradebook
from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.gradebook import Standing
from autograder.grading import records
from autograder.grading.pool import Message, Pool
from autograder.grading.submission import STUDENT_ID
from autograder.nbgrader.submission import released_notebook

TOGETHER = 8
"""Pages that one process writes: starting a process takes as long as a page."""
SECONDS = 300
"""A backstop: what those may take before they are given up."""

Told = Callable[[str, str], None]
"""Told of a student and why there is no page, "" where there is one."""


def graded_students(course: Course, assignment: Assignment) -> list[str]:
    """Return who has a record, in alphabetical order."""
    folder = course.results / assignment.name
    names = [path.name.removesuffix(".json") for path in folder.glob("*.json")]
    return sorted(name for name in names if STUDENT_ID.fullmatch(name))


def write_pages(course: Course, assignment: Assignment, students: Sequence[str], pool: Pool, told: Told) -> None:
    """Write a page for each student, as many at once as the pool has processes.

    As in nbgrader, a page of an earlier time does not stay where no new one can be made.

    Raises:
        UserError: the release or the gradebook cannot be used; nothing is written then.
    """
    standings = gradebook.standings(course, assignment, released_notebook(course, assignment))
    pages = Pages(course, assignment, pool, told)
    for student in students:
        pages.add(student, standings.get(student))
    pages.finish()


class Pages:
    """Writes the pages of students as they are added, a few in each process of a pool.

    Args:
        course: the course.
        assignment: the assignment, which the gradebook knows.
        pool: the processes, which may do other work as well.
        told: told of each page.

    Attributes:
        seconds: processor time that a page took, of each process the mean.
    """

    def __init__(self, course: Course, assignment: Assignment, pool: Pool, told: Told) -> None:
        self._course = course
        self._assignment = assignment
        self._pool = pool
        self._told = told
        self._waiting: dict[str, Standing | None] = {}
        self.seconds: list[float] = []
        self._under_way = 0
        self._released: Any = None

    def add(self, student: str, standing: Standing | None, new: bool = True) -> None:
        """Have a student's page written, soon.

        Args:
            student: whose page it is.
            standing: what the gradebook holds, None where that is nothing.
            new: whether any of that is new; if not, a page that came after the record stays.
        """
        if not new and self._is_there(student):
            return
        self._waiting[student] = standing
        if len(self._waiting) == TOGETHER:
            self._start()

    def finish(self) -> None:
        """Have the last pages written, and wait for all that are under way."""
        if self._waiting:
            self._start()
        while self._pool.busy:
            self._pool.wait()

    def _is_there(self, student: str) -> bool:
        page = _folder(self._course, self._assignment, student) / _name(self._assignment)
        try:
            graded = records.path(self._course, self._assignment.name, student).stat()
            return page.lstat().st_mtime_ns >= graded.st_mtime_ns
        except OSError:
            return False

    def _start(self) -> None:
        import autograder.feedback.page  # noqa: F401  here, so that the processes find it loaded

        self._released = self._released or released_notebook(self._course, self._assignment)
        while self._under_way >= self._pool.workers:
            self._pool.wait()
        course, assignment, released, some = self._course, self._assignment, self._released, self._waiting

        def finished(message: Message | None, how: str) -> None:
            self._under_way -= 1
            told = dict.fromkeys(some, f"the process that writes it {how}")
            if message is not None:
                told = message["told"]
                self.seconds.append(message["seconds"] / len(some))
            for student in some:
                self._told(student, told[student])

        def write() -> Message:
            told = {one: _write_page(course, assignment, one, standing, released) for one, standing in some.items()}
            return {"told": told, "seconds": time.process_time()}

        self._pool.start(write, finished, SECONDS)
        self._under_way += 1
        self._waiting = {}


def _write_page(course: Course, assignment: Assignment, student: str, standing: Standing | None, released: Any) -> str:
    """Write a page; return why there is none, "" where there is."""
    from autograder.feedback.page import make_page

    folder = _folder(course, assignment, student)
    try:
        _write(folder, _name(assignment), make_page(course, assignment, student, standing, released))
    except UserError as error:
        _remove(folder)
        return str(error)
    except OSError as error:
        return f"{error.filename or folder}: this cannot be written: {error.strerror}."
    except Exception as error:  # the other pages of this process go on
        return f"{type(error).__name__}: {error}"
    return ""


def _folder(course: Course, assignment: Assignment, student: str) -> Path:
    return course.feedback / student / assignment.name


def _name(assignment: Assignment) -> str:
    return f"{assignment.notebook_id}.html"


def _write(folder: Path, name: str, page: str) -> None:
    """Make a folder hold this page and nothing else; whoever looks meanwhile sees no half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
        path = Path(temporary) / name
        path.write_text(page, encoding="utf-8", newline="\n")
        path.chmod(0o644)
        _remove(folder)
        folder.mkdir()
        os.replace(path, folder / name)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
