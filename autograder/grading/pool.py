"""Processes forked from this one, each for one piece of work, whose answer comes back through a pipe."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

Message = dict[str, Any]


@dataclass
class _Running:
    pid: int
    pipe: int
    deadline: float
    done: Callable[[Message | None, str], None]
    received: bytearray = field(default_factory=bytearray)


class Pool:
    """Up to `workers` processes at once, by default as many as there are processors.

    A context manager, at whose end those that still run are killed.

    Its process has one thread: children are plain forks, which find loaded what it has loaded.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._running: dict[int, _Running] = {}
        self._selector = selectors.DefaultSelector()

    @property
    def free(self) -> bool:
        """Whether a processor waits for work."""
        return len(self._running) < self.workers

    @property
    def busy(self) -> bool:
        """Whether any work is under way."""
        return bool(self._running)

    def start(self, work: Callable[[], Message], done: Callable[[Message | None, str], None], seconds: float) -> None:
        """Begin a piece of work at once, whether a processor is free or not.

        Args:
            work: what the child does; its answer travels as JSON.
            done: called by `wait` with the answer, or with None and how the child ended without one.
            seconds: after so long by the clock the child is killed.
        """
        with interrupts_held_back():  # the child never sees one
            pid, pipe = _fork(work)
            self._running[pipe] = _Running(pid, pipe, time.monotonic() + seconds, done)
            self._selector.register(pipe, selectors.EVENT_READ)

    def watch(self, file: int, ready: Callable[[], None]) -> None:
        """Have `wait` call a function, too, whenever a file can be read."""
        self._selector.register(file, selectors.EVENT_READ, ready)

    def wait(self, seconds: float = 1.0) -> None:
        """Take in what children have sent, and say of those that have ended that they are done."""
        for event, _ in self._selector.select(seconds):
            if event.data is not None:
                event.data()
                continue
            one = self._running[event.fd]
            chunk = os.read(one.pipe, 1 << 20)
            one.received += chunk
            if not chunk:
                self._selector.unregister(one.pipe)
                del self._running[one.pipe]
                one.done(*_finish(one))
        for one in self._running.values():
            if time.monotonic() > one.deadline:
                _kill(one.pid)

    def stop(self) -> None:
        """Kill what is under way; nobody is told."""
        for one in self._running.values():
            _kill(one.pid)
            os.waitpid(one.pid, 0)
            self._selector.unregister(one.pipe)
            os.close(one.pipe)
        self._running.clear()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._selector.close()


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait: Python drops an exception raised in what it calls around a fork."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _fork(work: Callable[[], Message]) -> tuple[int, int]:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            gc.disable()  # it lives for a second
            os.close(ours)
            content = json.dumps(work()).encode()
            while content:
                content = content[os.write(theirs, content) :]
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    return pid, ours


def _finish(one: _Running) -> tuple[Message | None, str]:
    os.close(one.pipe)
    _, status = os.waitpid(one.pid, 0)
    try:
        message: Message = json.loads(bytes(one.received))
        return message, ""
    except ValueError:
        code = os.waitstatus_to_exitcode(status)
        return None, f"was killed (signal {-code})" if code < 0 else f"ended early (exit status {code})"


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
