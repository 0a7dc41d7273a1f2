"""The examiner's side of one jail: asks, waits no longer than its allowance, and believes nothing."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from autograder.sandbox import control, frames
from autograder.sandbox.allowance import Allowance, ask_who_writes, process_behind, processor_seconds
from autograder.sandbox.decode import Decoder
from autograder.sandbox.encode import Encoder
from autograder.sandbox.errors import BadModel, BadReply, Died, Interrupted, SandboxError, StudentRaised, TimedOut
from autograder.sandbox.limits import Limits, Usage
from autograder.sandbox.restore import take_changes, write_changes
from autograder.sandbox.wire import Ref, Value, clean

if TYPE_CHECKING:
    from autograder.sandbox.preloaded import Connection

START_SECONDS = 60.0
END_SECONDS = 20.0
KNOWN_NOTICES = frozenset({"cuda"})

T = TypeVar("T")


@dataclass(frozen=True)
class Scan:
    """What reading a source file has found: forbidden uses as (line, name), and whether it mentions cuda."""

    uses: tuple[tuple[int, str], ...]
    mentions_cuda: bool


class Jail:
    """A process that runs one student's code and answers for it; a context manager.

    After TimedOut, Died or BadReply the jail is gone (`alive` is False) together with all its processes. So it is
    after Interrupted, which any request raises, and the start too, where the host is at fault.

    busy_seconds: how much of their allowances its requests have used up.
    notices: what the examiner should know about how the code ran: "cuda" if it asked for a GPU and got the
        CPU.
    """

    def __init__(self, connection: Connection, files: Mapping[str, bytes], limits: Limits) -> None:
        self.limits = limits
        self.notices: set[str] = set()
        self.alive = True
        self.busy_seconds = 0.0
        self._connection = connection
        self._report: control.Report | None = None
        self._process: int | None = None
        ours, theirs = socket.socketpair()
        ask_who_writes(ours)
        frames.widen(theirs)
        size = -(-sum(map(len, files.values())) >> 20) + 1
        self._number = connection.start(replace(limits, files_mb=size), theirs.fileno())
        theirs.close()
        self._link = frames.Link(ours, connection.sock.fileno(), self._ended)
        encoder = Encoder()
        encoder.add(dict(files))
        start = Allowance(START_SECONDS, None)
        try:
            self._link.send(0, encoder.buffers(), start)
            self._link.wait(select.POLLIN, start)
            self._process = process_behind(ours)
            problem = Decoder(self._link.receive(0, 1 << 20, start)).take_str()
        except frames.Late:
            problem = f"the jail was not ready after {START_SECONDS:g} seconds"
        except frames.Closed:
            problem = f"the jail ended at its start: {self._how_it_ended().reason}"
        except BadReply as error:
            problem = error.reason
        if problem:
            self._end()
            raise Interrupted(problem)

    def import_module(self, name: str, *, seconds: float) -> list[str]:
        """Import `name`.py from the private folder; target 0 is this module from then on.

        Returns the packages that it imports and that are not installed here. After StudentRaised, target 0
        is what the module had defined by then, unless it is no valid Python at all.
        """
        return self._ask(seconds, _take_names, "import", name)

    def call(
        self,
        target: int,
        path: str,
        args: tuple = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        restore: bool = True,
        seconds: float,
    ) -> Value:
        """Call the attribute `path` of a handle (0 is the module; no path, the handle itself) and return its result.

        Refs among the arguments are the objects they name. What is no plain value comes back as a Ref. Lists,
        dictionaries, tensors and arrays among the arguments that the call changes are changed here as well,
        unless nobody will look at them again (not `restore`).
        """
        function, arguments, named = Ref(target, path), tuple(args), dict(kwargs or {})
        if not restore:
            return self._ask(seconds, lambda decoder, _: decoder.take(), "compute", function, arguments, named)
        result, changes = self._ask(
            seconds,
            lambda decoder, originals: (decoder.take(), take_changes(decoder, originals)),
            "call",
            function,
            arguments,
            named,
        )
        write_changes(changes)
        return result

    def get(self, target: int, path: str, *, seconds: float) -> Value:
        """Return an attribute: data by value, anything else as a Ref to the same place."""
        return self._ask(seconds, lambda decoder, _: decoder.take(), "get", target, path)

    def set(self, target: int, path: str, value: Value, *, seconds: float) -> None:
        """Set an attribute."""
        self._ask(seconds, lambda decoder, _: decoder.take(), "set", target, path, value)

    def release(self, *, seconds: float = 10.0) -> None:
        """Forget all handles given out so far."""
        self._ask(seconds, lambda decoder, _: decoder.take(), "release")

    def scan(self, file: str, forbidden: Sequence[str], beside: Sequence[str] = (), *, seconds: float) -> Scan:
        """Look for forbidden names in a source file, without running it; see `sandbox.scan`.

        Ask before the module is imported: afterwards the answer is the student's.
        """
        uses, cuda = self._ask(seconds, _take_scan, "scan", file, list(forbidden), list(beside))
        return Scan(tuple(uses), cuda)

    def read_tensors(self, file: str, *, seconds: float) -> Value:
        """Return what a `.pth` or `.npz` file of the private folder holds. Raises BadModel.

        The file must have passed `inspect_archive`. Ask a jail that has imported no student code.
        """
        return self._ask(seconds, lambda decoder, _: decoder.take(), "read_tensors", file)

    def _ask(self, seconds: float, take: Callable[[Decoder, list[Any]], T], operation: str, *values: Value) -> T:
        """Send a request and return what `take` makes of the reply."""
        if not self.alive:
            raise Died("the jail has ended")
        encoder = Encoder(trusted=True)
        encoder.add(operation)
        for value in values:
            encoder.add(value)
        message = self._exchange(encoder.buffers(), seconds)
        try:
            return self._open(message, take, encoder.mutables)
        except BadReply:
            self._end()
            raise

    def _exchange(self, request: list[Any], seconds: float) -> Any:
        """Send the buffers of a request and return the reply's message."""
        # A number that cannot be guessed before the request is there: no reply can be prepared.
        number = int.from_bytes(os.urandom(8), "little")
        allowance = Allowance(seconds, self._process)
        try:
            self._link.send(number, request, allowance)
            return self._link.receive(number, self.limits.reply_mb << 20, allowance)
        except frames.Late:
            self._end()
            raise TimedOut(seconds) from None
        except frames.Closed:
            error = self._how_it_ended()
            self._end()
            raise error from None
        except BaseException:  # also a Ctrl-C: the reply to come would be taken for the next request's
            self._end()
            raise
        finally:
            self.busy_seconds += allowance.used()

    def _open(self, message: Any, take: Callable[[Decoder, list[Any]], T], originals: list[Any]) -> T:
        try:
            decoder = Decoder(message)
            kind = decoder.take_str()
            if kind == "value":
                result = take(decoder, originals)
                self._finish(decoder)
                return result
            if kind == "raised":
                name, text, place = (decoder.take_str() for _ in range(3))
                self._finish(decoder)
                error: SandboxError = StudentRaised(clean(name, 80), clean(text, 300), clean(place, 200))
            elif kind == "model":
                error = BadModel(clean(decoder.take_str(), 500))
                self._finish(decoder)
            elif kind == "large":
                raise BadReply(f"the reply is larger than the {self.limits.reply_mb} MB a reply may have")
            else:
                raise BadReply("the reply is not laid out as one")
        except (ValueError, TypeError, OverflowError, RuntimeError, MemoryError) as problem:
            raise BadReply(f"the reply cannot be read ({type(problem).__name__})") from None
        raise error

    def _finish(self, decoder: Decoder) -> None:
        notices = decoder.take()
        decoder.finish()
        if type(notices) is tuple:
            self.notices |= KNOWN_NOTICES.intersection(n for n in notices if type(n) is str)

    def _ended(self) -> bool:
        """Tell whether the jail's process has ended."""
        self._connection.collect()
        return self._connection.closed or self._number in self._connection.reports

    def _wait_for_report(self, seconds: float) -> None:
        if self._report is None:
            self._report = self._connection.wait(self._number, seconds)

    def _how_it_ended(self) -> Died | Interrupted:
        # The socket closes a moment before the process is gone; one that closed it on purpose is still there.
        self._wait_for_report(1.0)
        if self._report is not None:
            return (Interrupted if by_host(self._report, self.limits) else Died)(reason(self._report, self.limits))
        if self._connection.closed:
            return Interrupted("the preloaded process has ended")
        return Died("it closed its connection")

    def _end(self) -> None:
        """Kill the jail's processes and wait until they are gone."""
        if not self.alive:
            return
        self.alive = False
        if self._report is None:
            self._connection.kill(self._number)
            self._wait_for_report(END_SECONDS)
        self._link.sock.close()

    def used(self) -> float:
        """Return the processor time that its process has used so far; 0 where that cannot be told."""
        return processor_seconds(self._process) or 0.0

    def close(self) -> Usage:
        """End the jail, if it has not ended, and return what it used."""
        self._end()
        report = self._report
        return Usage(report.cpu_seconds, report.max_rss_mb) if report else Usage(0.0, 0.0)

    def __enter__(self) -> Jail:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _take_names(decoder: Decoder, originals: list[Any]) -> list[str]:
    names = decoder.take()
    if type(names) is not list or any(type(name) is not str for name in names):
        raise BadReply("the reply is not laid out as one")
    return [clean(name, 80) for name in names[:10]]


