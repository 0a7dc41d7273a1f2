"""One message at a time over a stream socket: `request number (u64) | length (u64) | message`.

The examiner's side never waits longer than its allowance and never allocates more than its cap. The jail's
side blocks, and uses only `read` and `write`, the calls that its system-call filter leaves it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from autograder.sandbox.allowance import Allowance
from autograder.sandbox.errors import BadReply

HEADER = struct.Struct("<QQ")
FIRST_READ = 65536
FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)
MAX_BUFFERS = 512  # the kernel takes 1024 at once
ALIGNMENT = 64
SMALL = 16384


class Closed(Exception):
    """The other side has closed the socket."""


class Late(Exception):
    """The allowance is used up."""


def empty(size: int) -> np.ndarray:
    """Return uninitialised memory; if it is large, it begins at a multiple of 64."""
    memory = np.empty(size + ALIGNMENT, np.uint8)
    if size <= SMALL:  # not worth the microsecond: any address does for the processor, some do better
        return memory[:size]
    offset = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[offset : offset + size]


def size_of(buffers: list[Any]) -> int:
    """Return how many bytes some buffers hold together."""
    return sum(buffer.nbytes if type(buffer) is np.ndarray else len(buffer) for buffer in buffers)


def after(buffers: list[Any], sent: int) -> list[Any]:
    """Return what is left of some buffers when the first `sent` bytes are gone."""
    for index, buffer in enumerate(buffers):
        size = buffer.nbytes if type(buffer) is np.ndarray else len(buffer)
        if sent < size:
            if type(buffer) is np.ndarray:
                buffer = buffer.reshape(-1).view(np.uint8)
            return [memoryview(buffer)[sent:], *buffers[index + 1 :]] if sent else buffers[index:]
        sent -= size
    return []


def widen(sock: socket.socket) -> None:
    """Let as much wait in a socket as the host allows, so that large messages take few turns."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)


class Link:
    """The examiner's end of a jail's socket.

    ended: a file descriptor that becomes readable when something is to be known about the jail's process.
    on_ended: called then; returns True if this jail's process has ended.
    """

    def __init__(self, sock: socket.socket, ended: int, on_ended: Callable[[], bool]) -> None:
        self.sock = sock
        sock.setblocking(False)
        widen(sock)
        self._on_ended = on_ended
        self._ended = ended
        self._polls = {}
        for events in (select.POLLIN, select.POLLOUT):
            poll = self._polls[events] = select.poll()
            poll.register(sock, events)
            poll.register(ended, select.POLLIN)
        self._first = bytearray(FIRST_READ)

    def wait(self, events: int, allowance: Allowance) -> None:
        """Return when the socket is ready; raise Closed if the process has ended and left nothing to read."""
        poll, mine = self._polls[events], self.sock.fileno()
        while True:
            seconds = allowance.wait()
            if seconds <= 0:
                raise Late
            ready = poll.poll(seconds * 1000 + 1)
            if any(descriptor == mine for descriptor, _ in ready):
                return
            if ready and self._on_ended():
                raise Closed

    def send(self, number: int, buffers: list[Any], allowance: Allowance) -> None:
        """Send one message, or raise Late or Closed."""
        rest = [HEADER.pack(number, size_of(buffers)), *buffers]
        while rest:
            try:
                sent = self.sock.sendmsg(rest[:MAX_BUFFERS], [], FLAGS)
            except BlockingIOError:
                self.wait(select.POLLOUT, allowance)
                continue
            except OSError:
                raise Closed from None
            rest = after(rest, sent)

    def receive(self, number: int, cap: int, allowance: Allowance) -> np.ndarray:
        """Return the message that answers request `number`; raise Late, Closed or BadReply."""
        first = memoryview(self._first)
        have = self._into(first, allowance)
        while have < HEADER.size:
            have += self._into(first[have:], allowance)
        answered, size = HEADER.unpack_from(first)
        if answered != number:
            raise BadReply("the student's code wrote to the grader's socket")
        if size > cap:
            raise BadReply(f"the reply is larger than the {cap >> 20} MB a reply may have")
        message = empty(size)
        target = memoryview(message)  # type: ignore[arg-type]
        got = have - HEADER.size
        if got > size:
            raise BadReply("the student's code wrote to the grader's socket")
        target[:got] = first[HEADER.size : have]
        while got < size:
            got += self._into(target[got:], allowance)
        return message

    def _into(self, target: memoryview, allowance: Allowance) -> int:
        while True:
            self.wait(select.POLLIN, allowance)
            try:
                got = self.sock.recv_into(target)
            except BlockingIOError:
                continue
            except OSError:
                raise Closed from None
            if got == 0:
                raise Closed
            return got


def read_message(descriptor: int) -> tuple[int, np.ndarray]:
    """Return the next request's number and message (jail side). Raises Closed."""
    number, size = HEADER.unpack(_read(descriptor, HEADER.size).tobytes())
    return number, _read(descriptor, size)


def _read(descriptor: int, size: int) -> np.ndarray:
    message = empty(size)
    target = memoryview(message)  # type: ignore[arg-type]
    got = 0
    while got < size:
        count = os.readv(descriptor, [target[got:]])
        if count == 0:
            raise Closed
        got += count
    return message


def write_message(descriptor: int, number: int, buffers: list[Any]) -> None:
    """Send one reply (jail side)."""
    rest = [HEADER.pack(number, size_of(buffers)), *buffers]
    while rest:
        rest = after(rest, os.writev(descriptor, rest[:MAX_BUFFERS]))
