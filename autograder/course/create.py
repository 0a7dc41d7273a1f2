"""Making a new course folder, empty or with assignments of another course."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course.folder import Course, open_course
from autograder.errors import UserError

COURSE_TOML = """\
title = "{title}"

[grading]
data = "cifar10"        # "cifar10" or "standin": the toolbox's own small stand-in for CIFAR-10
isolation = "best"      # the level to ask for: "best", "namespaces", "landlock" or "process"
# minimum = "landlock"  # grading refuses to start below this level
"""

NBGRADER_CONFIG = '''\
"""What nbgrader and its formgrader read when they work on this course."""

import sys
from pathlib import Path

try:
    from autograder.nbgrader.config import configure
except ImportError as error:  # nbgrader would go on without these settings, and run what students handed in
    sys.exit(f"{__file__}: {error}. Start nbgrader and Jupyter from the environment in which the kit is installed.")

c = get_config()  # noqa: F821  nbgrader puts it here

# Sets the course's folder, lets `nbgrader generate_assignment` build the whole release, and lets
# `nbgrader autograde` and the formgrader's buttons use the kit's grader. See `configure` for the
# list. Your own settings go below it and win. After a change, see whether `autograder release NAME` still
# works: where this file raises, nbgrader only says so, and goes on with settings that run students' notebooks.
configure(c, Path(__file__).parent)
'''

GITIGNORE = """\
# the course's own: never published
secret_seed
gradebook.db*
*.csv
submitted/
autograded/
feedback/
results/
# the copy of the toolbox that every release carries
release/*/toolbox/
"""

FILES = {
    "course.toml": COURSE_TOML,
    "nbgrader_config.py": NBGRADER_CONFIG,
    ".gitignore": GITIGNORE,
}
LEFT_OUT = ("__pycache__", ".ipynb_checkpoints", "*.pyc")


@dataclass(frozen=True)
class Created:
    """What `init_course` did: the course, what it wrote, and what it found there and left alone."""

    course: Course
    written: tuple[str, ...]
    kept: tuple[str, ...]


def init_course(folder: Path, *, like: Course | None = None, assignments: Sequence[str] = ()) -> Created:
    """Make a course folder; with `like`, copy assignments of that course, all unless some are named.

    Nothing that exists is overwritten.

    Raises:
        UserError: the folder cannot be made, or an assignment to copy does not exist.
    """
    folder = folder.absolute()
    copies = _to_copy(like, assignments)
    written: list[str] = []
    kept: list[str] = []
    try:
        for name in ("assignments", "source"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, text in FILES.items():
            path = folder / name
            if path.exists():
                kept.append(name)
                continue
            path.write_text(text.replace("{title}", _title(folder.name)), encoding="utf-8", newline="\n")
            written.append(name)
        for source in copies:
            name = f"{source.parent.name}/{source.name}"
            if (folder / name).exists():
                kept.append(name)
                continue
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
            written.append(name)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: this cannot be written: {error.strerror}.") from None
    return Created(open_course(folder), tuple(written), tuple(kept))


def _to_copy(like: Course | None, names: Sequence[str]) -> list[Path]:
    if like is None:
        if names:
            raise UserError("Assignments can only be copied from a course: name it as well.")
        return []
    there = sorted(path.parent.name for path in like.assignments.glob("*/assignment.toml"))
    for name in names:
        if name not in there:
            path = like.assignments / name
            raise UserError(f"{path}: there is no such assignment. There are: {', '.join(there)}.")
    chosen = names or there
    folders = [parent / name for name in chosen for parent in (like.assignments, like.source)]
    return [folder for folder in folders if folder.is_dir()]


def _title(name: str) -> str:
    return name.replace("\\", "").replace('"', "").replace("_", " ").strip() or "Course"
