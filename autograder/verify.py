"""The author's gate: what must hold before an assignment is released."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.release.agree import check_cells
from autograder.release.build import stale
from autograder.release.strip import strip_module
from toolbox import data
from toolbox.checks import CheckResult, ChecksBroken, LocalBackend, Setting, run_checks


@dataclass(frozen=True)
class Finding:
    """One condition, and whether it holds."""

    passed: bool
    text: str


def verify(course: Course, assignment: Assignment, dataset: str) -> Iterator[Finding]:
    """Hold an assignment against every condition of a release, and give each finding as it comes.

    The saved models that go with the solution lie in `assignments/<name>/models/<data set>/`.

    Raises:
        UserError: a condition cannot be looked at: no data set, no notebook, checks that cannot be run.
    """
    try:
        yield _agree(course, assignment)
        data.load(dataset, parts=assignment.images.parts, num_train=assignment.images.num_train)
        with tempfile.TemporaryDirectory() as folder:
            yield _scores(assignment, Path(folder), dataset)
        with tempfile.TemporaryDirectory() as folder:
            yield _scores_nothing(assignment, Path(folder), dataset)
    except ChecksBroken as error:
        raise UserError(f"The checks cannot be run. {error}") from None
    except data.DataError as error:
        raise UserError(f"The data set is not there. {error}") from None
    old = stale(course, assignment.name)
    names = ", ".join(old[:5])
    yield Finding(
        not old,
        f"release/{assignment.name} is "
        + ("up to date" if not old else f"out of date ({names}): autograder release {assignment.name}"),
    )


def _agree(course: Course, assignment: Assignment) -> Finding:
    path = course.source / assignment.name / assignment.files.notebook
    try:
        notebook = nbformat.read(path, as_version=4)
        check_cells(assignment, path, notebook.cells)
    except (OSError, ValueError) as error:
        return Finding(False, f"{path}: the notebook cannot be read: {error}")
    except UserError as error:
        return Finding(False, str(error))
    return Finding(True, f"checks, grade cells and {assignment.toml.name} agree: {assignment.points} points")


def _scores(assignment: Assignment, folder: Path, dataset: str) -> Finding:
    for name in assignment.files.modules:
        shutil.copy(assignment.folder / name, folder)
    models = assignment.folder / "models" / dataset
    for name in assignment.files.models:
        if (models / name).is_file():
            shutil.copy(models / name, folder)
    lost = [r for r in _run(assignment, folder, dataset) if r.status != "passed"]
    if lost:
        return Finding(False, f"the solution does not score everything: {lost[0].id}: {lost[0].message}")
    return Finding(True, f"the solution scores 100 % on {dataset}")


def _scores_nothing(assignment: Assignment, folder: Path, dataset: str) -> Finding:
    for name in assignment.files.modules:
        source = (assignment.folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(strip_module(source, name), encoding="utf-8")
    earned = [r.id for r in _run(assignment, folder, dataset) if r.score]
    return Finding(
        not earned, "the starter scores 0 %" if not earned else f"the starter earns points: {', '.join(earned)}"
    )


def _run(assignment: Assignment, folder: Path, dataset: str) -> list[CheckResult]:
    for name in assignment.files.support:
        shutil.copy(assignment.folder / name, folder)
    images = assignment.images
    return run_checks(
        assignment.checks,
        Setting(
            backend=LocalBackend(folder, assignment.files.modules),
            data=lambda: data.load(dataset, parts=images.parts, num_train=images.num_train),
            thresholds=dict(assignment.thresholds.get(dataset, {})),
        ),
    )
