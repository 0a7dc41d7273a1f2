"""The preloaded process: imports torch once, then forks a jail for each request.

It holds no secret, has one thread, and lives as long as the coordinator's end of its lifeline. Examiners
reach it through the door, a datagram socket on which each sends one end of a connection of its own; on a
connection it takes requests to start and to kill jails, and reports how they ended. A connection that
closes takes its jails with it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import random
import select
import signal
import socket
import sys
import tempfile
import time
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.sandbox import control, linux, namespaces, rlimits, tree
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.isolation import Place, Plan, enter, lock
from autograder.sandbox.layers import available_plan
from autograder.sandbox.limits import Limits
from autograder.sandbox.readable import readable_paths

WATCH_SECONDS = 0.25
MAX_THREADS = 256
SPARE_TASKS = 256  # what one jail may add to what its user already runs, where only the user as a whole is counted
SWEEP_SECONDS = 5.0


@dataclass
class _Jail:
    number: int
    pid: int
    folder: str
    limits: Limits
    reason: int = 0  # why the server ended it, a status of `control`


@dataclass
class _Connection:
    sock: socket.socket
    jails: dict[int, _Jail] = field(default_factory=dict)
    received: bytes = b""
    descriptors: list[int] = field(default_factory=list)


@dataclass
class Start:
    """What a forked child needs to become a jail."""

    descriptor: int
    number: int
    limits: Limits
    folder: str
    parent: int


def main(
    lifeline: int, door: int, isolation: str, modules: list[str], readable: list[str], folder: str, uid: int
) -> None:
    """Run the preloaded process; a forked child returns from the server's loop and becomes a jail."""
    hello = socket.socket(fileno=lifeline)
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = [""]
    try:
        os.mkdir(folder)
        os.chmod(folder, 0o711)  # jails of another user pass through it, and see nothing on the way
        paths = readable_paths(Path(path) for path in readable)
        plan = available_plan(isolation, Path(folder), paths, uid)
        preload(modules)
        others = rlimits.user_tasks({uid, os.getuid()}) if plan.linux else 1024
        outer = namespaces.enter_outer(Path(folder), paths, uid) if plan.namespaces else None
        proc = outer.proc if outer else os.open("/proc", os.O_RDONLY) if plan.linux else None
        tasks = rlimits.THREADS
        if not (plan.namespaces and rlimits.counted_per_namespace()):
            tasks = others + SPARE_TASKS
        place = Place(paths, Path(folder), outer, proc, tasks)
        _demand_single_thread(proc)
    except Exception as error:
        kind = type(error).__name__ if isinstance(error, SandboxError) else "SandboxError"
        hello.sendall(json.dumps({"error": kind, "message": str(error) or type(error).__name__}).encode() + b"\n")
        return
    with contextlib.suppress(OSError):  # if the coordinator is gone by now, the server's loop sees it too
        hello.sendall(json.dumps({"level": plan.level, "layers": plan.layers}).encode() + b"\n")
    server = Server(hello, socket.socket(fileno=door), plan, place)
    start = server.serve()
    if start is None:
        os._exit(0)  # the coordinator waits, and Python would take apart all that was loaded, piece by piece
    del server, hello
    become_jail(plan, place, start)


