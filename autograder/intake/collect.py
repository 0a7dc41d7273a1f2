"""Collecting a class: from a download into `submitted/`, one outcome for each submission."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.grading.submission import ID_RULE, STUDENT_ID, limits, open_submitted
from autograder.intake import place
from autograder.intake.content import choose
from autograder.intake.download import Download, Handed
from autograder.intake.entry import chunks
from autograder.intake.roster import Roster
from autograder.plain_file import Unreadable, shown

Status = Literal["new", "replaced", "unchanged", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What became of one submission.

    Attributes:
        student: the id; where there is none, how the download names the student.
        status: whether it is new in the course, replaced another, was there already, or is refused.
        problems: sentences about what cannot be used; of one that is refused, why.
        left_out: names of files that the assignment does not name.
    """

    student: str
    status: Status
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def collect(
    course: Course, assignment: Assignment, download: Download, roster: Roster | None, *, dry_run: bool = False
) -> Iterator[Outcome]:
    """Put each submission of a download into `submitted/<student>/<assignment>/` and give its outcome.

    Args:
        course: the course folder.
        assignment: what was handed in.
        download: an open download.
        roster: the students of the course, if it has a list of them.
        dry_run: read everything and write nothing.

    Raises:
        UserError: `submitted/` cannot be written; what was collected until then stays.
    """
    for name, reason in sorted(download.others.items()):
        yield Outcome(shown(name), "refused", (reason,))
    try:
        with place.open_desk(course, dry_run) as desk:
            for handed, student, reason in identify(download.handed, roster):
                if reason:
                    yield Outcome(handed.label, "refused", (reason,))
                else:
                    yield _collect_one(course, assignment, handed, student, desk, dry_run)
    except OSError as error:
        raise UserError(f"{course.submitted}: this cannot be written: {error.strerror}.") from None


def identify(handed: Sequence[Handed], roster: Roster | None) -> list[tuple[Handed, str, str]]:
    """Return for each submission the student's id, and why it is refused ("" where it is not)."""
    found = [(one, *_identify_one(one, roster)) for one in handed]
    claims = Counter(student.casefold() for _, student, reason in found if not reason)
    return [
        (one, student, f"is one of {number} submissions of {student}" if number > 1 else reason)
        for one, student, reason in found
        for number in [claims[student.casefold()]]
    ]


def _identify_one(handed: Handed, roster: Roster | None) -> tuple[str, str]:
    if roster is None:
        student = handed.number or handed.name
        return (student, "") if STUDENT_ID.fullmatch(student) else ("", f"is no student id: use {ID_RULE}")
    students = sorted(roster.find(handed.name, handed.number))
    if len(students) == 1:
        return students[0], ""
    return "", f"may be {' or '.join(students)} by the roster" if students else "is not on the roster"


def absent(course: Course, assignment: Assignment, roster: Roster, outcomes: Sequence[Outcome]) -> list[str]:
    """Return the students of the roster without a submission, collected now or before."""
    there = {one.student for one in outcomes if one.status != "refused"}
    return [
        student
        for student in roster.ids
        if student not in there and not (course.submitted / student / assignment.name).is_dir()
    ]


def _collect_one(
    course: Course, assignment: Assignment, handed: Handed, student: str, desk: int, dry_run: bool
) -> Outcome:
    allowed = limits(assignment)
    usable = False
    place.clear(desk)
    with ExitStack() as stack:
        content = choose(handed.entries, allowed, stack)
        for name, entry in content.files.items():
            try:
                place.write(desk, name, chunks(entry, allowed[name]))
                usable = True
            except Unreadable as error:
                content.problems.append(f"{name} {error}")
    refused = Outcome(student, "refused", tuple(content.problems), tuple(content.left_out))
    if not usable:
        return replace(refused, problems=refused.problems or ("holds none of the files of the assignment",))
    target = course.submitted / student / assignment.name
    try:
        status = _status(desk, target, allowed)
        if status == "replaced" and content.problems:
            return replace(refused, problems=(*refused.problems, "what was collected before stays"))
        if status != "unchanged" and not dry_run:
            place.place(desk, target)
    except OSError as error:
        where = target.relative_to(course.root)
        return replace(refused, problems=(f"{where} cannot be written ({error.strerror}); no link may stand there",))
    return replace(refused, status=status)


def _status(desk: int, target: Path, names: Collection[str]) -> Status:
    """Compare the new submission with what stands in its place."""
    try:
        standing = open_submitted(target)
    except FileNotFoundError:
        return "new"
    try:
        return "unchanged" if place.same(desk, standing, names) else "replaced"
    finally:
        os.close(standing)
