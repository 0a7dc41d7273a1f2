"""Pages of feedback reach students through nbgrader's exchange, where a course uses it."""

import os

import pytest
from nbgrader.utils import notebook_hash
from tiny_course import nbgrader, press, record, submit, tree, write_record

from autograder import gradebook

SECRET = "a" * 32


@pytest.fixture
def exchange(course, tmp_path):
    """Return the folder of an exchange that the course is set up for."""
    root = tmp_path / "exchange"
    root.mkdir(mode=0o777)
    root.chmod(0o777)
    config = course.nbgrader_config
    config.write_text(config.read_text() + f'c.CourseDirectory.course_id = "nets"\nc.Exchange.root = {str(root)!r}\n')
    for student in ("alice", "bob"):
        folder = submit(course, student)
        if student == "alice":
            (folder / "submission_secret.txt").write_text(SECRET)
        write_record(course, record(student))
        gradebook.save(course, "tiny", [record(student)])
        assert press(course, "autograde", student)["success"]
        assert press(course, "generate_feedback", student)["success"]
    return root / "nets" / "feedback"


@pytest.mark.skipif(os.name != "posix", reason="nbgrader's exchange is a folder with POSIX permissions")
def test_pages_of_submissions_from_the_exchange_are_released(course, exchange):
    before = tree(course.feedback)
    assert set(before) == {"alice/tiny/tiny.html", "bob/tiny/tiny.html"}
    done = nbgrader(course, "release_feedback", "tiny")
    assert done.returncode == 0, done.stderr
    name = notebook_hash(secret=SECRET, notebook_id="tiny") + ".html"
    assert tree(exchange) == {name: before["alice/tiny/tiny.html"]}
    assert "Feedback of bob is not released" in done.stderr
    assert tree(course.feedback) == before

    (exchange / name).unlink()
    answer = press(course, "release_feedback", "alice")
    assert answer["success"], answer
    assert list(tree(exchange)) == [name]
