"""The kit's steps in nbgrader's pipelines; `config.py` says where each one stands."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course, open_course
from autograder.errors import UserError
from autograder.nbgrader.show import show_results
from autograder.release.agree import check_cells
from autograder.release.build import plan, write


class _Step(NbGraderPreprocessor):
    """A step that knows which course, assignment and converter it works for."""

    @property
    def converter(self) -> Any:
        """nbgrader's converter; it made the exporter, which made this step."""
        return self.parent.parent

    def course(self) -> Course:
        """Return the course that nbgrader works on."""
        return open_course(Path(self.converter.coursedir.root))

    def assignment(self, resources: Any) -> Assignment:
        """Return the assignment that nbgrader works on."""
        return load_assignment(self.course(), resources["nbgrader"]["assignment"])


class PlanRelease(_Step):
    """Refuses an assignment that is not fit for students, before nbgrader has written anything."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Return the notebook as it came.

        Raises:
            UserError: a module, a check or the notebook needs mending.
        """
        course, assignment = self.course(), self.assignment(resources)
        folder = course.source / assignment.name
        notebook = folder / f"{resources['nbgrader']['notebook']}.ipynb"
        if notebook.name != assignment.files.notebook:
            raise UserError(
                f"{notebook}: {assignment.toml} names another notebook, {assignment.files.notebook}. "
                f"Move this one out of {folder}."
            )
        check_cells(assignment, notebook, nb.cells)
        plan(assignment)
        return nb, resources


class WriteRelease(_Step):
    """Makes the release's folder hold what is planned and nothing else; nbgrader adds the notebook."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Return the notebook with ids that are the same every time."""
        assignment = self.assignment(resources)
        directory = self.converter.coursedir
        source = self.course().source / assignment.name / assignment.files.notebook
        _fix_ids(nb, source)
        folder = Path(directory.format_path(directory.release_directory, ".", assignment.name))
        write(folder, plan(assignment))
        return nb, resources


class KeepNamedFiles(_Step):
    """Removes what nbgrader copied from a submission beyond plain files that the assignment names.

    nbgrader follows links while it copies, adds the files of the source folder, and later publishes
    everything that lies there as feedback.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Return the notebook as it came."""
        assignment = self.assignment(resources)
        directory, student = self.converter.coursedir, resources["nbgrader"]["student"]
        submitted = Path(directory.format_path(directory.submitted_directory, student, assignment.name))
        graded = Path(directory.format_path(directory.autograded_directory, student, assignment.name))
        allowed = {*assignment.files.submitted, "timestamp.txt"}
        for path in sorted(graded.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
                continue
            original = submitted / path.name
            named = path.parent == graded and path.name in allowed
            if not named or original.is_symlink() or not original.is_file():
                path.unlink()
        return nb, resources


class ShowResults(_Step):
    """Puts the kit's results into the cells that nbgrader reads scores from, in the place of running them."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Return the notebook with one output in every check's cell.

        Raises:
            UserError: the submission cannot be graded.
        """
        about = resources["nbgrader"]
        record = self._current_record(self.course(), about["assignment"], about["student"])
        return show_results(nb, record), resources

    def _current_record(self, course: Course, name: str, student: str) -> dict[str, Any]:
        """Return the record that fits the submission, after grading what is pending once if need be."""
        from autograder.grading import records

        if not records.is_current(course, name, student):
            # once in a run of nbgrader, which has one exporter; formgrader's server lives for weeks
            if not hasattr(self.parent, "grading_problem"):
                self.parent.grading_problem = grade_pending(course, name)
            # whatever went wrong with others, a submission that was graded goes on
            if not records.is_current(course, name, student):
                raise UserError(
                    self.parent.grading_problem
                    or f"{course.submitted / student / name}: grading left no record of this submission. "
                    f"Run `autograder grade {name}` and see what it says."
                )
        record = records.read(course, name, student)
        if record is None:
            raise UserError(f"{records.path(course, name, student)}: somebody removed this record. Grade again.")
        return record


def grade_pending(course: Course, name: str) -> str:
    """Grade every submission of an assignment that has no current record; return what went wrong, or "".

    A process of its own does it: it starts student code, and formgrader's server should not.
    """
    command = [sys.executable, "-m", "autograder", "grade", name, "--course", str(course.root), "--quiet"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return ""
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    return "\n".join(lines[-10:]) or f"`autograder grade {name}` ended with status {done.returncode}."


def _fix_ids(nb: Any, source: Path) -> None:
    """Give every cell an id that does not change from run to run.

    nbformat draws ids by chance for cells without one, so only those that stand in the file are kept.
    """
    with open(source, encoding="utf-8") as file:
        kept = {cell["id"] for cell in json.load(file).get("cells", []) if "id" in cell}
    seen: set[str] = set()
    for cell in nb.cells:
        name = cell.get("id")
        if name not in kept or name in seen:
            number = 0
            while True:
                text = f"{cell.cell_type}\n{cell.source}\n{number}".encode()
                name = "cell-" + hashlib.sha256(text).hexdigest()[:12]
                if name not in seen:
                    break
                number += 1
            cell["id"] = name
        seen.add(name)
    nb.nbformat_minor = max(nb.nbformat_minor, 5)
