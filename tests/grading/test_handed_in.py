"""Reading what a student handed in: named, regular, not too large, and never through a link."""

import os

import pytest
from tiny_course import make_course

from autograder.assignment import load_assignment
from autograder.errors import UserError
from autograder.grading.submission import read_submission, students


@pytest.fixture
def tiny(tmp_path):
    course = make_course(tmp_path / "course")
    folder = course.submitted / "s1" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tiny.py").write_text("x = 1\n")
    return course, load_assignment(course, "tiny"), folder


def test_only_named_files_are_read(tiny):
    course, assignment, folder = tiny
    (folder / "conftest.py").write_text("raise SystemExit")
    submission = read_submission(course, assignment, "s1")
    assert submission.files == {"tiny.py": b"x = 1\n"}
    assert submission.problems["tiny.ipynb"] == "`tiny.ipynb` is missing."


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "large"])
def test_what_is_no_plain_file_of_its_size_is_a_problem_not_a_crash(tiny, kind):
    course, assignment, folder = tiny
    path = folder / "tiny.pth"
    if kind == "link":
        path.symlink_to(folder / "tiny.py")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        (folder / "tiny.py").write_bytes(b"#" * (assignment.limits.module_kb * 1024 + 1))
        path = folder / "tiny.py"
    submission = read_submission(course, assignment, "s1")
    assert path.name not in submission.files and path.name in submission.problems


def test_a_folder_that_is_a_link_is_not_entered(tiny):
    course, assignment, folder = tiny
    linked = course.submitted / "s2"
    linked.mkdir()
    (linked / "tiny").symlink_to(folder)
    submission = read_submission(course, assignment, "s2")
    assert not submission.files and "is a link" in submission.problems["tiny.py"]


def test_folders_that_are_no_students_are_told_apart(tiny):
    course, assignment, _ = tiny
    for name in ("-rf", "a+b", "ok.name@x", ".hidden"):
        (course.submitted / name / "tiny").mkdir(parents=True)
    (course.submitted / "linked").symlink_to(course.submitted / "s1")
    (course.submitted / "flat").mkdir()
    (course.submitted / "flat" / "tiny.py").write_text("x = 1")
    found, odd = students(course, assignment)
    assert found == ["ok.name@x", "s1"]
    assert set(odd) == {"-rf", ".hidden", "a+b", "linked", "flat"}
    assert odd["linked"] == "it is a link" and "no student id" in odd["a+b"] and "flat/tiny/" in odd["flat"]


def test_files_of_other_names_are_named(tiny):
    course, assignment, folder = tiny
    (folder / "tiny (1).py").write_text("x = 1")
    assert read_submission(course, assignment, "s1").others == ("tiny (1).py",)


@pytest.mark.parametrize("content", [b"", b"no json", b"[1]", b"[" * 100_000, b'{"cells": 3}', b"\xff\xfe"])
def test_a_notebook_that_cannot_be_read_is_a_problem_in_words(tiny, content):
    course, assignment, folder = tiny
    (folder / "tiny.ipynb").write_bytes(content)
    assert "cannot be read as a notebook" in read_submission(course, assignment, "s1").problems["tiny.ipynb"]


@pytest.mark.parametrize("student", ["../s1", "", "a/b", "s1\n"])
def test_a_student_id_never_becomes_a_path_unchecked(tiny, student):
    course, assignment, _ = tiny
    with pytest.raises(UserError, match="is no student id"):
        read_submission(course, assignment, student)
