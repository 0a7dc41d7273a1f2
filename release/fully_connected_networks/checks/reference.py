"""Answers to hold the student's against, from torch's own layers, autograd and optimisers."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from toolbox.checks import Case, Proxy, accuracy, describe

Params = dict[str, Tensor]
SOFTMAX = "softmax"


def gradients(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], upstream: Tensor | None = None
) -> list[Tensor]:
    """Return the gradient of `(function(*inputs) * upstream).sum()` for each input, by autograd."""
    with torch.enable_grad():
        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        out = function(*leaves)
        return list(torch.autograd.grad(out, leaves, upstream))


def linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Return x·w + b, shape (N, M), for x of shape (N, d1, …, dk)."""
    return F.linear(x.flatten(1), w.t(), b)


def scores(params: Params, X: Tensor) -> Tensor:
    """Return the scores of a linear–ReLU–…–linear network with parameters W1, b1, …, WL, bL."""
    out, depth = X, len(params) // 2
    for layer in range(1, depth + 1):
        out = linear(out, params[f"W{layer}"], params[f"b{layer}"])
        if layer < depth:
            out = F.relu(out)
    return out


def draw_params(case: Case, sizes: Sequence[int], scale: float, dtype: torch.dtype = torch.float64) -> Params:
    """Draw parameters of a network of these layer sizes; biases too, so that a forgotten one shows."""
    params = {}
    for layer in range(1, len(sizes)):
        params[f"W{layer}"] = scale * case.randn(sizes[layer - 1], sizes[layer], dtype=dtype)
        params[f"b{layer}"] = scale * case.randn(sizes[layer], dtype=dtype)
    return params


def squares(params: Params) -> Tensor:
    """Return ΣW² over all weights; biases do not count."""
    return torch.stack([(value**2).sum() for name, value in params.items() if name.startswith("W")]).sum()


CONVENTIONS = {"½·λ·ΣW²": 0.5, "λ·ΣW²": 1.0}
"""Both ways to write L2 regularisation; the gradients are λ·W and 2·λ·W."""


def compare_loss(case: Case, got: object, params: Params, X: Tensor, y: Tensor, reg: float) -> None:
    """Demand the right loss, in either convention of the regularisation."""
    data_loss = F.cross_entropy(scores(params, X), y)
    wanted = [data_loss + factor * reg * squares(params) for factor in CONVENTIONS.values()]
    closest = min(wanted, key=lambda value: abs(case.number("loss", got) - float(value)))
    case.compare("the loss", got, closest)


def compare_gradients(
    case: Case, loss: object, grads: object, params: Params, X: Tensor, y: Tensor, reg: float
) -> None:
    """Demand the right gradient for every parameter, and a loss that agrees with them."""
    got = {name: case.tensor(f"grads[{name!r}]", value, tuple(params[name].shape), params[name].dtype)
           for name, value in case.dictionary("grads", grads, params).items()}  # fmt: skip
    data_loss, data_gradients = loss_and_gradients(params, X, y)

    def right(factor: float) -> Params:
        weights = {name: 2 * factor * reg * value for name, value in params.items() if name.startswith("W")}
        return {name: value + weights.get(name, 0.0) for name, value in data_gradients.items()}

    def distance(kind: str) -> float:
        return sum(float((got[name] - value).norm()) for name, value in right(CONVENTIONS[kind]).items())

    kind = min(CONVENTIONS, key=distance)
    closest = CONVENTIONS[kind] if reg else 0.0
    for name, wanted in right(closest).items():
        case.compare(f"grads[{name!r}]", got[name], wanted)
    going = f"the loss that goes with these gradients{f' (regularised with {kind})' if reg else ''}"
    case.compare(going, loss, data_loss + closest * reg * squares(params))


