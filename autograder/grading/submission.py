"""What a student handed in: the files that the assignment names, and nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.plain_file import Unreadable, open_folder, parse_notebook, read_plain_file, shown

STUDENT_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}")
"""The grammar of student ids: they become folder and file names."""
ID_RULE = "letters, digits and . _ - @, at most 100 of them"
"""The same in words."""


@dataclass(frozen=True)
class Submission:
    """The files of one student, read once: what is graded is what was read.

    Attributes:
        student: the student's id.
        files: the content of every file that can be read, by name.
        unread: for every file that cannot, a sentence for the student.
        others: names of further files, which the assignment does not name; nobody looked at them.
        notebook: the name of the notebook.
    """

    student: str
    files: Mapping[str, bytes] = field(repr=False)
    unread: Mapping[str, str]
    others: tuple[str, ...] = ()
    notebook: str = ""

    @cached_property
    def problems(self) -> Mapping[str, str]:
        """For every file that cannot be used, a sentence for the student."""
        problem = _notebook_problem(self.files.get(self.notebook))
        return {**self.unread, self.notebook: f"`{self.notebook}` {problem}."} if problem else self.unread

    def digest(self) -> str:
        """Return a digest of everything that was read."""
        total = hashlib.sha256()
        for name in sorted({*self.files, *self.unread}):
            content = self.files.get(name)
            part = hashlib.sha256(content).hexdigest() if content is not None else self.unread[name]
            total.update(f"{name}\0{part}\0".encode())
        return total.hexdigest()


def students(course: Course, assignment: Assignment) -> tuple[list[str], dict[str, str]]:
    """Return who submitted, in alphabetical order, and for every folder that is passed over the reason."""
    found: list[str] = []
    odd: dict[str, str] = {}
    if course.submitted.is_dir():
        for folder in sorted(course.submitted.iterdir()):
            if not os.path.isdir(folder / assignment.name):
                if any(os.path.lexists(folder / name) for name in assignment.files.submitted):
                    odd[folder.name] = f"its files belong into {folder.name}/{assignment.name}/"
            elif not STUDENT_ID.fullmatch(folder.name):
                odd[folder.name] = f"its name is no student id: {ID_RULE}"
            elif folder.is_symlink():
                odd[folder.name] = "it is a link"
            else:
                found.append(folder.name)
    return found, odd


def read_submission(course: Course, assignment: Assignment, student: str) -> Submission:
    """Read what a student submitted, regular files only and never through a link.

    Raises:
        UserError: the student's id is none, or there is no such submission.
    """
    if not STUDENT_ID.fullmatch(student):
        raise UserError(f"{student!r} is no student id: use {ID_RULE}.")
    folder = course.submitted / student / assignment.name
    try:
        descriptor = open_submitted(folder)
    except FileNotFoundError:
        raise UserError(f"{folder}: there is no such submission. Put the student's files into this folder.") from None
    except OSError as error:
        if folder.is_symlink():
            reason = "lies in a folder that is a link; hand in the files themselves"
            return Submission(student, {}, {name: f"`{name}` {reason}." for name in assignment.files.submitted})
        raise UserError(f"{folder}: this folder cannot be opened: {error.strerror}.") from None
    files: dict[str, bytes] = {}
    unread: dict[str, str] = {}
    try:
        for name, limit in limits(assignment).items():
            try:
                files[name] = read_plain_file(name, limit, descriptor)
            except Unreadable as error:
                unread[name] = f"`{name}` {error}."
        others = _others(descriptor, assignment)
    finally:
        os.close(descriptor)
    return Submission(student, files, unread, others, assignment.files.notebook)


def open_submitted(folder: Path) -> int:
    """Return a descriptor of `<student>/<assignment>`, neither of which may be a link.

    Raises:
        OSError: it is missing, or one of the two is a link, no folder, or cannot be opened.
    """
    parent = open_folder(folder.parent)
    try:
        return open_folder(folder.name, parent)
    finally:
        os.close(parent)


def limits(assignment: Assignment) -> dict[str, int]:
    """Return how many bytes each file of a submission may have."""
    files, limit = assignment.files, assignment.limits
    return {
        **{name: limit.module_kb * 1024 for name in files.modules},
        files.notebook: limit.notebook_mb * 1024**2,
        **{name: limit.model_mb * 1024**2 for name in files.models},
    }


def _others(folder: int, assignment: Assignment) -> tuple[str, ...]:
    """Return the names of files that the assignment does not name, folders with a slash, and a few at most."""
    named = {*assignment.files.submitted, *assignment.files.support, "timestamp.txt"}
    names = sorted(name for name in os.listdir(folder) if name not in named and not name.startswith("."))
    found = []
    for name in names[:5]:
        is_folder = stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        found.append(shown(name) + "/" * is_folder)
    return tuple(found)


def _notebook_problem(content: bytes | None) -> str:
    """Return why a notebook that is there cannot be read, "" if it can."""
    if content is None:
        return ""
    try:
        parse_notebook(content)
    except Unreadable:
        return "cannot be read as a notebook; answers in it count as not given"
    return ""
