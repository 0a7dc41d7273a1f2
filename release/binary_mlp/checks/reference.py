"""Answers to hold the student's against, from torch's own layers, autograd and optimisers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from toolbox.checks import Case, Proxy, accuracy, describe

Params = dict[str, Tensor]
"""W1 (D, H), b1 (H,), W2, b2, …, float64."""


# one layer


def array(value: Tensor) -> np.ndarray:
    """Return a tensor as an array of the same type."""
    return value.detach().numpy()


def linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Return x·w + b, shape (N, M)."""
    return F.linear(x, w.t(), b)


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy between labels and the sigmoid of logits, both (N, 1)."""
    y = labels.to(logits.dtype)
    return -(y * F.logsigmoid(logits) + (1 - y) * F.logsigmoid(-logits)).mean()


def gradients(
    function: Callable[..., Tensor], inputs: Sequence[np.ndarray], upstream: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return the gradient of `(function(*inputs) * upstream).sum()` for each input, by autograd."""
    with torch.enable_grad():
        leaves = [torch.tensor(x).requires_grad_() for x in inputs]
        out = function(*leaves)
        found = torch.autograd.grad(out, leaves, None if upstream is None else torch.tensor(upstream))
    return [array(gradient) for gradient in found]


class Descent:
    """Gradient descent with momentum by torch's optimiser, and weight decay outside of the velocity.

    torch's velocity is one of gradients, multiplied by the learning rate when it is used. With a learning rate
    of 1 and gradients that carry η it is v of the course, even where η changes from step to step.
    """

    def __init__(self, params: Params):
        self.params = params
        self.rule = torch.optim.SGD(params.values(), lr=1.0, momentum=0.8)

    def step(self, grads: Mapping[str, Tensor], step_size: float, momentum: float, weight_decay: float) -> None:
        """Move the parameters; decay takes those named W."""
        self.rule.param_groups[0]["momentum"] = momentum
        with torch.no_grad():
            for name, value in self.params.items():
                value.grad = step_size * grads[name]
                if name.startswith("W"):
                    value.mul_(1 - 2 * step_size * weight_decay)
            self.rule.step()


# a network


def draw_params(case: Case, sizes: Sequence[int], scale: float) -> Params:
    """Draw parameters of a network of these layer sizes; biases too, so that a forgotten one shows."""
    params = {}
    for layer in range(1, len(sizes)):
        params[f"W{layer}"] = scale * case.randn(sizes[layer - 1], sizes[layer])
        params[f"b{layer}"] = scale * case.randn(sizes[layer])
    return params


def scores(params: Params, X: Tensor) -> Tensor:
    """Return the logits of a linear–ReLU–…–linear network."""
    out, depth = X, len(params) // 2
    for layer in range(1, depth + 1):
        out = linear(out, params[f"W{layer}"], params[f"b{layer}"])
        if layer < depth:
            out = F.relu(out)
    return out


def loss_and_gradients(params: Params, X: Tensor, y: Tensor) -> tuple[Tensor, Params]:
    """Return the mean loss of a network and its gradients, by autograd."""
    with torch.enable_grad():
        leaves = {name: value.detach().clone().requires_grad_() for name, value in params.items()}
        out = loss(scores(leaves, X), y)
    return out.detach(), dict(zip(leaves, torch.autograd.grad(out, list(leaves.values())), strict=True))


def squares(params: Params) -> Tensor:
    """Return ΣW² over all weights; biases do not count."""
    return torch.stack([(value**2).sum() for name, value in params.items() if name.startswith("W")]).sum()


def error_rate(params: Params, X: Tensor, y: Tensor) -> float:
    """Return the fraction of images that a network classifies wrongly."""
    return float((torch.gt(scores(params, X), 0) != torch.gt(y, 0)).double().mean())


def make_net(case: Case, student: Proxy, params: Params) -> Proxy:
    """Return a student's network with these parameters; its hidden layers must be of one size."""
    net = fresh_net(student, params)
    set_params(case, net, params)
    return net


