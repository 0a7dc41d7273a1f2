"""The secret seed of a course, from which the hidden cases of its checks are drawn."""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from pathlib import Path

from autograder.course.folder import Course
from autograder.errors import UserError

SEED = re.compile(r"[0-9a-f]{64}\n?")


def secret_seed(course: Course) -> tuple[bytes, bool]:
    """Return the course's seed, 32 bytes, and whether it was made just now.

    Raises:
        UserError: the file cannot be trusted: others can read it, it is a link, or it is damaged.
    """
    path = course.secret_seed
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path), False
    except OSError as error:
        raise UserError(f"{path}: the seed cannot be written: {error.strerror}.") from None
    seed = secrets.token_bytes(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(seed.hex() + "\n")
    return seed, True


def _read(path: Path) -> bytes:
    remedy = "Put the seed back from a copy, or delete the file and grade everything again with a new one."
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if path.is_symlink():
            raise UserError(f"{path}: the seed must not be a link. {remedy}") from None
        raise UserError(f"{path}: the seed cannot be read: {error.strerror}.") from None
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise UserError(f"{path}: the seed must be a plain file. {remedy}")
        if os.name == "posix" and state.st_mode & 0o077:
            raise UserError(f"{path}: others can read the seed. Run `chmod 600 {path}`.")
        text = file.read(100)
        # whoever made the file a moment ago may not have written to it yet
        for _ in range(20):
            if text:
                break
            time.sleep(0.05)
            text = file.read(100)
    if not SEED.fullmatch(text.decode("ascii", "replace")):
        raise UserError(f"{path}: this is not a seed of 64 hexadecimal digits. {remedy}")
    return bytes.fromhex(text.decode("ascii"))