def loss_and_gradients(params: Params, X: Tensor, y: Tensor) -> tuple[Tensor, Params]:
    """Return the softmax loss of a network and its gradients, without regularisation, by autograd."""
    with torch.enable_grad():
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        loss = F.cross_entropy(scores(leaves, X), y)
    return loss.detach(), dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def batches(case: Case, X: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return a batch, one of other images of the same shape, and one of a single image."""
    other = case.randn(*X.shape)
    return [(X, y), (other, y.flip(0)), (other[:1], y[:1])]


def same_params(case: Case, net: Proxy, params: Params) -> None:
    """Demand that the parameters are those that the check has set."""
    now = case.dictionary("params", net.params, params)
    for name, before in params.items():
        got = case.tensor(f"params[{name!r}]", now[name], tuple(before.shape), before.dtype)
        case.require(torch.equal(got, before), f"loss changes params[{name!r}]: only the solver updates them")


SLACK = 0.1
"""How far a gradient may be off in training, in float32: where a number lies within rounding of zero, two
right programs may disagree on whether the ReLU lets it through, and a whole unit's share differs."""


def overfit(case: Case, student: Proxy, hidden_dims: list[int], weight_scale: float, learning_rate: float) -> float:
    """Train on the first 50 training images; return the best training accuracy of 20 epochs.

    The check draws the weights, makes the updates and measures the accuracy. The student's network gives
    the gradients of one step of each epoch, drawn anew each time, and each of them must be right.
    """
    X, y = case.data.X_train[:50].flatten(1), case.data.y_train[:50]
    params = {
        name: value.clone()
        for name, value in draw_params(case, [X.shape[1], *hidden_dims, 10], weight_scale, torch.float32).items()
    }
    for name in params:
        if name.startswith("b"):
            params[name].zero_()
    net = student.FullyConnectedNet(hidden_dims, input_dim=X.shape[1], weight_scale=weight_scale, dtype=torch.float32)
    best = known(params, X, y)
    for _ in range(20):
        order = torch.randperm(50, generator=case.rng)
        asked = case.size(0, 1)
        for step, batch in enumerate((order[:25], order[25:])):
            loss, wanted = loss_and_gradients(params, X[batch], y[batch])
            if not bool(torch.isfinite(loss)):
                return best  # the learning rate is too large
            if step == asked:
                net.params = params
                _, grads = case.items("loss(X, y)", net.loss(X[batch], y[batch]), 2)
                grads = case.dictionary("grads", grads, params)
                for name, value in params.items():
                    got = grads[name]
                    case.require(
                        isinstance(got, Tensor)
                        and got.shape == value.shape
                        and got.dtype == value.dtype
                        and bool((got - wanted[name]).norm() <= SLACK * wanted[name].norm()),
                        f"grads[{name!r}] is wrong in training",
                    )
                    wanted[name] = got
            for name, value in params.items():
                value.sub_(wanted[name], alpha=learning_rate)
        best = max(best, known(params, X, y))
        if best == 1.0:
            break
    return best


def known(params: Params, X: Tensor, y: Tensor, enough: float | None = None) -> float:
    """Return the fraction of images that a network with these parameters classifies correctly, see `accuracy`."""
    return accuracy(lambda some: scores(params, some), X, y, enough=enough)


LARGEST = 20_000_000
"""Numbers of a saved network: enough for 6000 hidden units."""


def saved_network(case: Case, file: str, layers: int | None = None) -> Params:
    """Return the parameters that a file holds, as float32, once their names, shapes and values are in order."""
    content = case.saved(file)
    case.require("params" in content, f"`{file}` has no entry 'params': write it with the network's `save`")
    saved = content["params"]
    if type(saved) is not dict or not saved:
        case.fail(f"`{file}`: params is {describe(saved)}, where a dictionary of parameters is wanted")
    depth = len(saved) // 2
    names = [f"{kind}{layer}" for layer in range(1, depth + 1) for kind in "Wb"]
    case.require(set(saved) == set(names), f"`{file}`: the parameters are not named W1, b1, W2, b2, …")
    case.require(layers in (None, depth), f"`{file}` holds a network of {depth} layers, where {layers} are wanted")
    size = sum(value.numel() for value in saved.values() if isinstance(value, Tensor))
    case.require(size <= LARGEST, f"`{file}` holds {size:,} numbers, at most {LARGEST:,} are allowed")
    params, rows = {}, 3072
    for layer in range(1, depth + 1):
        for name in (f"W{layer}", f"b{layer}"):
            value = saved[name]
            is_weight = name.startswith("W")
            case.require(
                isinstance(value, Tensor)
                and value.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64),
                f"`{file}`: {name} is not a tensor of floating-point numbers",
            )
            case.require(value.ndim == (2 if is_weight else 1), f"`{file}`: {name} has shape {tuple(value.shape)}")
        columns = saved[f"W{layer}"].shape[1]
        fits = saved[f"W{layer}"].shape[0] == rows and saved[f"b{layer}"].shape[0] == columns
        case.require(fits, f"`{file}`: the shapes of W{layer} and b{layer} do not fit the layer before or each other")
        for name in (f"W{layer}", f"b{layer}"):
            params[name] = saved[name].detach().float()
            case.require(bool(torch.isfinite(params[name]).all()), f"`{file}`: {name} contains NaN or infinite numbers")
        rows = columns
    case.require(rows == 10, f"`{file}`: the last layer has {rows} outputs, where 10 classes are wanted")
    return params


def agrees(case: Case, net: Proxy, params: Params, X: Tensor, y: Tensor) -> None:
    """Demand that the loaded network gives the scores that its saved weights give, in any order of images."""
    orders = [torch.randperm(len(X), generator=case.rng) for _ in range(2)]
    wanted = scores(params, X)
    for order in (*orders[0].split(50), orders[1][:40]):
        got = case.tensor("scores of the loaded network", net.loss(X[order]), (len(order), 10), torch.float32)
        error = float((got - wanted[order]).abs().max() / wanted.abs().max().clamp(min=1e-10))
        if not error <= 1e-3:
            yours = float((got.argmax(1) == y[order]).float().mean())
            theirs = float((wanted[order].argmax(1) == y[order]).float().mean())
            case.fail(
                f"your `load` and `loss` give other scores than the saved weights: on {len(order)} images "
                f"yours classify {yours:.1%} correctly, the weights {theirs:.1%}"
            )


def drawn_anew(case: Case, params: Params, twin: Proxy) -> None:
    """Demand that a second network of the same sizes does not start with the same W1."""
    other, weights = case.dictionary("params", twin.params, params)["W1"], params["W1"]
    same = isinstance(other, Tensor) and other.shape == weights.shape and torch.equal(other, weights)
    case.require(not same, "two networks start with the same W1: draw new weights each time")


def check_spread(case: Case, params: Params, scale: float, measure: bool = False) -> None:
    """Demand weights with mean 0 and a standard deviation within 10 % of `scale`; report it if it is measured."""
    for name, value in params.items():
        if not name.startswith("W"):
            continue
        spread, mean = float(value.double().std()), float(value.double().mean())
        off = abs(spread - scale) / scale
        if measure:
            case.measured = max(case.measured or 0.0, off)
        case.require(off <= 0.1, f"the standard deviation of {name} is off by {off:.0%}, allowed 10%")
        case.require(abs(mean) <= 0.1 * scale, f"the mean of {name} is not 0")
        along = [float(value.double().std(dim=axis).min()) for axis in (0, 1)]
        case.require(min(along) > 0.3 * scale, f"whole rows or columns of {name} are the same: draw every number")
        fourth = float((value.double() ** 4).mean()) / spread**4
        case.require(fourth > 2.4, f"{name} is not normally distributed")  # normal 3, uniform 1.8
