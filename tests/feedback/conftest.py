import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from tiny_course import make_course

from autograder.course import Course, open_course
from autograder.release.build import generate

QUESTION = "### Question 1 (2 points)\n\nWhy is $f(x) = 2x$ *linear*?"


@pytest.fixture(scope="session")
def asked(tmp_path_factory) -> Course:
    """Return a released course whose notebook plots something and asks about it; no test changes it."""
    course = make_course(tmp_path_factory.mktemp("asked"))
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2:2] = [
        new_markdown_cell("## A plot"),
        new_code_cell("plot()"),
        new_markdown_cell(QUESTION),
    ]
    nbformat.write(notebook, path)
    generate(course, "tiny")
    return course


@pytest.fixture
def course(asked, tmp_path) -> Course:
    """Return a copy of that course of a test's own."""
    shutil.copytree(asked.root, tmp_path / "course")
    return open_course(tmp_path / "course")
