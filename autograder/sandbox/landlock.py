"""Landlock: the files a process may still reach, decided by itself and binding for good.

Source of the numbers: linux/landlock.h; of the compatibility rules: Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from autograder.sandbox import linux

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG = 1 << 7, 1 << 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

READ = READ_FILE | READ_DIR
# No links, no devices, no FIFOs, no sockets.
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # rights that a rule on a single file may name

TCP = 3  # bind, connect
SCOPES = 3  # abstract Unix sockets, signals

_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1
_LOG_NOTHING = 1  # LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF: do not fill the host's audit log


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Return the version of Landlock that this kernel offers, 0 if it offers none."""
    try:
        return linux.syscall("landlock_create_ruleset", None, 0, _CREATE_VERSION)
    except OSError:
        return 0


def _files_handled(version: int) -> int:
    """Return every right on files that a version knows, all of which are refused where no rule grants them."""
    return (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1


def restrict(readable: Sequence[Path], writable: Sequence[Path], devices: Sequence[Path]) -> None:
    """Confine this process to reading `readable`, writing in `writable` and using `devices`.

    Where the kernel's version knows them, TCP, abstract Unix sockets and signals to processes outside are
    refused too. Must be called after no_new_privs is set. Paths that do not exist are skipped. Raises
    OSError.
    """
    version = abi()
    if version < 1:
        raise OSError("this kernel does not offer Landlock")
    handled = _files_handled(version)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = _Ruleset(handled, TCP, SCOPES)
    ruleset = linux.syscall("landlock_create_ruleset", attributes, size, 0)
    try:
        for paths, rights in ((readable, READ), (writable, WRITE), (devices, READ_FILE | WRITE_FILE)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        linux.syscall("landlock_restrict_self", ruleset, _LOG_NOTHING if version >= 7 else 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= ON_FILES
        linux.syscall("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, _PathBeneath(rights, descriptor), 0)
    finally:
        os.close(descriptor)
