"""The files below a folder that came from students: listed and opened without following a link."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from autograder.intake.entry import Entry, ignored
from autograder.plain_file import Unreadable, open_folder, open_plain_file

DEPTH = 3
"""How far down is looked: `<student>/<assignment>/<file>`."""


def entries(folder: int) -> list[Entry]:
    """Return what lies below a folder, given by its descriptor; it can be read as long as that is open."""
    return list(_below(folder, folder, ()))


def _below(top: int, folder: int, path: tuple[str, ...]) -> Iterator[Entry]:
    with os.scandir(folder) as listing:
        found = sorted(listing, key=lambda one: one.name)
    for one in found:
        inside = (*path, one.name)
        if ignored(one.name):
            continue
        if len(inside) == DEPTH or not one.is_dir(follow_symlinks=False):
            problem = "is a link; the files themselves are wanted" if one.is_symlink() else ""
            yield Entry(inside, partial(_open, top, inside), problem)
            continue
        try:
            descriptor = open_folder(one.name, folder)
        except OSError as error:
            yield Entry(inside, partial(_open, top, inside), f"cannot be opened ({error.strerror})")
            continue
        try:
            below = list(_below(top, descriptor, inside))
        finally:
            os.close(descriptor)
        yield from below or [Entry(inside, partial(_open, top, inside), "is empty")]


def _open(top: int, path: tuple[str, ...]) -> BinaryIO:
    """Open a file by its path below a folder, so that no part of the path is a link."""
    folder = os.dup(top)
    try:
        for name in path[:-1]:
            try:
                inner = open_folder(name, folder)
            except OSError as error:
                raise Unreadable(f"cannot be opened ({error.strerror})") from None
            os.close(folder)
            folder = inner
        return open_plain_file(path[-1], folder)
    finally:
        os.close(folder)
