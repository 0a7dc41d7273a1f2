"""One submission in, one record out: what runs in an examiner process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from autograder.assignment import Assignment
from autograder.grading.backend import JailBackend
from autograder.grading.records import SCHEMA, Record
from autograder.grading.submission import Submission
from autograder.sandbox import Interrupted, Jail
from toolbox.checks import CheckResult, ChecksBroken, Collection, Setting, rounded, total
from toolbox.data import Data


@dataclass(frozen=True)
class Examination:
    """What all examiners of a run share.

    Attributes:
        assignment: what is graded.
        collection: its checks, ready to run.
        data: the images and labels that its checks use.
        seed: the course's secret seed.
        level: the isolation level of the jails.
        layers: the layers that are active.
        until_lost: whether a submission's first lost check is its last; such records are for `verify` alone.
    """

    assignment: Assignment
    collection: Collection
    data: Data
    seed: bytes
    level: str
    layers: tuple[str, ...]
    until_lost: bool = False


def examine(
    examination: Examination, submission: Submission, key: str, start: Callable[[Mapping[str, bytes]], Jail]
) -> Record:
    """Run every check on a submission and return its record.

    Args:
        examination: what all examiners share.
        submission: the student's files.
        key: what the record depends on, see `records.key`.
        start: starts a jail with the given files in it.

    Raises:
        ChecksBroken: the checks cannot be run; the author has to mend them.
        Interrupted: the host ended the jail, so that nothing can be said of the submission.
    """
    assignment = examination.assignment
    started = time.process_time()
    backend = JailBackend(start, assignment, submission)
    try:
        results = examination.collection.run(
            Setting(
                backend=backend,
                data=lambda: examination.data,
                thresholds=dict(assignment.thresholds.get(examination.data.name, {})),
                seed=examination.seed,
                check_seconds=assignment.limits.check_seconds,
                after_timeout_seconds=assignment.limits.after_timeout_seconds,
                until_lost=examination.until_lost,
            ),
        )
    except ChecksBroken as error:
        if isinstance(error.__cause__, Interrupted):
            raise error.__cause__ from None
        raise
    finally:
        backend.close()
    if backend.forbidden and assignment.forbidden.policy == "zero":
        _score_zero(results, backend.forbidden[0])
    return {
        "schema": SCHEMA,
        "assignment": assignment.name,
        "student": submission.student,
        "score": rounded(total(results)),
        "fraction": str(total(results)),
        "max_score": sum(result.points for result in results),
        "checks": [result.as_json() for result in results],
        "notices": [
            *submission.problems.values(),
            *map(_not_looked_at, submission.others),
            *backend.forbidden[:20],
            *backend.notices,
            *(f"{result.id}: {result.flagged}." for result in results if result.flagged),
        ],
        "data": examination.data.name,
        "level": examination.level,
        "layers": list(examination.layers),
        "cpu_seconds": round(time.process_time() - started + backend.cpu_seconds, 3),
        "key": key,
    }


def _not_looked_at(name: str) -> str:
    if name.endswith("/"):
        return f"`{name}` was not looked at: hand in the files themselves, not in a folder."
    return f"`{name}` was not looked at: the assignment names no such file."


def _score_zero(results: list[CheckResult], sentence: str) -> None:
    for result in results:
        if result.score:
            result.status, result.score = "failed", Fraction(0)
            result.message = f"Scored zero, since forbidden code is used. {sentence}"
