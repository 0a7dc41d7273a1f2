"""Grading solutions and mutants as if students had handed them in: the class that `verify` makes up."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.grading.grade import Outcome, grade
from autograder.grading.pool import Pool

SEED = "76" * 32
"""The secret seed of the made-up class, always the same: what is found once is found again."""

Watch = Callable[[int, int], None]
"""Told how many submissions are graded, and of how many."""


@dataclass(frozen=True)
class Attempt:
    """A submission to try.

    Attributes:
        student: its id.
        sources: the text of each module.
        with_models: whether the saved models lie beside them.
        until_lost: whether the first check that it loses says enough.
    """

    student: str
    sources: Mapping[str, str]
    with_models: bool = True
    until_lost: bool = False


@dataclass(frozen=True)
class Verdict:
    """What became of an attempt: the checks that it lost, each with the reason, and those that earned points.

    `trouble` says why there is no record; the rest is empty then.
    """

    lost: Mapping[str, str] = field(default_factory=dict)
    earned: Sequence[str] = ()
    trouble: str = ""


def try_each(
    course: Course,
    assignment: Assignment,
    dataset: str,
    attempts: Sequence[Attempt],
    watch: Watch = lambda done, total: None,
) -> Generator[tuple[str, Verdict], None, None]:
    """Grade attempts in a course folder of their own and give student id and verdict of each as it comes.

    They go through the real grader: jail, limits, one process each, as many at once as there are
    processors. The first ones are begun first; whoever closes the generator ends what is under way.

    Args:
        course: the author's course folder.
        assignment: what to grade.
        dataset: "cifar10" or "standin".
        attempts: what was handed in.
        watch: told how many are graded.

    Raises:
        UserError: nothing can be graded; the text says why.
    """
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        made_up = Course(Path(folder), course.title, course.grading)
        made_up.secret_seed.write_text(SEED + "\n", encoding="ascii")
        made_up.secret_seed.chmod(0o600)
        copied = Path(shutil.copytree(assignment.folder, made_up.assignments / assignment.name))
        assignment = replace(assignment, folder=copied)  # so that an author may go on writing meanwhile
        models = [copied / "models" / dataset / name for name in assignment.files.models]
        for attempt in attempts:
            _hand_in(made_up.submitted / attempt.student / assignment.name, attempt, models)
        watch(0, len(attempts))
        students = [attempt.student for attempt in attempts]
        hasty = {attempt.student for attempt in attempts if attempt.until_lost}
        with (
            Pool() as pool,
            contextlib.closing(
                grade(made_up, assignment, students, pool, dataset=dataset, accept_weaker=True, until_lost=hasty)
            ) as outcomes,
        ):
            for done, outcome in enumerate(outcomes, start=1):
                watch(done, len(attempts))
                yield outcome.student, _verdict(outcome)


def _hand_in(folder: Path, attempt: Attempt, models: list[Path]) -> None:
    folder.mkdir(parents=True)
    for name, source in attempt.sources.items():
        (folder / name).write_text(source, encoding="utf-8")
    for path in models if attempt.with_models else []:
        if path.is_file():
            os.link(path, folder / path.name)  # a hard link: several hundred copies would take their room


def _verdict(outcome: Outcome) -> Verdict:
    if outcome.record is None:
        return Verdict(trouble=outcome.trouble)
    checks = outcome.record["checks"]
    return Verdict(
        lost={check["id"]: check["message"] for check in checks if check["status"] != "passed"},
        earned=[check["id"] for check in checks if check["score"]],
    )
