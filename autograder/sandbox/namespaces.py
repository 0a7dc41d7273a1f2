"""Namespaces: a file system, a process tree and a network of the jail's own.

They are entered in two steps. The preloaded process enters the outer ones once: a root file system that
holds nothing but what Python needs, an empty network, and a PID namespace whose first process it is, so
that every jail ends with it. Each jail then enters its inner ones: a PID namespace in which it is alone, a
private folder in memory with a size limit, and a user namespace without any right over the outer ones.

An ordinary user enters through a user namespace, in which mounting is allowed. Root enters directly,
because only root can reach an interpreter in root's home, and each of its jails changes to an unprivileged
user.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox import linux
from autograder.sandbox.readable import DEVICES, real_paths

NEW_MOUNT, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, BIND, REC, PRIVATE = (
    0x1, 0x2, 0x4, 0x8, 0x20, 0x1000, 0x4000, 0x40000,
)  # fmt: skip
DETACH = 2
AT_RECURSIVE = 0x8000

PRIVATE_FOLDER = Path("/submission")
INODES = 4096
NAMES = (
    "pid namespace",
    "mount namespace",
    "network namespace",
    "ipc namespace",
    "uts namespace",
    "user namespace",
)


@dataclass
class Outer:
    """The namespaces of the preloaded process, as far as it needs them to start jails."""

    proc: int  # descriptor of the host's /proc, which the new root does not have
    pid_namespace: int  # descriptor
    unprivileged: int  # user and group id of jails as seen from outside their own user namespace
    as_root: bool


def enter_outer(mount_point: Path, readable: Sequence[Path], unprivileged: int) -> Outer:
    """Enter the outer namespaces; returns in the first process of a new PID namespace.

    The process that calls this stays behind, waits, and ends with the same status. `mount_point` is an
    empty folder; it is removed. Raises OSError in the calling process where the host does not allow it.
    """
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    as_root = _unshare(proc, unprivileged)
    linux.mount("none", "/", None, REC | PRIVATE)
    _build_root(mount_point, readable)
    beside = os.open(mount_point.parent, os.O_PATH | os.O_DIRECTORY)
    os.chdir(mount_point)
    linux.syscall("pivot_root", b".", b".")
    linux.unmount(".", DETACH)
    os.chdir("/")
    os.rmdir(mount_point.name, dir_fd=beside)  # here rather than by the coordinator, which may be gone
    os.close(beside)
    child = os.fork()
    if child:
        _stay_behind(child)
    linux.die_with_parent(os.getppid())
    namespace = os.open("self/ns/pid", os.O_RDONLY, dir_fd=proc)
    return Outer(proc, namespace, unprivileged, as_root)


def _unshare(proc: int, unprivileged: int) -> bool:
    """Enter new namespaces and tell whether that was possible as root, without a user namespace."""
    flags = NEW_MOUNT | NEW_NET | NEW_IPC | NEW_UTS | NEW_PID
    if os.geteuid() == 0 and _can_become(unprivileged):
        try:
            linux.unshare(flags)
            return True
        except PermissionError:
            pass  # root of a container, without the right to mount: perhaps as an ordinary user
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(flags | NEW_USER)
    _map_ids(proc, unprivileged, uid, gid)
    return False


def _can_become(uid: int) -> bool:
    """Tell whether a child of this process can change to a user id, which a container may not have mapped."""
    child = os.fork()
    if child == 0:
        try:
            linux.become(uid, uid)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _map_ids(proc: int, inside: int, uid: int, gid: int) -> None:
    """Map one user and one group into the user namespace that this process has just entered."""
    for name, text in (
        ("uid_map", f"{inside} {uid} 1"),
        ("setgroups", "deny"),
        ("gid_map", f"{inside} {gid} 1"),
    ):
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _build_root(mount_point: Path, readable: Sequence[Path]) -> None:
    """Mount a small file system that shows the readable paths, read-only, and nothing else."""
    linux.mount("tmpfs", mount_point, "tmpfs", NO_SUID | NO_DEV, "size=1m,nr_inodes=2000,mode=755")
    folders, links = real_paths(readable)
    for path in folders:
        _bind(path, mount_point, READ_ONLY | NO_SUID | NO_DEV)
    for path in DEVICES:
        _bind(path, mount_point, NO_SUID)
    for link, target in links.items():
        place = mount_point / link.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(place):
            place.symlink_to(target)
    (mount_point / PRIVATE_FOLDER.relative_to("/")).mkdir()
    linux.mount("none", mount_point, None, REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEV)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def _bind(path: Path, root: Path, attributes: int) -> None:
    """Show a file or folder of the host at the same place below the new root."""
    place = root / path.relative_to("/")
    if path.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    linux.mount(str(path), place, None, BIND | REC)
    # The attribute numbers of mount_setattr are those of mount for these three. Unlike a remount it keeps the
    # attributes that a user namespace is not allowed to clear.
    at_current_folder = -100
    wanted = _MountAttributes(attributes, 0, 0, 0)
    linux.syscall("mount_setattr", at_current_folder, os.fsencode(place) + b"\0", AT_RECURSIVE, wanted, 32)


def _stay_behind(child: int) -> None:
    """Wait for the first process of the new PID namespace and end as it ends."""
    for descriptor in range(3, 64):
        try:
            os.close(descriptor)
        except OSError:
            continue
    while True:
        try:
            _, status = os.waitpid(child, 0)
            break
        except InterruptedError:
            continue
    sys.stderr.flush()
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def fork(outer: Outer) -> int:
    """Fork a child that is the first process of a new PID namespace; returns as os.fork does."""
    linux.unshare(NEW_PID)
    child = -1
    try:
        child = os.fork()
    finally:
        if child != 0:
            linux.join_namespace(outer.pid_namespace, NEW_PID)
    return child


def enter_inner(outer: Outer, scratch_bytes: int) -> Path:
    """Give the calling child a private folder and namespaces of its own; it ends up unprivileged. Raises OSError."""
    linux.unshare(NEW_MOUNT | NEW_IPC | NEW_UTS)
    uid = outer.unprivileged
    options = f"size={scratch_bytes},nr_inodes={INODES},mode=700,uid={uid},gid={uid}"
    linux.mount("tmpfs", PRIVATE_FOLDER, "tmpfs", NO_SUID | NO_DEV | NO_EXEC, options)
    if outer.as_root:
        linux.become(uid, uid)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # else the kernel would not let it write its own id maps
    linux.unshare(NEW_USER)
    _map_ids(outer.proc, uid, uid, uid)
    return PRIVATE_FOLDER
