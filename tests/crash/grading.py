"""Grading the tiny course by its command, in these tests."""

from __future__ import annotations

import subprocess
import sys

from autograder.grading import records
from tests.tiny_course import REPOSITORY


def command(course):
    return [sys.executable, "-m", "autograder", "grade", "tiny", "--quiet", "--course", str(course.root)]


def grade(course, *before, options=(), quiet=True):
    """Run the command, with others before it that lead to it, and return how it ended."""
    return subprocess.run(
        [*before, *(word for word in command(course) if quiet or word != "--quiet"), *options], cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )


def scores(course):
    found = {path.stem: records.read(course, "tiny", path.stem) for path in (course.results / "tiny").glob("*.json")}
    return {student: record["score"] for student, record in found.items()}
