"""Answers to hold the student's against, from torch's own layers, autograd and optimisers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from toolbox.checks import Case, Proxy, accuracy, describe

Params = dict[str, Tensor]
"""Parameters by their usual names: W1 (F, C, 3, 3), b1, [gamma1, beta1], …, WL (D, C), bL."""
Averages = list[tuple[Tensor, Tensor]]
"""The running mean and variance of each convolutional layer, shape (F,)."""
EPS, MOMENTUM = 1e-5, 0.9


def gradients(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], upstream: Tensor | None = None
) -> list[Tensor]:
    """Return the gradient of `(function(*inputs) * upstream).sum()` for each input, by autograd."""
    with torch.enable_grad():
        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        return list(torch.autograd.grad(function(*leaves), leaves, upstream))


# parameters, under whatever names a student gives them


def usual_names(params: Mapping[str, Tensor]) -> dict[str, str] | None:
    """Return the student's name of each parameter by its usual one, None where that cannot be told.

    Layers are told apart by the last number in a name, or by the order of the parameters where names have
    none; in a layer the weight is known by its shape. Of the others, gamma and beta are known by name, or
    gamma by its initial ones, and a bias comes before beta.
    """
    layers = _layers(params)
    names: dict[str, str] = {}
    for number, layer in enumerate(layers, start=1):
        weights = [name for name in layer if params[name].ndim in (2, 4)]
        vectors = [name for name in layer if params[name].ndim == 1]
        if len(weights) != 1 or len(weights) + len(vectors) != len(layer):
            return None
        kinds = _kinds({name: params[name] for name in vectors})
        if kinds is None:
            return None
        names[f"W{number}"] = weights[0]
        names |= {f"{kind}{number}": name for kind, name in kinds.items()}
    return names or None


def _layers(params: Mapping[str, Tensor]) -> list[list[str]]:
    numbers = {name: re.search(r"(\d+)\D*$", name) for name in params}
    layers: dict[int, list[str]] = {}
    at = 0
    for name, found in numbers.items():
        if all(numbers.values()):
            at = int(found.group(1)[:6])  # type: ignore[union-attr]
        elif params[name].ndim > 1:
            at += 1
        layers.setdefault(at, []).append(name)
    return [layers[number] for number in sorted(layers)]


def _kinds(vectors: Mapping[str, Tensor]) -> dict[str, str] | None:
    """Tell bias, gamma and beta of one layer apart."""
    words = {"gamma": ("gamma", "scale"), "beta": ("beta", "shift", "offset")}
    if len(vectors) == 1:
        return {"b": next(iter(vectors))}
    if len(vectors) not in (2, 3):
        return None
    left = list(vectors)
    kinds: dict[str, str] = {}
    for kind, said in words.items():
        named = [name for name in left if any(word in name.lower() for word in said)]
        if kind == "gamma" and not named:
            named = [name for name in left if bool((vectors[name] == 1).all())]
        if not named and kind == "beta":
            named = left[-1:]
        if len(named) != 1:
            return None
        kinds[kind] = named[0]
        left.remove(named[0])
    return {**({"b": left[0]} if left else {}), **kinds}


def read_params(case: Case, net: Proxy) -> dict[str, Tensor]:
    """Return the parameters of a student's network under the student's names, once they are tensors."""
    found = net.params
    if type(found) is not dict or not found:
        case.fail(f"params is {describe(found)}, where a dictionary of parameters is wanted")
    for name, value in found.items():
        case.require(type(name) is str and isinstance(value, Tensor), f"params[{str(name)[:40]!r}] is no parameter")
    return found


def own_names(case: Case, net: Proxy, params: Params) -> dict[str, str]:
    """Return the student's name of each of these parameters, whose shapes must be theirs too."""
    found = read_params(case, net)
    names = usual_names(found)
    if set(found) == set(params):
        names = {name: name for name in params}
    if names is None or set(names) != set(params):
        case.fail(f"params has the entries {', '.join(map(str, found))[:200]}; wanted are {', '.join(params)}")
    for name, value in params.items():
        case.tensor(f"params[{names[name]!r}]", found[names[name]], tuple(value.shape), value.dtype)
    return names