def fresh_net(student: Proxy, params: Params) -> Proxy:
    """Return a student's network of the sizes of these parameters, as it starts."""
    depth = len(params) // 2
    rows, hidden = params["W1"].shape
    return student.FeedForwardNeuralNetwork(rows, params[f"W{depth}"].shape[1], hidden, depth)


def linear_layers(case: Case, net: Proxy, depth: int) -> list[Any]:
    """Return the linear layers of a student's network; a list that leaves the ReLU layers out will do too."""
    layers = net.layers
    if type(layers) not in (list, tuple):
        case.fail(f"layers is {describe(layers)}, where the list of the network's layers is wanted")
    found = list(layers)[::2] if len(layers) == 2 * depth - 1 else list(layers)
    case.require(
        len(found) == depth,
        f"layers has {len(layers)} entries, where {depth} linear layers with a ReLU between any two make {2 * depth - 1}",
    )
    return found


def same_shapes(case: Case, net: Proxy, params: Params) -> None:
    """Demand that the weights of a student's network have the shapes of these."""
    for number, layer in enumerate(linear_layers(case, net, len(params) // 2), start=1):
        found, wanted = np.shape(layer.weights), tuple(params[f"W{number}"].shape)
        case.require(found == wanted, f"the weights of linear layer {number} have shape {found}, where {wanted} is wanted")


def set_params(case: Case, net: Proxy, params: Params) -> None:
    """Give a student's network other parameters."""
    for number, layer in enumerate(linear_layers(case, net, len(params) // 2), start=1):
        layer.weights = array(params[f"W{number}"]).copy()
        layer.bias = array(params[f"b{number}"]).copy()


def get_params(case: Case, net: Proxy, params: Params) -> dict[str, np.ndarray]:
    """Return the parameters of a student's network, which must have the shapes of these."""
    found = {}
    for number, layer in enumerate(linear_layers(case, net, len(params) // 2), start=1):
        for kind, attribute in (("W", "weights"), ("b", "bias")):
            name = f"{kind}{number}"
            shape = tuple(params[name].shape)
            found[name] = case.array(f"{attribute} of linear layer {number}", getattr(layer, attribute), shape)
    return found


def same_params(case: Case, net: Proxy, params: Params) -> None:
    """Demand that nothing but a step has changed the parameters."""
    for name, value in get_params(case, net, params).items():
        case.require(
            np.array_equal(value, array(params[name])), "forward or backward changes a parameter: only `step` may"
        )


def compare_params(case: Case, net: Proxy, params: Params, when: str) -> None:
    """Demand these parameters."""
    for name, value in get_params(case, net, params).items():
        kind = "weights" if name.startswith("W") else "bias"
        case.compare(f"{kind} of linear layer {name[1:]} {when}", value, array(params[name]))


def get_gradients(case: Case, net: Proxy, params: Params) -> dict[str, np.ndarray]:
    """Return what a student's network keeps as the gradients of its parameters."""
    found = {}
    for number, layer in enumerate(linear_layers(case, net, len(params) // 2), start=1):
        for kind, attribute in (("W", "grad_weights"), ("b", "grad_bias")):
            name = f"{kind}{number}"
            shape = tuple(params[name].shape)
            found[name] = case.array(f"{attribute} of linear layer {number}", getattr(layer, attribute), shape)
    return found


def labels(case: Case, n: int) -> Tensor:
    """Draw labels (n, 1), 0 or 1, both of them where there are two or more."""
    y = case.labels(n, 2)
    if n > 1:
        y[:2] = torch.tensor([0, 1])
    return y[torch.randperm(n, generator=case.rng)][:, None].double()


# training


def dataset(X: Tensor, y: Tensor, X_test: Tensor, y_test: Tensor) -> dict[str, np.ndarray]:
    """Return images and labels as `train` takes them."""
    return {"x_train": array(X), "y_train": array(y), "x_test": array(X_test), "y_test": array(y_test)}


def numbers(case: Case, name: str, got: Any, count: int) -> np.ndarray:
    """Return a list, tuple or array of so many finite numbers as an array."""
    if type(got) is np.ndarray and got.ndim == 1:
        got = list(got)
    if type(got) not in (list, tuple) or len(got) != count:
        case.fail(f"{name} is {describe(got)}, where a list of {count} numbers is wanted")
    return np.array([case.number(f"{name}[{i}]", value) for i, value in enumerate(got)])


HISTORY = ("objective", "train_error", "test_error")


def histories(case: Case, got: Any, epochs: int) -> dict[str, np.ndarray]:
    """Return the history that `train` gives, as arrays."""
    found = case.dictionary("history", got, set(HISTORY))
    return {name: numbers(case, f"history[{name!r}]", found[name], epochs) for name in HISTORY}


def train_alike(
    params: Params, data: Mapping[str, np.ndarray], steps: Sequence[Sequence[int]], settings: Mapping[str, Any]
) -> dict[str, list[float]]:
    """Train parameters, in place, on the same batches in each epoch, and return the history.

    steps: the images of each batch of an epoch.
    """
    X, y, X_test, y_test = (torch.tensor(data[name]) for name in ("x_train", "y_train", "x_test", "y_test"))
    descent = Descent(params)
    history: dict[str, list[float]] = {name: [] for name in HISTORY}
    decay = settings["weight_decay"]
    for _ in range(settings["max_epochs"]):
        for batch in steps:
            _, grads = loss_and_gradients(params, X[batch], y[batch])
            descent.step(grads, settings["step_size"], settings["momentum"], decay)
        history["objective"].append(float(loss(scores(params, X), y) + decay * squares(params)))
        history["train_error"].append(error_rate(params, X, y))
        history["test_error"].append(error_rate(params, X_test, y_test))
    return history


# small data by heart

SLACK = 1e-6
"""How far a gradient may be off in training, in float64."""
HIDDEN, DEPTH, EPOCHS, BATCH = 50, 3, 20, 10
STEP_SIZE, MOMENTUM = 0.02, 0.8


def overfit(case: Case, student: Proxy) -> float:
    """Train on the first 50 training images; return the best training accuracy of 20 epochs.

    The check draws the weights, makes the updates and measures the accuracy. The student's network gives
    the gradients of one step of each epoch, drawn anew each time, and each of them must be right.
    """
    X, y = case.data.X_train[:50].flatten(1).double(), case.data.y_train[:50, None].double()
    sizes = [X.shape[1], *[HIDDEN] * (DEPTH - 1), 1]
    params = {}
    for layer in range(1, DEPTH + 1):
        rows, columns = sizes[layer - 1 : layer + 1]
        params[f"W{layer}"] = math.sqrt(2 / rows) * case.randn(rows, columns)
        params[f"b{layer}"] = torch.zeros(columns, dtype=torch.float64)
    net = make_net(case, student, params)
    descent = Descent(params)
    criterion = student.SigmoidCrossEntropy()
    best = 0.0
    for _ in range(EPOCHS):
        order = torch.randperm(len(X), generator=case.rng)
        asked = case.size(0, len(X) // BATCH - 1)
        for step, batch in enumerate(order.split(BATCH)):
            _, grads = loss_and_gradients(params, X[batch], y[batch])
            if step == asked:
                set_params(case, net, params)
                criterion.forward(net.forward(array(X[batch])), array(y[batch]))
                net.backward(criterion.backward())
                for name, got in get_gradients(case, net, params).items():
                    right, mine = grads[name], torch.from_numpy(got)
                    case.require(
                        bool((mine - right).norm() <= SLACK * right.norm() + 1e-12),
                        f"the gradient of {'the weights' if name.startswith('W') else 'the bias'} of linear layer "
                        f"{name[1:]} is wrong in training",
                    )
                    grads[name] = mine
            descent.step(grads, STEP_SIZE, MOMENTUM, 0.0)
        best = max(best, 1 - error_rate(params, X, y))
        if best == 1.0:
            break
    return best


# the saved network

LARGEST = 20_000_000
"""Numbers of a saved network: enough for 6000 hidden units."""


def saved_network(case: Case, file: str) -> Params:
    """Return the parameters that a file holds, as float64, once their names, shapes and values are in order."""
    saved = case.saved(file)
    depth = len(saved) // 2
    names = [f"{kind}{layer}" for layer in range(1, depth + 1) for kind in "Wb"]
    case.require(bool(names) and set(saved) == set(names), f"`{file}`: wanted are the arrays W1, b1, W2, b2, … and no others")
    size = sum(value.size for value in saved.values() if isinstance(value, np.ndarray))
    case.require(size <= LARGEST, f"`{file}` holds {size:,} numbers, at most {LARGEST:,} are allowed")
    params, rows = {}, 3072
    for layer in range(1, depth + 1):
        for name, ndim in ((f"W{layer}", 2), (f"b{layer}", 1)):
            value = saved[name]
            case.require(
                isinstance(value, np.ndarray) and value.dtype in (np.float16, np.float32, np.float64),
                f"`{file}`: {name} is not an array of floating-point numbers",
            )
            case.require(value.ndim == ndim, f"`{file}`: {name} has shape {value.shape}")
            params[name] = torch.tensor(value.astype(np.float64))
            case.require(bool(torch.isfinite(params[name]).all()), f"`{file}`: {name} contains NaN or infinite numbers")
        columns = params[f"W{layer}"].shape[1]
        fits = params[f"W{layer}"].shape[0] == rows and len(params[f"b{layer}"]) == columns
        case.require(fits, f"`{file}`: the shapes of W{layer} and b{layer} do not fit the layer before or each other")
        rows = columns
    case.require(rows == 1, f"`{file}`: the last layer has {rows} outputs, where 1 is wanted")
    return params


def known(params: Params, X: Tensor, y: Tensor) -> float:
    """Return the fraction of images (n, 3072) that a network with these parameters classifies correctly."""

    def both(some: Tensor) -> Tensor:  # a score for each class: the larger one is positive where the logit is
        logits = scores(params, some.double())
        return torch.cat([torch.zeros_like(logits), logits], dim=1)

    return accuracy(both, X, y)


def agrees(case: Case, student: Proxy, file: str, params: Params, X: Tensor, y: Tensor) -> None:
    """Demand that the student's `load`, `forward` and `evaluate` do what the saved weights do, in any order of images."""
    net = student.load(file)
    X, y = X.double(), y[:, None].double()
    wanted = scores(params, X)
    for order in (torch.randperm(len(X), generator=case.rng), torch.randperm(len(X), generator=case.rng)[:40]):
        got = case.array("logits of the loaded network", net.forward(array(X[order])), (len(order), 1))
        error = float((torch.from_numpy(got) - wanted[order]).abs().max() / wanted.abs().max().clamp(min=1e-10))
        yours, theirs = _share(torch.from_numpy(got), y[order]), _share(wanted[order], y[order])
        case.require(
            error <= 1e-6,
            f"your `load` and `forward` give other logits than the saved weights: on {len(order)} images "
            f"yours classify {yours:.1%} correctly, the weights {theirs:.1%}",
        )
        returned = case.items("evaluate", student.evaluate(net, array(X[order]), array(y[order]), 100), 2)
        found = case.number("the accuracy", returned[1])
        case.require(
            abs(found - theirs) <= 1e-9,
            f"your `evaluate` says {found:.1%} of {len(order)} images, of which the saved weights classify {theirs:.1%}",
        )


def _share(logits: Tensor, y: Tensor) -> float:
    return float((torch.gt(logits, 0) == torch.gt(y, 0)).double().mean())
