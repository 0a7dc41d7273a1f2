"""The checks of the assignment on features: right code passes however it is drawn, mistakes do not.

The mistakes and the right variants stand in the assignment's mutants.toml; here is what goes beyond one
change of the module: seeds, the backbone, and what a saved network may look like.
"""

import hashlib
import shutil
import sys
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

NAME = "feature_mlp"
COURSE = open_course(Path(__file__).resolve().parents[2])
ASSIGNMENT = load_assignment(COURSE, NAME)
FOLDER = COURSE.assignments / NAME
MODULE = f"{NAME}.py"
MODEL = "best_feature_mlp.npz"
SOLUTION = (FOLDER / MODULE).read_text(encoding="utf-8")
CHECKS = [check.id for check in load_checks(FOLDER / "checks")]


@pytest.fixture(scope="module")
def solution():
    """The module with its solution, imported, and the backbone from beside it."""
    sys.modules.pop("backbone", None)
    sys.path.insert(0, str(FOLDER))
    try:
        import feature_mlp
    finally:
        sys.path.remove(str(FOLDER))
    return feature_mlp


@pytest.fixture(scope="module")
def images():
    return data.load("standin", **asdict(ASSIGNMENT.images))


def run(tmp_path, source, seed=b"test", ids=(), images=None):
    """Run checks on a module and return the results by id; all that need no images by default."""
    (tmp_path / MODULE).write_text(source, encoding="utf-8")
    shutil.copy(FOLDER / "backbone.py", tmp_path)
    thresholds = ASSIGNMENT.thresholds["standin"] if images else {}
    setting = Setting(LocalBackend(tmp_path, [MODULE]), lambda: images, dict(thresholds), seed=seed)
    ids = ids or [name for name in CHECKS if name != "saved_mlp"]
    return {result.id: result for result in run_checks(FOLDER / "checks", setting, ids)}


def lost(results):
    return {name: result.message for name, result in results.items() if result.status != "passed"}


@pytest.mark.parametrize("seed", range(6))
def test_the_solution_passes_under_any_seed(tmp_path, seed):
    assert lost(run(tmp_path, SOLUTION, b"%d" % seed)) == {}


def test_the_starter_earns_nothing_and_says_what_is_not_written(tmp_path):
    results = run(tmp_path, strip_module(SOLUTION, MODULE)).values()
    assert all(r.score == 0 and "is not written yet" in r.message for r in results)


TASKS = list(dict.fromkeys(region.task for region in solution_regions(SOLUTION, MODULE)))
LISTED = read_listed(FOLDER, {MODULE: SOLUTION}, CHECKS, TASKS)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # an overflow is one of the mistakes
@pytest.mark.parametrize("part", range(3))
def test_a_sample_of_the_listed_mistakes_fails_the_checks_that_it_aims_at(tmp_path, part):
    """`make verify` tries all of them."""
    for mistake in LISTED.mistakes[6 * part :: 18]:
        if mistake.fails != "saved_mlp":
            assert run(tmp_path, mistake.sources[MODULE], ids=[mistake.fails])[mistake.fails].status != "passed", mistake


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_sample_of_the_right_variants_scores_everything(tmp_path):
    for right in LISTED.right[::8]:
        assert lost(run(tmp_path, right.sources[MODULE])) == {}, right


# the backbone


def test_the_weights_are_those_that_the_checks_ask_for_and_small():
    content = (FOLDER / "backbone.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() in (FOLDER / "checks" / "reference.py").read_text(encoding="utf-8")
    assert len(content) < 5_000_000
    assert {value.dtype for value in read_npz(FOLDER / "backbone.npz").values()} == {np.dtype(np.float16)}
    assert (COURSE.release / NAME / "backbone.npz").read_bytes() == content


def test_the_features_of_an_image_depend_on_nothing_else(solution):
    backbone = solution.load_backbone()
    pixels = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)
    together = backbone(pixels)
    assert together.shape == (12, 512) and together.dtype == np.float32
    alone = np.concatenate([backbone(one[None]) for one in pixels])
    assert np.abs(together - alone).max() <= 1e-4 * np.abs(together).max()
    assert np.array_equal(backbone(pixels.transpose(0, 2, 1, 3).copy().transpose(0, 2, 1, 3)), together)


def test_the_backbone_says_what_it_does_not_take(solution):
    backbone = solution.load_backbone()
    for wrong in (np.zeros((2, 32, 32, 3)), np.zeros((2, 3, 32, 32), np.uint8), np.zeros((1001, 2, 2, 3), np.uint8)):
        with pytest.raises(ValueError, match="the backbone takes"):
            backbone(wrong)


def test_other_weights_are_refused_by_name(tmp_path, images):
    """What a student's own folder holds: the checks, the backbone and its weights."""
    for name in ("checks", "backbone.py", MODULE):
        (shutil.copytree if name == "checks" else shutil.copy)(FOLDER / name, tmp_path / name)
    shutil.copy(FOLDER / "models" / "standin" / MODEL, tmp_path)
    setting = Setting(LocalBackend(tmp_path, [MODULE]), lambda: images, dict(ASSIGNMENT.thresholds["standin"]))
    for content in (None, b"no weights"):
        if content is not None:
            (tmp_path / "backbone.npz").write_bytes(content)
        (result,) = run_checks(tmp_path / "checks", setting, ["saved_mlp"])
        assert result.status == "failed" and "`backbone.npz` is not the file" in result.message


