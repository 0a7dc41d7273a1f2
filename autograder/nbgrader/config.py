"""The settings that make nbgrader and its formgrader use the kit."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from autograder.grading.submission import STUDENT_ID
from toolbox import validate

KIT = "autograder.nbgrader.preprocessors"
NBGRADER = "nbgrader.preprocessors"

GENERATE = [
    f"{KIT}.PlanRelease",  # first, so that a mistake is found before the gradebook is written
    f"{NBGRADER}.IncludeHeaderFooter",
    f"{NBGRADER}.InstantiateTests",
    f"{NBGRADER}.LockCells",
    f"{NBGRADER}.ClearSolutions",
    f"{NBGRADER}.ClearOutput",
    f"{NBGRADER}.CheckCellMetadata",
    f"{NBGRADER}.ComputeChecksums",
    f"{NBGRADER}.SaveCells",
    f"{NBGRADER}.ClearHiddenTests",
    f"{NBGRADER}.ClearMarkScheme",
    f"{NBGRADER}.ComputeChecksums",
    f"{NBGRADER}.CheckCellMetadata",
    f"{KIT}.WriteRelease",  # last: the folder then holds what was planned and nothing else
]
"""nbgrader's own steps, in its own order, between the kit's two."""

SANITIZE = [
    f"{KIT}.KeepNamedFiles",
    f"{NBGRADER}.DeduplicateIds",
    f"{NBGRADER}.OverwriteKernelspec",
    f"{NBGRADER}.OverwriteCells",
    f"{NBGRADER}.CheckCellMetadata",
]
"""nbgrader's own steps without ClearOutput: a grader reads answers beside the student's figures."""

AUTOGRADE = [
    f"{KIT}.ShowResults",  # in the place of Execute: a student's notebook is never run
    f"{NBGRADER}.LimitOutput",
    f"{NBGRADER}.SaveAutoGrades",
    f"{NBGRADER}.AssignLatePenalties",
    f"{NBGRADER}.CheckCellMetadata",
]

NOT_HERE = (
    "From the course folder, `nbgrader validate` runs nothing. In a release's folder it runs the public checks, as for "
    "students. `autograder verify NAME` checks the solution, `autograder grade NAME` what was handed in."
)


def run_nothing(notebook: Any) -> None:
    """Keep `nbgrader validate` from running a notebook, which may be a student's, and say so below every check."""
    for cell in validate.skip_all(notebook).values():
        validate.show_failure(notebook, cell, [NOT_HERE])


def configure(c: Any, root: Path) -> None:
    """Set what every course sets; a course's own settings go after it and win.

    Args:
        c: nbgrader's configuration, as `get_config()` gives it.
        root: the course folder.
    """
    _let_alembic_be_found()
    c.CourseDirectory.root = str(root.absolute())
    c.CourseDirectory.course_id = ""
    c.CourseDirectory.student_id_exclude = ",".join(_skipped(root / "submitted"))
    c.GenerateAssignment.preprocessors = list(GENERATE)
    c.Autograde.exporter_class = "autograder.nbgrader.exporter.SubmissionExporter"
    c.Autograde.sanitize_preprocessors = list(SANITIZE)
    c.Autograde.autograde_preprocessors = list(AUTOGRADE)
    c.GenerateFeedback.exporter_class = "autograder.nbgrader.feedback.FeedbackExporter"
    c.GenerateFeedback.preprocessors = []
    c.GenerateFeedback.force = True  # pages are made anew: nbgrader does not notice a new score or comment
    c.ExchangeFactory.release_feedback = "autograder.nbgrader.feedback.ReleaseFeedback"
    validate.configure(c, run_nothing)


def _skipped(submitted: Path) -> list[str]:
    """Return the names that `autograder grade` skips too, and says so: nbgrader would make students of them."""
    folders = sorted(submitted.iterdir()) if submitted.is_dir() else []
    return [folder.name for folder in folders if folder.is_symlink() or not STUDENT_ID.fullmatch(folder.name)]


def _let_alembic_be_found() -> None:
    """Put the folder of this Python's programs at the end of the path, if `alembic` is nowhere on it.

    nbgrader starts it by that name when it makes a gradebook. Whoever calls a program of a virtual environment
    without activating it, `.venv/bin/jupyter lab` for one, has no such name.
    """
    if shutil.which("alembic") is None:
        os.environ["PATH"] = os.pathsep.join(filter(None, [os.environ.get("PATH"), str(Path(sys.executable).parent)]))
