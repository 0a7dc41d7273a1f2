"""Finds out which layers of isolation this host gives, by putting each on in a throw-away child and testing it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.sandbox import landlock, launch, linux, namespaces, seccomp
from autograder.sandbox.errors import IsolationUnavailable, SandboxError
from autograder.sandbox.isolation import Plan, wanted
from autograder.sandbox.limits import Limits
from autograder.sandbox.readable import readable_paths

NOBODY = 65534
PROBE_SECONDS = 60


@dataclass(frozen=True)
class Layer:
    """One layer of isolation on this host: whether it is there, and what it does or why it is missing."""

    name: str
    available: bool
    detail: str


def attempt(action: Callable[[], object], fork: Callable[[], int] = os.fork) -> str:
    """Do something in a forked child; return nothing if it worked, else why not.

    Raises SandboxError if the child was killed.
    """
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        answer = "!"
        try:
            os.close(reader)
            action()
            answer = "."
        except BaseException as error:
            answer = f"!{error}"
        finally:
            with contextlib.suppress(OSError):  # the one who asked may have been killed
                os.write(writer, answer.encode()[:2000])
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:  # which says nothing about the host's layers
        raise SandboxError("a trial of what this host offers was killed")
    return "" if answer == "." else answer[1:] or "the probe ended without an answer"


def available_plan(isolation: str, folder: Path, readable: list[Path], uid: int) -> Plan:
    """Return the layers that a level asks for and this host gives. `folder` is an empty one of our own.

    Raises IsolationUnavailable if a layer is missing, unless the level is "best".
    """
    plan = wanted(isolation)
    if isolation in ("landlock", "namespaces") and not plan.linux:
        raise IsolationUnavailable(f'isolation "{isolation}" needs Linux')
    missing: dict[str, str] = {}
    for name, probe in (
        ("seccomp", probe_seccomp),
        ("landlock", lambda: probe_landlock(folder)),
        ("namespaces", lambda: probe_namespaces(folder, readable, uid)),
    ):
        if getattr(plan, name):
            problem = attempt(probe)
            if problem:
                missing[name] = problem
    if missing and isolation != "best":
        reasons = "; ".join(f"{name}: {why}" for name, why in missing.items())
        raise IsolationUnavailable(f'this host cannot give isolation "{isolation}" ({reasons})')
    plan = replace(plan, **dict.fromkeys(missing, False))
    if plan.linux and os.geteuid() == 0 and not plan.namespaces:
        problem = attempt(lambda: probe_user(uid, readable, folder))
        plan = replace(plan, become=None if problem else uid)
    return plan


def probe_seccomp() -> None:
    """Put the system-call filter on and try to open a socket."""
    linux.no_new_privileges()
    seccomp.restrict(os.getpid())
    try:
        socket.socket()
    except PermissionError:
        return
    raise OSError("the system-call filter has no effect")


def probe_landlock(folder: Path) -> None:
    """Confine the process to one folder and try to read another."""
    linux.no_new_privileges()
    landlock.restrict([], [folder], [])
    try:
        os.listdir("/")
    except PermissionError:
        return
    raise OSError("Landlock has no effect")


def probe_namespaces(folder: Path, readable: list[Path], uid: int) -> None:
    """Enter the outer and the inner namespaces, as a jail does, and look around."""
    outer = namespaces.enter_outer(Path(tempfile.mkdtemp(dir=folder)), readable, uid)

    def inside() -> None:
        private = namespaces.enter_inner(outer, 1 << 20)
        if os.getpid() != 1 or os.path.exists("/etc/passwd") or os.geteuid() != uid:
            raise OSError("the namespaces have no effect")
        (private / "probe").write_text("")

    problem = attempt(inside, lambda: namespaces.fork(outer))
    if problem:
        raise OSError(problem)


def probe_user(uid: int, readable: list[Path], folder: Path) -> None:
    """Change to the unprivileged user and see whether Python would still find its files."""
    linux.become(uid, uid)
    unreachable = [str(path) for path in readable if not os.access(path, os.R_OK)]
    if unreachable or not os.access(folder, os.X_OK):
        raise OSError(f"user {uid} cannot read {', '.join(unreachable) or folder}")


DETAILS = {
    "process": "student code runs in a process of its own, with an empty environment",
    "rlimits": "limits on processor time, memory, open files, file size",
    "no_new_privs": "no program can raise its rights",
    "seccomp": "no new processes, no programs, no sockets, no reaching into other processes",
    "landlock": "no files but the submitted ones and the installed packages",
    "unprivileged user": "root's jails run as an ordinary user",
    "namespaces": "all of the following together, as a jail uses them",
    "user namespace": "a user without rights over anything outside",
    "pid namespace": "no other process in sight; all end together",
    "mount namespace": "a file system that shows nothing of the host but installed packages, with a size limit",
    "network namespace": "no network at all",
    "ipc namespace": "no shared memory or message queues with others",
    "uts namespace": "a host name of its own",
}


def host_layers() -> list[Layer]:
    """Return every layer, each tried in a throw-away process on this host."""
    if sys.platform == "win32":
        return [Layer("process", False, "grading runs in WSL 2 (Windows Subsystem for Linux), not on Windows itself")]
    done = subprocess.run(
        launch.command("autograder.sandbox.layers", "_report", []),
        env=launch.environment(),
        capture_output=True,
        text=True,
        timeout=PROBE_SECONDS,
        cwd="/",
    )
    try:
        return [Layer(*entry) for entry in json.loads(done.stdout)]
    except ValueError:
        raise SandboxError(f"the layers of this host cannot be tried: {done.stderr.strip()[-500:]}") from None


def best_level(layers: Sequence[Layer]) -> str:
    """Return the level that "best" comes to with these layers."""
    there = {layer.name for layer in layers if layer.available}
    return Plan(seccomp="seccomp" in there, landlock="landlock" in there, namespaces="namespaces" in there).level


def _report() -> None:
    """Write what `host_layers` returns to standard output; runs in a process without threads."""
    from autograder.sandbox import rlimits

    found = {"process": "", "rlimits": attempt(lambda: rlimits.restrict(Limits(), mapped=0, tasks=64))}
    if sys.platform != "linux":
        found |= dict.fromkeys(list(DETAILS)[2:], f"only Linux has it, this is {sys.platform}")
    else:
        with tempfile.TemporaryDirectory() as name:
            folder, readable = Path(name), readable_paths()
            folder.chmod(0o711)
            found["no_new_privs"] = attempt(linux.no_new_privileges)
            found["seccomp"] = attempt(probe_seccomp)
            found["landlock"] = attempt(lambda: probe_landlock(folder))
            if os.geteuid() == 0:
                found["unprivileged user"] = attempt(lambda: probe_user(NOBODY, readable, folder))
            found["namespaces"] = attempt(lambda: probe_namespaces(folder, readable, NOBODY))
            if found["namespaces"] == "":  # they bring an unprivileged user of their own
                found.pop("unprivileged user", None)
            kinds = {
                "pid namespace": namespaces.NEW_PID,
                "mount namespace": namespaces.NEW_MOUNT,
                "network namespace": namespaces.NEW_NET,
                "ipc namespace": namespaces.NEW_IPC,
                "uts namespace": namespaces.NEW_UTS,
            }
            found["user namespace"] = attempt(lambda: linux.unshare(namespaces.NEW_USER))
            with_user = 0 if os.geteuid() == 0 and not attempt(
                lambda: linux.unshare(namespaces.NEW_UTS)
            ) else namespaces.NEW_USER  # fmt: skip
            for name, flag in kinds.items():
                found[name] = attempt(lambda flag=flag: linux.unshare(flag | with_user))  # type: ignore[misc]
    layers = []
    for name, problem in found.items():
        detail = DETAILS[name]
        if name == "landlock" and not problem:
            detail += f" (version {landlock.abi()})"
        layers.append((name, not problem, problem or detail))
    sys.stdout.write(json.dumps(layers))
