"""One submission in, one record out: what runs in an examiner process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from autograder.assignment import Assignment
from autograder.grading import records
from autograder.grading.backend import JailBackend
from autograder.grading.profile import Meter, Stages
from autograder.grading.records import SCHEMA, Basis, Record
from autograder.grading.submission import Submission
from autograder.sandbox import Interrupted, Jail
from toolbox.checks import CheckResult, ChecksBroken, Collection, Setting, from_json, rounded, total
from toolbox.data import Data
from toolbox.handin.notebook import answers_gone


@dataclass(frozen=True)
class Examination:
    """What all examiners of a run share.

    Attributes:
        assignment: what is graded.
        basis: what all their records depend on.
        collection: its checks, ready to run.
        data: the images and labels that its checks use.
        seed: the course's secret seed.
        level: the isolation level of the jails.
        layers: the layers that are active.
    """

    assignment: Assignment
    basis: Basis
    collection: Collection
    data: Data
    seed: bytes
    level: str
    layers: tuple[str, ...]


PRESSED = ("timeout", "died", "not run")
"""How checks end for which what others cost matters, or that matter for others in this way."""


def examine(
    examination: Examination,
    submission: Submission,
    keys: Mapping[str, str],
    start: Callable[[Mapping[str, bytes]], Jail],
    earlier: Record | None = None,
    stages: Stages | None = None,
    *,
    until_lost: bool = False,
) -> Record:
    """Run the checks on a submission and return its record.

    Args:
        examination: what all examiners share.
        submission: the student's files.
        keys: what the results of each file of checks depend on, see `Basis.keys`.
        start: starts a jail with the given files in it.
        earlier: an earlier record of the student's. Of files of checks whose key is still the same its results
            are kept, unless they may depend on what other checks cost.
        stages: gets what the processor time goes to.
        until_lost: stop at the first check that is lost.

    Raises:
        ChecksBroken: the checks cannot be run; the author has to mend them.
        Interrupted: the host ended the jail, so that nothing can be said of the submission.
    """
    assignment = examination.assignment
    kept = _kept(examination, keys, earlier) if earlier is not None else []
    started = time.process_time()
    backend = JailBackend(start, assignment, submission)
    meter = None
    if stages is not None:
        meter = backend.meter = Meter(backend.used)
    try:
        results = examination.collection.run(
            Setting(
                backend=backend,
                data=lambda: examination.data,
                thresholds=dict(assignment.thresholds.get(examination.data.name, {})),
                seed=examination.seed,
                check_seconds=assignment.limits.check_seconds,
                after_timeout_seconds=assignment.limits.after_timeout_seconds,
                until_lost=until_lost,
                kept=kept,
            ),
            on_result=(lambda result: None) if meter is None else (lambda result: meter.name(result.id)),
        )
    except ChecksBroken as error:
        if isinstance(error.__cause__, Interrupted):
            raise error.__cause__ from None
        raise
    finally:
        backend.close()
    again = {result.id for result in kept}
    if kept and any(result.why in PRESSED for result in results if result.id not in again):
        return examine(examination, submission, keys, start, stages=stages)
    if meter is not None and stages is not None:
        stages.update(meter.stages)
    if backend.forbidden and assignment.forbidden.policy == "zero":
        _score_zero(results, backend.forbidden[0])
    notices = [
        *submission.problems.values(),
        *_answers_gone(submission, assignment),
        *map(_not_looked_at, submission.others),
        *backend.forbidden[:20],
        *backend.notices,
        *(f"{result.id}: {result.flagged}." for result in results if result.flagged),
    ]
    if kept and earlier is not None:  # what was noticed while those checks ran
        about = tuple(f"{name}: " for name in examination.collection.files)
        notices += [one for one in earlier["notices"] if one not in notices and not one.startswith(about)]
    return {
        "schema": SCHEMA,
        "assignment": assignment.name,
        "student": submission.student,
        "score": rounded(total(results)),
        "fraction": str(total(results)),
        "max_score": sum(result.points for result in results),
        "checks": [result.as_json() for result in results],
        "kept": [result.id for result in kept],
        "keys": dict(keys),
        "notices": list(dict.fromkeys(notices)),
        "data": examination.data.name,
        "level": examination.level,
        "layers": list(examination.layers),
        "cpu_seconds": round(time.process_time() - started + backend.cpu_seconds, 3),
        "key": records.key_of(keys),
    }


def _kept(examination: Examination, keys: Mapping[str, str], earlier: Record) -> list[CheckResult]:
    """Return results of an earlier record that would come out the same."""
    if examination.assignment.forbidden.policy == "zero":  # results do not stand there as they came out
        return []
    try:
        results = [from_json(check) for check in earlier["checks"]]
        same = {name for name, key in earlier["keys"].items() if keys.get(name) == key}
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return []  # it is damaged, or of an older version of the kit
    if any(result.why == "not run" for result in results) or not isinstance(earlier.get("notices"), list):
        return []
    return [result for result in results if examination.collection.files.get(result.id) in same]


def _answers_gone(submission: Submission, assignment: Assignment) -> list[str]:
    name = assignment.files.notebook
    gone = answers_gone(submission.files.get(name, b""), assignment.written)
    return [f"`{name}`: {gone}. What was written there is not graded."] if gone else []


def _not_looked_at(name: str) -> str:
    if name.endswith("/"):
        return f"`{name}` was not looked at: hand in the files themselves, not in a folder."
    return f"`{name}` was not looked at: the assignment names no such file."


def _score_zero(results: list[CheckResult], sentence: str) -> None:
    for result in results:
        if result.score:
            result.status, result.score = "failed", Fraction(0)
            result.message = f"Scored zero, since forbidden code is used. {sentence}"