def preload(modules: Sequence[str]) -> None:
    """Import modules, and run what makes torch load its lazy parts, so that jails find them done."""
    gc.disable()  # what is imported stays; looking for garbage among it takes a tenth of the time
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise SandboxError(f"the module {name} cannot be imported: {error}") from None
    import numpy as np
    import torch

    # What the jail's loop needs, before the door is open.
    from autograder.sandbox import answerer, cuda, model_files  # noqa: F401

    torch.set_num_threads(1)
    # Blocks of a few megabytes come and go with every answer: keep their pages rather than fault them in
    # anew.
    linux.keep_freed_memory()
    # A jail has no GPU. Told so, torch.manual_seed no longer keeps a stack trace for each kind of them, which
    # costs more than most checks compute.
    for kind in (torch.cuda, torch.xpu, torch.mtia):
        kind._is_in_bad_fork = lambda: True  # type: ignore[attr-defined]
    model_files.allow_numpy_values()
    cuda.load_gpu_files_on_cpu()
    x = torch.ones(8, 8)
    for dtype in (torch.float32, torch.float64):
        y = x.to(dtype)
        ((y @ y).sum() + y.exp().log().std()).item()
    torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3))
    torch.randn(4), torch.randperm(4), torch.rand(2, dtype=torch.float64), repr(x)
    np.linalg.norm(np.random.default_rng(0).standard_normal((4, 4)) @ np.ones((4, 4)))
    with io.BytesIO() as file:
        torch.save({"x": x}, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    np.random.seed(0)
    torch.manual_seed(0)
    gc.collect()
    gc.freeze()
    gc.enable()


def _demand_single_thread(proc: int | None) -> None:
    if proc is not None:
        task = os.open("self/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
        threads = len(os.listdir(task))
        os.close(task)
        if threads != 1:
            raise SandboxError(f"a preloaded module has started {threads - 1} threads; a jail cannot be forked safely")


def become_jail(plan: Plan, place: Place, start: Start) -> None:
    """Turn this forked child into a jail and answer requests until the examiner closes its socket."""
    from autograder.sandbox.answerer import Answerer, ready, receive_files

    try:
        _keep_only(start.descriptor, place.proc)
        place.folder = Path(start.folder)
        scratch = (start.limits.scratch_mb + start.limits.files_mb) * rlimits.MB
        place = enter(plan, place, scratch, start.parent)
        receive_files(start.descriptor, place.folder)
        os.environ.update(HOME=str(place.folder), TMPDIR=str(place.folder))
        tempfile.tempdir = None
        random.seed(0)  # Python gives every forked child another seed; torch and NumPy do not
        sys.path.append(str(place.folder))
        lock(plan, place, start.limits)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            ready(start.descriptor, 0, f"the jail could not be set up: {type(error).__name__}: {error}")
        os._exit(1)
    try:
        ready(start.descriptor, 0)
        Answerer(start.descriptor, place.folder, start.limits.reply_mb * rlimits.MB).serve()
    finally:
        os._exit(0)


def _keep_only(*descriptors: int | None) -> None:
    """Close every descriptor but the given ones; standard streams lead nowhere."""
    null = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    at = 3
    for kept in sorted(descriptor for descriptor in descriptors if descriptor is not None):
        os.closerange(at, kept)
        at = kept + 1
    os.closerange(at, 65536)


class Server:
    """The preloaded process's loop and the jails it has started."""

    def __init__(self, lifeline: socket.socket, door: socket.socket, plan: Plan, place: Place) -> None:
        self.lifeline, self.door = lifeline, door
        self.plan, self.place = plan, place
        self.connections: dict[int, _Connection] = {}
        self.owners: dict[int, _Connection] = {}  # process id of a jail: its connection
        self.poll = select.poll()
        # A child that ends writes a byte here, which ends the waiting.
        self.woken, self.wake = socket.socketpair()
        for end in (self.woken, self.wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(self.wake.fileno(), warn_on_full_buffer=False)
        for sock in (lifeline, door, self.woken):
            self.poll.register(sock, select.POLLIN)
        # Without namespaces and the system-call filter a jail can leave processes behind; they come to this
        # process.
        self.sweeping = plan.linux and not plan.seccomp
        if self.sweeping:
            linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        self.watching = not plan.namespaces

    def serve(self) -> Start | None:
        """Serve until the coordinator is gone; in a forked child, return what it needs to become a jail."""
        while True:
            timeout = WATCH_SECONDS * 1000 if self.watching and self.owners else None
            for descriptor, _ in self.poll.poll(timeout):
                if descriptor == self.lifeline.fileno():
                    self.end_all()
                    return None
                if descriptor == self.woken.fileno():
                    with contextlib.suppress(BlockingIOError):
                        self.woken.recv(4096)
                elif descriptor == self.door.fileno():
                    self.open_connection()
                elif descriptor in self.connections:
                    start = self.take_request(self.connections[descriptor])
                    if start is not None:
                        self.leave()
                        return start
            self.reap()
            if self.watching:
                self.watch()

    def leave(self) -> None:
        """Let go, in a forked child, of everything that is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for sock in (self.lifeline, self.door, self.woken, self.wake):
            sock.detach()
        for connection in self.connections.values():
            connection.sock.detach()

    def open_connection(self) -> None:
        """Take a new examiner's connection from the door."""
        with contextlib.suppress(OSError):
            _, descriptor = control.receive_descriptor(self.door, 16)
            if descriptor is not None:
                sock = socket.socket(fileno=descriptor)
                self.connections[descriptor] = _Connection(sock)
                self.poll.register(sock, select.POLLIN)

    def close_connection(self, connection: _Connection) -> None:
        """Forget an examiner and end its jails."""
        self.poll.unregister(connection.sock)
        del self.connections[connection.sock.fileno()]
        for jail in list(connection.jails.values()):
            self.kill(jail)
        for descriptor in connection.descriptors:
            os.close(descriptor)
        connection.sock.close()

    def take_request(self, connection: _Connection) -> Start | None:
        """Read from a connection and do what it asks; in a forked child, return what it needs."""
        try:
            data, descriptor = control.receive_descriptor(
                connection.sock, control.REQUEST.size - len(connection.received)
            )
        except OSError:
            data, descriptor = b"", None
        if not data:
            self.close_connection(connection)
            return None
        if descriptor is not None:
            connection.descriptors.append(descriptor)
        connection.received += data
        if len(connection.received) < control.REQUEST.size:
            return None
        verb, number, limits = control.parse_request(connection.received)
        connection.received = b""
        if verb == control.START and connection.descriptors:
            return self.start(connection, number, limits, connection.descriptors.pop())
        if verb == control.KILL and number in connection.jails:
            self.kill(connection.jails[number])
        return None

    def start(self, connection: _Connection, number: int, limits: Limits, descriptor: int) -> Start | None:
        """Fork a jail; returns only in the child."""
        folder = ""
        try:
            if not self.plan.namespaces:
                folder = tempfile.mkdtemp(prefix="jail-", dir=self.place.folder)
                if self.plan.become is not None:
                    os.chown(folder, self.plan.become, self.plan.become)
            parent = os.getpid()
            outer = self.place.outer
            pid = namespaces.fork(outer) if outer else os.fork()
            if pid == 0:
                if self.sweeping or sys.platform != "linux":
                    os.setsid()
                return Start(descriptor, number, limits, folder, parent)
        except OSError:
            self.report(connection, control.Report(number, control.NO_START, 0.0, 0.0))
        else:
            connection.jails[number] = _Jail(number, pid, folder, limits)
            self.owners[pid] = connection
        os.close(descriptor)
        return None

    def kill(self, jail: _Jail, reason: int = 0) -> None:
        """Kill a jail; its end is noticed and reported by `reap`."""
        jail.reason = jail.reason or reason
        with contextlib.suppress(OSError):
            os.kill(jail.pid, signal.SIGKILL)
        if self.sweeping or sys.platform != "linux":
            with contextlib.suppress(OSError):
                os.killpg(jail.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Collect the jails that have ended, clean up after them, and report."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            connection = self.owners.pop(pid, None)
            if connection is None:
                continue
            jail = next(jail for jail in connection.jails.values() if jail.pid == pid)
            del connection.jails[jail.number]
            if self.sweeping:
                self.sweep()
            if jail.folder:
                tree.remove_folder(jail.folder)
            peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
            seconds = usage.ru_utime + usage.ru_stime
            self.report(connection, control.Report(jail.number, jail.reason or status, seconds, peak))

    def report(self, connection: _Connection, report: control.Report) -> None:
        """Tell an examiner how its jail ended, if it still wants to know."""
        with contextlib.suppress(OSError):
            connection.sock.sendall(
                control.REPORT.pack(control.ENDED, report.jail, report.status, report.cpu_seconds, report.max_rss_mb)
            )

    def sweep(self) -> None:
        """Kill what ended jails have left behind, until there is nothing more."""
        give_up = time.monotonic() + SWEEP_SECONDS
        while time.monotonic() < give_up:
            me = os.getpid()
            left = {child for child, parent in tree.parents().items() if parent == me} - set(self.owners)
            if not left:
                return
            tree.kill_descendants(left)
            for child in left:
                with contextlib.suppress(OSError):
                    os.waitpid(child, 0)

    def watch(self) -> None:
        """End jails that fill the disk, start too many threads or take too much memory, where no layer counts it."""
        for connection in self.connections.values():
            for jail in connection.jails.values():
                size, count = tree.folder_size(jail.folder)
                most = (jail.limits.scratch_mb + jail.limits.files_mb) * rlimits.MB
                if size > most or count > tree.MAX_ENTRIES:
                    self.kill(jail, control.TOO_MUCH_DISK)
                elif tree.thread_count(jail.pid) > MAX_THREADS:
                    self.kill(jail, control.TOO_MANY_THREADS)
                elif self.sweeping:
                    several = tree.with_descendants({jail.pid})  # one alone has its limit on address space
                    if len(several) > 1 and tree.memory_bytes(several) > jail.limits.memory_mb * rlimits.MB:
                        self.kill(jail, control.TOO_MUCH_MEMORY)

    def end_all(self) -> None:
        """End every jail and wait until they are gone."""
        for connection in list(self.connections.values()):
            self.close_connection(connection)
        give_up = time.monotonic() + SWEEP_SECONDS
        while self.owners and time.monotonic() < give_up:
            self.reap()
            time.sleep(0.002)
        if not self.plan.namespaces:
            tree.remove_folder(str(self.place.folder))
