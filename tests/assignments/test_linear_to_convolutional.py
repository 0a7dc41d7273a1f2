"""The checks of the assignment from linear to convolutional: right code passes however it is drawn, mistakes do not.

The mistakes and the right variants stand in the assignment's mutants.toml. `make verify` grades them all, which
takes many minutes; here are samples of them, and what goes beyond one change of the module: what saved models may look like, and that training does what the settings say.
"""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from autograder.assignment import load_assignment
from autograder.course import open_course
from autograder.release.strip import solution_regions, strip_module
from autograder.verify.listed import read_listed
from autograder.verify.trial import Attempt, try_each
from toolbox import data
from toolbox.checks import LocalBackend, Setting, load_checks, run_checks
from toolbox.saved_models import read_npz, read_pth

NAME = "linear_to_convolutional"
COURSE = open_course(Path(__file__).resolve().parents[2])
FOLDER = COURSE.assignments / NAME
ASSIGNMENT = load_assignment(COURSE, NAME)
(MODULE,) = ASSIGNMENT.files.modules
SOLUTION = (FOLDER / MODULE).read_text(encoding="utf-8")
MODELS = FOLDER / "models" / "standin"
CHECKS = [check.id for check in load_checks(FOLDER / "checks")]
WITH_DATA = {name for name in CHECKS if name.startswith("saved_")}


@pytest.fixture(scope="module")
def images():
    return data.load("standin", **asdict(ASSIGNMENT.images))


@pytest.fixture(scope="module")
def solution(tmp_path_factory):
    """The module with its solution, imported."""
    sys.path.insert(0, str(FOLDER))
    try:
        import linear_to_convolutional
    finally:
        sys.path.remove(str(FOLDER))
    return linear_to_convolutional


def run(tmp_path, source, seed=b"test", ids=(), images=None):
    """Run checks on a folder with a module and models, and return the results by id; all that need no images by default."""
    (tmp_path / MODULE).write_text(source, encoding="utf-8")
    thresholds = ASSIGNMENT.thresholds["standin"] if images else {}
    setting = Setting(LocalBackend(tmp_path, [MODULE]), lambda: images, dict(thresholds), seed=seed)
    ids = ids or [name for name in CHECKS if name not in WITH_DATA]
    return {result.id: result for result in run_checks(FOLDER / "checks", setting, ids)}


def lost(results):
    return {name: result.message for name, result in results.items() if result.status != "passed"}


@pytest.mark.parametrize("seed", range(3))
def test_the_solution_passes_under_any_seed(tmp_path, seed):
    assert lost(run(tmp_path, SOLUTION, b"%d" % seed)) == {}


def test_the_starter_earns_nothing_and_says_what_is_not_written(tmp_path):
    results = run(tmp_path, strip_module(SOLUTION, MODULE)).values()
    assert all(r.score == 0 and "is not written yet" in r.message for r in results)


TASKS = list(dict.fromkeys(region.task for region in solution_regions(SOLUTION, MODULE)))
LISTED = read_listed(FOLDER, {MODULE: SOLUTION}, CHECKS, TASKS)


@pytest.mark.parametrize("aim", sorted({mistake.fails for mistake in LISTED.mistakes}))
def test_listed_mistakes_fail_the_check_they_aim_at(tmp_path, aim):
    for mistake in [mistake for mistake in LISTED.mistakes if mistake.fails == aim][::6]:
        assert run(tmp_path, mistake.sources[MODULE], ids=[aim])[aim].status != "passed", mistake


def test_listed_right_variants_score_everything(tmp_path):
    for right in LISTED.right[::7]:
        assert lost(run(tmp_path, right.sources[MODULE])) == {}, right


def test_an_overflow_on_the_way_fails_in_grading_too():
    naive = SOLUTION.replace("out = np.where(z >= 0, 1, small) / (1 + small)", "out = 1 / (1 + np.exp(-z))")
    (_, verdict), *_ = try_each(COURSE, ASSIGNMENT, "standin", [Attempt("naive", {MODULE: naive})])
    assert set(verdict.lost) == {"sigmoid"}
    assert "overflow encountered in exp" in verdict.lost["sigmoid"]


