"""A seccomp filter: the system calls that a jailed process may make, and no others.

What computing with Python, NumPy and torch on one's own data needs is allowed; everything else fails with
EPERM, so that student code sees a PermissionError and goes on. There is no way to start a process or a
program, to open a socket, to send or receive a descriptor, to reach into another process, to make memory
that rlimits do not count, or to gain rights. Changing modes, owners and times of files is left out too:
Landlock does not judge it. Reads and writes on the one inherited socket are plain `read` and `write`.

Classic BPF is documented in linux/filter.h and Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Sequence

from autograder.sandbox import linux

# name: (x86_64, aarch64); None where the machine has no such call.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # memory and threads
    "futex": (202, 98), "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226), "madvise": (28, 233),
    "brk": (12, 214), "mremap": (25, 216), "sched_yield": (24, 124), "set_robust_list": (273, 99),
    "rseq": (334, 293), "set_tid_address": (218, 96), "membarrier": (324, 283), "futex_waitv": (449, 449),
    # files and the socket
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67),
    "pwrite64": (18, 68), "preadv": (295, 69), "pwritev": (296, 70), "preadv2": (327, 286), "pwritev2": (328, 287),
    "close": (3, 57), "close_range": (436, 436),
    "fstat": (5, 80), "newfstatat": (262, 79), "stat": (4, None), "lstat": (6, None), "statx": (332, 291),
    "lseek": (8, 62), "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439),
    "readlink": (89, None), "readlinkat": (267, 78), "getdents": (78, None), "getdents64": (217, 61),
    "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50), "mkdir": (83, None), "mkdirat": (258, 34),
    "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35), "rename": (82, None), "renameat": (264, 38),
    "renameat2": (316, 276), "creat": (85, None), "ftruncate": (77, 46),
    "fallocate": (285, 47), "fsync": (74, 82), "fdatasync": (75, 83), "sync_file_range": (277, 84),
    "umask": (95, 166), 
    "copy_file_range": (326, 285), "sendfile": (40, 71),
    "fadvise64": (221, 223), "readahead": (187, 213), "statfs": (137, 43), "fstatfs": (138, 44),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    # time, signals of one's own, and the end
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153), "getrusage": (98, 165),
    "alarm": (37, None), "setitimer": (38, 103), "getitimer": (36, 102), "pause": (34, None),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "wait4": (61, 260), "waitid": (247, 95), "exit": (60, 93),
    "exit_group": (231, 94),
    # what a process may know of itself and the host
    "getrandom": (318, 278), "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174),
    "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "getresuid": (118, 148),
    "getresgid": (120, 150), "getgroups": (115, 158), "getpgrp": (111, None), "getpgid": (121, 155),
    "getsid": (124, 156), "getrlimit": (97, 163), "uname": (63, 160), "sysinfo": (99, 179), "getcpu": (309, 168),
    "sched_getaffinity": (204, 123), "sched_getscheduler": (145, 120), "sched_getparam": (143, 121),
    "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126), "getpriority": (140, 141),
    "get_robust_list": (274, 100), "capget": (125, 90),
}  # fmt: skip

CLONE, CLONE3 = (56, 220), (435, 435)
PRCTL, PRLIMIT64 = (157, 167), (302, 261)
IOCTL, FCNTL = (16, 29), (72, 25)
OPEN, OPENAT = (2, None), (257, 56)
KILL, TGKILL = (62, 129), (234, 131)
ARCH_PRCTL = (158, None)

SIGKILL = 9
CLONE_THREAD = 0x10000
O_ACCMODE, O_TRUNC = 3, 0x200
CLONE_NAMESPACES = 0x7E020080
HARMLESS_PRCTL = (15, 16, 3)  # set and get the thread's name, get dumpable
HARMLESS_IOCTL = (
    0x5401,
    0x5413,
    0x5421,
    0x541B,
    0x5450,
    0x5451,
)  # TCGETS, TIOCGWINSZ, FIONBIO, FIONREAD, FIO(N)CLEX
HARMLESS_FCNTL = (
    0,
    1,
    2,
    3,
    4,
    1030,
)  # duplicate; flags; no locks, which other jails could see, and no signals
XCOMP_ARCH_PRCTL = (0x1021, 0x1022, 0x1023, 0x1024, 0x1025)  # the processor's matrix registers

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH = 0, 4
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE, _MISSING = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def _argument(index: int, high: bool = False) -> int:
    return 16 + 8 * index + 4 * high  # both machines are little-endian


def _rule(number: int, body: Sequence[Instruction]) -> list[Instruction]:
    """Return instructions that run `body`, which ends in a return, if the call has this number."""
    return [(_JUMP_EQ, 0, len(body), number), *body]


def _one_of(index: int, values: Sequence[int]) -> list[Instruction]:
    """Return a body that allows a call whose argument's low half, which is all the kernel reads, is one of these."""
    body: list[Instruction] = [(_LOAD, 0, 0, _argument(index))]
    for value in values:
        body += [(_JUMP_EQ, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*body, (_RETURN, 0, 0, _REFUSE)]


def _signal_rule(pid: int, signal: int) -> list[Instruction]:
    """Return a body that allows a process to signal itself, except to kill itself: that is how the host ends it."""
    return [
        (_LOAD, 0, 0, _argument(0)),
        (_JUMP_EQ, 0, 2, pid),
        (_LOAD, 0, 0, _argument(signal)),
        (_JUMP_EQ, 0, 1, SIGKILL),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _open_rule(number: int | None, flags: int) -> list[Instruction]:
    """Allow opening, which Landlock decides on, but not to empty a file by reading it.

    Before its third version Landlock lets that pass, and an installed package may belong to the jail's user.
    """
    if number is None:
        return []
    body = [
        (_LOAD, 0, 0, _argument(flags)),
        (_JUMP_SET, 0, 2, O_TRUNC),
        (_JUMP_SET, 1, 0, O_ACCMODE),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return _rule(number, body)


def program(machine: str, pid: int) -> bytes:
    """Return the filter for a kind of processor and a process with this id, as an array of sock_filter."""
    column = ("x86_64", "aarch64").index(machine)
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQ, 1, 0, AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        code += [(_JUMP_GE, 0, 1, X32_BIT), (_RETURN, 0, 0, _REFUSE)]
    for numbers in ALLOWED.values():
        number = numbers[column]
        if number is not None:
            code += _rule(number, [(_RETURN, 0, 0, _ALLOW)])
    code += _rule(
        CLONE[column],  # threads only
        [
            (_LOAD, 0, 0, _argument(0)),
            (_JUMP_SET, 1, 0, CLONE_NAMESPACES),
            (_JUMP_SET, 1, 0, CLONE_THREAD),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ],
    )
    # clone3 hides its flags behind a pointer; told that it is missing, the C library falls back on clone.
    code += _rule(CLONE3[column], [(_RETURN, 0, 0, _MISSING)])
    code += _open_rule(OPENAT[column], 2)
    code += _open_rule(OPEN[column], 1)
    code += _rule(PRCTL[column], _one_of(0, HARMLESS_PRCTL))
    code += _rule(IOCTL[column], _one_of(1, HARMLESS_IOCTL))
    code += _rule(FCNTL[column], _one_of(1, HARMLESS_FCNTL))
    code += _rule(KILL[column], _signal_rule(pid, 1))
    code += _rule(TGKILL[column], _signal_rule(pid, 2))
    code += _rule(
        PRLIMIT64[column],  # own limits, reading only
        [
            (_LOAD, 0, 0, _argument(0)),
            (_JUMP_EQ, 0, 5, 0),
            (_LOAD, 0, 0, _argument(2)),
            (_JUMP_EQ, 0, 3, 0),
            (_LOAD, 0, 0, _argument(2, high=True)),
            (_JUMP_EQ, 0, 1, 0),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _REFUSE),
        ],
    )
    arch_prctl = ARCH_PRCTL[column]
    if arch_prctl is not None:
        code += _rule(arch_prctl, _one_of(0, XCOMP_ARCH_PRCTL))
    code.append((_RETURN, 0, 0, _REFUSE))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def restrict(pid: int) -> None:
    """Install the filter in this process, whose own id is `pid`. Must be called after no_new_privs. Raises OSError."""
    machine = linux.machine()
    if machine not in AUDIT_ARCH:
        raise OSError(f"no system-call filter is written for this kind of processor ({machine})")
    code = ctypes.create_string_buffer(program(machine, pid))
    described = _Program(len(code.raw) // 8, ctypes.cast(code, ctypes.c_void_p))
    set_filter = 1
    # SPEC_ALLOW: the process has no secret that speculation could leak, and the mitigation slows it down.
    for flags in (4, 0):
        try:
            linux.syscall("seccomp", set_filter, flags, described)
            return
        except OSError as error:
            if flags == 0 or error.errno != errno.EINVAL:
                raise