# the module


def test_the_images_are_those_that_the_backbone_has_not_seen(solution):
    everything = data.load("standin")
    found = solution.prepare(everything)
    assert {name: value.shape for name, value in found.items()} == {
        "x_train": (2500, 32, 32, 3), "y_train": (2500,), "x_test": (1000, 32, 32, 3), "y_test": (1000,),
    }  # fmt: skip
    assert found["x_train"].dtype == np.uint8
    assert np.array_equal(found["x_train"][-1], everything.unnormalise(everything.X_val[-1]).numpy())
    assert np.array_equal(found["x_train"][0], everything.unnormalise(everything.X_train[2500]).numpy())
    assert np.array_equal(found["y_train"][:1500], everything.y_train[2500:].numpy())


def test_features_are_kept_and_those_of_other_images_are_not_taken_for_them(tmp_path, solution):
    calls = []

    def backbone(some):
        calls.append(len(some))
        return some.reshape(len(some), -1).astype(np.float32)

    pixels = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3), np.uint8)
    file = tmp_path / "features" / "some.npz"
    first = solution.kept_features(file, pixels, backbone, batch_size=3)
    assert calls == [3, 3, 1]
    assert np.array_equal(solution.kept_features(file, pixels, backbone, batch_size=3), first) and len(calls) == 3
    other = solution.kept_features(file, pixels[::-1], backbone, batch_size=7)
    assert calls[3:] == [7] and np.array_equal(other, first[::-1])


# saved networks


def score_saved(tmp_path, images, change=lambda saved: saved, source=SOLUTION):
    """Return the result of the check of the saved network, with a change of it."""
    np.savez(tmp_path / MODEL, **change(read_npz(FOLDER / "models" / "standin" / MODEL)))
    return run(tmp_path, source, ids=["saved_mlp"], images=images)["saved_mlp"]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_saved_network_is_scored_from_its_weights(tmp_path, images, kind):
    result = score_saved(tmp_path, images, lambda saved: {name: value.astype(kind) for name, value in saved.items()})
    assert result.status == "passed" and result.measured >= result.threshold


def test_a_network_with_another_number_of_hidden_units_is_scored_too(tmp_path, images):
    def wider(saved):
        W1, b1, W2 = (np.concatenate([saved[name]] * 2, axis=axis) for name, axis in (("W1", 1), ("b1", 0), ("W2", 0)))
        return {**saved, "W1": W1, "b1": b1, "W2": W2 / 2}

    assert score_saved(tmp_path, images, wider).status == "passed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda saved: {**saved, "W1": saved["W1"] * float("nan")}, "NaN"),
        (lambda saved: {name.lower(): value for name, value in saved.items()}, "the arrays W1, b1"),
        (lambda saved: {**saved, "W1": np.zeros((1_100_000, 1), np.float16)}, "1,000,000"),
        (lambda saved: {**saved, "W1": saved["W1"].astype(int)}, "floating-point"),
        (lambda saved: {**saved, "W1": saved["W1"].T}, "does not fit"),
        (lambda saved: {**saved, "b1": saved["b1"][None]}, "does not fit"),
        (lambda saved: {**saved, "b1": saved["b1"][:0], "W1": saved["W1"][:, :0], "W2": saved["W2"][:0]}, "does not fit"),
        (lambda saved: {**saved, "W2": saved["W2"][:, :5], "b2": saved["b2"][:5]}, "does not fit"),
        (lambda saved: {**saved, "W2": -saved["W2"], "b2": -saved["b2"]}, "is asked for"),
        (lambda saved: {}, "the arrays W1, b1"),
    ],
    ids=["not finite", "other names", "too large", "whole numbers", "transposed", "a row for a bias", "no hidden unit",
         "five outputs", "wrong way round", "empty"],
)  # fmt: skip
def test_a_file_that_will_not_do_says_why(tmp_path, images, change, said):
    result = score_saved(tmp_path, images, change)
    assert result.status == "failed" and result.score == 0 and said in result.message, result.message


def test_code_that_does_not_do_what_the_weights_do_fails(tmp_path, images):
    source = SOLUTION.replace("    return scores, cache", "    return -scores, cache")
    assert source != SOLUTION
    result = score_saved(tmp_path, images, source=source)
    assert result.status in ("failed", "blocked") and "other scores than the saved weights" in result.message


def test_an_evaluate_that_claims_more_than_the_weights_reach_fails(tmp_path, images):
    source = SOLUTION.replace("    return loss, accuracy", "    return loss, 1.0")
    assert source != SOLUTION
    result = score_saved(tmp_path, images, source=source)
    assert result.status in ("failed", "blocked") and "your `evaluate` says 100.0%" in result.message
