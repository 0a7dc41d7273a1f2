"""Every grader of the comparison gives one submission the points that its checks are worth."""

import pytest

from benchmarks import throughput
from benchmarks.other_graders import REPOSITORY
from toolbox.checks import load_checks

NAME = "fully_connected_networks"
OTTER = REPOSITORY / "build" / "otter" / "bin" / "python"
OF_MODELS = {"two_layer_accuracy", "saved_five_layer"}

pytestmark = pytest.mark.xdist_group("throughput")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    python = str(OTTER) if OTTER.is_file() else None
    return throughput.set_up(NAME, "standin", python, tmp_path_factory.mktemp("throughput") / NAME)


@pytest.mark.parametrize("name", ["this kit", "nbgrader", "otter-grader"])
def test_only_the_checks_of_saved_models_fail_without_them(task, name):
    graders = [grader for grader in task.graders if grader.name.startswith(name)]
    if not graders:
        pytest.skip("otter-grader is not here: see `python -m pydoc benchmarks.throughput`")
    worth = {check.id: check.points for check in load_checks(task.assignment / "checks")}
    points = sum(worth.values()) - sum(worth[check] for check in OF_MODELS)
    throughput.grade(task, graders[0], throughput.WITHOUT, 1, points)  # ends where the gradebook says otherwise


def test_the_notebook_that_students_get_tells_no_check(task):
    (grader,) = (grader for grader in task.graders if grader.name.startswith("nbgrader"))
    assert "check(" not in grader.notebook.read_text()
