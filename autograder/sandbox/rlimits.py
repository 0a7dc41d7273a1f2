"""Resource limits that the kernel holds one process to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autograder.sandbox.limits import Limits

MB = 1 << 20
THREADS = 64
STACK_BYTES = 8 * MB


def mapped_bytes(proc: int | None) -> int:
    """Return how much address space this process has mapped; `proc` is a descriptor of /proc."""
    if proc is None:
        return 0
    descriptor = os.open("self/statm", os.O_RDONLY, dir_fd=proc)
    try:
        return int(os.read(descriptor, 256).split()[0]) * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(descriptor)


def counted_per_namespace() -> bool:
    """Tell whether RLIMIT_NPROC counts a user's tasks for each user namespace on its own (Linux 5.14)."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(c for c in minor if c.isdigit()) or 0)) >= (5, 14)


def user_tasks(users: set[int]) -> int:
    """Return how many processes and threads some users have here, which RLIMIT_NPROC counts together."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid in users:
                count += len(os.listdir(process / "task"))
        except OSError:
            continue
    return count


def restrict(limits: Limits, *, mapped: int, tasks: int) -> None:
    """Limit this process for good.

    mapped: address space that it has mapped already, on top of which `limits.memory_mb` may come; 0 leaves
        address space unlimited (macOS does not hold processes to it).
    tasks: how many processes and threads its user may have.
    """
    import resource

    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    _limit(resource.RLIMIT_FSIZE, limits.scratch_mb * MB)
    _limit(resource.RLIMIT_STACK, STACK_BYTES)
    _limit(resource.RLIMIT_NPROC, tasks)
    _limit(resource.RLIMIT_MEMLOCK, 0)
    if sys.platform == "linux":
        _limit(resource.RLIMIT_MSGQUEUE, 0)
        if mapped:
            _limit(resource.RLIMIT_AS, mapped + limits.memory_mb * MB)


def _limit(kind: int, value: int) -> None:
    import resource

    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
