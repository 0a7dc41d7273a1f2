"""The coordinator's side of the preloaded process: starts it, asks it for jails, ends it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from autograder.sandbox import control, errors, launch, tree
from autograder.sandbox.errors import Interrupted, IsolationUnavailable, SandboxError
from autograder.sandbox.files import read_files
from autograder.sandbox.isolation import wanted
from autograder.sandbox.jail import Jail
from autograder.sandbox.layers import NOBODY
from autograder.sandbox.limits import Limits

START_SECONDS = 300  # importing torch from a network file system takes long
STOP_SECONDS = 10

_living: weakref.WeakSet[Preloaded] = weakref.WeakSet()


class Connection:
    """One examiner's way to the preloaded process: requests out, reports on its jails back."""

    def __init__(self, door: socket.socket) -> None:
        self.sock, theirs = socket.socketpair()
        try:
            control.send_descriptor(door, b"connect", theirs.fileno())
        except OSError:
            raise Interrupted("the preloaded process has ended") from None
        finally:
            theirs.close()
        self.reports: dict[int, control.Report] = {}
        self.closed = False
        self._received = b""
        self._last = 0

    def start(self, limits: Limits, descriptor: int) -> int:
        """Ask for a jail that answers on a socket; return the jail's number."""
        self._last += 1
        with contextlib.suppress(OSError):  # then the preloaded process is gone, which the jail finds out
            control.send_descriptor(self.sock, control.request(control.START, self._last, limits), descriptor)
        return self._last

    def kill(self, jail: int) -> None:
        """Ask for a jail to be killed."""
        with contextlib.suppress(OSError):
            self.sock.sendall(control.request(control.KILL, jail))

    def collect(self) -> None:
        """Take in the reports that have arrived."""
        while not self.closed:
            try:
                data = self.sock.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.closed = True
            self._received += data
            while len(self._received) >= control.REPORT.size:
                _, *numbers = control.REPORT.unpack(self._received[: control.REPORT.size])
                self._received = self._received[control.REPORT.size :]
                report = control.Report(*numbers)
                self.reports[report.jail] = report

    def wait(self, jail: int, seconds: float) -> control.Report | None:
        """Return the report on a jail's end, or nothing if it does not come."""
        deadline = time.monotonic() + seconds
        while True:
            self.collect()
            if jail in self.reports:
                return self.reports.pop(jail)
            left = deadline - time.monotonic()
            if self.closed or left <= 0:
                return None
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            poll.poll(left * 1000 + 1)


class Preloaded:
    """A process with torch loaded, from which jails are forked; a context manager.

    isolation: "best" takes every layer that the host offers; "namespaces", "landlock" and "process" demand
        what their name says and raise IsolationUnavailable where it is missing.
    modules: what is imported before any jail starts.
    readable: files and folders that jails may read beside the installed packages.
    uid: the user that jails of root run as.
    wait: whether to return when it is ready. If not, `wait_until_ready` comes before anything else; what can
        be raised is raised there.

    Processes forked from the one that made it may call `start` too, without any preparation: each gets a
    connection of its own on first use, on which only it receives. What they started ends with them. Threads
    may call it as well; a jail is used by one thread at a time.

    The process ends with `close`, at the end of the `with` block, or when the process that made it ends.
    """

    def __init__(
        self,
        isolation: str = "best",
        modules: Sequence[str] = ("torch", "numpy"),
        readable: Sequence[Path] = (),
        uid: int = NOBODY,
        *,
        wait: bool = True,
    ) -> None:
        if sys.platform == "win32":
            raise IsolationUnavailable("grading runs in WSL 2 (Windows Subsystem for Linux), not on Windows itself")
        wanted(isolation)  # a misspelt level is the caller's mistake, at once
        self._local = threading.local()
        self._owner = os.getpid()
        try:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 — closed with the process
            # The preloaded process makes it, and removes it if it is left alone.
            self._folder = os.path.join(tempfile.gettempdir(), f"sandbox-{os.urandom(8).hex()}")
        except OSError as error:
            raise SandboxError(f"no temporary file can be made: {error}") from None
        self._lifeline, lifeline = socket.socketpair()
        self._door, door = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        arguments: list[object] = [
            lifeline.fileno(), door.fileno(), isolation, list(modules), [str(Path(p).absolute()) for p in readable],
            self._folder, uid,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            launch.command("autograder.sandbox.server", "main", arguments),
            env=launch.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(lifeline.fileno(), door.fileno()),
            start_new_session=True,  # a Ctrl-C is the coordinator's to handle
        )
        lifeline.close()
        door.close()
        _living.add(self)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until jails can be started, and learn at which level, with which layers."""
        try:
            hello = self._hello()
            if "error" in hello:
                raise getattr(errors, hello["error"])(hello["message"])
        except BaseException:
            self._kill()  # it may be importing, deaf to everything
            self.close()
            raise
        self.level: str = hello["level"]
        self.layers: tuple[str, ...] = tuple(hello["layers"])

    @property
    def alive(self) -> bool:
        """Whether the process is there to start jails; it says nothing after its start until it ends."""
        return not select.select([self._lifeline], [], [], 0)[0]

    def _hello(self) -> dict:
        """Return what the preloaded process says of itself when it is ready."""
        self._lifeline.settimeout(START_SECONDS)
        said = b""
        try:
            while not said.endswith(b"\n"):
                more = self._lifeline.recv(4096)
                if not more:
                    self._log.seek(0)
                    text = self._log.read().decode(errors="replace").strip()
                    raise SandboxError(f"the preloaded process ended at its start: {text[-500:] or 'it was killed'}")
                said += more
        except TimeoutError:
            raise SandboxError(f"the preloaded process was not ready after {START_SECONDS} seconds") from None
        hello: dict = json.loads(said)
        return hello

    def start(self, files: Mapping[str, Path | bytes], limits: Limits | None = None) -> Jail:
        """Start a jail whose private folder holds copies of the given files, by the name they get there.

        Raises BadFile for what is no regular file, Interrupted if the jail does not start.
        """
        limits = limits or Limits()
        return Jail(self._connection(), read_files(files, limits.files_mb), limits)

    def _connection(self) -> Connection:
        """Return this thread's connection; a forked process and a new thread get one of their own."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self._local.connection = Connection(self._door)
        return connection

    def _forked(self) -> None:
        """Let go, in a forked process, of what belongs to the one that made this."""
        self._lifeline.close()
        self._local = threading.local()

    def close(self) -> None:
        """End the preloaded process and every jail."""
        self._lifeline.close()
        self._door.close()
        if os.getpid() != self._owner:
            return
        _living.discard(self)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        tree.remove_folder(self._folder)
        self._log.close()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def __enter__(self) -> Preloaded:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _after_fork() -> None:
    for preloaded in list(_living):
        preloaded._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