def set_params(net: Proxy, names: Mapping[str, str], params: Params) -> None:
    """Give a student's network these parameters, under the names that it has for them."""
    net.params = {names[name]: value for name, value in params.items()}


def read_grads(case: Case, grads: object, names: Mapping[str, str], params: Params) -> Params:
    """Return a student's gradients by their usual names, each of its parameter's shape and type."""
    got = case.dictionary("grads", grads, set(names.values()))
    return {
        name: case.tensor(f"grads[{own!r}]", got[own], tuple(params[name].shape), params[name].dtype)
        for name, own in names.items()
    }


# networks


def draw_deep(
    case: Case,
    input_dims: tuple[int, int, int],
    filters: Sequence[int],
    pools: Collection[int],
    classes: int,
    batchnorm: bool,
    scale: float = 0.3,
    dtype: torch.dtype = torch.float64,
) -> Params:
    """Draw parameters of a deep network; biases too, so that a forgotten one shows."""
    channels, height, width = input_dims
    params: Params = {}
    for layer, count in enumerate(filters, start=1):
        params[f"W{layer}"] = scale * case.randn(count, channels, 3, 3, dtype=dtype)
        params[f"b{layer}"] = scale * case.randn(count, dtype=dtype)
        if batchnorm:
            params[f"gamma{layer}"] = 1 + 0.3 * case.randn(count, dtype=dtype)
            params[f"beta{layer}"] = scale * case.randn(count, dtype=dtype)
        channels = count
        if layer - 1 in pools:
            height, width = height // 2, width // 2
    depth = len(filters) + 1
    params[f"W{depth}"] = scale * case.randn(channels * height * width, classes, dtype=dtype)
    params[f"b{depth}"] = scale * case.randn(classes, dtype=dtype)
    return params


def deep_scores(params: Params, X: Tensor, pools: Collection[int], averages: Averages | None = None) -> Tensor:
    """Return the scores of a deep network, shape (N, classes).

    Batch normalisation takes the batch's own mean and variance where no running averages are given.
    """
    out, depth = X, sum(name.startswith("W") for name in params)
    for layer in range(1, depth):
        out = F.conv2d(out, params[f"W{layer}"], params.get(f"b{layer}"), padding=1)
        if f"gamma{layer}" in params:
            mean, var = averages[layer - 1] if averages else (None, None)
            gamma, beta = params[f"gamma{layer}"], params[f"beta{layer}"]
            out = F.batch_norm(out, mean, var, gamma, beta, training=averages is None, eps=EPS)
        out = F.relu(out)
        if layer - 1 in pools:
            out = F.max_pool2d(out, 2)
    return out.flatten(1) @ params[f"W{depth}"] + params[f"b{depth}"]


def three_layer_scores(params: Params, X: Tensor) -> Tensor:
    """Return the scores of the three-layer network with parameters W1, b1, W2, b2, W3, b3."""
    pad = (params["W1"].shape[2] - 1) // 2
    out = F.max_pool2d(F.relu(F.conv2d(X, params["W1"], params["b1"], padding=pad)), 2)
    out = F.relu(out.flatten(1) @ params["W2"] + params["b2"])
    return out @ params["W3"] + params["b3"]


def follow_averages(params: Params, batches: Sequence[Tensor], pools: Collection[int], start: float) -> Averages:
    """Return what the running averages are after training steps on these batches; variances begin at `start`."""
    count = sum(name.startswith("gamma") for name in params)
    averages = [
        (torch.zeros_like(params[f"gamma{layer}"]), torch.full_like(params[f"gamma{layer}"], start))
        for layer in range(1, count + 1)
    ]
    for X in batches:
        out = X
        for layer in range(1, count + 1):
            out = F.conv2d(out, params[f"W{layer}"], params.get(f"b{layer}"), padding=1)
            now = (out.mean(dim=(0, 2, 3)), out.var(dim=(0, 2, 3), correction=0))
            averages[layer - 1] = tuple(  # type: ignore[assignment]
                MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(averages[layer - 1], now, strict=True)
            )
            out = F.batch_norm(out, None, None, params[f"gamma{layer}"], params[f"beta{layer}"], training=True, eps=EPS)
            out = F.relu(out)
            if layer - 1 in pools:
                out = F.max_pool2d(out, 2)
    return averages


# losses and gradients

