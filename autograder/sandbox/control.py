"""The small fixed-size messages between an examiner and the preloaded process; see `server` and `preloaded`."""

from __future__ import annotations

import array
import socket
import struct
from dataclasses import astuple, dataclass

from autograder.sandbox.limits import Limits

REQUEST = struct.Struct("<4sQ6Q")  # verb, jail number, limits
REPORT = struct.Struct("<4sQqdd")  # verb, jail number, wait status, CPU seconds, largest resident size in MB

START, KILL, ENDED = b"star", b"kill", b"endd"

# Why the preloaded process ended a jail, where the wait status cannot say; in the place of the status.
TOO_MUCH_DISK = -1
TOO_MANY_THREADS = -2
NO_START = -3
TOO_MUCH_MEMORY = -4


@dataclass(frozen=True)
class Report:
    """How a jail ended."""

    jail: int
    status: int
    cpu_seconds: float
    max_rss_mb: float


def request(verb: bytes, jail: int, limits: Limits | None = None) -> bytes:
    """Return the bytes of a request."""
    return REQUEST.pack(verb, jail, *(astuple(limits) if limits else (0,) * 6))


def parse_request(data: bytes) -> tuple[bytes, int, Limits]:
    """Return what a request says."""
    verb, jail, *numbers = REQUEST.unpack(data)
    return verb, jail, Limits(*numbers)


def send_descriptor(sock: socket.socket, data: bytes, descriptor: int) -> None:
    """Send bytes together with a copy of a descriptor."""
    sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]).tobytes())])


def receive_descriptor(sock: socket.socket, size: int) -> tuple[bytes, int | None]:
    """Return up to `size` bytes and the descriptor that came with them, if any. Empty bytes mean end of file."""
    data, ancillary, _, _ = sock.recvmsg(size, socket.CMSG_SPACE(4))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            return data, array.array("i", content[:4])[0]
    return data, None
