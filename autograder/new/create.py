"""Making the author's side of an assignment, `assignments/<name>/` and `source/<name>/`, from templates."""

from __future__ import annotations

import contextlib
import importlib.metadata
import keyword
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import jinja2

from autograder.assignment import NAME
from autograder.course import Course
from autograder.errors import UserError
from toolbox.manifest import RESERVED

FILES = {
    "assignments/{name}/assignment.toml": "assignment.toml.j2",
    "assignments/{name}/{name}.py": "module.py.j2",
    "assignments/{name}/checks/test_1_softplus.py": "test_1_softplus.py.j2",
    "assignments/{name}/mutants.toml": "mutants.toml.j2",
    "source/{name}/{name}.ipynb": "notebook.ipynb.j2",
}
"""What is written, and the template of each, in the order in which an author reads them."""

OWN = {"autograder", "checks", "reference", "test_1_softplus", "toolbox"}
"""Names of the kit's modules and of those among the checks: a student's module of the same name would hide them."""

LONGEST_TITLE = 100


@dataclass(frozen=True)
class Made:
    """What `create_assignment` did: the name and title, and the files that it wrote, from the course's folder on."""

    name: str
    title: str
    written: tuple[str, ...]


def create_assignment(course: Course, name: str, title: str = "") -> Made:
    """Make a small assignment that is fit for release as it is; a failure leaves nothing of it.

    Args:
        course: the course that it becomes a part of.
        name: letters, digits and underscores; the folders and the module are named by it.
        title: what students read; made from the name where there is none.

    Raises:
        UserError: the name or the title cannot be used, something of that name is there already, or the
            folders cannot be written.
    """
    _demand_name(course, name)
    title = _title(name, title)
    _demand_room(course, name)
    contents = {path.format(name=name): _filled(template, name, title) for path, template in FILES.items()}
    try:
        with _aside(course.assignments, name) as assignment, _aside(course.source, name) as notebook:
            for path, text in contents.items():
                folder, _, *inner = PurePosixPath(path).parts
                file = (assignment if folder == course.assignments.name else notebook).joinpath(*inner)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8", newline="\n")
            _put_in_place({notebook: course.source / name, assignment: course.assignments / name})
    except OSError as error:
        raise UserError(f"{error.filename or course.root}: this cannot be written: {error.strerror}.") from None
    return Made(name, title, tuple(contents))


def _demand_name(course: Course, name: str) -> None:
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no name of an assignment: use letters, digits and underscores, and begin with a letter."
        )
    elsewhere = OWN | sys.stdlib_module_names | _installed()
    taken = name in elsewhere or f"{name}.py".lower() in RESERVED
    if keyword.iskeyword(name) or name.startswith("__") or taken:
        raise UserError(
            f"{name!r} cannot name an assignment: its module would be {name}.py, and Python, the kit or an installed "
            "package uses that name itself. Choose another."
        )


@cache
def _installed() -> frozenset[str]:
    """Return the names under which installed packages are imported."""
    return frozenset(importlib.metadata.packages_distributions())


def _title(name: str, title: str) -> str:
    """Return the title that is given, or one made from the name; demand that it is one line."""
    title = title.strip() or name.replace("_", " ").strip().capitalize() or name
    if not title.isprintable() or len(title) > LONGEST_TITLE:
        raise UserError(f"{title[:LONGEST_TITLE]!r} is no title: use one line of at most {LONGEST_TITLE} characters.")
    return title


def _demand_room(course: Course, name: str) -> None:
    """Raise where the assignment is there already, or anything else of its name."""
    folder = course.assignments / name
    if (folder / "assignment.toml").is_file():
        raise UserError(f"{folder}: there is an assignment of this name already. Choose another name.")
    for path in (folder, course.source / name, course.release / name):
        if os.path.lexists(path):
            raise UserError(f"{path}: this is in the way. Move it elsewhere, or choose another name.")


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # what is made is no HTML; a title stands in quotes only, and `quoted` writes those
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = _quoted
    return environment


def _filled(template: str, name: str, title: str) -> str:
    return _templates().get_template(template).render(name=name, title=title)


def _quoted(text: str) -> str:
    """Return lines of printable text in double quotes, as TOML and JSON write them."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@contextlib.contextmanager
def _aside(parent: Path, name: str) -> Iterator[Path]:
    """Give an empty folder beside the one that is to be made, which is gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=parent) as folder:
        aside = Path(folder, name)
        aside.mkdir()
        yield aside


def _put_in_place(folders: dict[Path, Path]) -> None:
    """Move folders to where they belong, all or none."""
    try:
        for made, place in folders.items():
            made.rename(place)
    except BaseException:
        for made, place in folders.items():
            if not made.exists():
                place.rename(made)
        raise
