"""Writing the pages of a class into feedback/<student>/<assignment>/, where nbgrader puts them as well."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder import gradebook
from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.feedback.page import make_page
from autograder.grading.submission import STUDENT_ID
from autograder.nbgrader.submission import released_notebook


def graded_students(course: Course, assignment: Assignment) -> list[str]:
    """Return who has a record, in alphabetical order."""
    folder = course.results / assignment.name
    names = [path.name.removesuffix(".json") for path in folder.glob("*.json")]
    return sorted(name for name in names if STUDENT_ID.fullmatch(name))


def write_pages(course: Course, assignment: Assignment, students: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Write a page for each student; give each one's id and why there is no page, "" where there is.

    As in nbgrader, a page of an earlier time does not stay where no new one can be made.

    Raises:
        UserError: the release or the gradebook cannot be used; nothing is written then.
    """
    released = released_notebook(course, assignment)
    standings = gradebook.standings(course, assignment, released)
    for student in students:
        folder = course.feedback / student / assignment.name
        try:
            page = make_page(course, assignment, student, standings.get(student), released)
            _write(folder, f"{assignment.notebook_id}.html", page)
            yield student, ""
        except UserError as error:
            _remove(folder)
            yield student, str(error)
        except OSError as error:
            yield student, f"{error.filename or folder}: this cannot be written: {error.strerror}."


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
