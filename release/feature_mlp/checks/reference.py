"""Answers to hold the student's against, from torch's own layers, autograd and optimisers; images and features."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from toolbox.checks import Case, Proxy, accuracy, describe

Params = dict[str, Tensor]
"""W1 (D, H), b1 (H,), W2 (H, C), b2 (C,)."""
NAMES = ("W1", "b1", "W2", "b2")


def array(value: Tensor) -> np.ndarray:
    """Return a tensor as an array of the same type."""
    return value.detach().numpy()


# images


def picture(case: Case, height: int, width: int, low: int = 1) -> np.ndarray:
    """Draw an image (H, W, 3) uint8 of numbers from `low` to 255; none of them is black by default."""
    return array(torch.randint(low, 256, (height, width, 3), generator=case.rng)).astype(np.uint8)


def image_like(case: Case, name: str, got: Any, image: np.ndarray) -> np.ndarray:
    """Return what a change gives if it is an image of the same shape and type."""
    return case.array(name, got, image.shape, np.uint8)


def windows(image: np.ndarray, padding: int) -> np.ndarray:
    """Return every window (2p + 1, 2p + 1, H, W, 3) of the image's own size, of the image with a black margin."""
    padded = F.pad(torch.tensor(image).permute(2, 0, 1), (padding,) * 4)
    return array(padded.unfold(1, image.shape[0], 1).unfold(2, image.shape[1], 1).permute(1, 2, 3, 4, 0))


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    """Return the image turned counter-clockwise, black around it, bilinear and not rounded, by torch's own sampling."""
    height, width = image.shape[:2]
    angle = math.radians(degrees)
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in (height, width)), indexing="ij")
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    places = torch.stack([x, y], dim=-1) @ turn.T * 2 / torch.tensor([width - 1, height - 1])
    channels = torch.tensor(image).permute(2, 0, 1).double()[None]
    found = F.grid_sample(channels, places[None], mode="bilinear", padding_mode="zeros", align_corners=True)
    return array(found[0].permute(1, 2, 0))


def mean_of(image: np.ndarray) -> float:
    """Return the mean of all numbers of an image, rows, columns and colours."""
    return float(torch.tensor(image).double().mean())


ROUNDING = 0.501
"""How far a number may lie from the nearest whole one, and a little more."""


def rounded(case: Case, name: str, got: np.ndarray, exact: np.ndarray) -> None:
    """Demand an image of the whole numbers nearest to some numbers; where two are as near, either will do."""
    off = float(np.abs(got.astype(float) - exact).max())
    case.measured = off if case.measured is None else max(case.measured, off)
    case.require(off <= ROUNDING, f"{name} is off by up to {off:.3g} of 255, where rounding makes at most 0.5")


RAMP = 17
"""Side of the image that angles are read from: some hundreds of times, also in code that loops over the pixels."""


def ramp() -> np.ndarray:
    """Return an image that grows brighter to the right in red and downwards in green."""
    steps = np.arange(RAMP) - RAMP // 2
    across, down = np.broadcast_to(steps, (RAMP, RAMP)), np.broadcast_to(steps[:, None], (RAMP, RAMP))
    return (128 + 14 * np.stack([across, down, 0 * down], axis=2)).astype(np.uint8)


