"""The checks of the fully connected assignment: right code passes however it is drawn, mistakes do not.

The mistakes and the right variants stand in the assignment's mutants.toml.
"""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.course import open_course
from autograder.release.strip import solution_regions, strip_module
from autograder.verify.listed import read_listed
from toolbox import data
from toolbox.checks import LocalBackend, Setting, load_checks, run_checks

NAME = "fully_connected_networks"
COURSE = open_course(Path(__file__).resolve().parents[2])
FOLDER = COURSE.assignments / NAME
ASSIGNMENT = load_assignment(COURSE, NAME)
MODULE = f"{NAME}.py"
SOLUTION = (FOLDER / MODULE).read_text(encoding="utf-8")
WITH_DATA = {"two_layer_accuracy", "overfit_three_layer", "overfit_five_layer", "saved_five_layer"}


def run(tmp_path, source, seed=b"test", ids=(), images=None):
    """Run checks on a module and return the results by id; all that need no images by default."""
    (tmp_path / MODULE).write_text(source, encoding="utf-8")
    thresholds = ASSIGNMENT.thresholds["standin"] if images else {}
    setting = Setting(LocalBackend(tmp_path, [MODULE]), lambda: images, dict(thresholds), seed=seed)
    ids = ids or [check.id for check in load_checks(FOLDER / "checks") if check.id not in WITH_DATA]
    return {result.id: result for result in run_checks(FOLDER / "checks", setting, ids)}


def lost(results):
    return {name: result.message for name, result in results.items() if result.status != "passed"}


@pytest.mark.parametrize("seed", range(6))
def test_the_solution_passes_under_any_seed(tmp_path, seed):
    assert lost(run(tmp_path, SOLUTION, b"%d" % seed)) == {}


def test_the_starter_earns_nothing_and_says_what_is_not_written(tmp_path):
    results = run(tmp_path, strip_module(SOLUTION, MODULE)).values()
    assert all(r.score == 0 and "is not written yet" in r.message for r in results)


@pytest.fixture(scope="module")
def images():
    return data.load("standin", **asdict(ASSIGNMENT.images))


# mistakes, right variants: `make verify` tries all, each graded as a submission; here is a sample

CHECKS = [check.id for check in load_checks(FOLDER / "checks")]
TASKS = list(dict.fromkeys(region.task for region in solution_regions(SOLUTION, MODULE)))
LISTED = read_listed(FOLDER, {MODULE: SOLUTION}, CHECKS, TASKS)


@pytest.mark.parametrize("aim", sorted({mistake.fails for mistake in LISTED.mistakes}))
def test_listed_mistakes_fail_the_check_they_aim_at(tmp_path, images, aim):
    for model in (FOLDER / "models" / "standin").glob("*.pth"):
        shutil.copy(model, tmp_path)
    needed = images if aim in WITH_DATA else None
    for mistake in [mistake for mistake in LISTED.mistakes if mistake.fails == aim][::6]:
        assert run(tmp_path, mistake.sources[MODULE], ids=[aim], images=needed)[aim].status != "passed", mistake


def test_listed_right_variants_score_everything(tmp_path):
    for right in LISTED.right[::6]:
        assert lost(run(tmp_path, right.sources[MODULE])) == {}, right
