"""Running nbgrader's own converters from Python, with the settings of a course."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import capture_log
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from traitlets.config import Config, PyFileConfigLoader

from autograder.course import Course
from autograder.errors import UserError
from autograder.nbgrader.config import KIT
from autograder.nbgrader.database import make_gradebook


def load_config(course: Course) -> Config:
    """Return what a course's `nbgrader_config.py` sets.

    Raises:
        UserError: the file is missing, raises, or does not call `configure`.
    """
    path = course.nbgrader_config
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. `autograder init {course.root}` writes it.")
    try:
        config = PyFileConfigLoader(path.name, path=str(course.root)).load_config()
    except Exception as error:
        raise UserError(f"{path}: this raises {type(error).__name__}: {error}. Mend it.") from None
    if f"{KIT}.WriteRelease" not in config.GenerateAssignment.get("preprocessors", []):
        raise UserError(
            f"{path}: this does not call `configure(c, Path(__file__).parent)`, so nbgrader would release "
            "solutions and run students' code. Add the call, from autograder.nbgrader.config."
        )
    return config


def database(course: Course) -> str:
    """Return the address of the gradebook that nbgrader uses for a course."""
    return str(load_config(course).CourseDirectory.get("db_url", course.db_url))


def generate_assignment(course: Course, name: str, release: Path | None = None) -> None:
    """Run `nbgrader generate_assignment NAME --force`.

    Args:
        course: the course.
        name: the assignment.
        release: another folder to release into, for a trial that leaves the gradebook alone.

    Raises:
        UserError: nbgrader refuses; the text gives its reason.
    """
    config = load_config(course)
    if release is None:
        with contextlib.suppress(SQLAlchemyError):  # nbgrader meets it too, and says it
            make_gradebook(make_url(database(course)))
    else:
        config.CourseDirectory.release_directory = str(release)
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
    directory = CourseDirectory(config=config)
    directory.assignment_id = name
    converter = GenerateAssignment(coursedir=directory, config=config)
    converter.force = True
    result = capture_log(converter)
    if not result["success"]:
        raise UserError(_reason(course, name, result.get("log", "") + result.get("error", "")))


def _reason(course: Course, name: str, log: str) -> str:
    """Return the sentence in nbgrader's log that says why it failed."""
    raised = re.findall(r"^\s*([\w.]+(?:Error|Exception|Entry)): (.*)$", log, re.MULTILINE)
    for kind, text in raised:
        if kind.endswith("UserError"):
            return str(text)
    folder = course.source / name
    if any("database" in text or kind.endswith("OperationalError") for kind, text in raised):
        return (
            f"{course.root}: the gradebook cannot be used: {raised[0][1]}. Close other programs that use it "
            "and try again; if it is of an older nbgrader, make a copy of it and run `nbgrader db upgrade`."
        )
    kind, text = raised[0] if raised else ("", "no reason was given")
    if "there are submissions associated" in text.replace("\n", " "):
        return (
            f"{folder}: {text}. Undo the change, or take the assignment out of the gradebook with "
            f"`nbgrader db assignment remove {name} --force`, which removes its scores as well."
        )
    return f"{folder}: nbgrader cannot release this notebook: {text}"
