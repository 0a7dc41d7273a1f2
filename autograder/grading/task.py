"""What passes between whoever wants submissions graded and whoever examines them, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TypeVar

from autograder.assignment import Assignment
from autograder.grading.profile import Stages
from autograder.grading.records import Record
from autograder.grading.submission import Submission


@dataclass(frozen=True)
class Order:
    """What is to be examined, and how.

    Attributes:
        assignment: what to grade.
        seed: the course's secret seed.
        dataset: "cifar10" or "standin".
        isolation: the level of the jail.
        minimum: the lowest level that will do.
        profile: whether to tell what the processor time goes to.
    """

    assignment: Assignment
    seed: bytes = field(repr=False)
    dataset: str
    isolation: str = "best"
    minimum: str = "process"
    profile: bool = False


T = TypeVar("T")


def given(value: T) -> T:
    """Return what was read before: for tasks that are sent with all that they are about."""
    return value


@dataclass(frozen=True)
class Task:
    """One submission to examine.

    Attributes:
        student: whose it is.
        key: what its record depends on, see `Basis.key`.
        read: reads the files; called when their turn comes.
        earlier: reads an earlier record of the student's, of which results may be kept.
        until_lost: whether the first lost check is the last that runs; such records are for `verify` alone.
    """

    student: str
    key: str
    read: Callable[[], Submission]
    earlier: Callable[[], Record | None]
    until_lost: bool = False


@dataclass(frozen=True)
class Answer:
    """What an examiner found: a record, or why there is none; `cut_short` if that is no doing of the submission."""

    record: Record | None = None
    trouble: str = ""
    cut_short: str = ""
    profile: Stages | None = None


class Examiners(Protocol):
    """Whoever examines submissions, several at once; a context manager, at whose end those under way are given up."""

    @property
    def free(self) -> bool:
        """Whether another submission should be begun."""

    @property
    def busy(self) -> bool:
        """Whether any is under way."""

    def examine(self, task: Task, done: Callable[[Answer], None]) -> None:
        """Begin to examine a submission; `wait` calls `done` with what comes of it."""

    def wait(self) -> None:
        """Wait a moment, and say of those that have ended that they are done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
