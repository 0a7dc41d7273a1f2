"""A course: one folder with its settings, its assignments and what is collected and graded in it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from autograder.errors import UserError
from toolbox.manifest import DataSet, ManifestError, Table

Level = Literal["namespaces", "landlock", "process"]
"""How student code is walled in, the strongest first."""


def _default_minimum() -> Level:
    return "landlock" if sys.platform == "linux" else "process"


@dataclass(frozen=True)
class Grading:
    """How the course wants its submissions graded."""

    data: DataSet = "cifar10"
    isolation: Literal["best"] | Level = "best"
    minimum: Level = field(default_factory=_default_minimum)


@dataclass(frozen=True)
class Course:
    """A course folder; everything else is found from it."""

    root: Path
    title: str = ""
    grading: Grading = field(default_factory=Grading)

    @property
    def toml(self) -> Path:
        """The course's settings."""
        return self.root / "course.toml"

    @property
    def nbgrader_config(self) -> Path:
        """The settings that nbgrader reads."""
        return self.root / "nbgrader_config.py"

    @property
    def assignments(self) -> Path:
        """The author's side of every assignment."""
        return self.root / "assignments"

    @property
    def source(self) -> Path:
        """nbgrader's source notebooks."""
        return self.root / "source"

    @property
    def release(self) -> Path:
        """What students get."""
        return self.root / "release"

    @property
    def submitted(self) -> Path:
        """What students handed in, `submitted/<student>/<assignment>/`."""
        return self.root / "submitted"

    @property
    def roster(self) -> Path:
        """The list of the course's students; a course may do without."""
        return self.root / "roster.csv"

    @property
    def autograded(self) -> Path:
        """nbgrader's graded notebooks."""
        return self.root / "autograded"

    @property
    def feedback(self) -> Path:
        """nbgrader's feedback for students."""
        return self.root / "feedback"

    @property
    def results(self) -> Path:
        """The records of what was graded, `results/<assignment>/<student>.json`."""
        return self.root / "results"

    @property
    def db_url(self) -> str:
        """The address of the gradebook, unless `nbgrader_config.py` sets another."""
        return f"sqlite:///{self.root / 'gradebook.db'}"

    @property
    def secret_seed(self) -> Path:
        """The file that holds the seed of the hidden cases."""
        return self.root / "secret_seed"


def find_course(start: Path | None = None) -> Course:
    """Return the course that a folder belongs to: the nearest one up that holds a `course.toml`.

    Raises:
        UserError: there is none, or its `course.toml` holds something that is not allowed.
    """
    here = (start or Path.cwd()).absolute()
    if not here.is_dir():
        raise UserError(f"{here}: there is no such folder.")
    for folder in (here, *here.parents):
        if (folder / "course.toml").is_file():
            return open_course(folder)
    raise UserError(
        f"{here} is not in a course folder: neither it nor a folder above it holds a course.toml. "
        "Go to your course folder, or make one with `autograder init DIR`."
    )


def open_course(root: Path) -> Course:
    """Read the settings of the course in a folder.

    Raises:
        UserError: `course.toml` is missing or holds something that is not allowed.
    """
    root = root.absolute()
    path = root / "course.toml"
    try:
        top = Table.read(path)
        title = top.text("title", root.name)
        table = top.table("grading")
        grading = Grading(
            data=table.choice("data", get_args(DataSet), "cifar10"),  # type: ignore[arg-type]
            isolation=table.choice("isolation", ("best", *get_args(Level)), "best"),  # type: ignore[arg-type]
            minimum=table.choice("minimum", get_args(Level), _default_minimum()),  # type: ignore[arg-type]
        )
        table.nothing_else()
        top.nothing_else()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file. Make a course with `autograder init DIR`.") from None
    except ManifestError as error:
        raise UserError(str(error)) from None
    return Course(root, title, grading)
