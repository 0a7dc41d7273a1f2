"""How long a request may keep a jail busy. Its processor time decides, so that a busy machine changes no score."""

from __future__ import annotations

import os
import socket
import struct
import time

PATIENCE = 5.0
"""How many times longer a request may take by the clock, asleep or waiting for a processor that others use."""
STEP = 0.02
"""Seconds: the shortest time between two looks at a jail's processor time."""

PROCESSORS = os.cpu_count() or 1

CREDENTIALS = struct.Struct("3i")  # process, user and group id


class Allowance:
    """What one request may use up: processor time of the jail, and PATIENCE times as much by the clock.

    seconds: the processor time.
    process: the jail's process id; None where its processor time cannot be told, and the clock alone counts.
    """

    def __init__(self, seconds: float, process: int | None) -> None:
        self.seconds = seconds
        self._process = process
        self._processor = self._before = processor_seconds(process)
        self._started = time.monotonic()

    def used(self) -> float:
        """Return how much has been used up, in seconds of processor time."""
        by_clock = time.monotonic() - self._started
        if self._before is None:
            return by_clock
        now = processor_seconds(self._process)
        self._processor = self._processor if now is None else now  # that of a process that is gone stays
        return max(self._processor - self._before, by_clock / PATIENCE)  # type: ignore[operator]

    def wait(self) -> float:
        """Return for how many seconds nothing can be used up, 0 if all is."""
        left = self.seconds - self.used()
        if left <= 0 or self._before is None:
            return max(left, 0.0)
        return max(left / PROCESSORS, STEP)  # threads may use every processor


def process_behind(sock: socket.socket) -> int | None:
    """Return the id of the process whose message waits in a socket, as this process counts; None if not told.

    The socket must have been told to `ask_who_writes` before the message was sent.
    """
    if not hasattr(socket, "SO_PASSCRED"):
        return None
    try:
        _, ancillary, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(CREDENTIALS.size), socket.MSG_PEEK)
    except OSError:  # it is gone already, as whoever reads the message will find
        return None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return int(CREDENTIALS.unpack(content[: CREDENTIALS.size])[0]) or None
    return None


def ask_who_writes(sock: socket.socket) -> None:
    """Have the kernel attach to each message the process that it comes from."""
    if hasattr(socket, "SO_PASSCRED"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def processor_seconds(process: int | None) -> float | None:
    """Return the processor time of all threads of a process."""
    if process is None:
        return None
    try:
        return time.clock_gettime(~process << 3 | 2)  # the kernel's number for a process's own clock
    except OSError:
        return None
