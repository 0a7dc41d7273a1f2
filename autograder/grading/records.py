"""The records of what was graded: `results/<assignment>/<student>.json`, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course, secret_seed
from autograder.errors import UserError
from autograder.grading.submission import Submission, read_submission

SCHEMA = 1
LEFT_SECONDS = 60
"""A record that is still half written after so long was given up: writing takes a moment."""
Record = dict[str, Any]


def path(course: Course, assignment: str, student: str) -> Path:
    """Return where the record of a submission lies."""
    return course.results / assignment / f"{student}.json"


def write(course: Course, record: Record) -> None:
    """Write a record; whoever reads meanwhile sees the old one or the new one."""
    target = path(course, record["assignment"], record["student"])
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(record, file, indent=1, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        reason = f"the record cannot be written: {error.strerror}"
        raise UserError(f"{target}: {reason}. Mend this and grade again.") from None


def tidy(course: Course, assignment: str) -> None:
    """Remove what runs that were killed while they wrote a record have left; it is of no use to anybody."""
    with contextlib.suppress(OSError):
        for left in (course.results / assignment).glob(".*.tmp"):
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                left.unlink()


def read(course: Course, assignment: str, student: str) -> Record | None:
    """Return the record of a submission, None if there is none that can be read."""
    try:
        record = json.loads(path(course, assignment, student).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if _is_whole(record, assignment, student) else None


def _is_whole(record: Any, assignment: str, student: str) -> bool:
    """Tell whether a file holds a record of this submission, with what scores and tables are made from."""
    try:
        return (
            (record["schema"], record["assignment"], record["student"]) == (SCHEMA, assignment, student)
            and all(isinstance(record[name], str) for name in ("key", "data", "level"))
            and all(isinstance(record[name], int | float) for name in ("score", "max_score"))
            and all(isinstance(check["id"], str) and check["status"] for check in record["checks"])
            and all(0 <= Fraction(check["fraction"]) <= check["max_score"] for check in record["checks"])
            and all(isinstance(check["score"], int | float) for check in record["checks"])
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return False


@dataclass(frozen=True)
class Basis:
    """What the records of a run depend on, whoever's they are.

    Attributes:
        checks: a digest of each file of checks, by its name.
        common: digests of the assignment's other files and of the secret seed, the data set, the versions of the
            kit and of torch.
    """

    checks: Mapping[str, str]
    common: tuple[str, ...]

    def keys(self, submission: Submission) -> dict[str, str]:
        """Return, for each file of checks, a digest of everything that the results of its checks depend on.

        That is what a record depends on, less the other files of checks.
        """
        files = submission.digest()
        return {name: _digest(name, digest, files, *self.common) for name, digest in self.checks.items()}

    def key(self, submission: Submission) -> str:
        """Return a digest of everything that the record of a submission depends on."""
        return key_of(self.keys(submission))


def basis(assignment: Assignment, seed: bytes, dataset: str) -> Basis:
    """Read an assignment's files and return what records depend on beside the submissions."""
    support = [assignment.folder / name for name in assignment.files.support]
    extra = assignment.files.extra_in(assignment.folder)  # which checks may read, such as a fixed network's weights
    files = {
        file.relative_to(assignment.folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in [assignment.toml, *sorted(assignment.checks.rglob("*.py")), *support, *extra]
    }
    checks = {name: files.pop(name) for name in list(files) if name.startswith("checks/test_")}
    common = (*files, *files.values(), _digest("seed", seed.hex()), dataset, *versions().values())
    return Basis({name.removeprefix("checks/"): digest for name, digest in checks.items()}, common)


def key_of(keys: Mapping[str, str]) -> str:
    """Return the key of a record from those of the files of checks."""
    return _digest(*keys.values())


def demand_current(course: Course, assignment: Assignment, submission: Submission, record: Record) -> None:
    """Demand that a record would come out the same if graded again with the data set that it was graded with.

    Raises:
        UserError: the submission or the assignment has changed.
    """
    seed, _ = secret_seed(course)
    data = str(record.get("data", course.grading.data))
    if record.get("key") != basis(assignment, seed, data).key(submission):
        folder = course.submitted / submission.student / assignment.name
        raise UserError(f"{folder}: this submission or {assignment.folder} has changed since it was graded.")


def is_current(course: Course, assignment: str, student: str) -> bool:
    """Tell whether the record of a submission is there and would come out the same if graded again."""
    record = read(course, assignment, student)
    if record is None:
        return False
    known = load_assignment(course, assignment)
    seed, _ = secret_seed(course)
    submission = read_submission(course, known, student)
    return bool(record.get("key") == basis(known, seed, course.grading.data).key(submission))


@cache
def versions() -> dict[str, str]:
    """Return the versions that records depend on."""
    return {name: version(name) for name in ("coursekit", "torch")}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
