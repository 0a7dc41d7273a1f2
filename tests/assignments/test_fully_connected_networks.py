"""The checks of the fully connected assignment: right code passes however it is drawn, mistakes do not.

The mistakes and the right variants stand in the assignment's mutants.toml.
"""

from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.course import open_course
from autograder.release.strip import strip_module
from autograder.verify import verify
from toolbox.checks import LocalBackend, Setting, load_checks, run_checks

NAME = "fully_connected_networks"
COURSE = open_course(Path(__file__).resolve().parents[2])
ASSIGNMENT = COURSE.assignments / NAME
MODULE = f"{NAME}.py"
SOLUTION = (ASSIGNMENT / MODULE).read_text(encoding="utf-8")
WITH_DATA = {"two_layer_accuracy", "overfit_three_layer", "overfit_five_layer", "saved_five_layer"}


def run(tmp_path, source, seed=b"test"):
    """Run the checks that need no images on a module, and return the results by id."""
    (tmp_path / MODULE).write_text(source, encoding="utf-8")
    setting = Setting(LocalBackend(tmp_path, [MODULE]), data=lambda: None, thresholds={}, seed=seed)
    ids = [check.id for check in load_checks(ASSIGNMENT / "checks") if check.id not in WITH_DATA]
    return {result.id: result for result in run_checks(ASSIGNMENT / "checks", setting, ids)}


@pytest.mark.parametrize("seed", range(10))
def test_the_solution_passes_under_any_seed(tmp_path, seed):
    lost = [(r.id, r.message) for r in run(tmp_path, SOLUTION, b"%d" % seed).values() if r.status != "passed"]
    assert lost == []


def test_the_starter_earns_nothing_and_says_what_is_not_written(tmp_path):
    results = run(tmp_path, strip_module(SOLUTION, MODULE)).values()
    assert all(r.score == 0 and "is not written yet" in r.message for r in results)


@pytest.mark.xdist_group("mutants")
def test_listed_mistakes_right_variants_and_a_sample_of_automatic_mutants_are_told_apart():
    assignment = load_assignment(COURSE, NAME)
    refused = [found.text for found in verify(COURSE, assignment, "standin", sample=40) if not found.passed]
    assert refused == []
