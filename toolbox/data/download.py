"""Fetch an archive once, with a progress bar, and take from it only the files that are expected."""

import gzip
import hashlib
import http.client
import os
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from toolbox.data.errors import DataDamaged, DataMissing
from toolbox.data.layout import md5
from toolbox.progress import bytes_bar

BLOCK = 1 << 18
MOST_BYTES = 1 << 26  # no batch file is half as large
TIMEOUT = 30.0  # seconds without a byte after which the connection counts as broken


def fetch(url: str, target: Path, archive_md5: str) -> None:
    """Download a file and check its MD5 sum, showing a progress bar.

    Raises DataMissing where nothing or only a part arrives, DataDamaged where something else arrives.
    Whatever happens, Ctrl-C included, `target` is then either whole or not there.
    """
    part: Path | None = None
    try:
        handle, path = tempfile.mkstemp(prefix=target.name + ".", suffix=".part", dir=target.parent)
        part = Path(path)
        with os.fdopen(handle, "wb") as out:
            got, expected, digest = _receive(url, out)
        if expected is not None and got < expected:
            raise DataMissing(f"the connection to {url} broke off after {got / 1e6:.1f} of {expected / 1e6:.1f} MB")
        if digest != archive_md5:
            raise DataDamaged(
                f"What came from {url} ({got:,} bytes) is not the archive: its MD5 sum is another. A network "
                "that wants a login first may have sent a page of its own. Log in, then load again."
            )
        part.replace(target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DataMissing(f"{url} could not be downloaded ({_reason(error)})") from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _receive(url: str, out: IO[bytes]) -> tuple[int, int | None, str]:
    """Copy what a URL answers into an open file; return bytes received, bytes announced and the MD5 sum."""
    digest = hashlib.md5(usedforsecurity=False)
    got = 0
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        announced = answer.headers.get("Content-Length", "")
        expected = int(announced) if announced.isdigit() else None
        with bytes_bar(expected, "downloading " + url.rsplit("/", 1)[-1]) as bar:
            while block := answer.read(BLOCK):
                out.write(block)
                digest.update(block)
                got += len(block)
                bar.update(len(block))
    return got, expected, digest.hexdigest()


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None)
    return str(inner or error) or type(error).__name__


def extract(archive: Path, folder: Path, sums: Mapping[str, str]) -> None:
    """Take the named files out of a .tar.gz and put them into a folder, each only when its MD5 sum is right.

    Members are chosen by the last part of their name; links, devices and everything unexpected are passed
    over, and no path in the archive decides where a file goes. All files are checked before the first is put
    in place. Raises DataDamaged, naming the archive, where it cannot be read or lacks a file, DataMissing
    where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=folder.name + ".", suffix=".part", dir=folder.parent) as made:
            found = _take(archive, Path(made), sums)
            lacking = [name for name in sums if name not in found]
            if lacking:
                raise DataDamaged(
                    f"{archive} lacks {', '.join(lacking)} in the original form. Delete it and load again."
                )
            for name in sums:
                _put(Path(made) / name, folder / name, sums[name])
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataDamaged(f"{archive} is no whole .tar.gz archive ({error}). Delete it and load again.") from None
    except OSError as error:
        raise DataMissing(f"{archive} could not be unpacked into {folder} ({_reason(error)})") from None


def _take(archive: Path, made: Path, sums: Mapping[str, str]) -> set[str]:
    """Write the expected regular members with the right MD5 sums into a folder, and return their names."""
    found = set()
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = member.name.rsplit("/", 1)[-1]
            wanted = name in sums and member.isreg() and member.size <= MOST_BYTES
            stream = tar.extractfile(member) if wanted else None
            if stream is None:
                continue
            content = stream.read()
            if md5(content) == sums[name]:
                (made / name).write_bytes(content)
                found.add(name)
    return found


def _put(made: Path, target: Path, expected: str) -> None:
    """Move a checked file into place, unless another process has just put the same one there."""
    try:
        made.replace(target)
    except PermissionError:  # Windows, while another process reads it
        if md5(target.read_bytes()) != expected:
            raise
