"""`autograder grade --profile` says what the processor time of a submission goes to."""

import re

import pytest

from tests.crash.grading import grade
from tests.tiny_course import make_course, submit

STAGES = [
    "fork of the examiner", "reading the submission", "start of the jail", "forbidden names", "saved models",
    "import of the modules", "double", "record", "gradebook", "page of feedback",
]  # fmt: skip


@pytest.fixture
def course(tmp_path):
    course = make_course(tmp_path / "course")
    from autograder.release.build import generate

    generate(course, "tiny")
    for student in ("ann", "ben"):
        submit(course, student)
    return course


def test_a_table_and_a_picture_show_every_stage(course, tmp_path):
    picture = tmp_path / "profile.png"
    done = grade(course, options=["--profile", str(picture), "--feedback"], quiet=False)
    assert done.returncode == 0, done.stderr
    table = done.stdout[done.stdout.index("Processor time in ms: tiny, median of 2 submissions") :]
    rows = {found[1]: [float(x) for x in found[2].split()] for found in re.finditer(r"(?m)^(\S.*?)((?: +\d+\.\d){4})$", table)}
    assert set(STAGES) <= set(rows)
    assert rows["start of the jail"][2] > 0 and rows["double"][0] > 0 and rows["gradebook"][0] > 0
    for own, messages, jail, together in rows.values():
        assert together == pytest.approx(own + messages + jail, abs=0.16)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere/profile.png", "nowhere/profile.png: there is no folder"),
        ("profile", "profile: the picture's name has to end in .png, .svg or .pdf"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_graded(course, tmp_path, name, sentence):
    done = grade(course, options=["--profile", str(tmp_path / name)], quiet=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert sentence in done.stderr.replace("\n", " ")
    assert not (course.results / "tiny").exists()


def test_a_picture_that_cannot_be_written_after_all_loses_no_score(course, tmp_path):
    (tmp_path / "profile.png").mkdir()
    done = grade(course, options=["--profile", str(tmp_path / "profile.png")], quiet=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "profile.png: the picture cannot be written" in done.stderr
    assert len(list((course.results / "tiny").glob("*.json"))) == 2


def test_without_anything_to_grade_it_is_said_that_there_is_no_profile(course, tmp_path):
    grade(course)
    done = grade(course, options=["--profile", str(tmp_path / "profile.png")], quiet=False)
    assert done.returncode == 0 and "--force grades again" in done.stderr
