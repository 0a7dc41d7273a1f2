"""The exporter that nbgrader's autograde reads submissions with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbgrader.api import Gradebook

from autograder.assignment import load_assignment
from autograder.course import open_course
from autograder.gradebook.connection import demand_same_cells
from autograder.nbgrader.submission import released_notebook, submitted_notebook


class SubmissionExporter(NotebookExporter):
    """Reads a submitted notebook through the kit, which can use any file, and any other as usual."""

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        """Return nbgrader's version of a notebook and its resources.

        Raises:
            UserError: the course or the release cannot be used; a student's file never is a reason.
        """
        directory = self.parent.coursedir
        about = (resources or {}).get("nbgrader", {})
        student, name = about.get("student", ""), about.get("assignment", "")
        submitted = directory.format_path(directory.submitted_directory, student, name)
        if os.path.dirname(os.path.abspath(filename)) != os.path.abspath(submitted):
            return super().from_filename(filename, resources=resources, **kw)
        course = open_course(Path(directory.root))
        assignment = load_assignment(course, name)
        released = released_notebook(course, assignment)
        with Gradebook(directory.db_url) as gradebook:
            demand_same_cells(gradebook, assignment, released)
        notebook, problem = submitted_notebook(course, assignment, student, released)
        if problem:
            self.log.warning("%s of student %s: %s", name, student, problem)
        resources["metadata"] = ResourcesDict(name=assignment.notebook_id, path=submitted)
        return self.from_notebook_node(notebook, resources=resources, **kw)
