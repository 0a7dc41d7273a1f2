"""Putting a submission into the course, whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autograder.course import Course
from autograder.errors import UserError
from autograder.plain_file import Unreadable, open_folder, open_plain_file

DESK = ".collecting"
"""Where a submission is put together, in `submitted/`: no student's id begins with a point."""
NEW = "new"
EXCHANGE = 2
"""RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS."""


@contextmanager
def open_desk(course: Course, dry_run: bool) -> Iterator[int]:
    """Give a descriptor of the folder in which submissions are put together; it goes away in the end.

    Raises:
        UserError: another process is at it.
        OSError: it cannot be made.
    """
    if dry_run:
        with tempfile.TemporaryDirectory() as elsewhere, _descriptor(Path(elsewhere)) as desk:
            yield desk
        return
    course.submitted.mkdir(exist_ok=True)
    path = course.submitted / DESK
    with suppress(FileExistsError):
        path.mkdir()
    with _descriptor(path) as desk:
        try:
            fcntl.flock(desk, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{course.submitted}: another `autograder collect` is at work here.") from None
        try:
            yield desk
        finally:
            shutil.rmtree(path)


@contextmanager
def _descriptor(path: Path) -> Iterator[int]:
    descriptor = open_folder(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def clear(desk: int) -> None:
    """Make an empty folder for a new submission, and remove what was there."""
    with suppress(FileNotFoundError):
        shutil.rmtree(NEW, dir_fd=desk)
    os.mkdir(NEW, dir_fd=desk)


def write(desk: int, name: str, content: Iterable[bytes]) -> None:
    """Write a file of the new submission; if its content cannot be read to the end, there is none.

    Raises:
        Unreadable: as reading the content does.
        OSError: it cannot be written.
    """
    folder = open_folder(NEW, desk)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(name, flags, 0o666, dir_fd=folder), "wb") as file:
                for chunk in content:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except Unreadable:
            os.unlink(name, dir_fd=folder)
            raise
    finally:
        os.close(folder)


def same(desk: int, standing: int, names: Collection[str]) -> bool:
    """Tell whether the new submission has the files that stand in a folder already."""
    new = open_folder(NEW, desk)
    try:
        return _digests(new, names) == _digests(standing, names)
    finally:
        os.close(new)


def _digests(folder: int, names: Collection[str]) -> dict[str, bytes]:
    digests = {}
    for name in names:
        with suppress(Unreadable), open_plain_file(name, folder) as file:
            digests[name] = hashlib.file_digest(file, "sha256").digest()
    return digests


def place(desk: int, target: Path) -> None:
    """Put the new submission in the place of `submitted/<student>/<assignment>`.

    Whoever looks meanwhile, or after a kill, finds the old one or the new one. Where the file system cannot
    exchange two folders, the old one has another name for a moment.

    Raises:
        OSError: it cannot be put there; what stood there stands.
    """
    target.parent.mkdir(exist_ok=True)
    student = open_folder(target.parent)
    try:
        try:
            os.rename(NEW, target.name, src_dir_fd=desk, dst_dir_fd=student)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if not _exchange(desk, student, target.name):
                aside = f".{target.name}.old"
                os.rename(target.name, aside, src_dir_fd=student, dst_dir_fd=student)
                os.rename(NEW, target.name, src_dir_fd=desk, dst_dir_fd=student)
                shutil.rmtree(aside, dir_fd=student)
    finally:
        os.close(student)


def _exchange(desk: int, student: int, name: str) -> bool:
    """Exchange two folders in one step, if the system and the file system can."""
    function = "renameat2" if sys.platform == "linux" else "renameatx_np"
    rename = getattr(ctypes.CDLL(None), function, None)
    return rename is not None and rename(desk, NEW.encode(), student, os.fsencode(name), EXCHANGE) == 0
