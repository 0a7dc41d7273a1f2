"""Grading a class: one examiner process for each submission, as many at once as there are workers."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import selectors
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from autograder.assignment import Assignment
from autograder.course import Course, secret_seed
from autograder.errors import UserError
from autograder.grading import records
from autograder.grading.examiner import Examination, examine
from autograder.grading.records import Record
from autograder.grading.submission import read_submission
from autograder.sandbox import Interrupted, IsolationUnavailable, Limits, Preloaded, SandboxError
from autograder.sandbox.isolation import LEVELS
from autograder.sandbox.linux import keep_freed_memory
from toolbox import data
from toolbox.checks import ChecksBroken, LocalBackend, Setting, load_checks, run_checks

EXAMINER_SECONDS = 900
"""A backstop: what an examiner may take before it is given up; the checks' own limits come far earlier."""
TRIES = 3
"""How often a submission is begun whose examination is cut short: killed from outside, say. No score comes of that."""
PRELOADED = ("torch", "numpy", "toolbox.solver", "toolbox.losses", "toolbox.gradients")
"""What jails find imported: student modules use little else."""


@dataclass(frozen=True)
class Outcome:
    """What became of one submission: its record, or why there is none."""

    student: str
    record: Record | None
    fresh: bool = True
    trouble: str = ""


@dataclass
class _Running:
    student: str
    key: str
    pid: int
    pipe: int
    deadline: float
    tries: int
    received: bytearray


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

    Raises:
        UserError: the data set is missing, the checks are broken, the isolation is not to be had:
            nothing is graded then.
    """
    seed, _ = secret_seed(course)
    dataset = dataset or course.grading.data
    todo: list[tuple[str, str]] = []
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
            todo.append((student, key))  # the files are read again when their turn comes
    if not todo:
        return
    records.tidy(course, assignment.name)
    with contextlib.ExitStack() as stack:

        def preload(level: str | None) -> Preloaded:
            return stack.enter_context(_preload(course, level, accept_weaker))

        preloaded = preload(isolation)
        examination = replace(_prepare(assignment, seed, preloaded, dataset), until_lost=until_lost)
        for outcome in _examine_all(course, examination, preloaded, preload, todo, workers or os.cpu_count() or 1):
            if outcome.record is not None:
                records.write(course, outcome.record)
            yield outcome


def _preload(course: Course, isolation: str | None, accept_weaker: bool) -> Preloaded:
    asked = isolation or course.grading.isolation
    try:
        preloaded = Preloaded(asked, PRELOADED)
    except IsolationUnavailable as error:
        raise UserError(f"{error} `autograder doctor` shows what this machine offers.") from None
    except SandboxError as error:
        raise UserError(f"Student code has no place to run: {error}. Mend this and grade again.") from None
    minimum = course.grading.minimum
    if LEVELS.index(preloaded.level) < LEVELS.index(minimum) and not accept_weaker:
        preloaded.close()
        raise UserError(
            f"Grading would run at the isolation level {preloaded.level!r}, and {course.toml.name} asks for "
            f"{minimum!r} at least. `autograder doctor` shows what is missing here; --accept-weaker goes on anyway."
        )
    return preloaded


def _prepare(assignment: Assignment, seed: bytes, preloaded: Preloaded, dataset: str) -> Examination:
    """Load what examiners share before any is forked, so that they need not load it themselves."""
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        checks = load_checks(assignment.checks)
        images = assignment.images
        loaded = data.load(dataset, parts=images.parts, num_train=images.num_train)
    except ChecksBroken as error:
        raise UserError(f"The checks cannot be run, nothing is graded. {error}") from None
    except data.DataError as error:
        raise UserError(f"The data set is not there, nothing is graded. {error}") from None
    points = sum(check.points for check in checks)
    if points != assignment.points:
        raise UserError(f"{assignment.toml}: points is {assignment.points}, but the checks add up to {points}.")
    _warm_up(assignment, loaded)
    gc.collect()
    gc.freeze()
    return Examination(assignment, loaded, seed, preloaded.level, preloaded.layers)


def _warm_up(assignment: Assignment, loaded: data.Data) -> None:
    """Run the checks once on the author's own solution, so that every examiner is forked warm.

    What pytest and torch load or set up on first use costs more than grading a submission.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        run_checks(
            assignment.checks,
            Setting(
                backend=LocalBackend(assignment.folder, assignment.files.modules),
                data=lambda: loaded,
                thresholds=dict(assignment.thresholds.get(loaded.name, {})),
            ),
        )


