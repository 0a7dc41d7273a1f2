"""An assignment as its author wrote it: the folder `assignments/<name>/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.course import Course
from autograder.errors import UserError
from toolbox.manifest import Files, Forbidden, Images, Limits, ManifestError, load_manifest

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Assignment:
    """One assignment: where it lies and what its `assignment.toml` says.

    Attributes:
        points: what the checks add up to.
        written: what the written questions of the notebook add up to, which a person grades.
        preload: installed modules that jails find imported.
    """

    name: str
    folder: Path
    title: str
    points: int
    written: int
    preload: tuple[str, ...]
    files: Files
    limits: Limits
    forbidden: Forbidden
    images: Images
    thresholds: Mapping[str, Mapping[str, float]]

    @property
    def checks(self) -> Path:
        """The folder that holds the checks."""
        return self.folder / "checks"

    @property
    def toml(self) -> Path:
        """The file that describes the assignment."""
        return self.folder / "assignment.toml"

    @property
    def notebook_id(self) -> str:
        """The notebook's name as nbgrader has it, without its ending."""
        return self.files.notebook.removesuffix(".ipynb")


def load_assignment(course: Course, name: str) -> Assignment:
    """Read `assignments/<name>/assignment.toml`.

    Raises:
        UserError: there is no such assignment, or its file holds something that is not allowed.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name of an assignment: use letters, digits and underscores.")
    folder = course.assignments / name
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such assignment. {_there_are(course)}")
    try:
        manifest = load_manifest(folder / "assignment.toml")
    except ManifestError as error:
        raise UserError(str(error)) from None
    return Assignment(
        name,
        folder,
        manifest.title,
        manifest.points,
        manifest.written,
        manifest.preload,
        manifest.files,
        manifest.limits,
        manifest.forbidden,
        manifest.images,
        manifest.thresholds,
    )


def assignment_names(course: Course) -> list[str]:
    """Return the names of the course's assignments, in alphabetical order."""
    if not course.assignments.is_dir():
        return []
    return sorted(
        folder.name
        for folder in course.assignments.iterdir()
        if NAME.fullmatch(folder.name) and (folder / "assignment.toml").is_file()
    )


def _there_are(course: Course) -> str:
    names = assignment_names(course)
    if not names:
        return "The course has none yet: `autograder new NAME` makes one."
    return f"The course has: {', '.join(names)}."
