"""Submitted notebooks: whatever is in them, the release's cells are graded and the student gets a harmless page."""

from __future__ import annotations

import copy
import json
import math
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from mutation import fewer, mutated

sys.path.insert(0, str(Path(__file__).parents[1] / "feedback"))

from fragments import FRAGMENTS, JUNK, TEXTS
from pages import demand_harmless, png, where
from tiny_course import make_course, record, submit, write_record

from autograder import gradebook
from autograder.assignment import load_assignment
from autograder.course import Course
from autograder.feedback.page import make_page
from autograder.grading.submission import _notebook_problem
from autograder.nbgrader.read import read_cells
from autograder.nbgrader.submission import merge, released_notebook
from autograder.plain_file import Unreadable
from autograder.release.build import generate

pytestmark = pytest.mark.xdist_group("fuzzed notebooks")

LIMIT = 1 << 20
WORDS = [json.dumps(fragment)[1:-1].encode() for fragment in FRAGMENTS] + [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"NaN", b"1e999", b'"cell_type"', b'"raw"', b'"code"', b'"source"',
    b'"metadata"', b'"nbgrader"', b'"grade_id"', b'"why"', b'"double"', b'"outputs"', b'"attachments"', b'"cells"', b'"nbformat": 3',
]  # fmt: skip
SOURCES = TEXTS | st.lists(TEXTS, max_size=3) | JUNK
ABOUT = st.deferred(lambda: st.fixed_dictionaries(
    {},
    optional={
        "grade_id": st.sampled_from(["why", "double", "other"]) | JUNK, "grade": JUNK, "solution": JUNK, "locked": JUNK,
        "task": JUNK, "points": JUNK, "schema_version": st.integers(-1, 9) | JUNK, "checksum": JUNK, "cell_type": JUNK,
    },
))  # fmt: skip
KINDS = (
    st.sampled_from(["image/png", "image/jpeg", "image/svg+xml", "text/html", "text/plain", "text/markdown"]) | TEXTS
)
BUNDLES = st.dictionaries(KINDS, SOURCES | st.just(png()), max_size=3)
OUTPUTS = st.deferred(lambda: st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"]) | JUNK},
    optional={
        "name": st.sampled_from(["stdout", "stderr"]) | JUNK, "text": SOURCES, "data": BUNDLES | JUNK,
        "metadata": st.dictionaries(KINDS, st.fixed_dictionaries({}, optional={"width": JUNK, "height": st.integers()})) | JUNK,
        "ename": SOURCES, "evalue": SOURCES, "traceback": st.lists(SOURCES, max_size=3) | JUNK, "execution_count": JUNK,
    },
))  # fmt: skip
CELLS = st.deferred(lambda: st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | JUNK},
    optional={
        "source": SOURCES, "input": SOURCES, "metadata": st.fixed_dictionaries({}, optional={"nbgrader": ABOUT | JUNK}) | JUNK,
        "outputs": st.lists(OUTPUTS | JUNK, max_size=3) | JUNK, "execution_count": JUNK, "id": JUNK, "level": JUNK,
        "attachments": st.dictionaries(st.just("a.png") | TEXTS, BUNDLES | JUNK, max_size=2) | JUNK,
    },
))  # fmt: skip
INVENTED = st.fixed_dictionaries(
    {"nbformat": st.integers(0, 5) | JUNK},
    optional={
        "nbformat_minor": st.integers(0, 9) | JUNK, "metadata": JUNK, "cells": st.lists(CELLS | JUNK, max_size=5) | JUNK,
        "worksheets": st.lists(st.fixed_dictionaries({"cells": st.lists(CELLS, max_size=3)}) | JUNK, max_size=2) | JUNK,
    },
).map(lambda notebook: json.dumps(notebook).encode())  # fmt: skip


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    made = make_course(tmp_path_factory.mktemp("notebooks"))
    generate(made, "tiny")
    return made


def handed_in(course: Course) -> st.SearchStrategy[bytes]:
    """Return files that a student could hand in as a notebook: invented ones, and the release's with edits."""
    released = (course.release / "tiny" / "tiny.ipynb").read_bytes()
    notebook = json.loads(released)

    def changed(cells: list[Any]) -> bytes:
        given = copy.deepcopy(notebook["cells"])
        for at, cell in cells:
            place = at % len(given)
            if isinstance(cell, dict) and isinstance(given[place], dict):
                cell = {**given.pop(place), **cell}
            given.insert(place, cell)
        return json.dumps({**notebook, "cells": given}).encode()

    return st.one_of(
        st.lists(st.tuples(st.integers(0, 9), CELLS | JUNK), max_size=4).map(changed),
        mutated(released, WORDS),
        INVENTED,
        st.binary(max_size=30),
    )


def demand_graded_cells(merged: Any, given: Any, size: int) -> None:
    """Demand of a notebook to be graded that it is one, with the release's cells, and no larger than what it is of."""

    def known(notebook: Any) -> dict[str, Any]:
        cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
        names = [cell.metadata.nbgrader.grade_id for cell in cells]
        assert len(set(names)) == len(names)
        return dict(zip(names, cells, strict=True))

    nbformat.validate(copy.deepcopy(merged))
    ours, theirs = known(merged), known(given)
    assert set(ours) == set(theirs)
    for name, cell in theirs.items():
        assert (ours[name].metadata, ours[name].cell_type) == (cell.metadata, cell.cell_type)
        assert cell.metadata.nbgrader.solution or ours[name].source == cell.source
    text = json.dumps(merged, ensure_ascii=False)
    text.encode()  # nothing in it that cannot be stored
    assert len(text) < 10 * size + 2 * len(json.dumps(given)) + 2000


@given(st.data())
def test_a_notebook_is_merged_into_the_release_or_counts_as_not_given(course: Course, data: st.DataObject) -> None:
    content = data.draw(handed_in(course))
    path = course.root / "fuzzed.ipynb"
    path.write_bytes(content)
    given = released_notebook(course, load_assignment(course, "tiny"))
    try:
        cells = read_cells(path, LIMIT)
    except Unreadable as reason:
        event(f"refused: {reason}")
        assert len(str(reason)) < 100
        return
    event("merged")
    assert not _notebook_problem(content)
    demand_graded_cells(merge(given, cells), given, len(content))


@fewer(20)
@given(st.data(), st.sampled_from(["4", "8/3", "0"]), TEXTS, TEXTS)
def test_whatever_is_handed_in_is_recorded_and_shown_on_a_harmless_page(
    course: Course, data: st.DataObject, fraction: str, message: str, case: str
) -> None:
    submit(course, "alice", notebook=data.draw(handed_in(course)))
    plain = [text.encode(errors="replace").decode() for text in (message, case)]  # as the wire lets through
    found = record("alice", fraction, message=plain[0], case=plain[1])
    write_record(course, found)
    gradebook.save(course, "tiny", [found])
    marks = gradebook.rows(course, "tiny")["alice"]
    assert math.isclose(marks["double"][0], found["checks"][0]["score"], abs_tol=0.01)
    assert marks["why"][0] in (None, 0.0) and marks["why"][3] == 2.0
    page = make_page(course, *where(course))
    demand_harmless(page)
    assert len(page.encode()) < 1_000_000
