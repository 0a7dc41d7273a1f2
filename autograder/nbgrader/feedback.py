"""What nbgrader's generate_feedback and release_feedback use: the kit's pages, and nothing beside them."""

from __future__ import annotations

import glob
import shutil
import tempfile
from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter
from nbgrader.exchange.default import ExchangeReleaseFeedback
from traitlets import default

from autograder import gradebook
from autograder.assignment import load_assignment
from autograder.course import open_course
from autograder.errors import UserError
from autograder.nbgrader.submission import released_notebook
from autograder.plain_file import Unreadable, read_plain_file


class FeedbackExporter(Exporter):
    """Gives the page of a student, as `autograder feedback` writes it, for an autograded notebook."""

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        """Return the page and nbgrader's resources; remove what nbgrader copied to where the page will lie.

        Raises:
            UserError: there is nothing to make the page from, or it is out of date.
        """
        from autograder.feedback.page import make_page

        directory = self.parent.coursedir
        about = resources["nbgrader"]
        student, name = about["student"], about["assignment"]
        course = open_course(Path(directory.root))
        assignment = load_assignment(course, name)
        _empty(Path(directory.format_path(directory.feedback_directory, student, name)))
        if about["notebook"] != assignment.notebook_id:
            raise UserError(
                f"{filename}: {assignment.toml} names another notebook, {assignment.files.notebook}. "
                "Move this one away."
            )
        released = released_notebook(course, assignment)
        standings = gradebook.standings(course, assignment, released, student=student, url=directory.db_url)
        page = make_page(course, assignment, student, standings.get(student), released)
        resources["output_extension"] = self.file_extension
        return page, resources


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Releases pages through nbgrader's exchange, which looks for two files of the submission beside them.

    Only the page lies in feedback/, so both are taken from submitted/, where collecting put them.
    """

    def copy_files(self) -> None:
        """Copy each page whose submission came through the exchange."""
        directory, name = self.coursedir, self.coursedir.assignment_id
        configured = directory.feedback_directory
        with tempfile.TemporaryDirectory(prefix="feedback-") as temporary:
            for path in map(Path, sorted(glob.glob(directory.format_path(configured, "*", name)))):
                student = path.parent.name
                if directory.student_id not in ("", "*", student):
                    continue
                submitted = Path(directory.format_path(directory.submitted_directory, student, name))
                try:
                    beside = {
                        file: read_plain_file(submitted / file, 10_000)
                        for file in ("timestamp.txt", "submission_secret.txt")
                    }
                except Unreadable as reason:
                    self.log.warning(
                        "Feedback of %s is not released: this submission did not come through the exchange (a file "
                        "of it in %s %s). Hand the page out in another way.", student, submitted, reason
                    )  # fmt: skip
                    continue
                folder = Path(temporary) / student / name
                shutil.copytree(path, folder)
                for file, content in beside.items():
                    (folder / file).write_bytes(content)
            directory.feedback_directory = temporary
            self.src_path = directory.format_path(temporary, directory.student_id or "*", name)
            try:
                super().copy_files()
            finally:
                directory.feedback_directory = configured


def _empty(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
