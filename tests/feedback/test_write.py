"""`autograder feedback`, `nbgrader generate_feedback` and formgrader's button leave the same pages, and nothing else."""

import os

import pytest
from nbgrader.api import Gradebook
from pages import Parts, enter, graded
from tiny_course import nbgrader, press, record, submit, tree, write_record

from autograder import gradebook
from autograder.assignment import load_assignment
from autograder.feedback import graded_students, write_pages
from autograder.grading.pool import Pool
from tests.command import kit

PAGE = "tiny/tiny.html"


def write(course):
    """Write the pages of everybody who was graded; return what went wrong, by student."""
    assignment = load_assignment(course, "tiny")
    problems = {}
    with Pool() as pool:
        write_pages(course, assignment, graded_students(course, assignment), pool, problems.__setitem__)
    return problems


def score(course, student="alice"):
    text = Parts((course.feedback / student / PAGE).read_text(encoding="utf-8")).text
    return text.split(f"Feedback for {student} ")[1].split(" points")[0]


def test_every_way_writes_the_same_page_and_nothing_beside_it(course):
    for student in ("alice", "bob"):
        folder = graded(course, student, answer="Because *é* 😀.")
        (folder / "tiny.pth").write_bytes(b"x")
        (folder / "more.py").write_text("x = 1")
        write_record(course, record(student))
    enter(course, manual_score=1.5, comment="Well said.")
    assert nbgrader(course, "autograde", "tiny").returncode == 0
    done = nbgrader(course, "generate_feedback", "tiny")
    assert done.returncode == 0, done.stderr
    theirs = tree(course.feedback)
    assert set(theirs) == {f"alice/{PAGE}", f"bob/{PAGE}"}
    assert b"Well said." in theirs[f"alice/{PAGE}"]

    for arguments in ([], ["--force"], ["--student", "alice"]):
        assert nbgrader(course, "generate_feedback", "tiny", *arguments).returncode == 0
        assert tree(course.feedback) == theirs
    for student in ("alice", "bob"):
        answer = press(course, "generate_feedback", student)
        assert answer["success"], answer
    assert tree(course.feedback) == theirs
    assert press(course, "generate_feedback", None)["success"]
    assert tree(course.feedback) == theirs

    (course.feedback / "alice" / "tiny" / "left_over.py").write_text("x = 1")
    done = kit(course, "feedback", "tiny")
    assert done.returncode == 0 and "2 of 2 pages" in done.stdout, done.stderr
    assert tree(course.feedback) == theirs


@pytest.mark.parametrize("way", ["kit", "command", "button"])
def test_a_page_follows_a_regrade_and_what_a_person_entered(course, way):
    def make():
        if way == "kit":
            assert write(course) == {"alice": ""}
        elif way == "button":
            assert press(course, "generate_feedback", "alice")["success"]
        else:
            assert nbgrader(course, "generate_feedback", "tiny").returncode == 0

    graded(course, answer="Because.")
    assert press(course, "autograde", "alice")["success"]
    make()
    assert score(course) == "4 of 6"
    enter(course, manual_score=2.0, needs_manual_grade=False)
    make()
    assert score(course) == "6 of 6"
    write_record(course, record("alice", "2"))
    gradebook.save(course, "tiny", [record("alice", "2")])
    make()
    assert score(course) == "4 of 6"
    enter(course, manual_score=0.5)
    make()
    assert score(course) == "2.5 of 6"


def test_making_pages_leaves_what_a_person_entered_as_it_is(course):
    graded(course, answer="Because.")
    enter(course, manual_score=1.5, extra_credit=0.5, needs_manual_grade=False, comment="Well said.")
    assert press(course, "autograde", "alice")["success"]

    def everything():
        with Gradebook(course.db_url) as gb:
            grade, comment = (find("why", "tiny", "tiny", "alice") for find in (gb.find_grade, gb.find_comment))
            return grade.to_dict(), comment.to_dict(), gradebook.rows(course, "tiny")

    before = everything()
    assert press(course, "generate_feedback", "alice")["success"]
    assert write(course) == {"alice": ""}
    assert everything() == before


def test_a_submission_without_a_notebook_has_a_page_of_the_kits_command(course):
    (submit(course, "carol") / "tiny.ipynb").unlink()
    write_record(course, record("carol"))
    gradebook.save(course, "tiny", [record("carol")])
    graded(course, "alice")
    assert press(course, "autograde", "alice")["success"]
    assert nbgrader(course, "generate_feedback", "tiny").returncode == 0
    assert set(tree(course.feedback)) == {f"alice/{PAGE}"}
    assert write(course) == {"alice": "", "carol": ""}
    assert score(course, "carol") == "4 of 6"
    assert nbgrader(course, "generate_feedback", "tiny").returncode == 0
    assert set(tree(course.feedback)) == {f"alice/{PAGE}", f"carol/{PAGE}"}


def test_who_is_out_of_date_has_no_page_and_everybody_else_has(course):
    for student in ("alice", "bob"):
        graded(course, student)
        assert press(course, "autograde", student)["success"]
    assert write(course) == {"alice": "", "bob": ""}
    (course.submitted / "alice" / "tiny" / "tiny.py").write_text("x = 1\n")

    done = nbgrader(course, "generate_feedback", "tiny")
    assert done.returncode == 1 and "has changed since it was graded. Run `autograder grade tiny`" in done.stderr
    assert set(tree(course.feedback)) == {f"bob/{PAGE}"}
    answer = press(course, "generate_feedback", "alice")
    assert not answer["success"] and "autograder grade tiny" in answer["log"]
    done = kit(course, "feedback", "tiny")
    assert done.returncode == 1 and "alice: no page: " in done.stderr and "Traceback" not in done.stderr
    assert set(tree(course.feedback)) == {f"bob/{PAGE}"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tiny", "--student", "zoe"], "there is no record of this student"),
        (["tiny"], "nobody was graded yet"),
        (["huge"], "there is no such assignment"),
    ],
)
def test_the_command_says_what_is_missing(course, arguments, sentence):
    done = kit(course, "feedback", *arguments)
    assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("odd", ["a file", "a link", "a file above"])
@pytest.mark.skipif(os.name != "posix", reason="links")
def test_an_odd_feedback_folder_is_no_traceback(course, odd, tmp_path):
    graded(course)
    folder = course.feedback / "alice"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    if odd == "a file above":
        course.feedback.mkdir()
        folder.write_text("x")
        assert "cannot be written" in write(course)["alice"]
        return
    folder.mkdir(parents=True)
    (folder / "tiny").write_text("x") if odd == "a file" else (folder / "tiny").symlink_to(elsewhere)
    assert write(course) == {"alice": ""}
    assert set(tree(course.feedback)) == {f"alice/{PAGE}"} and (elsewhere / "kept").exists()


def test_another_notebook_is_refused(course):
    graded(course)
    assert press(course, "autograde", "alice")["success"]
    folder = course.autograded / "alice" / "tiny"
    (folder / "tiny.ipynb").rename(folder / "other.ipynb")
    answer = press(course, "generate_feedback", "alice")
    assert not answer["success"] and "names another notebook" in answer["log"]
    assert tree(course.feedback) == {}


def test_an_unknown_gradebook_is_a_sentence(course):
    graded(course)
    (course.root / "gradebook.db").unlink()
    done = kit(course, "feedback", "tiny")
    assert done.returncode == 1 and "The gradebook does not know tiny" in done.stderr
    assert "Traceback" not in done.stderr
