"""Answers to hold the student's against, from torch's own functions, autograd and optimisers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from toolbox.checks import Case, Proxy, accuracy
from toolbox.gradients import numeric_gradient

Weights = list[np.ndarray]
"""[W, b] or [W1, b1, W2, b2], as the student's code has them."""
SIZES = {"linear": (7, 4), "two_layer": (7, 5, 4)}
"""Widths of the models that the checks draw; every image has 7 numbers."""


# random models and labels


def draw_weights(case: Case, sizes: Sequence[int], scale: float = 0.5) -> Weights:
    """Draw weights and biases; biases too, so that a forgotten one shows."""
    layers = pairwise(sizes)
    return [scale * case.normal(*shape) for n, k in layers for shape in ((n, k), (1, k))]


def draw_labels(case: Case, count: int, classes: int) -> np.ndarray:
    """Draw one-hot labels, shape (count, classes), float64."""
    return F.one_hot(case.labels(count, classes), classes).double().numpy()


# models


def tensors(values: Sequence[np.ndarray]) -> list[Tensor]:
    """Return copies of arrays as tensors."""
    return [torch.tensor(value) for value in values]


def hidden(x: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the hidden units of the two-layer network, before and after the sigmoid."""
    before = F.linear(x, weights[0].t(), weights[1][0])
    return [before, torch.special.expit(before)]


def predictions(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return the predictions of a model with these weights, shape (m, K)."""
    inputs = hidden(x, weights)[1] if len(weights) == 4 else x
    return F.linear(inputs, weights[-2].t(), weights[-1][0])


def data_loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """Return (1/m) ΣΣ (ŷ − y)²."""
    return F.mse_loss(y_hat, y, reduction="sum") / len(y)


def whole_loss(y_hat: Tensor, y: Tensor, weights: Sequence[Tensor], reg: float) -> Tensor:
    """Return J, with the regularisation λ ΣW²."""
    return data_loss(y_hat, y) + reg * sum(torch.linalg.norm(W) ** 2 for W in weights[::2])


def gradients(x: np.ndarray, y: np.ndarray, weights: Weights) -> Weights:
    """Return the gradients of the data term by autograd."""
    with torch.enable_grad():
        leaves = [value.requires_grad_() for value in tensors(weights)]
        found = torch.autograd.grad(data_loss(predictions(torch.tensor(x), leaves), torch.tensor(y)), leaves)
    return [gradient.numpy() for gradient in found]


def per_cent(y_hat: Tensor, y: Tensor) -> float:
    """Return the share of right guesses in per cent."""
    return float((y_hat.argmax(dim=1) == y.argmax(dim=1)).double().mean() * 100)


# training


def draw_training(case: Case, model: str, count: int) -> tuple[dict[str, np.ndarray], Weights]:
    """Draw images with labels to train and to validate on, and weights to start from."""
    sizes = SIZES[model]
    data = {}
    for part, m in (("train", count), ("val", case.size(20, 30))):
        data[f"x_{part}"], data[f"y_{part}"] = case.normal(m, sizes[0]), draw_labels(case, m, sizes[-1])
    return data, draw_weights(case, sizes)


def in_float32(data: Mapping[str, np.ndarray], weights: Weights) -> tuple[dict[str, np.ndarray], Weights]:
    """Return images, labels and weights in the type in which the notebook trains."""
    return {name: value.astype(np.float32) for name, value in data.items()}, [w.astype(np.float32) for w in weights]


def optimiser(leaves: Sequence[Tensor], learning_rate: float, reg: float) -> torch.optim.Optimizer:
    """Return gradient descent that lets weights decay and leaves biases alone."""
    groups = [{"params": list(leaves[::2]), "weight_decay": reg}, {"params": list(leaves[1::2]), "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=learning_rate)


def follow(
    data: Mapping[str, np.ndarray],
    weights: Weights,
    rounds: Sequence[Sequence[np.ndarray]],
    learning_rate: float,
    decay: float,
    reg: float,
) -> tuple[Weights, list[list[float]], list[float]]:
    """Train by torch's own gradient descent and return the weights, the losses and the validation accuracies.

    Args:
        data: images and labels, to train and to validate on.
        weights: to start from.
        rounds: for each round, the rows of its batches in turn; the learning rate falls from round to round,
            and after each one the model is validated.
        learning_rate: of the first round.
        decay: factor of the learning rate from one round to the next.
        reg: λ.
    """
    x, y, x_val, y_val = (torch.tensor(data[name]) for name in ("x_train", "y_train", "x_val", "y_val"))
    leaves = [value.requires_grad_() for value in tensors(weights)]
    rule = optimiser(leaves, learning_rate, reg)
    schedule = torch.optim.lr_scheduler.ExponentialLR(rule, decay)
    losses, validated = [], []
    for batches in rounds:
        losses.append([])
        for rows in batches:
            with torch.enable_grad():
                y_hat = predictions(x[rows], leaves)
                data_loss(y_hat, y[rows]).backward()
            losses[-1].append(float(whole_loss(y_hat.detach(), y[rows], [leaf.detach() for leaf in leaves], reg)))
            rule.step()
            rule.zero_grad()
        schedule.step()
        validated.append(per_cent(predictions(x_val, leaves), y_val))
    return [leaf.detach().numpy() for leaf in leaves], losses, validated


def same_list(case: Case, called: str, now: object, then: Sequence[np.ndarray]) -> None:
    """Demand that a call has left a list alone: the same arrays in it, and none of them changed."""
    arrays = [value for value in now if isinstance(value, np.ndarray)] if type(now) is list else []
    case.require(len(arrays) == len(then), f"the list `{called}` is changed: make a new one")
    for mine, before in zip(arrays, then, strict=True):
        case.unchanged(f"the list `{called}`, or an array in it,", mine, before)


def compare_weights(
    case: Case, got: object, wanted: Weights, called: str = "weights", tolerance: float | None = None
) -> None:
    """Demand the right weights, in their order, and of their type."""
    found = case.items(called, got, len(wanted))
    for name, mine, right in zip(names_of(wanted), found, wanted, strict=True):
        case.compare(f"{name} of {called}", mine, right, tolerance)


def compare_slopes(
    case: Case, got: object, weights: Weights, y: np.ndarray, forward: Callable[[Weights], object]
) -> None:
    """Hold gradients against the slopes of the loss that the student's own forward pass leads to."""
    found = case.items("the gradients", got, len(weights))

    def loss(_: np.ndarray) -> float:
        y_hat = case.array("the predictions", forward(weights), y.shape)
        return float(data_loss(torch.tensor(y_hat), torch.tensor(y)))

    for name, mine, value in zip(names_of(weights), found, weights, strict=True):
        case.compare(f"{name} of the gradients", mine, numeric_gradient(loss, value, h=1e-5), tolerance=1e-6)


def compare_series(case: Case, history: Mapping[str, object], name: str, wanted: Sequence[float]) -> None:
    """Demand the right numbers under one name of a history."""
    found = history[name]
    if isinstance(found, np.ndarray):
        found = found.tolist()
    values = [case.number(f"history[{name!r}]", value) for value in case.items(f"history[{name!r}]", found, len(wanted))]
    case.compare(f"history[{name!r}]", np.array(values), np.array(wanted))


def names_of(weights: Sequence[np.ndarray]) -> list[str]:
    """Return what the weights of a model are called."""
    return ["W", "b"] if len(weights) == 2 else ["W1", "b1", "W2", "b2"]


# saved models

SHAPES = {"linear": [(3072, 10), (1, 10)], "two_layer": [(3072, 200), (1, 200), (200, 10), (1, 10)]}
"""Shapes of the weights that are saved, in their order; no two of one model have the same."""
CONVOLUTIONAL = [(32, 3, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (64, 1024), (10, 64)]
"""Shapes of the convolutional network's weights; each has a bias beside it."""
CHECKED = 500
"""Images that the student's own code has to score as the saved weights do."""


def saved_weights(case: Case, file: str, model: str) -> Weights:
    """Return the weights that a `.npz` file holds, float32 and in order; they are told apart by their shapes."""
    content = case.saved(file)
    for name, value in content.items():
        check_saved(case, file, name, value)
    shapes = {tuple(value.shape): value for value in content.values()}
    case.require(
        len(content) == len(SHAPES[model]) and set(shapes) == set(SHAPES[model]),
        f"`{file}` holds arrays of the shapes {_told(content.values())}; wanted are "
        f"{', '.join(map(str, SHAPES[model]))}: write it with the module's `save`",
    )
    return [shapes[shape].astype(np.float32) for shape in SHAPES[model]]


def check_saved(case: Case, file: str, name: str, value: object) -> None:
    """Demand that what a file holds under a name is an array or a tensor of finite floating-point numbers."""
    if isinstance(value, np.ndarray) and value.dtype in (np.float16, np.float32, np.float64):
        value = torch.tensor(value)
    case.require(
        isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64),
        f"`{file}`: {str(name)[:40]} is no array of floating-point numbers",
    )
    finite = bool(torch.isfinite(value.float()).all())  # type: ignore[attr-defined]
    case.require(finite, f"`{file}`: {str(name)[:40]} contains NaN or infinite numbers")


def _told(values: object) -> str:
    return ", ".join(str(tuple(value.shape)) for value in values)[:200]  # type: ignore[attr-defined]


def saved_convolutional(case: Case, file: str) -> dict[str, Tensor]:
    """Return the parameters that a `.pth` file holds, as float32, under the names that the student's layers have."""
    content = case.saved(file)
    for name, value in content.items():
        check_saved(case, file, name, value)
    params = {name: value.detach().float() for name, value in content.items()}
    ordered(case, f"`{file}`", params)
    return params


def ordered(case: Case, called: str, params: Mapping[str, Tensor]) -> list[str]:
    """Return the names of a convolutional network's parameters: the weight and the bias of each layer in turn.

    Weights are known by their shapes, each bias by the name of its weight.
    """
    names = []
    for shape in CONVOLUTIONAL:
        weights = [name for name, value in params.items() if tuple(value.shape) == shape]
        bias = weights[0].removesuffix("weight") + "bias" if len(weights) == 1 else ""
        found = tuple(params[bias].shape) if bias in params else None
        case.require(
            found == shape[:1],
            f"{called} should hold one weight of shape {shape} and its bias of shape {shape[:1]}; it holds tensors of "
            f"the shapes {_told(params.values())}",
        )
        names += [weights[0], bias]
    extra = sorted(set(params) - set(names))
    case.require(not extra, f"{called} holds {str(extra[:1])[2:42]!r}, which belongs to no layer")
    return names


def convolutional_scores(params: Sequence[Tensor], X: Tensor) -> Tensor:
    """Return the scores of the convolutional network, shape (m, 10).

    The sigmoid grows, so the largest number of a window may be taken before it as well as after it: of four
    sigmoids one is left.
    """
    out = X.contiguous(memory_format=torch.channels_last)
    for W, b in zip(params[0:6:2], params[1:6:2], strict=True):
        out = F.max_pool2d(F.conv2d(out, W, b, padding="same"), 2).sigmoid_()
    return F.linear(F.linear(out.flatten(1), *params[6:8]).sigmoid(), *params[8:])


def saved_accuracy(
    case: Case, scores: Callable[[Tensor], Tensor], own: Callable[[Tensor], Tensor], at_once: int = 500
) -> None:
    """Demand that saved weights classify enough test images, and that the student's code gives their scores.

    Args:
        case: the case.
        scores: from images (m, 3, 32, 32) to the scores that the saved weights give.
        own: the same by the student's code.
        at_once: how many images are scored together.
    """
    X, y = case.data.X_test, case.data.y_test
    some = torch.randperm(len(X), generator=case.rng)[:CHECKED]
    wanted = scores(X[some])
    got = case.tensor("scores of your code", own(X[some]), (len(some), 10), torch.float32)
    off = float((got - wanted).abs().max() / wanted.abs().max().clamp(min=1e-10))
    if not off <= 1e-3:
        yours, theirs = (float((found.argmax(1) == y[some]).double().mean()) for found in (got, wanted))
        case.fail(
            f"your code gives other scores than the saved weights: on {len(some)} images yours classify {yours:.1%} "
            f"correctly, the weights {theirs:.1%}"
        )
    found = accuracy(scores, X, y, at_once=at_once, enough=case.threshold)
    case.at_least("the test accuracy of the saved weights", found)


def saved_by_hand(case: Case, student: Proxy, file: str, model: str) -> None:
    """Demand that a saved model in NumPy classifies enough test images."""
    weights = saved_weights(case, file, model)
    there = tensors(weights)

    def own(X: Tensor) -> Tensor:
        x = X.flatten(1).numpy()
        if model == "linear":
            found = student.forward_linear(x, weights)
        else:
            found = case.items("forward_two_layer", student.forward_two_layer(x, weights), 3)[2]
        return torch.from_numpy(case.array("scores of your code", found, (len(x), 10), np.float32))

    saved_accuracy(case, lambda X: predictions(X.flatten(1), there), own, at_once=1000)