def angle_of(case: Case, got: np.ndarray) -> float:
    """Return by how many degrees a ramp was turned, from the slope of its inner part."""
    steps = torch.arange(RAMP, dtype=torch.float64) - RAMP // 2
    inside = (steps[:, None] ** 2 + steps**2).lt((RAMP // 2 - 2) ** 2)
    y, x = (part[inside] for part in torch.meshgrid(steps, steps, indexing="ij"))
    colors = torch.tensor(got[array(inside)]).double()
    slopes = torch.linalg.lstsq(torch.stack([x, y, torch.ones_like(x)], dim=1), colors).solution
    straight = torch.stack([x, y, torch.ones_like(x)], dim=1) @ slopes
    case.require(
        bool((straight - colors).abs().max() <= 2),
        "an image that grows evenly brighter does not do so after its rotation: mind the interpolation",
    )
    return math.degrees(math.atan2(-float(slopes[1, 0]), float(slopes[0, 0])))


def square_of(case: Case, image: np.ndarray, got: np.ndarray, size: int) -> tuple[int, int]:
    """Return where the upper left corner of the only black square lies; the image itself has nothing black."""
    changed = (got != image).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    case.require(len(rows) > 0, "nothing is cut out")
    top, left = int(rows[0]), int(columns[0])
    wanted = image.copy()
    wanted[top : top + size, left : left + size] = 0
    case.require(
        (len(rows), len(columns)) == (size, size),
        f"what changes is {len(rows)} × {len(columns)} pixels, where a square of {size} × {size} inside the image is wanted",
    )
    case.require(np.array_equal(got, wanted), "what is cut out is not all black, or pixels outside of it change")
    return top, left


def same_again(case: Case, student: Proxy, name: str, image: np.ndarray, **settings: Any) -> None:
    """Demand that a change draws from its generator and from nothing else, and leaves the image as it is."""
    seed = case.size(0, 10**6)
    change = getattr(student, name)
    runs = []
    for _ in range(2):
        rng = student.generator(seed)
        runs.append([image_like(case, "the image", change(image, rng, **settings), image) for _ in range(12)])
    case.require(
        np.array_equal(runs[0], runs[1]),
        "two generators of the same seed give different images: draw from rng and from nothing else",
    )
    different = any(not np.array_equal(one, runs[0][0]) for one in runs[0])
    case.require(different, "every call gives the same image: draw from rng, not from a generator of your own")


# the backbone

FOLDER = Path(__file__).resolve().parent.parent
DIGEST = "dec19fc5afeaf0b33a959dfa27b29031e9f88b86dac3f9d863d00dc3a101c132"
"""SHA-256 of the weights, so that nobody is graded on other features than students were given."""
AT_ONCE = 100


def _given(name: str) -> ModuleType:
    """Return a module that is given beside this folder, whatever modules of this name there are elsewhere."""
    spec = importlib.util.spec_from_file_location(f"given_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


backbone = _given("backbone")


def small_weights(case: Case) -> dict[str, np.ndarray]:
    """Draw the weights of a backbone of a few channels, float32."""
    sizes = {"stem": (4, 3, 3), "last": (case.size(6, 12), 6, 1)}
    for stage, (inputs, outputs) in enumerate(((4, 4), (4, 5), (5, 6)), start=1):
        sizes[f"down{stage}"] = outputs, inputs, 3
        sizes[f"first{stage}"] = sizes[f"second{stage}"] = outputs, outputs, 3
    weights = {}
    for name, (outputs, inputs, side) in sizes.items():
        weights[f"{name}.weights"] = array(case.randn(outputs, inputs, side, side).float() / math.sqrt(inputs))
        weights[f"{name}.bias"] = array(case.randn(outputs).float())
    return weights


_known: list[tuple[Tensor, Tensor]] = []


def features(case: Case) -> Tensor:
    """Return the features (N, 512) of the test images; computed once in a process, and there in those forked from it."""
    images = case.data.X_test
    for seen, found in _known:
        if seen.data_ptr() == images.data_ptr() and seen.shape == images.shape:
            return found
    path = FOLDER / backbone.WEIGHTS
    case.require(
        path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST,
        f"`{path.name}` is not the file that came with the assignment: take it from there again",
    )
    network = backbone.load_backbone()
    found = torch.cat([torch.from_numpy(network(array(case.data.unnormalise(some)))) for some in images.split(AT_ONCE)])
    _known[:] = [(images, found)]
    return found


# the network


def draw_params(case: Case, sizes: Sequence[int], dtype: torch.dtype = torch.float64) -> Params:
    """Draw parameters for D, H and C; biases too, so that a forgotten one shows."""
    features, hidden, classes = sizes
    shapes = {"W1": (features, hidden), "b1": (hidden,), "W2": (hidden, classes), "b2": (classes,)}
    return {name: (0.7 * case.randn(*shape)).to(dtype) for name, shape in shapes.items()}


def arrays(params: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return parameters as the student's functions take them."""
    return {name: array(value).copy() for name, value in params.items()}


def scores(params: Params, x: Tensor) -> Tensor:
    """Return linear, ReLU, linear of features (N, D): scores (N, C)."""
    return F.linear(F.relu(F.linear(x, params["W1"].t(), params["b1"])), params["W2"].t(), params["b2"])


def loss_and_gradients(params: Params, x: Tensor, labels: Tensor) -> tuple[Tensor, Params]:
    """Return the mean loss of a network and its gradients, by autograd."""
    with torch.enable_grad():
        leaves = {name: value.detach().clone().requires_grad_() for name, value in params.items()}
        loss = F.cross_entropy(scores(leaves, x), labels)
    return loss.detach(), dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def same_params(case: Case, now: Mapping[str, Any], before: Mapping[str, np.ndarray], what: str) -> None:
    """Demand that nothing has changed the entries of a dictionary."""
    case.dictionary(what, now, set(before))
    for name, value in before.items():
        case.unchanged(f"{what}[{name!r}]", case.array(name, now[name], value.shape, value.dtype.type), value)


def share(got: Tensor, labels: Tensor) -> float:
    """Return the fraction of rows whose largest score is that of the label."""
    return float((got.argmax(dim=1) == labels).double().mean())


# training

HISTORY = ("loss", "train_accuracy", "test_accuracy")


def dataset(x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor) -> dict[str, np.ndarray]:
    """Return features and labels as `train` takes them."""
    return {"x_train": array(x), "y_train": array(y), "x_test": array(x_test), "y_test": array(y_test)}


def histories(case: Case, got: Any, epochs: int) -> dict[str, np.ndarray]:
    """Return the history that `train` gives, as arrays."""
    found = case.dictionary("history", got, set(HISTORY))
    lists = {}
    for name in HISTORY:
        values = found[name]
        if type(values) is np.ndarray and values.ndim == 1:
            values = list(values)
        if type(values) not in (list, tuple) or len(values) != epochs:
            case.fail(f"history[{name!r}] is {describe(found[name])}, where a list of {epochs} numbers is wanted")
        lists[name] = np.array([case.number(f"history[{name!r}][{i}]", value) for i, value in enumerate(values)])
    return lists


def train_alike(
    params: Params, data: Mapping[str, np.ndarray], steps: Sequence[Sequence[int]], settings: Mapping[str, Any]
) -> dict[str, list[float]]:
    """Train parameters, in place, on the same batches in each epoch, and return the history.

    steps: the rows of each batch of an epoch.
    """
    x, y, x_test, y_test = (torch.tensor(data[name]) for name in ("x_train", "y_train", "x_test", "y_test"))
    rule = torch.optim.SGD(list(params.values()), lr=settings["learning_rate"])
    falling = torch.optim.lr_scheduler.StepLR(rule, settings["every"], gamma=0.1)
    history: dict[str, list[float]] = {name: [] for name in HISTORY}
    for _ in range(settings["epochs"]):
        for batch in steps:
            _, grads = loss_and_gradients(params, x[batch], y[batch])
            for name, value in params.items():
                value.grad = grads[name]
            rule.step()
        falling.step()
        history["loss"].append(float(F.cross_entropy(scores(params, x), y)))
        history["train_accuracy"].append(share(scores(params, x), y))
        history["test_accuracy"].append(share(scores(params, x_test), y_test))
    return history


# the saved network

LARGEST = 1_000_000
"""Numbers of a saved network: enough for 1900 hidden units."""


def saved_network(case: Case, file: str) -> Params:
    """Return the parameters that a file holds, as float32, once their names, shapes and values are in order."""
    saved = case.saved(file)
    case.require(set(saved) == set(NAMES), f"`{file}`: wanted are the arrays W1, b1, W2 and b2 and no others")
    size = sum(value.size for value in saved.values() if isinstance(value, np.ndarray))
    case.require(size <= LARGEST, f"`{file}` holds {size:,} numbers, at most {LARGEST:,} are allowed")
    params = {}
    for name in NAMES:
        value = saved[name]
        case.require(
            isinstance(value, np.ndarray) and value.dtype in (np.float16, np.float32, np.float64),
            f"`{file}`: {name} is not an array of floating-point numbers",
        )
        params[name] = torch.tensor(value.astype(np.float32))
        case.require(bool(torch.isfinite(params[name]).all()), f"`{file}`: {name} contains NaN or infinite numbers")
    hidden = len(params["b1"]) if params["b1"].ndim == 1 else -1
    wanted = {"W1": (512, hidden), "b1": (hidden,), "W2": (hidden, 10), "b2": (10,)}
    for name, shape in wanted.items():
        found = tuple(params[name].shape)
        case.require(hidden > 0 and found == shape, f"`{file}`: {name} has shape {found}, which does not fit 512–H–10")
    return params


def known(params: Params, x: Tensor, y: Tensor, enough: float | None) -> float:
    """Return the fraction of features (n, 512) that a network with these parameters classifies correctly."""
    return accuracy(lambda some: scores(params, some), x, y, enough=enough)


def agrees(case: Case, student: Proxy, file: str, params: Params, x: Tensor, y: Tensor) -> None:
    """Demand that the student's `load`, `forward` and `evaluate` do what the saved weights do, in any order of rows."""
    loaded = case.dictionary("what load returns", student.load(file), set(NAMES))
    wanted = scores(params, x)
    for order in (torch.randperm(len(x), generator=case.rng), torch.randperm(len(x), generator=case.rng)[:40]):
        some, labels = array(x[order]), array(y[order])
        got, _ = case.items("forward", student.forward(some, loaded), 2)
        found = torch.from_numpy(case.array("scores of the loaded network", got, (len(order), 10), np.float32))
        error = float((found - wanted[order]).abs().max() / wanted.abs().max().clamp(min=1e-10))
        theirs = share(wanted[order], y[order])
        case.require(
            error <= 1e-4,
            f"your `load` and `forward` give other scores than the saved weights: of {len(order)} test images "
            f"yours classify {share(found, y[order]):.1%} correctly, the weights {theirs:.1%}",
        )
        told = case.number("the accuracy", case.items("evaluate", student.evaluate(loaded, some, labels), 2)[1])
        case.require(
            abs(told - theirs) <= 1.5 / len(order),
            f"your `evaluate` says {told:.1%} of {len(order)} images, of which the saved weights classify {theirs:.1%}",
        )
