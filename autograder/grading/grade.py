"""Grading a class: submissions that have changed are examined, several at once, on this machine or on a cluster."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from autograder.assignment import Assignment
from autograder.course import Course, secret_seed
from autograder.errors import UserError
from autograder.grading import records
from autograder.grading.records import Record
from autograder.grading.submission import read_submission
from autograder.grading.task import Answer, Examiners, Order, Task, given
from autograder.sandbox.isolation import LEVELS

TRIES = 3
"""How often a submission is begun whose examination is cut short: killed from outside, say. No score comes of that."""


@dataclass(frozen=True)
class Outcome:
    """What became of one submission: its record, or why there is none."""

    student: str
    record: Record | None
    fresh: bool = True
    trouble: str = ""


def grade(
    course: Course,
    assignment: Assignment,
    students: Sequence[str],
    *,
    workers: int | None = None,
    isolation: str | None = None,
    force: bool = False,
    dataset: str | None = None,
    accept_weaker: bool = False,
    until_lost: bool = False,
    scheduler: str = "",
    shared_files: bool = False,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Outcome]:
    """Grade submissions and give each outcome as it comes; records are written by then.

    Args:
        course: the course folder.
        assignment: what to grade.
        students: whose submissions.
        workers: how many examiners at once; the number of processors by default.
        isolation: the level of the jail; the course's choice by default.
        force: grade again what is unchanged.
        dataset: "cifar10" or "standin"; the course's choice by default.
        accept_weaker: go on below the level that the course asks for.
        until_lost: stop with a submission at the first check that it does not pass.
        scheduler: address of the scheduler of a Dask cluster, whose workers do the work then.
        shared_files: let those workers read the submissions themselves, under the path that they have here.
        tell: told what to know meanwhile of the cluster.

    Raises:
        UserError: the data set is missing, the checks are broken, the isolation is not to be had, the
            cluster cannot be used: what is done by then is kept.
    """
    seed, _ = secret_seed(course)
    dataset = dataset or course.grading.data
    todo: list[Task] = []
    for student in students:
        try:
            submission = read_submission(course, assignment, student)
        except UserError as error:  # one folder that cannot be opened keeps nobody else waiting
            yield Outcome(student, None, trouble=str(error))
            continue
        key = records.key(assignment, submission, seed, dataset)
        old = None if force else records.read(course, assignment.name, student)
        if old is not None and old.get("key") == key:
            yield Outcome(student, old, fresh=False)
        else:
            read = partial(read_submission, course, assignment, student)
            earlier = partial(given, None) if force else partial(records.read, course, assignment.name, student)
            todo.append(Task(student, key, read, earlier))
    if not todo:
        return
    records.tidy(course, assignment.name)
    order = Order(
        assignment, seed, dataset,
        isolation=isolation or course.grading.isolation,
        minimum=LEVELS[0] if accept_weaker else course.grading.minimum,
        until_lost=until_lost,
    )  # fmt: skip
    with _examiners(order, workers, scheduler, course.submitted if shared_files else None, tell) as examiners:
        for outcome in _examine_all(examiners, todo):
            if outcome.record is not None:
                records.write(course, outcome.record)
            yield outcome


def _examiners(
    order: Order, workers: int | None, scheduler: str, shared: Path | None, tell: Callable[[str], None]
) -> Examiners:
    if not scheduler:
        from autograder.grading.workplace import Workplace

        return Workplace(order, workers or os.cpu_count() or 1)
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
    return Outcome(task.student, answer.record, trouble=trouble)
