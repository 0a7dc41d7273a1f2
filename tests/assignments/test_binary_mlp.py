"""The checks of the assignment on two classes: right code passes however it is drawn, mistakes do not.

The mistakes and the right variants stand in the assignment's mutants.toml; here is what goes beyond one
change of the module: seeds, and what a saved network may look like.
"""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from autograder.assignment import load_assignment
from autograder.course import open_course
from autograder.release.strip import solution_regions, strip_module
from autograder.verify.listed import read_listed
from toolbox import data
from toolbox.checks import LocalBackend, Setting, load_checks, run_checks
from toolbox.saved_models import read_npz

NAME = "binary_mlp"
COURSE = open_course(Path(__file__).resolve().parents[2])
ASSIGNMENT = load_assignment(COURSE, NAME)
FOLDER = COURSE.assignments / NAME
MODULE = f"{NAME}.py"
MODEL = "best_binary_mlp.npz"
SOLUTION = (FOLDER / MODULE).read_text(encoding="utf-8")
WITH_DATA = {"overfit", "saved_mlp"}


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


# mistakes, right variants, automatic mutants: `make verify` tries all, each graded as a submission; here is a sample

CHECKS = [check.id for check in load_checks(FOLDER / "checks")]
TASKS = list(dict.fromkeys(region.task for region in solution_regions(SOLUTION, MODULE)))
LISTED = read_listed(FOLDER, {MODULE: SOLUTION}, CHECKS, TASKS)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # an overflow is one of the mistakes
@pytest.mark.parametrize("aim", sorted({mistake.fails for mistake in LISTED.mistakes}))
def test_listed_mistakes_fail_the_check_they_aim_at(tmp_path, images, aim):
    shutil.copy(FOLDER / "models" / "standin" / MODEL, tmp_path)
    needed = images if aim in WITH_DATA else None
    for mistake in [mistake for mistake in LISTED.mistakes if mistake.fails == aim][::6]:
        assert run(tmp_path, mistake.sources[MODULE], ids=[aim], images=needed)[aim].status != "passed", mistake


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_listed_right_variants_score_everything(tmp_path):
    for right in LISTED.right[::6]:
        assert lost(run(tmp_path, right.sources[MODULE])) == {}, right


# images


@pytest.mark.parametrize("seed", range(6))
def test_fifty_images_are_learned_by_heart_under_any_seed(tmp_path, images, seed):
    assert lost(run(tmp_path, SOLUTION, b"%d" % seed, ["overfit"], images)) == {}


def test_the_arrays_hold_all_images_of_the_two_classes(tmp_path):
    everything = data.load("standin")
    found = LocalBackend(FOLDER, [MODULE])._import().prepare(everything.only((0, 8)))
    few, tests = (len(everything.y_train) + len(everything.y_val)) // 5, len(everything.y_test) // 5
    assert {name: value.shape for name, value in found.items()} == {
        "x_train": (few, 3072), "y_train": (few, 1), "x_test": (tests, 3072), "y_test": (tests, 1),
    }  # fmt: skip
    for name in ("y_train", "y_test"):
        assert found[name].dtype == np.float64 and found[name].mean() == 0.5
    ships = everything.X_test[everything.y_test == 8].flatten(1).numpy()
    assert np.array_equal(found["x_test"][found["y_test"][:, 0] == 1], ships)


# saved networks


def score_saved(tmp_path, images, change=lambda saved: saved, source=SOLUTION, write=np.savez):
    """Return the result of the check of the saved network, with a change of it."""
    write(tmp_path / MODEL, **change(read_npz(FOLDER / "models" / "standin" / MODEL)))
    return run(tmp_path, source, ids=["saved_mlp"], images=images)["saved_mlp"]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_saved_network_is_scored_from_its_weights(tmp_path, images, kind):
    result = score_saved(tmp_path, images, lambda saved: {name: value.astype(kind) for name, value in saved.items()})
    assert result.status == "passed" and result.measured >= 0.9


def test_a_network_of_another_depth_is_scored_too(tmp_path, images):
    """A layer that changes nothing behind the last hidden one."""

    def deeper(saved):
        hidden = saved["W3"].shape[0]
        between = {"W3": np.eye(hidden), "b3": np.zeros(hidden)}
        return {**saved, **between, "W4": saved["W3"], "b4": saved["b3"]}

    result = score_saved(tmp_path, images, deeper)
    assert result.status == "passed" and result.measured >= 0.9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda saved: {**saved, "W1": saved["W1"] * float("nan")}, "NaN"),
        (lambda saved: {name.lower(): value for name, value in saved.items()}, "the arrays W1, b1"),
        (lambda saved: {**saved, "W1": np.zeros((21_000_000, 1), np.float16)}, "20,000,000"),
        (lambda saved: {**saved, "W1": saved["W1"].astype(int)}, "floating-point"),
        (lambda saved: {**saved, "W1": saved["W1"].T}, "do not fit"),
        (lambda saved: {**saved, "b1": saved["b1"][None]}, "has shape"),
        (lambda saved: {**saved, "W3": np.repeat(saved["W3"], 2, axis=1), "b3": np.repeat(saved["b3"], 2)}, "2 outputs"),
        (lambda saved: {**saved, "W3": -saved["W3"], "b3": -saved["b3"]}, "at least 90.00%"),
        (lambda saved: {}, "the arrays W1, b1"),
    ],
    ids=["not finite", "other names", "too large", "whole numbers", "transposed", "a row for a bias", "two outputs",
         "wrong way round", "empty"],
)  # fmt: skip
def test_a_file_that_will_not_do_says_why(tmp_path, images, change, said):
    result = score_saved(tmp_path, images, change)
    assert result.status == "failed" and result.score == 0 and said in result.message, result.message


def test_code_that_does_not_do_what_the_weights_do_fails(tmp_path, images):
    source = SOLUTION.replace("            out = layer.forward(out)", "            out = layer.forward(out)\n        out = -out")
    assert source != SOLUTION
    result = score_saved(tmp_path, images, source=source)
    assert result.status in ("failed", "blocked") and "other logits than the saved weights" in result.message


def test_an_evaluate_that_claims_more_than_the_weights_reach_fails(tmp_path, images):
    source = SOLUTION.replace("    return loss, accuracy", "    return loss, 1.0")
    assert source != SOLUTION
    result = score_saved(tmp_path, images, source=source)
    assert result.status in ("failed", "blocked") and "your `evaluate` says 100.0%" in result.message