CONVENTIONS = {"½·λ·ΣW²": 0.5, "λ·ΣW²": 1.0}
"""Both ways to write L2 regularisation; the gradients are λ·W and 2·λ·W."""

Scores = Callable[[Params, Tensor], Tensor]


def squares(params: Params) -> Tensor:
    """Return ΣW² over all weights; biases, gamma and beta do not count."""
    return torch.stack([(value**2).sum() for name, value in params.items() if name.startswith("W")]).sum()


def compare_loss(case: Case, got: object, scores: Scores, params: Params, X: Tensor, y: Tensor, reg: float) -> None:
    """Demand the right loss, in either convention of the regularisation."""
    data_loss = F.cross_entropy(scores(params, X), y)
    wanted = [data_loss + factor * reg * squares(params) for factor in CONVENTIONS.values()]
    closest = min(wanted, key=lambda value: abs(case.number("loss", got) - float(value)))
    case.compare("the loss", got, closest)


def loss_and_gradients(scores: Scores, params: Params, X: Tensor, y: Tensor) -> tuple[Tensor, Params]:
    """Return the softmax loss of a network and its gradients, without regularisation, by autograd."""
    with torch.enable_grad():
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        loss = F.cross_entropy(scores(leaves, X), y)
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return loss.detach(), {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(leaves.items(), found, strict=True)
    }


def compare_gradients(
    case: Case, loss: object, got: Params, scores: Scores, params: Params, X: Tensor, y: Tensor, reg: float
) -> None:
    """Demand the right gradient for every parameter, and a loss that agrees with them.

    A bias in front of batch normalisation has the gradient zero, up to rounding: the mean that is
    subtracted takes it away. It is held against the size of the other gradients.
    """
    data_loss, data_gradients = loss_and_gradients(scores, params, X, y)

    def right(factor: float) -> Params:
        weights = {name: 2 * factor * reg * value for name, value in params.items() if name.startswith("W")}
        return {name: value + weights.get(name, 0.0) for name, value in data_gradients.items()}

    def distance(kind: str) -> float:
        return sum(float((got[name] - value).norm()) for name, value in right(CONVENTIONS[kind]).items())

    kind = min(CONVENTIONS, key=distance)
    closest = CONVENTIONS[kind] if reg else 0.0
    largest = max(float(value.abs().max()) for value in data_gradients.values())
    for name, wanted in right(closest).items():
        if name.startswith("b") and name.replace("b", "gamma", 1) in params and not name.startswith("beta"):
            case.require(
                float(got[name].abs().max()) <= 1e-8 * largest,
                f"grads[{name!r}] is not zero, though batch normalisation takes this bias away",
            )
        else:
            case.compare(f"grads[{name!r}]", got[name], wanted)
    going = f"the loss that goes with these gradients{f' (regularised with {kind})' if reg else ''}"
    case.compare(going, loss, data_loss + closest * reg * squares(params))


