"""Takes submitted files as they are: regular files, read through a descriptor that follows no link."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from autograder.sandbox.errors import BadFile

MAX_NAME = 120


def read_files(files: Mapping[str, Path | bytes], max_mb: int) -> dict[str, bytes]:
    """Return the content of each file under the name it gets in the jail. Raises BadFile."""
    left = max_mb << 20
    contents = {}
    for name, source in files.items():
        if not name or name != os.path.basename(name) or name in (".", "..") or "\0" in name or len(name) > MAX_NAME:
            raise BadFile(f"{name!r} is no plain file name")
        content = bytes(source) if isinstance(source, bytes | bytearray) else _read(name, Path(source), left)
        left -= len(content)
        if left < 0:
            raise BadFile(f"the submitted files are larger than {max_mb} MB together")
        contents[name] = content
    return contents


def _read(name: str, path: Path, limit: int) -> bytes:
    # O_NONBLOCK: opening a FIFO would else wait for someone to write to it.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BadFile(f"{name} is missing") from None
    except OSError as error:
        if path.is_symlink():
            raise BadFile(f"{name} is a link; submit the file itself") from None
        raise BadFile(f"{name} cannot be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadFile(f"{name} is no regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(descriptor)
