"""Building `release/<name>/` from an allow-list: whatever is not on it cannot reach a student.

nbgrader strips the notebook and writes it; everything else is planned here as bytes and written by
the last of nbgrader's preprocessors, so that `autograder release` and `nbgrader generate_assignment`
do the same thing.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import toolbox
from autograder.assignment import Assignment, load_assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.release.readme import STUDENT_CONFIG, readme
from autograder.release.strip import BEGIN, END, solution_regions, strip_module

IGNORED = {"__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".DS_Store"}
"""What programs leave behind in a release that somebody looked at."""


def plan(assignment: Assignment) -> dict[str, bytes]:
    """Return every file of the release but the notebook: its path, with forward slashes, and content.

    Raises:
        UserError: a file is missing or would give a solution away.
    """
    files: dict[str, bytes] = {}
    tasks: dict[str, list[str]] = {}
    for name in assignment.files.modules:
        if name in assignment.files.brought:
            continue
        path = assignment.folder / name
        text = _text(path)
        tasks[name] = [region.task for region in solution_regions(text, str(path))]
        files[name] = strip_module(text, str(path)).encode()
    for name in assignment.files.support:
        files[name] = _given(assignment.folder / name)
    for path in sorted(assignment.checks.glob("*.py")):
        files[f"checks/{path.name}"] = _given(path)
    files["checks/assignment.toml"] = _bytes(assignment.toml)
    for path in _extra(assignment):
        _add(files, path.relative_to(assignment.folder).as_posix(), _bytes(path), assignment)
    files["README.md"] = readme(assignment, tasks).encode()
    files["nbgrader_config.py"] = STUDENT_CONFIG.encode()
    home = Path(toolbox.__file__).parent
    for path in sorted(home.rglob("*.py")):
        if not IGNORED & set(path.parts):
            files[f"toolbox/{path.relative_to(home).as_posix()}"] = path.read_bytes()
    return files


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder hold exactly these files."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() or path.is_file():
            path.unlink()
        else:
            path.rmdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def generate(course: Course, name: str) -> Path:
    """Make `release/<name>/` and the assignment's rows in the gradebook, and return the folder.

    An error leaves the previous release as it was.

    Raises:
        UserError: the assignment is not fit for release; the text says what to mend.
    """
    from autograder.nbgrader.run import generate_assignment

    assignment = load_assignment(course, name)
    plan(assignment)
    _demand_notebook(course, assignment)
    with _put_back_on_error(course.release / name):
        generate_assignment(course, name)
    return course.release / name


def stale(course: Course, name: str) -> list[str]:
    """Return the files of `release/<name>/` that a fresh build would change, add or remove.

    Raises:
        UserError: the assignment is not fit for release.
    """
    with fresh_release(course, name) as fresh:
        return differing(fresh, course.release / name)


@contextlib.contextmanager
def fresh_release(course: Course, name: str) -> Iterator[Path]:
    """Give a release built anew in a temporary folder; the gradebook is not touched.

    Raises:
        UserError: the assignment is not fit for release.
    """
    from autograder.nbgrader.run import generate_assignment

    assignment = load_assignment(course, name)
    plan(assignment)
    _demand_notebook(course, assignment)
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        generate_assignment(course, name, release=Path(folder))
        yield Path(folder) / name


def differing(fresh: Path, there: Path) -> list[str]:
    """Return the files in which two releases differ, the toolbox's copy left out."""
    new, old = _content(fresh), _content(there)
    return sorted(path for path in new.keys() | old.keys() if new.get(path) != old.get(path))


def _content(folder: Path) -> dict[str, bytes | None]:
    content: dict[str, bytes | None] = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if relative.parts[0] == "toolbox" or IGNORED & set(relative.parts) or path.is_dir():
            continue
        content[relative.as_posix()] = None if path.is_symlink() else path.read_bytes()
    return content


@contextlib.contextmanager
def _put_back_on_error(folder: Path) -> Iterator[None]:
    aside = folder.with_name(f".{folder.name}.previous")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if aside.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _demand_notebook(course: Course, assignment: Assignment) -> None:
    path = course.source / assignment.name / assignment.files.notebook
    if not path.is_file():
        raise UserError(f"{path}: there is no such notebook. Write it, or name another in {assignment.toml}.")


def _extra(assignment: Assignment) -> list[Path]:
    for pattern in assignment.files.extra:
        if not any(path.is_file() for path in assignment.folder.glob(pattern)):
            raise UserError(
                f"{assignment.toml}: [files] extra: {pattern!r} matches no file. Correct the pattern."
            )
    return assignment.files.extra_in(assignment.folder)


def _add(files: dict[str, bytes], name: str, content: bytes, assignment: Assignment) -> None:
    top = PurePosixPath(name).parts[0]
    taken = {"toolbox", "checks", "README.md", "nbgrader_config.py", "assignment.toml", "mutants.toml"}
    if name in files or name == assignment.files.notebook or top in taken:
        raise UserError(
            f"{assignment.toml}: [files] extra: {name!r} is in the release already, or no file for students. "
            "Name only further files."
        )
    files[name] = content


def _given(path: Path) -> bytes:
    """Return a file that students get as it is, unless a solution stands in it."""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip() in (BEGIN, END):
            raise UserError(
                f"{path}:{number}: students get this file as it is, with the solution that is marked here. "
                "List the file under modules, or take the markers away."
            )
    return _bytes(path)


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: this is not UTF-8 text: {error}. Save it as UTF-8.") from None


def _bytes(path: Path) -> bytes:
    if path.is_symlink():
        raise UserError(f"{path}: this is a link. Put the file itself there.")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file, but assignment.toml names it.") from None
    except OSError as error:
        raise UserError(f"{path}: this cannot be read: {error.strerror}.") from None
