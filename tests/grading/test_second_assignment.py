"""The second assignment in the same course: graded, recorded and returned as the first, by the same machinery."""

import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.apps.api import NbGraderAPI

from autograder.course import init_course, open_course
from autograder.gradebook import rows
from autograder.grading import records
from autograder.nbgrader.run import load_config
from autograder.release.build import generate
from examples.convolutional_class import CLASS, FIRST, MODULE, NAME, write_class
from tests.command import kit

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("second assignment")

NETWORKS = {
    "three_layer_loss", "three_layer_gradients", "deep_loss", "deep_gradients", "overfit_deep", "saved_overfit_deep",
    "deep_batchnorm_gradients", "one_minute_accuracy",
}  # fmt: skip
NORMALISATION = {
    "batchnorm_forward_train", "batchnorm_forward_test", "batchnorm_backward", "batchnorm_backward_alt",
    "spatial_batchnorm_forward", "spatial_batchnorm_backward", "deep_batchnorm_gradients",
}  # fmt: skip
LOST = {
    "complete": set(),
    "pad_forgotten": {"conv_backward"},
    "unbiased_variance": NORMALISATION,
    "fan_in_forgotten": {"kaiming_initializer"},
    "endless_loop": {"conv_forward", "conv_backward"},
    "first_module_mistaken": {"three_layer_gradients", "deep_gradients", "overfit_deep", "deep_batchnorm_gradients"},
    "first_module_broken": NETWORKS,
    "first_module_missing": NETWORKS,
}
"""The checks that lose points, by student; the starter loses all, and the cheater what it cheats at."""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Make a course on the stand-in, with short limits, released, its example class handed in and graded."""
    made = init_course(tmp_path_factory.mktemp("class") / "course", like=open_course(REPOSITORY)).course
    made.toml.write_text(made.toml.read_text().replace('"cifar10"', '"standin"'))
    toml = made.assignments / NAME / "assignment.toml"
    short = toml.read_text().replace("check_seconds = 10 ", "check_seconds = 6 ")
    toml.write_text(short.replace("timeout_seconds = 10 ", "timeout_seconds = 6 "))
    generate(made, NAME)
    write_class(made.root, "standin")
    done = kit(made, "grade", NAME)
    assert done.returncode == 0, done.stderr
    return open_course(made.root)


def record(course, student):
    return records.read(course, NAME, student)


@pytest.mark.parametrize("student", LOST)
def test_each_mistake_costs_what_it_breaks(course, student):
    lost = {check["id"] for check in record(course, student)["checks"] if check["status"] != "passed"}
    assert lost == LOST[student]


def test_the_starter_scores_nothing_and_the_cheater_gains_nothing(course):
    assert record(course, "starter")["score"] == 0
    checks = {check["id"]: check for check in record(course, "cheater")["checks"]}
    for name in ("conv_forward", "conv_backward", "deep_loss", "one_minute_accuracy"):
        assert checks[name]["status"] != "passed"
    assert record(course, "cheater")["score"] < record(course, "complete")["score"] == 100


def test_what_is_wrong_with_the_first_module_is_said(course):
    broken, missing = record(course, "first_module_broken"), record(course, "first_module_missing")
    assert any(f"{FIRST}, line" in notice for notice in broken["notices"])
    assert f"`{FIRST}` is missing." in missing["notices"]
    assert not any(MODULE in notice and "does not allow" in notice for notice in missing["notices"])


def test_nbgrader_and_formgrader_leave_the_same_rows(course):
    before = rows(course, NAME)
    assert {student: cells.keys() for student, cells in before.items()}.keys() == set(CLASS)
    api = NbGraderAPI(config=load_config(course))
    assert api.autograde(NAME, "pad_forgotten")["success"]
    command = [sys.executable, "-m", "nbgrader", "autograde", NAME, "--force"]
    subprocess.run(command, cwd=course.root, capture_output=True, timeout=300, check=False)
    assert rows(course, NAME) == before
    for student, cells in before.items():
        total = sum(auto for auto, *_ in cells.values() if auto is not None)
        assert total == pytest.approx(record(course, student)["score"], abs=0.01)


def test_every_student_gets_a_page(course):
    done = kit(course, "feedback", NAME)
    assert done.returncode == 0, done.stderr
    pages = {path.parts[-3]: path.read_text() for path in course.feedback.glob(f"*/{NAME}/*.html")}
    assert set(pages) == set(CLASS)
    assert "conv_backward" in pages["pad_forgotten"] and "dx has shape" in pages["pad_forgotten"]
    assert FIRST in pages["first_module_broken"]
