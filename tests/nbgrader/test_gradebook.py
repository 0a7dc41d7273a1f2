"""The gradebook gets the kit's scores and keeps what people entered."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime

import pytest
from nbgrader.api import Gradebook
from sqlalchemy import make_url
from tiny_course import make_course, press, record, submit, write_record

from autograder import gradebook
from autograder.errors import UserError
from autograder.nbgrader.database import make_gradebook


def enter(course, student, **values) -> None:
    """Enter by hand what a person enters in formgrader for the written answer."""
    with Gradebook(course.db_url) as gb:
        grade = gb.find_grade("why", "tiny", "tiny", student)
        for name, value in values.items():
            setattr(grade, name, value)
        gb.find_comment("why", "tiny", "tiny", student).manual_comment = "Well said."
        gb.db.commit()


def entered(course, student) -> tuple:
    with Gradebook(course.db_url) as gb:
        grade = gb.find_grade("why", "tiny", "tiny", student)
        comment = gb.find_comment("why", "tiny", "tiny", student)
        return grade.manual_score, grade.extra_credit, comment.manual_comment


def test_what_a_person_entered_is_kept_and_marked_as_nbgrader_marks_it(course):
    submit(course, "alice", answer="Because.")
    write_record(course, record("alice"))
    gradebook.save(course, "tiny", [record("alice")])
    enter(course, "alice", manual_score=1.5, extra_credit=0.5, needs_manual_grade=False)
    gradebook.save(course, "tiny", [record("alice", "2")])
    ours = gradebook.rows(course, "tiny")
    assert ours["alice"] == {"double": (2.0, None, False, 4.0), "why": (None, 1.5, True, 2.0)}
    assert entered(course, "alice") == (1.5, 0.5, "Well said.")
    write_record(course, record("alice", "2"))
    assert press(course, "autograde", "alice")["success"]
    assert gradebook.rows(course, "tiny") == ours
    assert entered(course, "alice") == (1.5, 0.5, "Well said.")


def test_an_unchanged_submission_is_not_marked_again(course):
    submit(course, "alice", answer="Because.")
    gradebook.save(course, "tiny", [record("alice")])
    enter(course, "alice", manual_score=1.5, needs_manual_grade=False)
    gradebook.save(course, "tiny", [record("alice")], unchanged={"alice"})
    assert gradebook.rows(course, "tiny")["alice"]["why"] == (None, 1.5, False, 2.0)
    gradebook.save(course, "tiny", [record("alice", "2")], unchanged={"alice"})
    assert gradebook.rows(course, "tiny")["alice"]["why"] == (None, 1.5, True, 2.0)


def test_a_submission_without_a_notebook_has_its_checks_and_no_answers(course):
    (submit(course, "alice") / "tiny.ipynb").unlink()
    gradebook.save(course, "tiny", [record("alice")])
    assert gradebook.rows(course, "tiny")["alice"] == {
        "double": (4.0, None, False, 4.0),
        "why": (0.0, None, False, 2.0),
    }


def test_a_check_that_the_record_lacks_scores_nothing(course):
    submit(course, "alice")
    gradebook.save(course, "tiny", [record("alice") | {"checks": []}])
    assert gradebook.rows(course, "tiny")["alice"]["double"] == (0.0, None, False, 4.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2031-02-03 04:05:06.000000 UTC", datetime(2031, 2, 3, 4, 5, 6)),
        ("2031-02-03T04:05:06+02:00", datetime(2031, 2, 3, 2, 5, 6)),
        ("yesterday", None),
        ("", None),
        ("9" * 100, None),
    ],
)
def test_the_time_of_submission_is_read_as_nbgrader_reads_it(course, text, expected):
    (submit(course, "alice") / "timestamp.txt").write_text(text)
    gradebook.save(course, "tiny", [record("alice")])
    with Gradebook(course.db_url) as gb:
        assert gb.find_submission("tiny", "alice").timestamp == expected


def test_a_late_penalty_is_the_one_that_nbgrader_would_assign(course):
    config = course.nbgrader_config
    config.write_text(config.read_text() + 'c.LateSubmissionPlugin.penalty_method = "zero"\n')
    with Gradebook(course.db_url) as gb:
        gb.update_or_create_assignment("tiny", duedate="2031-02-02 00:00:00 UTC")
    submit(course, "alice")
    write_record(course, record("alice"))

    def penalty():
        with Gradebook(course.db_url) as gb:
            return gb.find_submission_notebook("tiny", "tiny", "alice").late_submission_penalty

    gradebook.save(course, "tiny", [record("alice")])
    assert penalty() == 4.0
    assert press(course, "autograde", "alice")["success"]
    assert penalty() == 4.0


def test_an_assignment_that_the_gradebook_does_not_know_is_released_first(course):
    (course.root / "gradebook.db").unlink()
    submit(course, "alice")
    gradebook.save(course, "tiny", [record("alice")])
    assert gradebook.rows(course, "tiny")["alice"]["double"][0] == 4.0


def test_a_release_with_other_cells_than_the_gradebook_is_refused(course):
    path = course.release / "tiny" / "tiny.ipynb"
    submit(course, "alice")
    path.write_text(path.read_text().replace('"grade_id": "why"', '"grade_id": "whence"'))
    with pytest.raises(UserError, match=r"release/tiny/tiny.ipynb.*whence, why.*autograder release tiny"):
        gradebook.save(course, "tiny", [record("alice")])
    write_record(course, record("alice"))
    assert "autograder release tiny" in press(course, "autograde", "alice")["log"]


def test_a_locked_gradebook_is_said_to_be_locked(course):
    submit(course, "alice")
    config = course.nbgrader_config
    config.write_text(config.read_text() + f'c.CourseDirectory.db_url = "{course.db_url}?timeout=0.1"\n')
    other = sqlite3.connect(course.root / "gradebook.db")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match=r"gradebook.db.*another program"):
        gradebook.save(course, "tiny", [record("alice")])
    other.close()


def test_an_older_gradebook_names_the_command_that_upgrades_it(course):
    submit(course, "alice")
    other = sqlite3.connect(course.root / "gradebook.db")
    other.execute("ALTER TABLE notebook DROP COLUMN kernelspec")
    other.commit()
    other.close()
    with pytest.raises(UserError, match="nbgrader db upgrade"):
        gradebook.save(course, "tiny", [record("alice")])


def test_a_file_that_is_no_gradebook_is_named(course):
    (course.root / "gradebook.db").write_text("x" * 5000)
    with pytest.raises(UserError, match=r"gradebook\.db.* is damaged"):
        gradebook.save(course, "tiny", [record("alice")])


def test_nbgrader_makes_a_whole_gradebook_where_no_environment_is_activated(tmp_path):
    course = make_course(tmp_path / "course")
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "tiny"]
    done = subprocess.run(
        command, cwd=course.root, env={**os.environ, "PATH": os.defpath}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(course.root / "gradebook.db")) as database:
        assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_a_gradebook_that_the_kit_makes_is_one_that_nbgrader_makes(tmp_path):
    kit, nbgrader = (make_url(f"sqlite:///{tmp_path / name}.db") for name in ("kit", "nbgrader"))
    make_gradebook(kit)
    for address in (kit, nbgrader):
        Gradebook(address).close()
    assert tables(kit) == tables(nbgrader)


def tables(address):
    """Return the columns of every table, and the version that alembic upgrades from."""
    with closing(sqlite3.connect(address.database)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: [c[1:3] for c in database.execute(f"PRAGMA table_info({name})")] for name in names}
        return columns, database.execute("SELECT * FROM alembic_version").fetchall()


def test_a_gradebook_is_made_once_by_programs_that_make_it_together(tmp_path):
    address = make_url(f"sqlite:///{tmp_path / 'gradebook.db'}")
    with ThreadPoolExecutor(4) as programs:
        list(programs.map(make_gradebook, [address] * 4))
    assert len(tables(address)[1]) == 1
