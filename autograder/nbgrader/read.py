"""Reading files that students sent: plain files only, up to a size, and never a crash."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import nbformat

MAX_CELLS = 2000


class Unreadable(Exception):
    """A file that cannot be used; the text says why, to follow on its name."""


def read_plain_file(path: Path, limit: int) -> bytes:
    """Return the content of a plain file, at most `limit` bytes; a link is not followed.

    Raises:
        Unreadable: it is missing, not a plain file, or larger.
    """
    try:
        # O_NONBLOCK: opening a named pipe must not wait for a writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise Unreadable("is missing") from None
    except OSError as error:
        reason = "is a link" if path.is_symlink() else f"cannot be opened ({error.strerror})"
        raise Unreadable(reason) from None
    with os.fdopen(descriptor, "rb") as file:
        try:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("is not a plain file")
            content = file.read(limit + 1)
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror})") from None
    if len(content) > limit:
        raise Unreadable(f"is larger than {limit:,} bytes")
    return content


def read_cells(path: Path, limit: int) -> list[dict[str, Any]]:
    """Return the cells of a submitted notebook, each a dictionary with nothing else certain about it.

    Raises:
        Unreadable: it is not a notebook, too large, or has too many cells.
    """
    content = read_plain_file(path, limit)
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
        if isinstance(notebook, dict) and notebook.get("nbformat") in (1, 2, 3):
            notebook = nbformat.reads(content.decode("utf-8-sig"), as_version=4)
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except Exception:
        # whatever the bytes are, they come from a student: no error of a parser is the grader's
        raise Unreadable("is not a notebook") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise Unreadable("is not a notebook")
    cells = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"has more than {MAX_CELLS:,} cells")
    return cells
