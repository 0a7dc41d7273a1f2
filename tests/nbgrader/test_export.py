"""Grades leave the gradebook as they stand in it, by nbgrader's exporter and by the kit's."""

import csv
import io

import pytest
from nbgrader.api import Gradebook
from tiny_course import nbgrader, record, submit

from autograder import gradebook
from autograder.assignment import load_assignment
from autograder.export import as_csv
from tests.command import kit


@pytest.fixture
def graded(course):
    """Return a course with two graded students, one of them by a person as well, and two on the roster."""
    submit(course, "alice", answer="Because.")
    submit(course, "bob")
    submit(course, "carol", answer="Since.")
    gradebook.save(course, "tiny", [record("alice"), record("bob", "8/3"), record("carol", "2")])
    with Gradebook(course.db_url) as gb:
        grade = gb.find_grade("why", "tiny", "tiny", "alice")
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 1.5, 0.25, False
        gb.find_grade("double", "tiny", "tiny", "carol").manual_score = 3.0
        for student in ("dora", "=cmd|'/c calc'!A1", "-ed", 'éva, "x"'):
            gb.update_or_create_student(student)
        gb.db.commit()
    return course


def rows(text):
    return {row["student"]: row for row in csv.DictReader(io.StringIO(text))}


def test_nbgraders_export_has_the_right_totals(graded):
    done = nbgrader(graded, "export", "--to", "all.csv")
    assert done.returncode == 0, done.stderr
    with open(graded.root / "all.csv", newline="") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file) if row["max_score"] == "6.0"}
    assert {name: scores[name] for name in ("alice", "bob", "carol", "dora")} == {
        "alice": 5.75, "bob": pytest.approx(8 / 3), "carol": 3.0, "dora": 0.0,
    }  # fmt: skip


def test_the_kits_export_has_a_row_a_student_and_a_column_a_check(graded):
    text = as_csv(graded, load_assignment(graded, "tiny"))
    assert text.splitlines()[0] == "student,total,code,written,late_penalty,to_grade,double"
    found = rows(text)
    assert list(found["alice"].values()) == ["alice", "5.75", "4", "1.75", "0", "0", "4"]
    assert list(found["bob"].values()) == ["bob", "2.67", "2.67", "0", "0", "0", "2.67"]
    assert list(found["carol"].values()) == ["carol", "3", "3", "0", "0", "1", "3"]
    assert list(found["dora"].values()) == ["dora", "", "", "", "", "", ""]


def test_no_cell_is_a_formula(graded):
    found = rows(as_csv(graded, load_assignment(graded, "tiny")))
    assert {"'=cmd|'/c calc'!A1", "'-ed", 'éva, "x"'} <= set(found)
    assert not [cell for row in found.values() for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_a_late_penalty_is_subtracted_once(graded):
    with Gradebook(graded.db_url) as gb:
        gb.find_submission_notebook("tiny", "tiny", "alice").late_submission_penalty = 2.0
        gb.db.commit()
    row = rows(as_csv(graded, load_assignment(graded, "tiny")))["alice"]
    assert (row["total"], row["code"], row["late_penalty"]) == ("3.75", "4", "2")


def test_the_command_prints_or_writes_the_table(graded):
    def export(*arguments):
        return kit(graded, "export", "tiny", *arguments)

    expected = as_csv(graded, load_assignment(graded, "tiny"))
    assert export().stdout == expected
    path = graded.root / "grades.csv"
    done = export("--to", str(path))
    assert done.returncode == 0 and path.read_bytes() == expected.encode() and "7 students" in done.stdout
    done = export("--to", str(graded.root / "no folder" / "grades.csv"))
    assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
