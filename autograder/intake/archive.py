"""The files in a zip that a student or a learning platform made, whatever it claims about itself.

The directory is bounded before Python makes objects of it. Nothing is extracted by name: an entry is only
ever read, piece by piece, and whoever reads decides where the bytes go. Entries that share bytes, which is
how a small archive holds much, are refused.
"""

from __future__ import annotations

import io
import itertools
import stat
import zipfile
from functools import partial
from typing import BinaryIO

from autograder.intake.entry import Entry, broken_is, ignored
from autograder.plain_file import Unreadable

DIRECTORY_BYTES = 4 << 20
"""The largest directory that is looked at: room for some 40,000 files with names of ordinary length."""
HEADER_BYTES = 30
RATIO = 200
RATIO_FROM = 16 << 20
"""An entry may unfold to this many bytes, a larger one to RATIO times its size in the archive."""


def entries(file: BinaryIO) -> list[Entry]:
    """Return the files that a zip lists; they can be read as long as `file` is open.

    Raises:
        Unreadable: it is no zip, damaged, lists too much, or its entries overlap.
    """
    size = file.seek(0, io.SEEK_END)
    with broken_is("is no zip file, or it is damaged"):
        archive = zipfile.ZipFile(_Bounded(file))
    listed = archive.infolist()
    starts = sorted((info.header_offset, info.compress_size) for info in listed)
    for (start, length), (following, _) in itertools.pairwise([*starts, (size, 0)]):
        if start + HEADER_BYTES + length > following:
            raise Unreadable("is damaged: its entries overlap")
    return [
        Entry(path, partial(archive.open, info), _problem(info), max(RATIO_FROM, RATIO * info.compress_size))
        for info in listed
        if not _is_folder(info) and not any(map(ignored, path := tuple(info.orig_filename.split("/"))))
    ]


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.orig_filename.endswith("/") or stat.S_ISDIR(info.external_attr >> 16)


def _problem(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link; the file itself is wanted"
    if kind not in (0, stat.S_IFREG):
        return "is not a plain file"
    if info.flag_bits & 1:
        return "is encrypted; it is wanted without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in an unusual way; an ordinary zip is wanted"
    return ""


class _Bounded:
    """A file of which no single read is large: Python reads the whole directory of a zip in one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(DIRECTORY_BYTES + 1 if size < 0 else min(size, DIRECTORY_BYTES + 1))
        if len(content) > DIRECTORY_BYTES:
            raise Unreadable("lists too many files")
        return content
