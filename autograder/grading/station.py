"""A process that examines submissions for another one that has threads, and so cannot fork examiners: a Dask worker.

Worker and station trust each other. They are joined by a lifeline, on which the order comes in and the
station says why it cannot work, and by one line for each submission that may be under way at once. The
station ends when the lifeline does, however the worker has ended.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.assignment import Assignment
from autograder.errors import UserError
from autograder.grading.pool import Pool
from autograder.grading.task import Answer, Order, Task
from autograder.sandbox import launch, tree

if TYPE_CHECKING:
    from autograder.grading.workplace import Workplace

IDLE_SECONDS = 600
"""A station that has had nothing to do for so long ends: whoever began the run may have been killed."""
STOP_SECONDS = 20
LEFT_OUT = {"models", "__pycache__"}
"""Folders of an assignment that examining needs nothing of."""


@dataclass(frozen=True)
class Bundle:
    """An order, and the files of its assignment to go with it."""

    order: Order
    files: Mapping[str, bytes] = field(repr=False)


def pack(order: Order) -> Bundle:
    """Return an order with the files of its assignment.

    Raises:
        UserError: one of them cannot be read.
    """
    folder = order.assignment.folder
    try:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        names = {path: path.relative_to(folder) for path in paths}
        files = {str(name): path.read_bytes() for path, name in names.items() if not LEFT_OUT & set(name.parts)}
    except OSError as error:
        raise UserError(f"{error.filename or folder}: this cannot be read: {error.strerror}.") from None
    return Bundle(order, files)


class Station:
    """The worker's side of a station: starts it, hands it submissions, ends it.

    Args:
        bundle: a pickled Bundle.
        lines: how many submissions at once.

    Raises:
        UserError: it cannot work here; the text says why.
    """

    def __init__(self, bundle: bytes, lines: int) -> None:
        self._lifeline, *theirs = Pipe()
        self._free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        for _ in range(lines):
            ours, line = Pipe()
            self._free.put(ours)
            theirs.append(line)
        descriptors = [line.fileno() for line in theirs]
        # The station makes it and removes it, and this removes it if the station could not.
        self._folder = os.path.join(tempfile.gettempdir(), f"station-{os.urandom(8).hex()}")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 — closed with the process
        self._process = subprocess.Popen(
            launch.command("autograder.grading.station", "main", [self._folder, *descriptors]),
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=descriptors,
            start_new_session=True,  # a Ctrl-C is the worker's to handle
        )
        for line in theirs:
            line.close()
        with contextlib.suppress(OSError):  # then it has ended, and is asked why
            self._lifeline.send_bytes(bundle)
        reason = self._said()
        if reason:
            self.close()
            raise UserError(reason)

    def examine(self, task: bytes) -> Answer:
        """Have a submission, a pickled Task, examined and wait for the answer; threads may call it at once.

        Raises:
            UserError: the station cannot go on; the text says why.
        """
        line = self._free.get()
        try:
            line.send_bytes(task)
            answer: Answer = line.recv()
            return answer
        except (OSError, EOFError):
            with contextlib.suppress(OSError, EOFError):  # it may have been killed, which says nothing
                raise UserError(self._lifeline.recv()) from None
            return Answer(cut_short="the process that examines submissions ended")
        finally:
            self._free.put(line)

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, and with it everything that it has begun."""
        self._lifeline.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        tree.remove_folder(self._folder)
        self._log.close()

    def _said(self) -> str:
        """Return why the station cannot work, or nothing if it is ready."""
        try:
            said: str = self._lifeline.recv()
            return said
        except (OSError, EOFError):
            self._log.seek(0)
            text = self._log.read().decode(errors="replace").strip()
            return f"The process that examines submissions ended: {text[-500:] or 'it was killed'}."


def main(folder: str, *descriptors: int) -> None:
    """Work as a station: what its process runs."""
    from autograder.grading.workplace import Workplace

    lifeline, *lines = (Connection(descriptor) for descriptor in descriptors)
    bundle: Bundle = lifeline.recv()
    try:
        os.mkdir(folder, 0o700)
        order = replace(bundle.order, assignment=_unpack(bundle, Path(folder)))
        with Pool(len(lines)) as pool, Workplace(order, pool) as workplace:
            lifeline.send("")
            _serve(workplace, pool, lifeline, lines)
    except UserError as error:
        lifeline.send(str(error).replace(folder, str(bundle.order.assignment.folder)))
    finally:
        tree.remove_folder(folder)


def _unpack(bundle: Bundle, folder: Path) -> Assignment:
    for name, content in bundle.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return replace(bundle.order.assignment, folder=folder)


def _serve(workplace: Workplace, pool: Pool, lifeline: Connection, lines: list[Connection]) -> None:
    ended = False
    worked = time.monotonic()

    def end() -> None:
        nonlocal ended
        ended = True

    def take(line: Connection) -> None:
        try:
            task: Task = line.recv()
        except EOFError:
            end()
        else:
            workplace.examine(task, line.send)

    pool.watch(lifeline.fileno(), end)
    for line in lines:
        pool.watch(line.fileno(), partial(take, line))
    while not ended and time.monotonic() < worked + IDLE_SECONDS:
        workplace.wait()
        if workplace.busy:
            worked = time.monotonic()
