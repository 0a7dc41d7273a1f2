"""One file of a folder or an archive that came from students."""

from __future__ import annotations

import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from autograder.plain_file import Unreadable, too_large

CHUNK = 1 << 16
BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError,
    ValueError, LookupError, ArithmeticError, RuntimeError, MemoryError,
)  # fmt: skip
"""What Python's readers raise on bytes that someone made up; NotImplementedError and RecursionError are of these."""


@dataclass(frozen=True)
class Entry:
    """A file that is listed somewhere; nothing is known of its content until it is read.

    Attributes:
        path: the names of the folders that it lies in, then its own, as they are listed.
        open: opens it for reading.
        problem: why it cannot be used, "" if nothing speaks against it yet.
        most: how many bytes it may unfold to before it counts as a bomb.
    """

    path: tuple[str, ...]
    open: Callable[[], IO[bytes]]
    problem: str = ""
    most: int = sys.maxsize


def ignored(name: str) -> bool:
    """Tell whether a name is the computer's own rather than the student's: `__MACOSX`, `.DS_Store` and their like."""
    return name == "__MACOSX" or (name.startswith(".") and name.strip(".") != "")


def chunks(entry: Entry, limit: int) -> Iterator[bytes]:
    """Give the content of a file piece by piece; the bytes are counted, and no stated size is believed.

    Raises:
        Unreadable: it is no plain file, damaged, larger than `limit`, or a bomb.
    """
    if entry.problem:
        raise Unreadable(entry.problem)
    total = 0
    with broken_is("is damaged or incomplete"), entry.open() as stream:
        while chunk := stream.read(CHUNK):
            total += len(chunk)
            if total > limit:
                raise Unreadable(too_large(limit))
            if total > entry.most:
                raise Unreadable("unpacks to far more than it should")
            yield chunk


@contextmanager
def broken_is(sentence: str) -> Iterator[None]:
    """Turn whatever a reader raises on broken bytes into a sentence.

    Raises:
        Unreadable: something was raised.
    """
    try:
        yield
    except BROKEN:
        raise Unreadable(sentence) from None
