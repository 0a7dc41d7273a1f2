"""The checks of the convolutional assignment: right code passes however it is drawn, mistakes do not.

The mistakes and the right variants stand in the assignment's mutants.toml; here is what goes beyond one
change of one module: the module that students bring along, and what a saved network may look like.
"""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from autograder.assignment import load_assignment
from autograder.course import open_course
from autograder.release.strip import solution_regions, strip_module
from autograder.verify.listed import read_listed
from autograder.verify.trial import Attempt, try_each
from toolbox import data
from toolbox.checks import LocalBackend, Setting, load_checks, run_checks
from toolbox.saved_models import read_pth

NAME = "convolutional_networks"
COURSE = open_course(Path(__file__).resolve().parents[2])
FOLDER = COURSE.assignments / NAME
ASSIGNMENT = load_assignment(COURSE, NAME)
FIRST, MODULE = ASSIGNMENT.files.modules
SOLUTION = {name: (FOLDER / name).read_text(encoding="utf-8") for name in (FIRST, MODULE)}
MODELS = FOLDER / "models" / "standin"
WITH_DATA = {"overfit_deep", "saved_overfit_deep", "one_minute_accuracy"}
OF_THE_FIRST = {
    "three_layer_loss", "three_layer_gradients", "deep_loss", "deep_gradients", "overfit_deep", "saved_overfit_deep",
    "deep_batchnorm_gradients", "one_minute_accuracy",
}  # fmt: skip
"""The checks that use layers of the first assignment."""


def run(tmp_path, sources, seed=b"test", ids=(), images=None):
    """Run checks on a folder of modules and models, and return the results by id; all that need no images by default."""
    for name, source in sources.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    thresholds = ASSIGNMENT.thresholds["standin"] if images else {}
    setting = Setting(LocalBackend(tmp_path, [FIRST, MODULE]), lambda: images, dict(thresholds), seed=seed)
    ids = ids or [check.id for check in load_checks(FOLDER / "checks") if check.id not in WITH_DATA]
    return {result.id: result for result in run_checks(FOLDER / "checks", setting, ids)}


def lost(results):
    return {name: result.message for name, result in results.items() if result.status != "passed"}


@pytest.mark.parametrize("seed", range(6))
def test_the_solution_passes_under_any_seed(tmp_path, seed):
    assert lost(run(tmp_path, SOLUTION, b"%d" % seed)) == {}


def test_the_starter_earns_nothing_and_says_what_is_not_written(tmp_path):
    results = run(tmp_path, {**SOLUTION, MODULE: strip_module(SOLUTION[MODULE], MODULE)}).values()
    assert all(r.score == 0 and "is not written yet" in r.message for r in results)


def test_the_first_assignments_module_is_the_same_in_both():
    assert SOLUTION[FIRST] == (COURSE.assignments / "fully_connected_networks" / FIRST).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def images():
    return data.load("standin", **asdict(ASSIGNMENT.images))


# mistakes, right variants: `make verify` tries all, each graded as a submission; here is a sample

CHECKS = [check.id for check in load_checks(FOLDER / "checks")]
TASKS = list(dict.fromkeys(region.task for region in solution_regions(SOLUTION[MODULE], MODULE)))
LISTED = read_listed(FOLDER, SOLUTION, CHECKS, TASKS)


@pytest.mark.parametrize("aim", sorted({mistake.fails for mistake in LISTED.mistakes}))
def test_listed_mistakes_fail_the_check_they_aim_at(tmp_path, images, aim):
    for model in MODELS.glob("*.pth"):
        shutil.copy(model, tmp_path)
    needed = images if aim in WITH_DATA else None
    for mistake in [mistake for mistake in LISTED.mistakes if mistake.fails == aim][::6]:
        assert run(tmp_path, mistake.sources, ids=[aim], images=needed)[aim].status != "passed", mistake


def test_listed_right_variants_score_everything(tmp_path):
    for right in LISTED.right[::5]:
        assert lost(run(tmp_path, right.sources)) == {}, right


