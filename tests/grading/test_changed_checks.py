"""After a change to one file of checks only its checks run, and records are those of grading everything."""

import shutil
from pathlib import Path

import pytest

from autograder.course import open_course
from autograder.grading import records
from tests.crash.grading import grade
from tests.tiny_course import make_course

CHECK = '''\
from toolbox.checks import case, graded


@graded(points={points}, tolerance=1e-7, needs={needs}, cases=[case("a vector", 1)], hint="Multiply.")
def test_{name}(student, case):
    """`{name}` multiplies."""
    x = case.randn(5)
    case.compare("{name}(x)", student.{name}(x), {factor} * x)
'''
RIGHT = "def double(x):\n    return 2 * x\n\ndef triple(x):\n    return double(x) + x\n"
SUBMISSIONS = {
    "right": RIGHT,
    "wrong": RIGHT.replace("2 * x", "2.5 * x"),
    "unwritten": RIGHT.replace("return 2 * x", "raise NotImplementedError"),
    "endless": RIGHT.replace("return 2 * x", "while True: pass"),
    "ending": RIGHT.replace("return 2 * x", "import os; os._exit(0)"),
    "broken": "def double(x:\n",
}
DIFFER = {"kept", "cpu_seconds"}
pytestmark = pytest.mark.xdist_group("changed checks")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Return a course that is graded, and its records."""
    course = make_course(tmp_path_factory.mktemp("first"))
    folder = course.assignments / "tiny"
    (folder / "checks" / "test_tiny.py").unlink()
    text = (folder / "assignment.toml").read_text().replace("points = 4", "points = 5")
    (folder / "assignment.toml").write_text(text + "[limits]\ncheck_seconds = 1\nafter_timeout_seconds = 2\n")
    write_check(course, 1, name="double", points=4, needs=[], factor=2)
    write_check(course, 2, name="triple", points=1, needs=["double"], factor=3)
    notebook = course.source / "tiny" / "tiny.ipynb"
    notebook.write_text(notebook.read_text().replace('"points": 4', '"points": 5'))
    for student, module in SUBMISSIONS.items():
        (course.submitted / student / "tiny").mkdir(parents=True)
        (course.submitted / student / "tiny" / "tiny.py").write_text(module)
    return course, graded(course)


@pytest.fixture
def course(first, tmp_path):
    """Return a copy of that course, to be changed."""
    return open_course(Path(shutil.copytree(first[0].root, tmp_path / "course")))


@pytest.fixture
def before(first):
    return first[1]


def write_check(course, number, **words):
    (course.assignments / "tiny" / "checks" / f"test_{number}.py").write_text(CHECK.format(**words))


def graded(course, *options):
    done = grade(course, options=["--workers", "2", *options])
    assert "Traceback" not in done.stderr
    return {student: records.read(course, "tiny", student) for student in SUBMISSIONS}


def shown(record):
    checks = [{name: value for name, value in check.items() if name != "seconds"} for check in record["checks"]]
    return {name: value for name, value in record.items() if name not in DIFFER} | {"checks": checks}


def test_only_the_checks_of_a_changed_file_run(course, before):
    assert all(record["kept"] == [] for record in before.values())
    write_check(course, 2, name="triple", points=1, needs=["double"], factor=3.5)
    after = graded(course)
    for student in ("right", "wrong", "unwritten", "broken"):
        assert after[student]["kept"] == ["double"]
        assert before[student]["checks"][0] == after[student]["checks"][0]  # its time is that of the first run
    assert [before["right"]["score"], after["right"]["score"]] == [5, 4]
    whole = graded(course, "--force")
    assert all(record["kept"] == [] for record in whole.values())
    assert {s: shown(record) for s, record in after.items()} == {s: shown(record) for s, record in whole.items()}


def test_a_kept_result_says_what_is_to_be_mended_first_now(course, before):
    assert before["wrong"]["checks"][1]["message"].startswith("First mend `double`, which this check needs. ")
    write_check(course, 1, name="double", points=4, needs=[], factor=2.5)
    after = graded(course)
    assert [record["kept"] for record in (after["right"], after["wrong"])] == [["triple"], ["triple"]]
    assert [check["status"] for check in after["wrong"]["checks"]] == ["passed", "failed"]
    assert not after["wrong"]["checks"][1]["message"].startswith("First mend")
    assert [check["status"] for check in after["right"]["checks"]] == ["failed", "passed"]
    whole = graded(course, "--force")
    assert {s: shown(record) for s, record in after.items()} == {s: shown(record) for s, record in whole.items()}


def test_everything_runs_again_after_a_change_to_the_submission_or_to_what_checks_share(course):
    (course.submitted / "right" / "tiny" / "tiny.py").write_text(RIGHT + "# done\n")
    after = graded(course)
    assert after["right"]["kept"] == []
    (course.assignments / "tiny" / "checks" / "reference.py").write_text("FACTOR = 2\n")
    write_check(course, 2, name="triple", points=1, needs=["double"], factor=3.5)
    assert all(record["kept"] == [] for record in graded(course).values())


def test_a_damaged_record_is_made_anew(course):
    path = records.path(course, "tiny", "right")
    path.write_text(path.read_text().replace('"why": ""', '"why": "luck"'))
    write_check(course, 2, name="triple", points=1, needs=["double"], factor=3.5)
    after = graded(course)
    assert (after["right"]["kept"], after["right"]["score"]) == ([], 4)