def test_the_sigmoid_check_leaves_numpys_settings_as_they_were(tmp_path):
    before = np.geterr()
    run(tmp_path, SOLUTION, ids=["sigmoid"])
    assert np.geterr() == before


# the module


def test_the_images_are_split_nine_to_one(solution):
    whole = data.load("standin")
    arrays = solution.to_arrays(whole)
    train, val = len(arrays["x_train"]), len(arrays["x_val"])
    assert train + val == len(whole.y_train) + len(whole.y_val) and train == 9 * val
    rows = np.concatenate([arrays["x_train"], arrays["x_val"]])
    labels = np.concatenate([arrays["y_train"], arrays["y_val"]])
    assert np.array_equal(rows, torch.cat([whole.X_train, whole.X_val]).flatten(1).numpy())
    assert np.array_equal(labels.argmax(1), torch.cat([whole.y_train, whole.y_val]).numpy())
    assert np.array_equal(labels.sum(1), np.ones(len(labels))) and set(np.unique(labels)) == {0, 1}
    assert np.array_equal(arrays["y_test"].argmax(1), whole.y_test.numpy())
    assert all(value.dtype == np.float32 for value in arrays.values())


@pytest.mark.parametrize("name", ["linear", "two_layer", "two_layer_sgd"])
def test_training_by_hand_lowers_the_loss_in_float32(solution, name):
    arrays = solution.to_arrays(data.load("standin"))
    few = {key: value[:300] for key, value in arrays.items()}
    short = {"num_epochs": 3} if name == "two_layer_sgd" else {"num_steps": 15}
    weights, history = solution.train_by_hand(name, few, **short)
    assert history["loss"][-1] < history["loss"][0]
    assert all(value.dtype == np.float32 for value in weights)


def test_a_new_model_predicts_zero_and_its_hidden_units_differ_from_the_first_step_on(solution):
    weights = solution.initial_weights((3072, 200, 10), (4.0, 2.0), seed=1)
    x, y = np.random.default_rng(0).standard_normal((20, 3072)).astype(np.float32), solution.one_hot(np.arange(20) % 10)
    y_hat, cache = solution.forward("two_layer", x, weights)
    assert np.abs(y_hat).max() < 1e-4 and cache[1].std() > 0.2
    stepped = solution.gradient_descent(solution.backward("two_layer", y, x, cache, weights), weights, 0.1, 0)
    assert np.linalg.matrix_rank(stepped[0]) > 100 == np.linalg.matrix_rank(weights[0])
    assert not any(value.any() for value in solution.initial_weights((3072, 10)))


def test_the_start_of_the_convolutional_network_centres_each_unit(solution):
    net = solution.ConvolutionalNet()
    torch.manual_seed(0)
    solution.start(net)
    grey = torch.full((1, 64), 0.5)
    for layer in (net.output,):
        assert layer(grey).abs().max() < 1e-5
    assert not net.conv1.bias.any()
    assert abs(float(net.hidden.weight.detach().std()) * 32 - 4) < 0.1


# saved models


def score_saved(tmp_path, images, file, change=lambda saved: saved, source=SOLUTION):
    """Return the result of the check of a saved model, changed, and the module beside it."""
    saved = change((read_npz if file.endswith(".npz") else read_pth)(MODELS / file))
    if file.endswith(".npz"):
        np.savez(tmp_path / file, **saved)
    else:
        torch.save(saved, tmp_path / file)
    check = f"saved_{Path(file).stem}"
    return run(tmp_path, source, ids=[check], images=images)[check]


@pytest.mark.parametrize("file", ASSIGNMENT.files.models)
def test_a_saved_model_is_scored_from_its_weights(tmp_path, images, file):
    result = score_saved(tmp_path, images, file)
    assert result.status == "passed" and result.measured >= result.threshold, result.message


