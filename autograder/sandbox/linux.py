"""Linux calls that Python has no function for; nothing here runs when the module is imported."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

# Numbers of the calls that the C library need not offer, from asm/unistd.h. From 424 on all machines agree.
NUMBERS = {
    "x86_64": {"capset": 126, "pivot_root": 155, "seccomp": 317},
    "aarch64": {"capset": 91, "pivot_root": 41, "seccomp": 277},
}
COMMON_NUMBERS = {
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}


@functools.cache
def libc() -> ctypes.CDLL:
    """Return the C library."""
    return ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """Return the name of this processor architecture, in Linux's words."""
    name = platform.machine()
    return {"AMD64": "x86_64", "arm64": "aarch64"}.get(name, name)


def check(result: int, what: str) -> int:
    """Return the result of a C call, or raise OSError with a sentence if it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(name: str, *arguments: int | bytes | ctypes.Array | ctypes.Structure | None) -> int:
    """Make a system call by name; integers are passed as longs, buffers by address."""
    number = COMMON_NUMBERS.get(name) or NUMBERS.get(machine(), {}).get(name)
    if number is None:
        raise OSError(f"{name}: not known on this kind of processor ({machine()})")
    passed = [
        ctypes.c_long(a) if isinstance(a, int) else ctypes.byref(a) if isinstance(a, ctypes.Structure) else a
        for a in arguments
    ]
    return check(libc().syscall(ctypes.c_long(number), *passed), name)


def prctl(option: int, *arguments: int) -> int:
    """Call prctl with up to four numbers."""
    numbers = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    return check(libc().prctl(option, *numbers), f"prctl {option}")


def unshare(flags: int) -> None:
    """Move this process, or its children to come, into new namespaces."""
    check(libc().unshare(ctypes.c_int(flags)), "unshare")


def join_namespace(descriptor: int, kind: int) -> None:
    """Move this process, or its children to come, into an existing namespace."""
    check(libc().setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def mount(source: str, target: Path | str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system."""
    result = libc().mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    check(result, f"mount {target}")


def unmount(target: str, flags: int) -> None:
    """Unmount a file system."""
    check(libc().umount2(target.encode(), ctypes.c_int(flags)), f"umount {target}")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_capabilities() -> None:
    """Give up every capability for good, so that neither this process nor anything it might run has any."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # EINVAL: past the last one; EPERM: no right to drop, then there is none to lose either
            break
    with contextlib.suppress(OSError):  # kernels before 4.3 have no ambient set
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    # _LINUX_CAPABILITY_VERSION_3 takes two sets of three 32-bit words.
    syscall("capset", _CapabilityHeader(0x20080522, 0), (ctypes.c_uint32 * 6)())


def become(uid: int, gid: int) -> None:
    """Change from root to an unprivileged user for good."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def no_new_privileges() -> None:
    """Make sure that no program this process starts gains rights from its file."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends."""
    prctl(PR_SET_PDEATHSIG, 9)
    if os.getppid() not in (parent, 0):  # 0: the parent is outside this process's PID namespace
        os._exit(1)


def keep_freed_memory(megabytes: int = 64) -> None:
    """Tell the C library to reuse freed blocks of up to so many megabytes instead of giving them back.

    It gives large blocks back to the kernel by default, and faults their pages in again at the next use.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of <malloc.h>
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc has it, others do without
        mallopt(mmap_threshold, min(megabytes, 32) << 20)
        mallopt(trim_threshold, megabytes << 20)
