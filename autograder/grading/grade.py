"""Grading a class: submissions that have changed are examined, several at once, on this machine or on a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from autograder.assignment import Assignment
from autograder.course import Course, Level, secret_seed
from autograder.errors import UserError
from autograder.grading import records
from autograder.grading.pool import Message, Pool
from autograder.grading.profile import Stages, counted
from autograder.grading.records import Basis, Record
from autograder.grading.submission import read_submission
from autograder.grading.task import Answer, Examiners, Order, Task, given

TRIES = 3
"""How often a submission is begun whose examination is cut short: killed from outside, say. No score comes of that."""

WEAKEST = get_args(Level)[-1]
TOGETHER = 64
"""Submissions that one process looks at, to see whether they have changed."""
SECONDS = 300
"""A backstop: what it may take before its work is done here."""

Look = tuple[str, str, str]
"""A student, the key of the submission, and why there is none."""


@dataclass(frozen=True)
class Outcome:
    """What became of one submission: its record, or why there is none; what time went to, if that was asked for."""

    student: str
    record: Record | None
    fresh: bool = True
    trouble: str = ""
    profile: Stages | None = None


def grade(
    course: Course,
    assignment: Assignment,
    students: Sequence[str],
    pool: Pool,
    *,
    isolation: str | None = None,
    force: bool = False,
    dataset: str | None = None,
    accept_weaker: bool = False,
    until_lost: Collection[str] = (),
    profile: bool = False,
    scheduler: str = "",
    shared_files: bool = False,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Generator[Outcome, None, None]:
    """Grade submissions and give each outcome as it comes; records are written by then.

    Args:
        course: the course folder.
        assignment: what to grade.
        students: whose submissions.
        pool: the processes to examine in. It may have other work between two outcomes, and has none at the end.
        isolation: the level of the jail; the course's choice by default.
        force: grade again what is unchanged.
        dataset: "cifar10" or "standin"; the course's choice by default.
        accept_weaker: go on below the level that the course asks for.
        until_lost: the students with whose submissions to stop at the first check that is lost.
        profile: tell what the processor time of each submission goes to.
        scheduler: address of the scheduler of a Dask cluster, whose workers do the work then.
        shared_files: let those workers read the submissions themselves, under the path that they have here.
        tell: told what to know meanwhile of the cluster.

    Raises:
        UserError: the data set is missing, the checks are broken, the isolation is not to be had, the
            cluster cannot be used: what is done by then is kept.
    """
    seed, _ = secret_seed(course)
    dataset = dataset or course.grading.data
    look_at = partial(_look_at, course, assignment, records.basis(assignment, seed, dataset))
    todo: list[tuple[str, str]] = []
    for student, key, trouble in _look_at_all(look_at, students, pool):
        old = None if force or trouble else records.read(course, assignment.name, student)
        if trouble:
            yield Outcome(student, None, trouble=trouble)
        elif old is not None and old["key"] == key:
            yield Outcome(student, old, fresh=False)
        else:
            todo.append((student, key))
    if not todo:
        return

    def earlier(student: str) -> Callable[[], Record | None]:
        return partial(given, None) if force else partial(records.read, course, assignment.name, student)

    tasks = [
        Task(
            student, key, partial(read_submission, course, assignment, student), earlier(student), student in until_lost
        )
        for student, key in todo
    ]
    records.tidy(course, assignment.name)
    order = Order(
        assignment, seed, dataset,
        isolation=isolation or course.grading.isolation,
        minimum=WEAKEST if accept_weaker else course.grading.minimum,
        profile=profile,
    )  # fmt: skip
    with _examiners(order, pool, scheduler, course.submitted if shared_files else None, tell) as examiners:
        for outcome in _examine_all(examiners, tasks):
            if outcome.record is not None:
                with counted(outcome.profile, "record"):
                    records.write(course, outcome.record)
            yield outcome


def _look_at_all(look_at: Callable[[str], Look], students: Sequence[str], pool: Pool) -> Iterator[Look]:
    """Look at the submissions of a class in the pool: files are read and hashed on every processor."""
    waiting = deque(students[start : start + TOGETHER] for start in range(0, len(students), TOGETHER))
    ended: list[Look] = []

    def done(some: Sequence[str], message: Message | None, how: str) -> None:
        ended.extend(message["looks"] if message is not None else map(look_at, some))

    while waiting or pool.busy:
        while waiting and pool.free:
            some = waiting.popleft()
            pool.start(partial(_look_at_some, look_at, some), partial(done, some), SECONDS)
        pool.wait()
        yield from ended
        ended.clear()


def _look_at_some(look_at: Callable[[str], Look], students: Sequence[str]) -> Message:
    return {"looks": [look_at(student) for student in students]}


def _look_at(course: Course, assignment: Assignment, basis: Basis, student: str) -> Look:
    try:
        return student, basis.key(read_submission(course, assignment, student)), ""
    except UserError as error:  # one folder that cannot be opened keeps nobody else waiting
        return student, "", str(error)


def _examiners(order: Order, pool: Pool, scheduler: str, shared: Path | None, tell: Callable[[str], None]) -> Examiners:
    if not scheduler:
        from autograder.grading.workplace import Workplace  # loads torch

        return Workplace(order, pool)
    try:
        from autograder.grading.cluster import Cluster
    except ModuleNotFoundError as error:
        raise UserError(
            f"Grading on a cluster needs Dask, and {error.name} is not installed: pip install 'coursekit[cluster]'."
        ) from None
    return Cluster(scheduler, order, shared, tell)


def _examine_all(examiners: Examiners, todo: Sequence[Task]) -> Iterator[Outcome]:
    waiting = deque((task, 1) for task in todo)
    ended: list[Outcome] = []

    def done(task: Task, tries: int, answer: Answer) -> None:
        if answer.cut_short and tries < TRIES:
            waiting.append((task, tries + 1))
        else:
            ended.append(_outcome(task, answer))

    while waiting or examiners.busy:
        while waiting and examiners.free:
            task, tries = waiting.popleft()
            examiners.examine(task, partial(done, task, tries))
        examiners.wait()
        yield from ended
        ended.clear()


def _outcome(task: Task, answer: Answer) -> Outcome:
    trouble = answer.trouble
    if answer.cut_short:
        trouble = (
            f"its examination was cut short {TRIES} times, at last because: {answer.cut_short}. Run the same command "
            "again; if the machine runs out of memory, with fewer --workers."
        )
    return Outcome(task.student, answer.record, trouble=trouble, profile=answer.profile)
