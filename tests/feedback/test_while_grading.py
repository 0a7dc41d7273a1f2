"""`autograder grade --feedback`: each page is there as soon as the scores are, and is the one of `autograder feedback`."""

import os
import subprocess
import sys

from pages import enter
from tiny_course import submit, tree

from tests.command import REPOSITORY, kit

PAGE = "tiny/tiny.html"
CLASS = [f"student{number:02d}" for number in range(10)]  # more than one process writes


def hand_in(course, students=CLASS):
    for number, student in enumerate(students):
        folder = submit(course, student, answer=f"Because of {number}.")
        (folder / "tiny.py").write_text(f"def double(x):\n    return {2 + number % 2} * x\n")


def test_grading_with_feedback_leaves_the_pages_that_feedback_writes(course):
    hand_in(course)
    done = kit(course, "grade", "tiny", "--feedback")
    assert done.returncode == 0, done.stderr
    assert "10 pages: " in done.stdout
    at_once = tree(course.feedback)
    assert set(at_once) == {f"{student}/{PAGE}" for student in CLASS}
    assert b"4 of 6 points" in at_once[f"student00/{PAGE}"].replace(b"<strong>", b"").replace(b"</strong>", b"")
    for workers in ("1", "3"):
        assert kit(course, "feedback", "tiny", "--workers", workers).returncode == 0
        assert tree(course.feedback) == at_once


def test_pages_that_came_after_the_record_stay_and_others_are_written(course):
    kept, lost, older, regraded = CLASS[:4]
    hand_in(course, CLASS[:4])
    assert kit(course, "grade", "tiny", "--feedback", "--quiet").returncode == 0
    before = tree(course.feedback)
    enter(course, kept, manual_score=1.5, comment="Well said.")
    for student in (kept, lost, older):
        (course.feedback / student / PAGE).write_text("mine")
    (course.feedback / lost / PAGE).unlink()
    os.utime(course.feedback / older / PAGE, (0, 0))
    (course.submitted / regraded / "tiny" / "tiny.py").write_text("def double(x):\n    return x + x\n")
    done = kit(course, "grade", "tiny", "--feedback")
    assert done.returncode == 0 and "3 unchanged" in done.stdout and "3 pages: " in done.stdout, done.stderr
    after = tree(course.feedback)
    assert after[f"{kept}/{PAGE}"] == b"mine"
    assert all(after[f"{student}/{PAGE}"] == before[f"{student}/{PAGE}"] for student in (lost, older))
    assert after[f"{regraded}/{PAGE}"] not in (before[f"{regraded}/{PAGE}"], b"mine")


def test_a_page_that_cannot_be_written_costs_nobody_else_anything(course):
    hand_in(course, CLASS[:3])
    course.feedback.mkdir()
    (course.feedback / CLASS[1]).write_text("in the way")
    done = kit(course, "grade", "tiny", "--feedback")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{CLASS[1]}: no page: " in done.stderr and "this cannot be written" in done.stderr
    assert done.stderr.splitlines()[-1] == "1 of 3 students have no page; the reasons stand above."
    assert set(tree(course.feedback)) == {CLASS[1], *(f"{student}/{PAGE}" for student in (CLASS[0], CLASS[2]))}


def test_without_feedback_no_page_is_written(course):
    hand_in(course, CLASS[:1])
    assert kit(course, "grade", "tiny").returncode == 0
    assert not course.feedback.exists()


def test_where_nothing_has_changed_not_even_torch_is_loaded(course):
    hand_in(course, CLASS[:2])
    assert kit(course, "grade", "tiny", "--feedback", "--quiet").returncode == 0
    before = tree(course.root)
    program = "import sys; from autograder.cli import app; app(standalone_mode=False); print(\"torch\" in sys.modules)"
    again = [sys.executable, "-c", program]
    done = subprocess.run(
        [*again, "grade", "tiny", "--feedback", "--course", str(course.root)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "2 unchanged" in done.stdout and done.stdout.splitlines()[-1] == "False", done.stderr
    assert tree(course.root) == before