def _take_scan(decoder: Decoder, originals: list[Any]) -> tuple[list[tuple[int, str]], bool]:
    uses, cuda = decoder.take(), decoder.take()
    for use in uses if type(uses) is list else (None,):
        if type(use) is not tuple or [type(part) for part in use] != [int, str]:
            raise BadReply("the reply is not laid out as one")
    return [(line, clean(name, 120)) for line, name in uses], cuda is True


def by_host(report: control.Report, limits: Limits) -> bool:
    """Tell whether a jail ended by no doing of its own: not started, or killed by more than its limits.

    Code behind the system-call filter cannot kill itself in this way.
    """
    killed = report.status > 0 and os.WIFSIGNALED(report.status) and os.WTERMSIG(report.status) == signal.SIGKILL
    return report.status == control.NO_START or (killed and not _used_up_its_time(report, limits))


def _used_up_its_time(report: control.Report, limits: Limits) -> bool:
    return report.cpu_seconds >= limits.cpu_seconds - 1


def reason(report: control.Report, limits: Limits) -> str:
    """Return a sentence that says how a jail ended."""
    status = report.status
    if status == control.TOO_MUCH_DISK:
        return f"it wrote more than {limits.scratch_mb} MB, or too many files, into its folder"
    if status == control.TOO_MANY_THREADS:
        return "it started too many threads"
    if status == control.TOO_MUCH_MEMORY:
        return f"it took more than {limits.memory_mb} MB of memory"
    if status == control.NO_START:
        return "the host could not start another process"
    if os.WIFEXITED(status):
        return f"it ended the process (exit status {os.WEXITSTATUS(status)})"
    number = os.WTERMSIG(status)
    if _used_up_its_time(report, limits) and number in (signal.SIGKILL, signal.SIGXCPU):
        return f"it used more than {limits.cpu_seconds} seconds of processor time"
    if number == signal.SIGSYS:
        return "it made a forbidden system call"
    if number == signal.SIGKILL:
        return "it was killed from outside, perhaps because the machine ran out of memory"
    with contextlib.suppress(ValueError):
        return f"it crashed (signal {number}, {signal.strsignal(number)})"
    return f"it crashed (signal {number})"