def batches(case: Case, X: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return a batch, one of other images of the same shape, and one of a single image."""
    other = case.randn(*X.shape)
    return [(X, y), (other, y.flip(0)), (other[:1], y[:1])]


def same_params(case: Case, net: Proxy, names: Mapping[str, str], params: Params) -> None:
    """Demand that the parameters are those that the check has set."""
    now = read_params(case, net)
    for name, own in names.items():
        got = case.tensor(f"params[{own!r}]", now.get(own), tuple(params[name].shape), params[name].dtype)
        case.require(torch.equal(got, params[name]), f"loss changes params[{own!r}]: only the solver updates them")


def check_spread(case: Case, name: str, value: Tensor, scale: float) -> None:
    """Demand numbers that are normal with mean 0 and a standard deviation within 10 % of `scale`.

    Where there are few of them, six standard errors are more than that, and allowed.
    """
    value = value.double()
    error = value.numel() ** -0.5
    allowed = max(0.1, 6 * error / 2**0.5)
    off = abs(float(value.std()) - scale) / scale
    case.measured = max(case.measured or 0.0, off)
    case.require(off <= allowed, f"the standard deviation of {name} is off by {off:.0%}, allowed {allowed:.0%}")
    case.require(abs(float(value.mean())) <= max(0.1, 6 * error) * scale, f"the mean of {name} is not 0")
    along = [float(value.flatten(1).std(dim=axis).min()) for axis in (0, 1)]
    case.require(min(along) > 0.02 * scale, f"whole rows or columns of {name} are the same: draw every number")
    fourth = float((value**4).mean()) / float(value.std()) ** 4
    case.require(fourth > 2.2, f"{name} is not normally distributed")  # normal 3, uniform 1.8


def drawn_anew(case: Case, name: str, params: Mapping[str, Tensor], others: Mapping[str, object]) -> None:
    """Demand that two networks of the same sizes do not start with the same weights."""
    other = others.get(name)
    same = isinstance(other, Tensor) and other.shape == params[name].shape and torch.equal(other, params[name])
    case.require(not same, f"two networks start with the same {name}: draw new weights each time")


# small data by heart

SLACK = 0.1
"""How far a gradient may be off in training, in float32: where a number lies within rounding of zero, or two
of a window within rounding of each other, two right programs may disagree on which way the gradient takes."""
FILTERS, POOLS, REG = [8, 16, 32, 64], [0, 1, 2, 3], 1e-5
EPOCHS, BATCH = 30, 10


def overfit(case: Case, student: Proxy, weight_scale: float, learning_rate: float) -> float:
    """Train on the first 50 training images; return the best training accuracy of 30 epochs.

    The check draws the weights, makes the updates (Adam, with the course's defaults) and measures the
    accuracy. The student's network gives the gradients of one step of each epoch, drawn anew each time, and
    each of them must be right.
    """
    X, y = case.data.X_train[:50], case.data.y_train[:50]
    params = draw_deep(case, (3, 32, 32), FILTERS, POOLS, 10, False, weight_scale, torch.float32)
    for name in params:
        if name.startswith("b"):
            params[name].zero_()
    net = student.DeepConvNet(
        input_dims=(3, 32, 32), num_filters=FILTERS, max_pools=POOLS, num_classes=10, reg=REG,
        weight_scale=weight_scale, dtype=torch.float32, device="cpu",
    )  # fmt: skip
    names = own_names(case, net, params)
    rule = torch.optim.Adam(params.values(), lr=learning_rate)

    def scores(params: Params, X: Tensor) -> Tensor:
        return deep_scores(params, X, POOLS)

    best = accuracy(lambda X: scores(params, X), X, y, at_once=SOME)
    for _ in range(EPOCHS):
        order = torch.randperm(len(X), generator=case.rng)
        asked = case.size(0, len(X) // BATCH - 1)
        for step, batch in enumerate(order.split(BATCH)):
            loss, wanted = loss_and_gradients(scores, params, X[batch], y[batch])
            if not bool(torch.isfinite(loss)):
                return best  # the learning rate is too large
            for name, value in params.items():
                value.grad = wanted[name] + REG * value * name.startswith("W")
            if step == asked:
                set_params(net, names, params)
                _, grads = case.items("loss(X, y)", net.loss(X[batch], y[batch]), 2)
                grads = case.dictionary("grads", grads, set(names.values()))
                for name, value in params.items():
                    got = grads[names[name]]
                    case.require(
                        isinstance(got, Tensor)
                        and got.shape == value.shape
                        and got.dtype == value.dtype
                        and bool((got - value.grad).norm() <= SLACK * value.grad.norm() + 1e-12),
                        f"grads[{names[name]!r}] is wrong in training",
                    )
                    value.grad = got
            rule.step()
        best = max(best, accuracy(lambda X: scores(params, X), X, y, at_once=SOME))
        if best == 1.0:
            break
    return best


SOME = 50
"""Images at a time: so few that what passes between layers stays in a processor's cache."""


# saved networks

LARGEST = 20_000_000
"""Numbers that a saved network may hold."""
MOST_WORK = 200_000_000
"""Multiplications that it may take for one image: forty times what the solution takes, about a minute in all."""


class Unlike(Exception):
    """A saved network is not built as the course's deep network is; the text says in what."""


def saved_network(case: Case, file: str) -> tuple[Params, list[int], Averages | None]:
    """Return the parameters, pools and running averages that a file holds, as float32 and in order.

    Raises Unlike where the file describes another kind of network, which only its own code can run.
    """
    content = case.saved(file)
    case.require("params" in content, f"`{file}` has no entry 'params': write it with the network's `save`")
    saved = content["params"]
    if type(saved) is not dict or not saved:
        case.fail(f"`{file}`: params is {describe(saved)}, where a dictionary of parameters is wanted")
    case.require(
        sum(value.numel() for value in saved.values() if isinstance(value, Tensor)) <= LARGEST,
        f"`{file}` holds more than {LARGEST:,} numbers",
    )
    for name, value in saved.items():
        case.require(type(name) is str, f"`{file}`: the parameters are not named by texts")
        params_of(case, file, name, value)
    names = usual_names(saved)
    if names is None or len(names) != len(saved):
        raise Unlike(f"its parameters are named {', '.join(saved)}"[:200])
    params = {name: saved[own].detach().float() for name, own in names.items()}
    depth = sum(name.startswith("W") for name in params)
    pools = _pools(content.get("max_pools"), depth - 1)
    work = _fit(params, pools)
    case.require(
        work <= MOST_WORK, f"`{file}` takes {work:,} multiplications for one image, at most {MOST_WORK:,} are allowed"
    )
    normalised = [layer for layer in range(1, depth) if f"gamma{layer}" in params]
    if not normalised:
        return params, pools, None
    if len(normalised) != depth - 1:
        raise Unlike("some layers have batch normalisation and some have none")
    return params, pools, _averages(case, file, content.get("bn_params"), params)


def params_of(case: Case, file: str, name: str, value: object) -> None:
    """Demand that what a file holds under a name is a tensor of finite floating-point numbers."""
    case.require(
        isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64),
        f"`{file}`: {name[:40]} is not a tensor of floating-point numbers",
    )
    finite = bool(torch.isfinite(value.float()).all())  # type: ignore[attr-defined]
    case.require(finite, f"`{file}`: {name[:40]} contains NaN or infinite numbers")


def _pools(pools: object, layers: int) -> list[int]:
    if type(pools) not in (list, tuple) or not all(type(pool) is int for pool in pools):  # type: ignore[attr-defined]
        raise Unlike("it has no list of whole numbers named max_pools")
    return [pool for pool in set(pools) if 0 <= pool < layers]  # type: ignore[call-overload]


def _fit(params: Params, pools: Collection[int]) -> int:
    """Return how many multiplications an image takes.

    Raises Unlike unless the shapes are those of 3 × 3 convolutions with these pools, then a linear layer.
    """
    channels, size, work = 3, 32, 0
    depth = sum(name.startswith("W") for name in params)
    for layer in range(1, depth):
        W = params[f"W{layer}"]
        filters = len(W)
        if W.shape != (filters, channels, 3, 3) or not filters:
            raise Unlike(f"the weight of layer {layer} has shape {tuple(W.shape)}")
        for kind in ("b", "gamma", "beta"):
            if f"{kind}{layer}" in params and params[f"{kind}{layer}"].shape != (filters,):
                raise Unlike(f"layer {layer} has {filters} filters and a vector of another length")
        work += W.numel() * size * size
        channels, size = filters, size // 2 if layer - 1 in pools else size
    rows = channels * size * size
    if params[f"W{depth}"].shape != (rows, 10) or params.get(f"b{depth}", params[f"W{depth}"]).shape != (10,) or not rows:
        raise Unlike(f"its last layer has a weight of shape {tuple(params[f'W{depth}'].shape)}, where {(rows, 10)} fits")
    return work + rows * 10


def _averages(case: Case, file: str, bn_params: object, params: Params) -> Averages:
    """Return the running averages of a saved network's layers."""
    averages: Averages = []
    entries = list(bn_params) if type(bn_params) in (list, tuple) else []  # type: ignore[call-overload]
    for layer in range(1, sum(name.startswith("gamma") for name in params) + 1):
        entry = entries[layer - 1] if layer <= len(entries) and type(entries[layer - 1]) is dict else {}
        both = []
        for name in ("running_mean", "running_var"):
            if name not in entry:
                raise Unlike(f"bn_params holds no {name} of layer {layer}")
            value = entry[name]
            params_of(case, file, f"{name} of layer {layer}", value)
            if value.shape != params[f"gamma{layer}"].shape:
                raise Unlike(f"{name} of layer {layer} has shape {tuple(value.shape)}")
            both.append(value.detach().float())
        case.require(bool((both[1] >= 0).all()), f"`{file}`: running_var of layer {layer} is negative")
        if entry.get("eps", EPS) != EPS:
            raise Unlike("eps of its batch normalisation is not 1e-5")
        averages.append((both[0], both[1]))
    return averages


def scorer(params: Params, pools: Collection[int], averages: Averages | None) -> Callable[[Tensor], Tensor]:
    """Return a function from images to scores, fast: batch normalisation is taken up by the convolutions."""
    depth = sum(name.startswith("W") for name in params)
    layers = []
    for layer in range(1, depth):
        W, b = params[f"W{layer}"], params.get(f"b{layer}", torch.zeros(len(params[f"W{layer}"])))
        if averages is not None:
            mean, var = averages[layer - 1]
            factor = params[f"gamma{layer}"] / (var + EPS).sqrt()
            W, b = W * factor[:, None, None, None], (b - mean) * factor + params[f"beta{layer}"]
        layers.append((W.contiguous(memory_format=torch.channels_last), b, layer - 1 in pools))
    W, b = params[f"W{depth}"], params.get(f"b{depth}", torch.zeros(10))

    def scores(X: Tensor) -> Tensor:
        out = X.contiguous(memory_format=torch.channels_last)
        for weight, bias, pooled in layers:
            out = F.conv2d(out, weight, bias, padding=1)
            out = F.relu_(F.max_pool2d(out, 2) if pooled else out)
        return out.flatten(1) @ W + b

    return scores


def load_saved(student: Proxy, file: str, params: Params | None, pools: Sequence[int], batchnorm: bool) -> Proxy:
    """Return a student's deep network with a saved one loaded into it."""
    filters = [8] if params is None else [len(params[name]) for name in params if re.fullmatch(r"W\d+", name)][:-1]
    net = student.DeepConvNet(
        input_dims=(3, 32, 32), num_filters=filters, max_pools=sorted(pools), batchnorm=batchnorm, num_classes=10,
        dtype=torch.float32, device="cpu",
    )  # fmt: skip
    net.load(file, torch.float32, "cpu")
    return net


def agrees(case: Case, net: Proxy, scores: Callable[[Tensor], Tensor], X: Tensor, y: Tensor) -> None:
    """Demand that the loaded network gives the scores that its saved weights give, in any order of images."""
    some = torch.randperm(len(X), generator=case.rng)[:500]
    X, y = X[some], y[some]
    wanted = torch.cat([scores(part) for part in X.split(SOME)])
    orders = [torch.randperm(len(X), generator=case.rng) for _ in range(2)]
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


def saved_accuracy(case: Case, student: Proxy, file: str, X: Tensor, y: Tensor, agree: bool = True) -> float:
    """Return the accuracy of a saved deep network on some images.

    It is that of the saved weights, which the student's `load` and `loss` must agree with. A network of
    another kind is scored by the student's code itself, in two orders, and flagged: such a figure is only
    as trustworthy as that code.
    """
    try:
        params, pools, averages = saved_network(case, file)
    except Unlike as unlike:
        case.flag(
            f"`{file}` is no network of the course's kind ({unlike}), so it was scored by running the submitted code: "
            "look at that code before you trust the figure"
        )
        return _accuracy_by_student(case, load_saved(student, file, None, [], False), X, y)
    scores = scorer(params, pools, averages)
    if agree:
        agrees(case, load_saved(student, file, params, pools, averages is not None), scores, X, y)
    return accuracy(scores, X, y, at_once=SOME, enough=case.threshold)


def _accuracy_by_student(case: Case, net: Proxy, X: Tensor, y: Tensor) -> float:
    def scores(X: Tensor) -> Tensor:
        return case.tensor("scores of the loaded network", net.loss(X), (len(X), 10), torch.float32)

    order = torch.randperm(len(X), generator=case.rng)
    found = torch.cat([scores(X[part]) for part in order.split(500)])
    again = torch.randperm(len(X), generator=case.rng)[:500]
    before = found[torch.argsort(order)[again]]
    error = float((scores(X[again]) - before).abs().max() / before.abs().max().clamp(min=1e-10))
    case.require(error <= 1e-3, "the scores of the loaded network depend on which images are scored together")
    return float((found.argmax(1) == y[order]).double().mean())
