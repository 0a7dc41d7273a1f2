"""The files that an assignment names: reading them, and saying what is wrong with one."""

from __future__ import annotations

import ast
import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

from toolbox.checks.local import NoChecksHere
from toolbox.manifest import Manifest, load_manifest

CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
"""A line that git leaves in a file that two people changed."""


class Unusable(Exception):
    """A file that cannot be handed in; the text says why, to follow on its name."""


@dataclass(frozen=True)
class Look:
    """What was seen of one file.

    Attributes:
        name: the file's name.
        size: in bytes; None where it is not packed.
        problem: why grading cannot use it, "" if it can.
        remarks: what to look at although the file can be used.
    """

    name: str
    size: int | None
    problem: str = ""
    remarks: tuple[str, ...] = ()


def find_manifest(folder: Path) -> Manifest:
    """Read the `assignment.toml` of a release, or of the author's folder.

    Raises:
        NoChecksHere: the folder is not that of an assignment.
        ManifestError: the file cannot be used.
    """
    for path in (folder / "checks" / "assignment.toml", folder / "assignment.toml"):
        if path.is_file():
            return load_manifest(path)
    raise NoChecksHere(f"{folder}: there is no checks/assignment.toml here. Go to the folder of the assignment.")


def size_limits(manifest: Manifest) -> dict[str, int]:
    """Return how many bytes each file of a submission may have, in the order of the manifest."""
    files, limits = manifest.files, manifest.limits
    return {
        **{name: limits.module_kb * 1024 for name in files.modules},
        files.notebook: limits.notebook_mb * 1024**2,
        **{name: limits.model_mb * 1024**2 for name in files.models},
    }


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a plain file of at most `limit` bytes.

    Raises:
        Unusable: it is missing, a link, a folder, larger, or cannot be read.
    """
    try:
        kind = path.lstat().st_mode
        if stat.S_ISLNK(kind):
            raise Unusable("is a link; put the file itself here")
        if stat.S_ISDIR(kind):
            raise Unusable("is a folder; a file of this name is wanted")
        if not stat.S_ISREG(kind):
            raise Unusable("is not a plain file")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise Unusable("is missing") from None
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror or error})") from None
    if len(content) > limit:
        raise Unusable(f"is larger than the {size_text(limit)} allowed; it is left out")
    return content


def read_files(folder: Path, manifest: Manifest) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the content of each file of a submission that can be handed in, and what is wrong with each other."""
    files: dict[str, bytes] = {}
    problems: dict[str, str] = {}
    for name, limit in size_limits(manifest).items():
        try:
            files[name] = read_file(folder / name, limit)
        except Unusable as error:
            problems[name] = str(error)
            if name in manifest.files.models and problems[name] == "is missing":
                problems[name] += "; train the model and save it under this name"
    return files, problems


def module_problem(name: str, content: bytes) -> str:
    """Return why a module cannot be imported, as far as reading it tells; "" if nothing is seen."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return f"{name}, line {line}: this is not UTF-8 text; save the file as UTF-8"
    if not text.strip():
        return "is empty"
    if conflict := CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        return f"{name}, line {line}: a merge conflict is left here; keep one of the two versions"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{name}, line {error.lineno or 1}: {error.msg}"
    except (ValueError, OverflowError, MemoryError, RecursionError) as error:
        return f"cannot be read as Python: {error or type(error).__name__}"
    return ""


def check_ids(folder: Path) -> list[str]:
    """Return the ids of the checks in a folder, read from their files without running them."""
    found: list[str] = []
    for path in sorted(folder.glob("test_*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError):
            continue  # running the checks says what is wrong
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        found += [name.removeprefix("test_") for name in names if name.startswith("test_")]
    return found


def size_text(size: int) -> str:
    """Return a number of bytes as 120 B, 3.4 KB or 1.2 MB."""
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.3g} KB" if size < 1000 * 1024 else f"{size / 1024**2:.3g} MB"
