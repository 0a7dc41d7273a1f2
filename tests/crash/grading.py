"""Grading the tiny course by its command, in these tests."""

from __future__ import annotations

import subprocess

from autograder.grading import records
from tests.command import REPOSITORY, command, kit


def grade(course, *before, options=(), quiet=True):
    """Run the command, with others before it that lead to it, and return how it ended."""
    words = ["grade", "tiny", *(["--quiet"] if quiet else []), *options]
    if not before:
        return kit(course, *words)
    return subprocess.run(
        [*before, *command(course, *words)], cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )


def scores(course):
    found = {path.stem: records.read(course, "tiny", path.stem) for path in (course.results / "tiny").glob("*.json")}
    return {student: record["score"] for student, record in found.items()}