# the module of the first assignment

MISTAKES_THERE = {
    "dropout": ("/ (1 - p)", "", set()),
    "the gradient of ReLU": (
        "dx = dout * (x > 0)", "dx = dout",
        {"three_layer_gradients", "deep_gradients", "overfit_deep", "deep_batchnorm_gradients"},
    ),
    "the linear layer": ("@ w + b", "@ w", OF_THE_FIRST - {"overfit_deep"}),  # whose biases stay small
    "a line that raises before anything is defined": ("class Linear:", "raise RuntimeError\n\n\nclass Linear:", OF_THE_FIRST),
    "a line that raises after all that is used": ("class TwoLayerNet:", "raise RuntimeError\n\n\nclass TwoLayerNet:", set()),
    "not Python": ("class Linear:", "class Linear", OF_THE_FIRST),
    "an import that never ends": ("class Linear:", "while True: pass\n\n\nclass Linear:", OF_THE_FIRST),
    "an import that ends the process": ("class Linear:", "import os\nos._exit(0)\n\n\nclass Linear:", OF_THE_FIRST),
}  # fmt: skip


@pytest.fixture(scope="module")
def verdicts():
    """Grade the solution with each mistake in the module that students bring along."""
    attempts = []
    for kind, (old, new, _) in MISTAKES_THERE.items():
        assert SOLUTION[FIRST].count(old) == 1, old
        attempts.append(Attempt(kind.replace(" ", "_"), {**SOLUTION, FIRST: SOLUTION[FIRST].replace(old, new)}))
    attempts.append(Attempt("missing", {MODULE: SOLUTION[MODULE]}))
    limits = replace(ASSIGNMENT.limits, import_seconds=4)
    return dict(try_each(COURSE, replace(ASSIGNMENT, limits=limits), "standin", attempts))


@pytest.mark.xdist_group("first module")
@pytest.mark.parametrize("kind", MISTAKES_THERE)
def test_a_mistake_in_the_first_module_costs_what_uses_it(verdicts, kind):
    assert set(verdicts[kind.replace(" ", "_")].lost) == MISTAKES_THERE[kind][2]


@pytest.mark.xdist_group("first module")
def test_a_first_module_that_is_missing_is_named(verdicts):
    assert set(verdicts["missing"].lost) == OF_THE_FIRST
    assert f"`{FIRST}` is missing" in verdicts["missing"].lost["deep_loss"]


def test_on_a_students_machine_it_is_the_same(tmp_path):
    broken = {**SOLUTION, FIRST: SOLUTION[FIRST].replace("class Linear:", "class Linear")}
    found = lost(run(tmp_path, broken))
    assert set(found) == OF_THE_FIRST - WITH_DATA
    assert FIRST in found["deep_loss"]
    (tmp_path / FIRST).unlink()
    assert f"`{FIRST}` is missing" in lost(run(tmp_path, {MODULE: SOLUTION[MODULE]}))["deep_loss"]


# saved networks


def score_saved(tmp_path, images, change=lambda saved: saved, source=SOLUTION[MODULE]):
    """Return the result of the one-minute check on the saved network with a change."""
    saved = change(read_pth(MODELS / "one_minute_deepconvnet.pth"))
    torch.save(saved, tmp_path / "one_minute_deepconvnet.pth")
    return run(tmp_path, {**SOLUTION, MODULE: source}, ids=["one_minute_accuracy"], images=images)["one_minute_accuracy"]


def renamed(saved):
    """Name every parameter as another program might."""
    words = {"W": "weight_of_", "b": "conv_bias", "gamma": "scale", "beta": "shift"}

    def new(name):
        kind = name.rstrip("0123456789")
        return f"{words[kind]}{name.removeprefix(kind)}"

    return {**saved, "params": {new(name): value for name, value in saved["params"].items()}}


