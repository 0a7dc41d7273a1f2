"""A released course with three submissions, which each test gets a copy of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder.course import open_course, secret_seed
from autograder.release.build import generate
from tests.tiny_course import make_course, submit


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    made = make_course(tmp_path_factory.mktemp("crash") / "course")
    generate(made, "tiny")
    secret_seed(made)
    for student in ("ann", "ben", "cleo"):
        submit(made, student, answer="Because.")
    return made


@pytest.fixture
def course(released, tmp_path):
    return open_course(Path(shutil.copytree(released.root, tmp_path / "course")))
