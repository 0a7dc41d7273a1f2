"""Running a command as an ordinary user, where the tests themselves run as root."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

NOBODY = 65534


def prefix(needed: Sequence[Path]) -> list[str]:
    """Return what to put before a command so that it runs as an ordinary user; nothing if we are one.

    Folders closed to others that lie above a needed path (root's home above the Python that runs the
    tests, say) are replaced, for this command alone, by ones that hold just the needed paths.

    Raises:
        OSError: this machine lacks `unshare` or `setpriv`.
    """
    if os.getuid() != 0:
        return []
    for tool in ("unshare", "setpriv", "mount"):
        if shutil.which(tool) is None:
            raise OSError(f"{tool} is not installed")
    needed = [Path(sys.base_prefix).resolve(), Path(sys.prefix), *needed]
    lines = ["set -e"]
    for number, closed in enumerate(sorted({folder for path in needed if (folder := _closed_above(path))})):
        inside = sorted({path for path in needed if closed in path.parents})
        holds = [f"/tmp/hold-{os.getpid()}-{number}-{i}" for i in range(len(inside))]
        lines.append("mkdir -p " + " ".join(holds))
        lines += [f"mount --bind {shlex.quote(str(p))} {h}" for p, h in zip(inside, holds, strict=True)]
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))}")
        for path, hold in zip(inside, holds, strict=True):
            lines += [f"mkdir -p {shlex.quote(str(path))}", f"mount --move {hold} {shlex.quote(str(path))}"]
        lines.append("rmdir " + " ".join(holds))
    drop = f'exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --inh-caps=-all --bounding-set=-all "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join([*lines, drop]), "sh"]


def _closed_above(path: Path) -> Path | None:
    """Return the topmost folder above a path that others may not enter."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None
