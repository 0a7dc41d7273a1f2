"""`autograder rebuild`: automatic scores and pages come anew from the records; what a person entered stays."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from pages import enter, graded
from tiny_course import submit, tree

from autograder import gradebook
from autograder.grading import records
from tests.command import REPOSITORY, command, kit

CLASS = ("alice", "bob", "carol", "dora")


@pytest.fixture
def course_with_pages(course):
    for student, fraction in zip(CLASS, ("4", "8/3", "0", "1"), strict=True):
        graded(course, student, answer="" if student == "carol" else "Because.", fraction=fraction)
    assert kit(course, "feedback", "tiny").returncode == 0
    return course


def entered(course):
    """Return what a person entered."""
    with Gradebook(course.db_url) as found:
        grade, comment = (find("why", "tiny", "tiny", "alice") for find in (found.find_grade, found.find_comment))
        return grade.manual_score, grade.extra_credit, comment.manual_comment


def automatic(course):
    return {one: {cell: row[0] for cell, row in cells.items()} for one, cells in gradebook.rows(course, "tiny").items()}


def tamper(course, *statements):
    with sqlite3.connect(course.root / "gradebook.db") as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0


OF = "(SELECT n.id FROM submitted_notebook n JOIN submitted_assignment s ON n.assignment_id = s.id AND s.student_id = '{}')"


def test_rows_that_were_changed_or_deleted_are_as_grading_left_them(course_with_pages):
    course = course_with_pages
    enter(course, manual_score=1.5, extra_credit=0.5, needs_manual_grade=False, comment="Well said.")
    assert kit(course, "feedback", "tiny").returncode == 0
    before, by_hand, pages = automatic(course), entered(course), tree(course.feedback)
    of_records = {path: path.stat().st_mtime_ns for path in (course.results / "tiny").iterdir()}
    tamper(
        course,
        f"UPDATE grade SET auto_score = 3 WHERE auto_score = 4 AND notebook_id = {OF.format('alice')}",
        "UPDATE comment SET auto_comment = 'odd'",
        f"DELETE FROM grade WHERE notebook_id = {OF.format('bob')}",
        f"DELETE FROM submitted_notebook WHERE id = {OF.format('carol')}",
        "DELETE FROM student WHERE id = 'dora'",
    )
    (course.feedback / "alice" / "tiny" / "tiny.html").write_text("mine")
    (course.feedback / "bob" / "tiny" / "tiny.html").unlink()
    assert automatic(course) != before
    done = kit(course, "rebuild", "tiny")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 have the automatic scores of their records; 4 had others or none." in done.stdout
    assert automatic(course) == before and entered(course) == by_hand == (1.5, 0.5, "Well said.")
    assert {one: page == pages[one] for one, page in tree(course.feedback).items()} == {
        f"{one}/tiny/tiny.html": one != "alice" for one in CLASS
    }
    assert gradebook.rows(course, "tiny")["alice"]["why"][2]  # hers says that somebody should look again
    enter(course, needs_manual_grade=False)
    assert kit(course, "rebuild", "tiny").returncode == 0
    assert tree(course.feedback) == pages
    assert of_records == {path: path.stat().st_mtime_ns for path in (course.results / "tiny").iterdir()}
    with Gradebook(course.db_url) as found:
        remarks = {one: found.find_comment("why", "tiny", "tiny", one).auto_comment for one in CLASS}
    assert remarks == {"alice": None, "bob": None, "carol": None, "dora": None}


def test_where_nothing_is_amiss_no_row_is_touched(course_with_pages):
    course = course_with_pages
    enter(course, manual_score=1.5, needs_manual_grade=False)
    before = (course.root / "gradebook.db").read_bytes()
    done = kit(course, "rebuild", "tiny", "--student", "alice")
    assert done.returncode == 0 and "1 of 1 have the automatic scores of their records; 0 had others or none." in done.stdout
    assert (course.root / "gradebook.db").read_bytes() == before


def test_a_gradebook_that_was_deleted_is_made_again(course_with_pages):
    course = course_with_pages
    before, pages = gradebook.rows(course, "tiny"), tree(course.feedback)
    (course.root / "gradebook.db").unlink()
    assert kit(course, "rebuild", "tiny").returncode == 0
    assert gradebook.rows(course, "tiny") == before
    assert tree(course.feedback) == pages


def test_records_that_cannot_be_used_are_named_and_the_others_done(course_with_pages):
    course = course_with_pages
    before = automatic(course)
    path = records.path(course, "tiny", "alice")
    path.write_text(path.read_text()[:100])
    path = records.path(course, "tiny", "bob")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"student": "carol"}))
    (course.submitted / "carol" / "tiny" / "tiny.py").write_text("x = 1\n")
    submit(course, "late")
    tamper(course, "UPDATE grade SET auto_score = 3 WHERE auto_score IS NOT NULL")
    done = kit(course, "rebuild", "tiny")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    said = {line.split(":")[0]: line for line in done.stderr.splitlines()}
    assert "alice.json: this record is damaged. Run `autograder grade tiny`." in said["alice"]
    assert "bob.json: this record is damaged." in said["bob"]
    assert "has changed since it was graded. Run `autograder grade tiny`." in said["carol"]
    assert "late.json: there is no such record. Run `autograder grade tiny`." in said["late"]
    assert done.stderr.splitlines()[-1] == "4 of 5 were not rebuilt; the reasons stand above."
    assert automatic(course)["dora"] == before["dora"]
    assert (course.feedback / "dora" / "tiny" / "tiny.html").is_file()


@pytest.mark.parametrize("arguments", [["tiny"], ["tiny", "--student", "zoe"]])
def test_it_says_where_there_is_nothing_to_rebuild_from(course, arguments):
    done = kit(course, "rebuild", *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert ("nobody was graded yet" if len(arguments) == 1 else "neither a submission nor a record") in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_it_and_the_next_run_does_the_rest(course_with_pages):
    course = course_with_pages
    before = automatic(course)
    path = course.root / "gradebook.db"
    tamper(course, "UPDATE grade SET auto_score = 3 WHERE auto_score IS NOT NULL")
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    running = subprocess.Popen(command(course, "rebuild", "tiny"), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    while not any(os.path.exists(file) and file.resolve() == path for file in Path(f"/proc/{running.pid}/fd").iterdir()):
        assert running.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    lock.close()
    assert running.returncode == 130 and "Traceback" not in said and said.splitlines()[-1].startswith("Stopped: ")
    assert kit(course, "rebuild", "tiny").returncode == 0
    assert automatic(course) == before
