"""The zip file that is handed in: the same work gives the same bytes, and a foreign file is never overwritten."""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path

COMMENT = b"Made by python -m toolbox submit"
"""Stands at the end of each zip that `pack` writes, which is how it knows its own."""

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: when a file was saved must not show in the bytes."""


class NotOurs(Exception):
    """There is a file in the way that `pack` did not make."""


def pack(path: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Write files into a zip, all in one folder, and return what reading it from the disk gives.

    The zip appears under its name only when it is whole; one that stood there stays until then.

    Raises:
        NotOurs: something stands there that is no zip of this function.
        OSError: the zip cannot be written, or reads otherwise than it was written.
    """
    if os.path.lexists(path) and not made_here(path):
        raise NotOurs(f"{path} is there already, and it was not made by this command. Name another file with --out.")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _write(part, files)
        found = _read(part)
        if found != dict(files):
            raise OSError("what was written reads otherwise")
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return found


def made_here(path: Path) -> bool:
    """Return whether a file is a zip that `pack` wrote."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        with zipfile.ZipFile(path) as archive:
            return archive.comment == COMMENT
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    with path.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.comment = COMMENT
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix on every system, as the permissions are
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)


def _read(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise OSError(f"what was written cannot be read: {error}") from None
