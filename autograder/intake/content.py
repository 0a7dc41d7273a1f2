"""The files of one submission that count: those that the assignment names, where there is no doubt which."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from autograder.intake import archive
from autograder.intake.entry import Entry, chunks
from autograder.plain_file import Unreadable, shown

ARCHIVE_BYTES = 512 << 20
"""How large the zips of one submission may be together."""
ARCHIVES = 8
"""How many of them are opened."""


@dataclass
class Content:
    """What a submission holds.

    Attributes:
        files: where to read each file that can be used, by its name in the assignment.
        problems: sentences about what cannot be used.
        left_out: names of files that the assignment does not name.
    """

    files: dict[str, Entry] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def choose(entries: Iterable[Entry], names: Iterable[str], stack: ExitStack) -> Content:
    """Find the files of an assignment among what a student handed in: files, and zips of files.

    A zip may hold them inside one folder. A zip inside a zip of the student's is not opened.

    Args:
        entries: what was handed in.
        names: the files that the assignment names.
        stack: keeps the zips open.
    """
    content = Content()
    wanted = {_folded(name): name for name in names}
    found: dict[str, list[Entry]] = {name: [] for name in wanted.values()}
    room, opened = ARCHIVE_BYTES, 0
    for entry in entries:
        if len(entry.path) > 1 or not entry.path[0].lower().endswith(".zip") or opened == ARCHIVES:
            _sort(entry, (), wanted, found, content)
            continue
        opened += 1
        try:
            copy = stack.enter_context(_copy(entry, room))
            room -= copy.tell()
            inside = archive.entries(copy)
            level = _level(inside, wanted)
        except Unreadable as error:
            content.problems.append(f"{shown(entry.path[0])} {error}")
            continue
        for one in inside:
            _sort(one, level, wanted, found, content)
    for name, candidates in found.items():
        if len(candidates) > 1:
            content.problems.append(f"{name} is there more than once")
        elif candidates and candidates[0].path[-1] == name:
            content.files[name] = candidates[0]
        else:
            content.left_out += map(_label, candidates)
    return content


def _sort(
    entry: Entry, level: tuple[str, ...], wanted: Mapping[str, str], found: dict[str, list[Entry]], content: Content
) -> None:
    name = wanted.get(_folded(entry.path[-1]))
    if entry.path[:-1] == level and name is not None:
        found[name].append(entry)
    else:
        content.left_out.append(_label(entry))


def _level(entries: Iterable[Entry], wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Return the folder of a zip that holds the files: none, or one in which everything lies."""
    folders = {
        entry.path[:-1]
        for entry in entries
        if len(entry.path) <= 2 and entry.path[0] not in ("", "..") and _folded(entry.path[-1]) in wanted
    }
    if () in folders or not folders:
        return ()
    if len(folders) > 1:
        raise Unreadable("holds the files of the assignment in more than one folder")
    return folders.pop()


def _copy(entry: Entry, room: int) -> BinaryIO:
    """Return a temporary copy of a zip: what is read from it later is what was looked at."""
    with ExitStack() as stack:
        copy = stack.enter_context(tempfile.TemporaryFile())
        for chunk in chunks(entry, room):
            copy.write(chunk)
        stack.pop_all()
    return copy


def _folded(name: str) -> str:
    """Return what names have in common that some computer takes for the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def _label(entry: Entry) -> str:
    """Return what is said of a file that is left out: of one in a folder, the folder."""
    name = shown(entry.path[0]) + "/" * (len(entry.path) > 1)
    return f"{name} ({entry.problem})" if entry.problem else name
