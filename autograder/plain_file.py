"""Reading files that students sent: plain files only, up to a size, and never through a link."""

from __future__ import annotations

import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any


class Unreadable(Exception):
    """A file that cannot be used; the text says why, to follow on its name."""


def open_folder(path: Path | str, folder: int | None = None) -> int:
    """Return a descriptor of a folder, which must not be a link.

    Args:
        path: the folder.
        folder: descriptor of the open folder that `path` is a name in, so that no link above it is followed.

    Raises:
        OSError: it is missing, a link, no folder, or cannot be opened.
    """
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def open_plain_file(path: Path | str, folder: int | None = None) -> BufferedReader:
    """Open a plain file for reading; a link is not followed.

    Args:
        path: the file.
        folder: as for `open_folder`.

    Raises:
        Unreadable: it is missing, not a plain file, or cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        # O_NONBLOCK: opening a named pipe must not wait for a writer
        descriptor = os.open(path, flags, dir_fd=folder)
    except FileNotFoundError:
        raise Unreadable("is missing") from None
    except OSError as error:
        link = stat.S_ISLNK(os.stat(path, dir_fd=folder, follow_symlinks=False).st_mode)
        reason = "is a link; the file itself is wanted" if link else f"cannot be opened ({error.strerror})"
        raise Unreadable(reason) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable("is not a plain file")
    return open(descriptor, "rb")


def read_plain_file(path: Path | str, limit: int, folder: int | None = None) -> bytes:
    """Return the content of a plain file, at most `limit` bytes; a link is not followed.

    Args:
        path: the file.
        limit: how many bytes it may have.
        folder: as for `open_folder`.

    Raises:
        Unreadable: it is missing, not a plain file, or larger.
    """
    with open_plain_file(path, folder) as file:
        try:
            there = os.fstat(file.fileno()).st_size
            content = file.read(min(there, limit) + 1)  # no room for more than is there: limits are large
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror})") from None
    if len(content) > limit:
        raise Unreadable(too_large(limit))
    return content


def too_large(limit: int) -> str:
    """Return what is said of a file that is larger than allowed."""
    return f"is larger than the {limit / 1024**2:.3g} MB allowed"


def shown(name: str) -> str:
    """Return a name that a student chose as it may be shown: short, and without control or bidi characters."""
    return "".join(c if c.isprintable() else "?" for c in name[:60])


def parse_notebook(content: bytes) -> dict[str, Any]:
    """Return what a notebook's file holds: a list of cells, or of worksheets as in formats 2 and 3; no more is certain.

    Raises:
        Unreadable: it is not a notebook.
    """
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except ValueError:
        raise Unreadable("is not a notebook") from None
    if isinstance(notebook, dict):
        key = "worksheets" if notebook.get("nbformat") in (2, 3) else "cells"
        if isinstance(notebook.get(key), list):
            return notebook
    raise Unreadable("is not a notebook")
