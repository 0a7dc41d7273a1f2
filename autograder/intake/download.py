"""Who handed in what: folders or zips of students, and what Canvas and Moodle give to download."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.intake import archive, folder
from autograder.intake.entry import Entry
from autograder.plain_file import Unreadable, open_folder, open_plain_file, shown

MOODLE = re.compile(r"(?P<name>.+)_(?P<number>[0-9]+)_assignsubmission_[a-z]+(?:_(?P<file>.*))?", re.DOTALL)
"""`Full Name_1327627_assignsubmission_file_Original.ext`, or a folder without the last part."""
CANVAS = re.compile(r"(?P<name>[^_]+)(?:_late)?_(?P<number>[0-9]+)_[0-9]+_(?P<file>.+)", re.DOTALL | re.IGNORECASE)
"""`lastfirst_340934_208490284_Work.zip`: name, the student's number, the upload's number, the original name."""
AGAIN = re.compile(r"(?P<stem>.+)-(?P<count>[0-9]{1,4})(?P<end>\.[^.]+)", re.DOTALL)
"""How Canvas names a file that was uploaded again: `Work-1.zip`."""

Whose = tuple[str, str, tuple[str, ...]]
"""What the path of a file says: name and number of the student, and the file's path in the submission."""


@dataclass(frozen=True)
class Handed:
    """What one student handed in, as a download holds it.

    Attributes:
        name: how the download names the student.
        number: the learning platform's number of the student, "" where there is no platform.
        entries: the files, by their path in the submission.
    """

    name: str
    number: str
    entries: tuple[Entry, ...]

    @property
    def label(self) -> str:
        """The student as the download names them, for the screen."""
        return f"{shown(self.name)} ({shown(self.number)})" if self.number else shown(self.name)


@dataclass(frozen=True)
class Download:
    """What was recognised: its kind in words, the submissions, and of other names why they are none."""

    kind: str
    handed: tuple[Handed, ...]
    others: dict[str, str]


@contextmanager
def open_download(source: Path, course: Course, assignment: Assignment) -> Iterator[Download]:
    """Recognise what a folder or a zip holds; its files can be read inside the `with`.

    Raises:
        UserError: it cannot be opened, is nothing that is recognised, or is what is written to.
    """
    source = source.resolve()
    submitted = course.submitted.resolve()
    if source.is_relative_to(submitted) or submitted.is_relative_to(source):
        raise UserError(f"{source}: submissions are collected into {submitted}; name a folder or zip outside of it.")
    if (source / "course.toml").exists():
        raise UserError(f"{source} is a course, not what students handed in. Name a folder or zip of theirs.")
    with contextlib.ExitStack() as stack:
        try:
            if source.is_dir():
                descriptor = open_folder(source)
                stack.callback(os.close, descriptor)
                download = _recognise(folder.entries(descriptor), assignment, by_students=True)
            else:
                file = stack.enter_context(open_plain_file(source))
                download = _recognise(archive.entries(file), assignment, by_students=False)
        except Unreadable as error:
            raise UserError(f"{source} {error}.") from None
        except OSError as error:
            raise UserError(f"{source} cannot be opened ({error.strerror}).") from None
        if not download.handed:
            raise UserError(
                f"{source}: no submission is recognised here. Name a folder that holds one folder or one zip for each "
                "student, named by the student's id, or what Canvas or Moodle gave you, zip or unpacked."
            )
        yield download


def _recognise(entries: Sequence[Entry], assignment: Assignment, *, by_students: bool) -> Download:
    """Sort the files of a download by student, in the way in which most of its names are written."""
    names = {entry.path[0] for entry in entries}
    for pattern, kind in ((MOODLE, "a Moodle download"), (CANVAS, "a Canvas download")):
        if names and 2 * sum(pattern.fullmatch(name) is not None for name in names) >= len(names):
            handed, others = _by_student(entries, partial(_platform, pattern), f"is not named as in {kind}")
            if pattern is CANVAS:
                handed = [replace(one, entries=_newest(one.entries, assignment)) for one in handed]
            return Download(kind, tuple(handed), others)
    if not by_students:
        return Download("", (), {})
    handed, others = _by_student(
        entries, partial(_student, assignment.name), "is no folder or zip of a student, named by the student's id"
    )
    handed = [replace(one, entries=_inside(one.entries, assignment.name)) for one in handed]
    return Download("folders or zips, one for each student", tuple(handed), others)


def _by_student(
    entries: Iterable[Entry], whose: Callable[[tuple[str, ...]], Whose | None], otherwise: str
) -> tuple[list[Handed], dict[str, str]]:
    found: dict[tuple[str, str, str], list[Entry]] = {}
    others: dict[str, str] = {}
    for entry in entries:
        said = whose(entry.path)
        if said is None:
            others[entry.path[0]] = entry.problem or otherwise
        else:
            name, number, path = said
            own = "" if number else entry.path[0]  # a folder and a zip of one student are two submissions
            found.setdefault((name, number, own), []).append(replace(entry, path=path))
    return [Handed(name, number, tuple(files)) for (name, number, _), files in sorted(found.items())], others


def _platform(pattern: re.Pattern[str], path: tuple[str, ...]) -> Whose | None:
    match = pattern.fullmatch(path[0])
    if match is None:
        return None
    inside = ((match["file"],) if match["file"] else ()) + path[1:]
    return (match["name"], match["number"], inside) if inside else None


def _student(assignment: str, path: tuple[str, ...]) -> Whose | None:
    if len(path) > 1:  # a folder named as the assignment is one level too low
        return (path[0], "", path[1:]) if path[0] != assignment else None
    stem, end = os.path.splitext(path[0])
    return (stem, "", path) if end.lower() == ".zip" and stem != assignment else None


def _inside(entries: tuple[Entry, ...], name: str) -> tuple[Entry, ...]:
    """Return the files of a folder named as the assignment where there is one, else all."""
    inside = tuple(replace(entry, path=entry.path[1:]) for entry in entries if entry.path[:-1] == (name,))
    return inside or entries


def _newest(entries: tuple[Entry, ...], assignment: Assignment) -> tuple[Entry, ...]:
    """Return of each file the upload with the highest number, under the name without it."""
    uploads: dict[tuple[str, ...], list[tuple[int, Entry]]] = {}
    for entry in entries:
        name = entry.path[0]
        match = None if name in assignment.files.submitted else AGAIN.fullmatch(name)
        plain = match["stem"] + match["end"] if match else name
        count = int(match["count"]) if match else 0
        uploads.setdefault((plain, *entry.path[1:]), []).append((count, entry))
    newest = []
    for path, found in uploads.items():
        last = max(count for count, _ in found)
        newest += [replace(entry, path=path) for count, entry in found if count == last]
    return tuple(newest)