def test_the_saved_network_is_scored_from_its_weights(tmp_path, images):
    result = score_saved(tmp_path, images)
    assert result.status == "passed" and not result.flagged and result.measured > 0.8


def test_other_names_are_mapped_by_number_and_shape(tmp_path, images):
    """Its own code has those names too, as in `load` and `loss` of a student who chose them."""
    source = SOLUTION[MODULE].replace(
        "self.params = {name: value.to(dtype).to(device) for name, value in checkpoint['params'].items()}",
        "words = {'weight_of_': 'W', 'conv_bias': 'b', 'scale': 'gamma', 'shift': 'beta'}\n"
        "        self.params = {words[name.rstrip('0123456789')] + name[len(name.rstrip('0123456789')):]: value.to(dtype)\n"
        "                       for name, value in checkpoint['params'].items()}",
    )
    assert source != SOLUTION[MODULE]
    result = score_saved(tmp_path, images, renamed, source)
    assert result.status == "passed" and not result.flagged


def test_a_network_of_another_kind_is_scored_by_its_own_code_and_flagged(tmp_path, images):
    def with_a_scale_of_its_own(saved):
        return {**saved, "params": {**saved["params"], "temperature": torch.tensor([2.0])}}

    source = SOLUTION[MODULE].replace("        if y is None:\n            return scores\n\n        loss, grads = 0, {}\n"
                                      "        ### BEGIN SOLUTION\n        loss, dscores = softmax_loss(scores, y)\n"
                                      "        dout,",
                                      "        scores = scores * self.params.get('temperature', torch.ones(1))\n"
                                      "        if y is None:\n            return scores\n\n        loss, grads = 0, {}\n"
                                      "        ### BEGIN SOLUTION\n        loss, dscores = softmax_loss(scores, y)\n"
                                      "        dout,")  # fmt: skip
    assert source != SOLUTION[MODULE]
    result = score_saved(tmp_path, images, with_a_scale_of_its_own, source)
    assert result.status == "passed" and "look at that code" in result.flagged


def costly():
    """Return a network of few numbers that takes hours for all images: large layers, and no pool."""
    shapes = {"W1": (570, 3, 3, 3), "b1": (570,), "W2": (570, 570, 3, 3), "b2": (570,), "W3": (570 * 1024, 10), "b3": (10,)}
    return {"params": {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}, "max_pools": []}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda saved: {**saved, "params": {**saved["params"], "W1": saved["params"]["W1"] * float("nan")}}, "NaN"),
        (lambda saved: {**saved, "params": [1, 2]}, "a list of 2"),
        (lambda saved: {"weights": saved["params"]}, "no entry 'params'"),
        (lambda saved: {**saved, "params": {**saved["params"], "W1": torch.zeros(21_000_000)}}, "20,000,000"),
        (lambda saved: costly(), "takes 3,015,874,560 multiplications"),
    ],
    ids=["not finite", "no dictionary", "no parameters", "too large", "too much work"],
)
def test_a_file_that_holds_no_network_says_why(tmp_path, images, change, said):
    result = score_saved(tmp_path, images, change)
    assert result.status == "failed" and result.score == 0 and said in result.message, result.message


def test_code_that_does_not_do_what_the_weights_do_fails(tmp_path, images):
    testing = "out = gamma * (x - running_mean) / std + beta"
    source = SOLUTION[MODULE].replace(testing, "out = gamma * (x - x.mean(dim=0)) / x.std(dim=0) + beta")
    assert source != SOLUTION[MODULE]
    result = score_saved(tmp_path, images, source=source)
    assert result.status in ("failed", "blocked") and "other scores than the saved weights" in result.message


def test_each_part_of_the_images_has_its_own_threshold(tmp_path, images):
    def weak(saved):
        shutil.copy(MODELS / "overfit_deepconvnet.pth", tmp_path)
        return read_pth(MODELS / "overfit_deepconvnet.pth")

    result = score_saved(tmp_path, images, weak)
    assert result.score == 0 and result.threshold == 0.71 and "validation accuracy" in result.message