def test_arrays_may_have_any_names_and_order(tmp_path, images):
    def renamed(saved):
        return {f"array{n}": saved[key].astype(np.float64) for n, key in enumerate(reversed(saved))}

    assert score_saved(tmp_path, images, "two_layer.npz", renamed).status == "passed"


def test_the_state_of_a_network_may_be_saved_as_it_is(tmp_path, images, solution):
    net = solution.ConvolutionalNet()
    net.load(MODELS / "convolutional.pth")
    assert score_saved(tmp_path, images, "convolutional.pth", lambda saved: net.state_dict()).status == "passed"


def test_layers_may_have_any_names_that_the_saved_network_has_too(tmp_path, images):
    def renamed(saved):
        return {key.replace("hidden", "fc1"): value for key, value in saved.items()}

    source = SOLUTION.replace("self.hidden", "self.fc1")
    assert lost(run(tmp_path, source, ids=["convolutional_net"])) == {}
    assert score_saved(tmp_path, images, "convolutional.pth", renamed, source).status == "passed"
    assert score_saved(tmp_path, images, "convolutional.pth", source=source).status != "passed"


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("linear.npz", lambda saved: {**saved, "W1": saved["W1"] * np.nan}, "NaN"),
        ("linear.npz", lambda saved: {"W1": saved["W1"]}, "wanted are (3072, 10), (1, 10)"),
        ("linear.npz", lambda saved: {**saved, "more": saved["b1"]}, "wanted are (3072, 10), (1, 10)"),
        ("linear.npz", lambda saved: {**saved, "b1": np.zeros((1, 10), dtype=int)}, "no array of floating-point"),
        ("two_layer.npz", lambda saved: {**saved, "W1": saved["W1"][:, :100]}, "(3072, 100)"),
        ("two_layer_sgd.npz", lambda saved: {key: 0 * value for key, value in saved.items()}, "test accuracy"),
        ("convolutional.pth", lambda saved: dict(list(saved.items())[:-1]), "its bias of shape"),
        ("convolutional.pth", lambda saved: {**saved, "more": torch.zeros(3)}, "belongs to no layer"),
        ("convolutional.pth", lambda saved: [1, 2], "a list of 2"),
    ],
    ids=["not finite", "no bias", "too much", "whole numbers", "fewer units", "knows nothing", "a layer short", "a tensor more", "a list"],
)
def test_a_file_that_holds_no_such_model_says_why(tmp_path, images, file, change, said):
    result = score_saved(tmp_path, images, file, change)
    assert result.status == "failed" and result.score == 0 and said in result.message, result.message


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("linear.npz", "y_hat = x @ W + b", "y_hat = x[:, ::-1] @ W + b"),
        ("two_layer.npz", "a1 = sigmoid(z1)", "a1 = np.maximum(z1, 0)"),
        ("convolutional.pth", "x = torch.sigmoid(F.max_pool2d(conv(x), 2))", "x = torch.relu(F.max_pool2d(conv(x), 2))"),
    ],
)
def test_code_that_does_not_do_what_the_weights_do_fails(tmp_path, images, file, old, new):
    assert SOLUTION.count(old) == 1
    result = score_saved(tmp_path, images, file, source=SOLUTION.replace(old, new))
    assert result.status in ("failed", "blocked") and "other scores than the saved weights" in result.message


def test_labels_that_are_looked_up_buy_nothing(tmp_path, images):
    looked_up = """
def forward_linear(x, weights):
    return np.eye(10, dtype=np.float32)[np.arange(len(x)) % 10]
"""
    for model in MODELS.iterdir():
        shutil.copy(model, tmp_path)
    result = run(tmp_path, f"{SOLUTION}\n{looked_up}", ids=["saved_linear"], images=images)["saved_linear"]
    assert result.status != "passed"
