import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_course import make_course

from autograder.course import Course, open_course
from autograder.release.build import generate


@pytest.fixture(scope="session")
def released(tmp_path_factory) -> Course:
    """Return a course whose assignment is released; no test changes it."""
    course = make_course(tmp_path_factory.mktemp("released"))
    generate(course, "tiny")
    return course


@pytest.fixture
def course(released, tmp_path) -> Course:
    """Return a copy of that course of a test's own."""
    shutil.copytree(released.root, tmp_path / "course")
    return open_course(tmp_path / "course")
