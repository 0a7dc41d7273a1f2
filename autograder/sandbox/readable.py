"""Which files of the host a jail may read: what Python and the installed packages need, and nothing of the course.

A virtual environment often lies inside the course folder, and an editable installation leaves the kit's
packages in a folder that also holds the assignments with their solutions. So only folders below an
environment's `lib`, and of the kit only `toolbox` and this package itself, are ever named.
"""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/etc/ld.so.cache", "/etc/localtime",
    "/usr/share/zoneinfo",
)  # fmt: skip
DEVICES = tuple(Path("/dev") / name for name in ("null", "zero", "random", "urandom"))


def readable_paths(extra: Iterable[Path] = ()) -> list[Path]:
    """Return the existing files and folders that a jail may read, none inside another."""
    found = [Path(path) for path in SYSTEM]
    found += [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}:
        found += [Path(prefix) / name for name in ("lib", "lib64")]
    found += [Path(path) for path in (*site.getsitepackages(), site.getusersitepackages())]
    # A path file may add further folders; one of another name may be anybody's, the course's included.
    found += [Path(path) for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    found.append(Path(__file__).parent)
    spec = importlib.util.find_spec("toolbox")
    found += [Path(path) for path in (spec.submodule_search_locations or ())] if spec else []
    found += [path.absolute() for path in extra]
    existing = {Path(os.path.normpath(path)) for path in found if path.exists()}
    return sorted(path for path in existing if not any(parent in existing for parent in path.parents))


def real_paths(paths: Iterable[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Return where the given paths really lie, none inside another, and the links that lead there.

    A file system built from these reads like the original: `/lib` stays a link to `/usr/lib`.
    """
    links: dict[Path, str] = {}
    real: set[Path] = set()
    for path in paths:
        todo = list(path.parts[1:])
        at = Path("/")
        for _ in range(1000):
            if not todo:
                break
            step = todo.pop(0)
            at = Path(os.path.normpath(at / step)) if step == ".." else at / step
            if at.is_symlink():
                target = os.readlink(at)
                links[at] = target
                todo = [part for part in Path(target).parts if part != "/"] + todo
                at = Path("/") if target.startswith("/") else at.parent
        real.add(at)
    outer = sorted(path for path in real if not any(parent in real for parent in path.parents))
    return outer, {
        link: target for link, target in links.items() if not any(parent in outer for parent in link.parents)
    }
