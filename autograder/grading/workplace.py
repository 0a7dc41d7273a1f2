"""What a process needs to examine submissions: the checks, the data and a process that jails are forked from."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import io
import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from types import TracebackType

import numpy as np
import torch

from autograder.assignment import Assignment
from autograder.errors import UserError
from autograder.grading import records
from autograder.grading.examiner import Examination, examine
from autograder.grading.pool import Message, Pool
from autograder.grading.profile import Stages, counted
from autograder.grading.records import Basis
from autograder.grading.task import Answer, Order, Task
from autograder.sandbox import Interrupted, IsolationUnavailable, Limits, Preloaded, SandboxError
from autograder.sandbox.isolation import LEVELS
from autograder.sandbox.linux import keep_freed_memory
from toolbox import data
from toolbox.checks import ChecksBroken, Collection, LocalBackend, Setting

EXAMINER_SECONDS = 900
"""A backstop: what an examiner may take before it is given up; the checks' own limits come far earlier."""
PRELOADED = ("torch", "numpy", "toolbox.solver", "toolbox.losses", "toolbox.gradients")
"""What jails find imported: student modules use little else. An assignment names what its own use besides."""


class Workplace:
    """Examines submissions, each in a process forked from this one; a context manager.

    Args:
        order: what to examine, and how.
        pool: the processes to examine in, which may have other work too.

    Raises:
        UserError: the data set is missing, the checks are broken, the isolation is not to be had.
    """

    def __init__(self, order: Order, pool: Pool) -> None:
        self._order = order
        self._pool = pool
        with contextlib.ExitStack() as stack:  # the other process gets ready while this one does
            starting = self._start(order.isolation)
            stack.callback(starting.close)
            prepared = _prepare(order)
            self._preloaded = self._ready(starting)
            stack.pop_all()
        level, layers = self._preloaded.level, self._preloaded.layers
        self._examination = Examination(order.assignment, *prepared, order.seed, level, layers)

    @property
    def free(self) -> bool:
        """Whether a processor waits for work."""
        return self._pool.free

    @property
    def busy(self) -> bool:
        """Whether any work is under way."""
        return self._pool.busy

    def examine(self, task: Task, done: Callable[[Answer], None]) -> None:
        """Begin to examine a submission in a process of its own; `wait` calls `done` with what comes of it."""
        if not self._preloaded.alive:
            self._preloaded.close()
            self._preloaded = self._ready(self._start(self._examination.level))
        examination, preloaded = self._examination, self._preloaded

        forking: Stages = {}

        def finished(message: Message | None, how: str) -> None:
            answer = Answer(cut_short=f"its examiner {how}") if message is None else Answer(**message)
            done(replace(answer, profile=forking | answer.profile) if answer.profile else answer)

        with counted(forking, "fork of the examiner"):
            stages: Stages | None = {} if self._order.profile else None
            self._pool.start(lambda: _examine(examination, preloaded, task, stages), finished, EXAMINER_SECONDS)

    def wait(self) -> None:
        """Wait a moment, and say of those that have ended that they are done."""
        self._pool.wait()

    def _start(self, asked: str) -> Preloaded:
        with _in_words():
            return Preloaded(asked, (*PRELOADED, *self._order.assignment.preload), wait=False)

    def _ready(self, preloaded: Preloaded) -> Preloaded:
        with _in_words():
            preloaded.wait_until_ready()
        minimum = self._order.minimum
        if LEVELS.index(preloaded.level) < LEVELS.index(minimum):
            preloaded.close()
            raise UserError(
                f"Grading would run at the isolation level {preloaded.level!r}, and course.toml asks for "
                f"{minimum!r} at least. `autograder doctor` shows what is missing here; --accept-weaker goes on anyway."
            )
        return preloaded

    def __enter__(self) -> Workplace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._pool.stop()
        finally:
            self._preloaded.close()


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Say what keeps jails from starting as a sentence for whoever grades."""
    try:
        yield
    except IsolationUnavailable as error:
        raise UserError(f"{error} `autograder doctor` shows what this machine offers.") from None
    except SandboxError as error:
        raise UserError(f"Student code has no place to run: {error}. Mend this and grade again.") from None


def _prepare(order: Order) -> tuple[Basis, Collection, data.Data]:
    """Load what examiners share before any is forked, so that they need not load it themselves."""
    assignment = order.assignment
    torch.set_num_threads(1)
    keep_freed_memory()
    basis = records.basis(assignment, order.seed, order.dataset)
    for name in assignment.preload:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(
                f"{assignment.toml}: preload names {name}, which cannot be imported here: {error}. Nothing is graded."
            ) from None
    try:
        collection = Collection(assignment.checks)
        images = assignment.images
        loaded = _in_secret_order(data.load(order.dataset, **asdict(images)), order.seed)
    except ChecksBroken as error:
        raise UserError(f"The checks cannot be run, nothing is graded. {error}") from None
    except data.DataError as error:
        raise UserError(f"The data set is not there, nothing is graded. {error}") from None
    points = sum(check.points for check in collection.checks)
    if points != assignment.points:
        raise UserError(f"{assignment.toml}: points is {assignment.points}, but the checks add up to {points}.")
    _warm_up(assignment, collection, loaded)
    gc.freeze()  # what is here stays: neither examiners nor this process look for garbage among it
    return basis, collection, loaded


def _in_secret_order(loaded: data.Data, seed: bytes) -> data.Data:
    """Return the data with validation and test images in an order that nobody knows: the first are a sample.

    They lie in memory that NumPy takes in pages of megabytes where the kernel has them, so that a fork neither
    copies thousands of entries of its page tables nor faults them in.
    """
    number = int.from_bytes(hashlib.blake2b(b"order of images", key=seed, digest_size=7).digest(), "big")
    rng = np.random.default_rng(number)
    parts = dict(loaded.parts)
    for name in {"val", "test"} & set(parts):
        order = rng.permutation(len(parts[name].y))
        parts[name] = data.Part(*(torch.from_numpy(part.numpy()[order]) for part in (parts[name].X, parts[name].y)))
    data.forget()
    return replace(loaded, parts=parts)


def _warm_up(assignment: Assignment, collection: Collection, loaded: data.Data) -> None:
    """Run the checks once on the author's own solution, so that every examiner is forked warm.

    What pytest and torch load or set up on first use costs more than grading a submission.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        collection.run(
            Setting(
                backend=LocalBackend(assignment.folder, assignment.files.modules),
                data=lambda: loaded,
                thresholds=dict(assignment.thresholds.get(loaded.name, {})),
            ),
        )


def _examine(examination: Examination, preloaded: Preloaded, task: Task, stages: Stages | None) -> Message:
    """Return the fields of an Answer; what an examiner does."""
    limits = examination.assignment.limits
    jail_limits = Limits(memory_mb=limits.memory_mb, scratch_mb=limits.scratch_mb)
    torch.set_flush_denormal(True)  # tiny numbers in a saved model would slow its products a hundredfold
    try:
        with counted(stages, "reading the submission"):
            submission = task.read()
            keys = examination.basis.keys(submission)
        if task.key != records.key_of(keys):
            return {"trouble": "the submission or the assignment changed meanwhile; grade it again"}
        start = lambda files: preloaded.start(files, jail_limits)  # noqa: E731
        record = examine(
            examination, submission, keys, start, task.earlier(), stages, until_lost=task.until_lost
        )
        return {"record": record, "profile": stages}
    except ChecksBroken as error:
        return {"trouble": f"the checks cannot be run: {error}"}
    except UserError as error:
        return {"trouble": str(error)}
    except Interrupted as error:
        return {"cut_short": error.reason}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}, line {last.lineno}"
        return {"cut_short": f"{type(error).__name__}: {error} ({where})"}