def _examine_all(
    course: Course,
    examination: Examination,
    preloaded: Preloaded,
    preload: Callable[[str], Preloaded],
    todo: list[tuple[str, str]],
    workers: int,
) -> Iterator[Outcome]:
    waiting = deque((student, key, 1) for student, key in todo)
    running: dict[int, _Running] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    if not preloaded.alive:
                        preloaded.close()
                        preloaded = preload(examination.level)
                    student, key, tries = waiting.popleft()
                    with _interrupts_held_back():  # the examiner never sees one
                        started = _fork(course, examination, preloaded, student, key, tries)
                        running[started.pipe] = started
                        selector.register(started.pipe, selectors.EVENT_READ)
                for event, _ in selector.select(timeout=1.0):
                    one = running[event.fd]
                    chunk = os.read(one.pipe, 1 << 20)
                    one.received += chunk
                    if chunk:
                        continue
                    selector.unregister(one.pipe)
                    del running[one.pipe]
                    outcome, cut_short = _finish(one)
                    if cut_short and one.tries < TRIES:
                        waiting.append((one.student, one.key, one.tries + 1))
                    else:
                        yield outcome
                for one in running.values():
                    if time.monotonic() > one.deadline:
                        _kill(one.pid)
        finally:
            for one in running.values():
                _kill(one.pid)
                os.waitpid(one.pid, 0)
                os.close(one.pipe)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait: Python drops an exception raised in what it calls around a fork."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _fork(
    course: Course, examination: Examination, preloaded: Preloaded, student: str, key: str, tries: int
) -> _Running:
    """Fork an examiner, which sends its record through a pipe."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            gc.disable()  # it lives for a second
            torch.set_flush_denormal(True)  # tiny numbers in a saved model would slow its products a hundredfold
            os.close(ours)
            _send(theirs, _record_or_trouble(course, examination, preloaded, student, key))
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    return _Running(student, key, pid, ours, time.monotonic() + EXAMINER_SECONDS, tries, bytearray())


def _record_or_trouble(
    course: Course, examination: Examination, preloaded: Preloaded, student: str, key: str
) -> dict[str, Any]:
    limits = examination.assignment.limits
    jail_limits = Limits(memory_mb=limits.memory_mb, scratch_mb=limits.scratch_mb)
    try:
        submission = read_submission(course, examination.assignment, student)
        if key != records.key(examination.assignment, submission, examination.seed, examination.data.name):
            return {"trouble": "the submission or the assignment changed meanwhile; grade it again"}
        return {"record": examine(examination, submission, key, lambda files: preloaded.start(files, jail_limits))}
    except ChecksBroken as error:
        return {"trouble": f"the checks cannot be run: {error}"}
    except Interrupted as error:
        return {"cut short": error.reason}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return {"cut short": f"{type(error).__name__}: {error} ({os.path.basename(last.filename)}, line {last.lineno})"}


def _send(pipe: int, message: dict[str, Any]) -> None:
    content = json.dumps(message).encode()
    while content:
        content = content[os.write(pipe, content) :]


def _finish(one: _Running) -> tuple[Outcome, bool]:
    """Return what an examiner that has ended sent, and whether it was cut short."""
    os.close(one.pipe)
    _, status = os.waitpid(one.pid, 0)
    try:
        message = json.loads(bytes(one.received))
    except ValueError:
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed (signal {-code})" if code < 0 else f"ended early (exit status {code})"
        message = {"cut short": f"its examiner {how}"}
    if why := message.get("cut short"):
        trouble = (
            f"its examination was cut short {TRIES} times, at last because: {why}. Run the same command again; "
            "if the machine runs out of memory, with fewer --workers."
        )
        return Outcome(one.student, None, trouble=trouble), True
    return Outcome(one.student, message.get("record"), trouble=message.get("trouble", "")), False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
