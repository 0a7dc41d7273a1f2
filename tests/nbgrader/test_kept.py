"""What a person entered outlives whatever is made again: grades, releases, submissions."""

import nbformat
import pytest
from nbgrader.api import Gradebook
from tiny_course import nbgrader, press, record, submit, write_record

from autograder import gradebook
from autograder.release.build import generate
from tests.command import kit

ENTERED = (1.5, 0.5, "Well said.", 3.0)


@pytest.fixture
def marked(course):
    """Return a course in which a person has scored an answer and a check, given extra credit and written a comment."""
    submit(course, "alice", answer="Because.")
    write_record(course, record("alice", "2"))
    gradebook.save(course, "tiny", [record("alice", "2")])
    assert press(course, "autograde", "alice")["success"]
    with Gradebook(course.db_url) as gb:
        grade = gb.find_grade("why", "tiny", "tiny", "alice")
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = ENTERED[0], ENTERED[1], False
        gb.find_comment("why", "tiny", "tiny", "alice").manual_comment = ENTERED[2]
        gb.find_grade("double", "tiny", "tiny", "alice").manual_score = ENTERED[3]
        gb.db.commit()
    return course


def entered(course):
    with Gradebook(course.db_url) as gb:
        why, double = (gb.find_grade(name, "tiny", "tiny", "alice") for name in ("why", "double"))
        comment = gb.find_comment("why", "tiny", "tiny", "alice")
        assert gb.find_submission("tiny", "alice").score == 5.0
        return why.manual_score, why.extra_credit, comment.manual_comment, double.manual_score


def again(course, *arguments):
    done = kit(course, *arguments, "--quiet")
    assert done.returncode == 0, done.stderr


def test_it_outlives_grading_again(marked):
    again(marked, "grade", "tiny", "--force")
    assert gradebook.rows(marked, "tiny")["alice"]["double"][0] == 4.0
    assert entered(marked) == ENTERED
    done = nbgrader(marked, "autograde", "tiny", "--force")
    assert done.returncode == 0, done.stderr
    assert entered(marked) == ENTERED


def test_it_outlives_a_new_release(marked):
    generate(marked, "tiny")
    assert entered(marked) == ENTERED
    path = marked.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "# Tiny, said better"
    notebook.cells[-1].source = "Because it is so."
    nbformat.write(notebook, path)
    generate(marked, "tiny")
    assert entered(marked) == ENTERED
    done = nbgrader(marked, "generate_assignment", "tiny", "--force")
    assert done.returncode == 0, done.stderr
    assert entered(marked) == ENTERED
    gradebook.save(marked, "tiny", [record("alice", "2")])
    assert entered(marked) == ENTERED


def test_a_release_with_other_cells_is_refused_rather_than_losing_it(marked):
    path = marked.source / "tiny" / "tiny.ipynb"
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"grade_id": "why"', b'"grade_id": "whence"'))
    assert nbgrader(marked, "generate_assignment", "tiny", "--force").returncode == 1
    path.write_bytes(before)
    generate(marked, "tiny")
    assert entered(marked) == ENTERED


@pytest.mark.parametrize("way", ["kit", "nbgrader", "button"])
def test_it_outlives_a_new_submission_and_is_marked_for_another_look(marked, way):
    folder = submit(marked, "alice", answer="Because of something else.")
    (folder / "timestamp.txt").write_text("2031-02-04 04:05:06.000000 UTC")
    if way == "kit":
        again(marked, "grade", "tiny")
    else:
        write_record(marked, record("alice", "1"))
        if way == "nbgrader":
            done = nbgrader(marked, "autograde", "tiny")
            assert done.returncode == 0, done.stderr
        else:
            assert press(marked, "autograde", "alice")["success"]
    assert entered(marked) == ENTERED
    assert gradebook.rows(marked, "tiny")["alice"]["why"] == (None, 1.5, True, 2.0)
    assert gradebook.rows(marked, "tiny")["alice"]["double"][0] == (4.0 if way == "kit" else 1.0)


def test_it_outlives_a_submission_whose_notebook_is_gone(marked):
    (submit(marked, "alice") / "tiny.ipynb").unlink()
    again(marked, "grade", "tiny")
    assert entered(marked) == ENTERED
