"""Whatever a student does to a notebook, the release's cells are there once and worth what they were."""

import copy
import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from tiny_course import UNANSWERED, cell_metadata, submit

from autograder.assignment import load_assignment
from autograder.grading.submission import read_submission
from autograder.nbgrader.submission import merge, released_notebook, submitted_notebook


@pytest.fixture(scope="module")
def given(released):
    return released_notebook(released, load_assignment(released, "tiny"))


def ids(notebook):
    return [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]


def answer(notebook):
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "why")


def plain(notebook):
    return json.loads(nbformat.writes(notebook))["cells"]


def test_an_answer_arrives_with_the_cells_around_it(given):
    cells = plain(given)
    cells[2]["source"] = "It works."
    cells.insert(1, dict(new_markdown_cell("my notes")))
    merged = merge(given, cells)
    assert answer(merged).source == "It works."
    assert [cell.source for cell in merged.cells][1] == "my notes"
    nbformat.validate(merged)


def test_metadata_and_locked_text_come_from_the_release(given):
    cells = plain(given)
    cells[1]["source"] = "pass"
    cells[1]["metadata"]["nbgrader"]["points"] = 400
    cells[2]["metadata"]["nbgrader"]["locked"] = True
    cells[2]["metadata"]["tags"] = ["x"]
    merged = merge(given, cells)
    assert [c.metadata for c in merged.cells] == [c.metadata for c in given.cells]
    assert merged.cells[1].source == given.cells[1].source


@pytest.mark.parametrize("gone", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_deleted_cells_are_put_back_in_their_order(given, gone):
    cells = [cell for index, cell in enumerate(plain(given)) if index not in gone]
    merged = merge(given, cells)
    assert ids(merged) == ["double", "why"]
    if 2 in gone:
        assert answer(merged).source == UNANSWERED


@pytest.mark.parametrize("order", ["copy first", "copy last"])
def test_of_a_copied_answer_the_one_that_was_written_counts(given, order):
    cells = plain(given)
    written = copy.deepcopy(cells[2])
    written["source"] = "It works."
    cells.insert(0 if order == "copy first" else 3, written)
    merged = merge(given, cells)
    assert sorted(ids(merged)) == ["double", "why"]
    assert answer(merged).source == "It works."


def test_a_cell_of_another_type_is_turned_back(given):
    cells = plain(given)
    cells[2]["cell_type"] = "raw"
    cells[2]["source"] = "It works."
    assert (answer(merge(given, cells)).cell_type, answer(merge(given, cells)).source) == (
        "markdown",
        "It works.",
    )


def test_an_invented_grade_cell_is_an_ordinary_cell(given):
    forged = new_code_cell("1", metadata=cell_metadata("bonus", grade=True, solution=False, points=100))
    assert ids(merge(given, [*plain(given), dict(forged)])) == ["double", "why"]


NOT_NOTEBOOKS = {
    "not JSON": b"not json",
    "not text": b"\xff\xfe\x00",
    "a list": b"[]",
    "no cells": b'{"nbformat": 4}',
    "cells of another kind": b'{"nbformat": 4, "cells": {}}',
    "deep nesting": b"[" * 200_000,
    "deep nesting in objects": b'{"a":' * 200_000,
    "too many cells": b'{"nbformat": 4, "cells": [' + b"{}," * 3000 + b"{}]}",
    "an old format with two kinds of cells": b'{"nbformat": 1, "worksheets": [], "cells": {}}',
    "an old broken format": b'{"nbformat": 3, "worksheets": 5}',
    "too large": b'{"nbformat": 4, "cells": [], "x": "' + b"x" * (20 * 1024**2) + b'"}',
    "a number that is too long": b'{"nbformat": 4, "cells": [], "x": ' + b"1" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", NOT_NOTEBOOKS)
def test_a_file_that_is_no_notebook_counts_as_unanswered(course, given, name):
    submit(course, "alice", notebook=NOT_NOTEBOOKS[name])
    notebook, problem = submitted_notebook(course, load_assignment(course, "tiny"), "alice", given)
    assert ids(notebook) == ["double", "why"] and answer(notebook).source == UNANSWERED
    assert problem.startswith("tiny.ipynb ")
    if name not in ("too many cells", "an old broken format"):
        assert "tiny.ipynb" in read_submission(course, load_assignment(course, "tiny"), "alice").problems


def test_a_notebook_of_the_very_size_that_grading_takes_counts(course, given):
    assignment = load_assignment(course, "tiny")
    begin, end = b'{"nbformat": 4, "cells": [], "x": "', b'"}'
    submit(course, "alice", notebook=begin + b"x" * (20 * 1024**2 - len(begin + end)) + end)
    assert read_submission(course, assignment, "alice").problems == {"tiny.pth": "`tiny.pth` is missing."}
    assert submitted_notebook(course, assignment, "alice", given)[1] == ""


ODD_CELLS = [
    [None, 1, "x", []],
    [
        {"cell_type": "code", "metadata": None},
        {"metadata": {"nbgrader": 3}},
        {"metadata": {"nbgrader": {"grade_id": []}}},
    ],
    [{"cell_type": "markdown", "source": "x", "metadata": {"nbgrader": {"grade_id": "why"}}}],
]


@pytest.mark.parametrize("cells", ODD_CELLS)
def test_odd_cells_break_nothing(course, given, cells):
    submit(course, "alice", notebook=json.dumps({"nbformat": 4, "cells": cells}).encode())
    notebook, problem = submitted_notebook(course, load_assignment(course, "tiny"), "alice", given)
    assert not problem and set(ids(notebook)) == {"double", "why"}
    nbformat.validate(notebook)


def test_a_deeply_nested_part_of_a_good_notebook_is_left_out(course, given):
    deep = "[" * 500 + "]" * 500
    cell = f'{{"cell_type": "code", "source": "x", "metadata": {deep}, "outputs": {deep}}}'
    submit(course, "alice", notebook=f'{{"nbformat": 4, "cells": [{cell}]}}'.encode())
    notebook, _ = submitted_notebook(course, load_assignment(course, "tiny"), "alice", given)
    nbformat.validate(copy.deepcopy(notebook))


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_links_and_pipes_are_not_opened(course, given):
    folder = submit(course, "alice")
    path = folder / "tiny.ipynb"
    path.unlink()
    path.symlink_to(course.release / "tiny" / "tiny.ipynb")
    assignment = load_assignment(course, "tiny")
    assert submitted_notebook(course, assignment, "alice", given)[1].startswith("tiny.ipynb is a link")
    path.unlink()
    os.mkfifo(path)
    assert submitted_notebook(course, assignment, "alice", given)[1].startswith("tiny.ipynb is not a plain file")
    path.unlink()
    assert submitted_notebook(course, assignment, "alice", given)[1].startswith("tiny.ipynb is missing")
