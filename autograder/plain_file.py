"""Reading files that students sent: plain files only, up to a size, and never through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Unreadable(Exception):
    """A file that cannot be used; the text says why, to follow on its name."""


def read_plain_file(path: Path | str, limit: int, folder: int | None = None) -> bytes:
    """Return the content of a plain file, at most `limit` bytes; a link is not followed.

    Args:
        path: the file.
        limit: how many bytes it may have.
        folder: descriptor of the open folder that `path` is a name in, so that no link above it is followed.

    Raises:
        Unreadable: it is missing, not a plain file, or larger.
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
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("is not a plain file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise Unreadable(f"is larger than the {limit / 1024**2:.3g} MB allowed")
    return content
