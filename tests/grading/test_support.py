"""Files that an instructor gives to student code."""

import json
import os
from pathlib import Path

import pytest
from tiny_course import make_course, source_notebook, submit

from autograder import gradebook
from autograder.assignment import load_assignment
from autograder.grading import records
from autograder.release.build import generate
from tests.command import kit

REPOSITORY = Path(__file__).resolve().parents[2]


def grade(course):
    done = kit(course, "grade", "tiny", "--json", environment={**os.environ, "TOOLBOX_DATA": "standin"})
    assert done.returncode == 0, done.stderr[-500:]
    return {record["student"]: record for record in map(json.loads, done.stdout.splitlines())}


@pytest.fixture
def course(tmp_path):
    made = make_course(tmp_path / "course")
    made.toml.write_text(made.toml.read_text().replace('"cifar10"', '"standin"'))
    toml = made.assignments / "tiny" / "assignment.toml"
    toml.write_text(toml.read_text() + 'support = ["helper.py"]\n[images]\nparts = ["val"]\n')
    (toml.parent / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    generate(made, "tiny")
    return made


def test_student_code_can_import_a_support_file_and_not_replace_it(course):
    folder = submit(course, "honest")
    (folder / "tiny.py").write_text("from helper import twice\n\n\ndef double(x):\n    return twice(x)\n")
    folder = submit(course, "replacing")
    (folder / "tiny.py").write_text("import helper\n\n\ndef double(x):\n    return helper.twice(x) * helper.FACTOR\n")
    (folder / "helper.py").write_text("FACTOR = 1\n")
    records = grade(course)
    assert records["honest"]["score"] == 4
    assert records["replacing"]["score"] == 0 and "FACTOR" in records["replacing"]["checks"][0]["message"]


def test_what_a_check_flags_is_a_notice_of_the_record(course):
    check = course.assignments / "tiny" / "checks" / "test_tiny.py"
    check.write_text(check.read_text().replace("    x = case", "    case.flag('look at it')\n    x = case"))
    submit(course, "honest")
    record = grade(course)["honest"]
    assert record["score"] == 4 and "double: look at it." in record["notices"]


def test_a_changed_support_or_extra_file_has_everybody_graded_again(course):
    toml = course.assignments / "tiny" / "assignment.toml"
    toml.write_text(toml.read_text().replace('support = ["helper.py"]', 'support = ["helper.py"]\nextra = ["w/*.bin"]', 1))
    weights = toml.parent / "w" / "1.bin"
    weights.parent.mkdir()
    keys = []
    for content, helper in ((b"1", "A = 1\n"), (b"2", "A = 1\n"), (b"2", "A = 2\n"), (b"2", "A = 2\n")):
        weights.write_bytes(content)
        (toml.parent / "helper.py").write_text(helper)
        keys.append(records.basis(load_assignment(course, "tiny"), b"seed", "standin").common)
    assert len(set(keys)) == 3 and keys[2] == keys[3]


def test_an_assignments_modules_are_imported_before_student_code_is(course):
    (submit(course, "curious") / "tiny.py").write_text(
        "import sys\n\n\ndef double(x):\n    return 2 * x if 'wave' in sys.modules else None\n"
    )
    assert grade(course)["curious"]["score"] == 0
    toml = course.assignments / "tiny" / "assignment.toml"
    text = toml.read_text()
    toml.write_text('preload = ["wave"]\n' + text)
    assert grade(course)["curious"]["score"] == 4
    toml.write_text('preload = ["waves"]\n' + text)
    done = kit(course, "grade", "tiny", environment={**os.environ, "TOOLBOX_DATA": "standin"})
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{toml}: preload names waves, which cannot be imported here: " in done.stderr


@pytest.mark.parametrize("metadata", [{}, {"nbgrader": {"grade": True, "solution": True, "points": -(10**400)}}])
def test_a_written_answer_whose_cell_lost_its_marks_is_a_notice(course, metadata):
    (submit(course, "honest") / "tiny.ipynb").write_text(json.dumps(source_notebook()))
    notebook = source_notebook()
    for cell in notebook["cells"]:
        cell["metadata"] = metadata
    (submit(course, "copied") / "tiny.ipynb").write_text(json.dumps(notebook))
    records = grade(course)
    said = (
        "`tiny.ipynb`: a cell for a written answer is gone: those that are left make up 0 of 2 points. "
        "What was written there is not graded."
    )
    assert said in records["copied"]["notices"] and said not in records["honest"]["notices"]


def test_a_check_without_a_cell_in_the_gradebook_is_no_score_that_disappears(course):
    submit(course, "honest")
    grade(course)
    folder = course.assignments / "tiny"
    check = (folder / "checks" / "test_tiny.py").read_text()
    (folder / "checks" / "test_more.py").write_text(check.replace("test_double", "test_more"))
    text = (folder / "assignment.toml").read_text()
    (folder / "assignment.toml").write_text(text.replace("points = 4", "points = 8"))
    done = kit(course, "grade", "tiny", environment={**os.environ, "TOOLBOX_DATA": "standin"})
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "the released notebook has no grade cell for more." in done.stderr and "autograder release tiny" in done.stderr
    assert gradebook.rows(course, "tiny")["honest"]["double"][0] == 4


def test_a_seed_that_is_gone_is_replaced_on_request_alone(course):
    submit(course, "honest")
    grade(course)
    course.secret_seed.unlink()
    done = kit(course, "grade", "tiny", environment={**os.environ, "TOOLBOX_DATA": "standin"})
    assert done.returncode == 1 and not course.secret_seed.exists()
    assert f"{course.secret_seed} is not there" in done.stderr and "autograder grade tiny --force" in done.stderr
    done = kit(course, "grade", "tiny", "--force", environment={**os.environ, "TOOLBOX_DATA": "standin"})
    assert done.returncode == 0 and f"Made {course.secret_seed}" in done.stderr
