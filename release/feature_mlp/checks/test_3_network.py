"""The network on features: parameters, forward, loss, gradients, step."""

import numpy as np
import reference
import torch
import torch.nn.functional as F

from toolbox.checks import Shared, case, graded


@graded(
    points=4,
    trials=1,
    cases=[
        case("shapes and type", 2), case("weights", 4), case("biases", 2), case("the sizes that are meant by default", 1),
        case("the seed decides", 3),
    ],
    hint="Make a generator from the seed, draw every weight from the standard normal distribution, divide by 1000, and make "
    "everything float32. Biases are zeros.",
)  # fmt: skip
def test_initialize(student, case):
    """`initialize` draws small weights from its seed, and makes biases of zeros."""
    default = "default" in case.name
    sizes = (512, 64, 10) if default else (case.size(100, 140), case.size(60, 90), case.size(30, 50))
    features, hidden, classes = sizes
    shapes = {"W1": (features, hidden), "b1": (hidden,), "W2": (hidden, classes), "b2": (classes,)}

    def make(seed):
        made = case.dictionary("params", student.initialize(seed) if default else student.initialize(seed, sizes), shapes)
        return {name: case.array(name, made[name], shape, np.float32) for name, shape in shapes.items()}

    seed = case.size(0, 10**6)
    params = make(seed)
    if case.name == "weights":
        for name in ("W1", "W2"):
            spread, mean = float(params[name].std()), float(params[name].mean())
            case.require(abs(spread / 1e-3 - 1) <= 0.1, f"the standard deviation of {name} is {spread:.2g}, not 0.001")
            case.require(abs(mean) <= 1.5e-4, f"the mean of {name} is {mean:.2g}, not 0")
            along = min(float(params[name].std(axis=axis).min()) for axis in (0, 1))
            case.require(along > 3e-4, f"whole rows or columns of {name} are the same: draw every number")
            far = float((np.abs(params[name]) > 2e-3).mean())
            case.require(0.02 <= far <= 0.08, f"{name} is not drawn from a normal distribution")
        fewer = min(params["W1"].size, params["W2"].size)
        same = np.array_equal(params["W1"].ravel()[:fewer], params["W2"].ravel()[:fewer])
        case.require(not same, "W1 and W2 hold the same numbers: draw both from one generator")
    elif case.name == "biases":
        case.require(not params["b1"].any() and not params["b2"].any(), "a bias does not start at zero")
    elif case.name == "the seed decides":
        again, other = make(seed), make(seed + 1)
        for name in ("W1", "W2"):
            case.require(np.array_equal(again[name], params[name]), f"the same seed gives another {name}")
            case.require(not np.array_equal(other[name], params[name]), f"another seed gives the same {name}")


SHAPES = [
    case("several images", 7),
    case("float32 stays float32", 1, dtype=torch.float32, allowed=1e-5),
    case("a batch of one", 1, edge=True, n=1),
    case("an input that is not contiguous", 1, edge=True, transposed=True),
]


def draw(case):
    """Draw features, labels and parameters for a case of SHAPES."""
    dtype = case.given.get("dtype", torch.float64)
    n, sizes = case.given.get("n") or case.size(3, 7), (case.size(5, 9), case.size(6, 10), case.size(3, 6))
    params = reference.draw_params(case, sizes, dtype)
    x = case.randn(sizes[0], n).t() if case.given.get("transposed") else case.randn(n, sizes[0])
    if case.given.get("zero"):  # before ReLU, too
        x[0], params["b1"][:] = 0, 0
    return x.to(dtype), case.labels(n, sizes[2]), params


@graded(
    points=6,
    tolerance=1e-7,
    cases=SHAPES,
    hint="Two matrix products, a bias added to every row after each, and between them max(0, ·). No ReLU after the second.",
)
def test_forward(student, case):
    """`forward` computes linear, ReLU, linear."""
    x, _, params = draw(case)
    for some in (x, x.flip(0)):
        features, given = reference.array(some), reference.arrays(params)
        before = features.copy()
        returned, _ = case.items("forward", student.forward(Shared(features), given), 2)
        case.compare("scores", returned, reference.array(reference.scores(params, some)), case.given.get("allowed"))
        case.unchanged("x", features, before)
        reference.same_params(case, given, reference.arrays(params), "params")


def draw_scores(case):
    """Draw scores (N, C) of a size that a case gives."""
    n, classes = case.given.get("n") or case.size(3, 7), case.size(3, 6)
    scores = case.randn(n, classes) * case.given.get("scale", 1.0)
    if "scale" in case.given:  # one row far below the others: what is the largest score of all does not help it
        scores[0] -= 3 * case.scale
    if case.given.get("shift"):
        scores += case.shift
    return scores


@graded(
    points=6,
    tolerance=1e-7,
    cases=[
        case("scores of ordinary size", 5),
        case("scores beyond ±1000", 3, scale=1000.0),
        case("scores around 5000", 2, shift=5000.0),
        case("scores around -5000", 1, shift=-5000.0),
        case("a batch of one", 1, edge=True, n=1),
    ],
    hint="exp of a large number overflows. The probabilities stay the same when a number is subtracted from all scores of a "
    "row: which one makes sure that no power is larger than 1?",
)
def test_softmax(student, case):
    """`softmax` gives probabilities, whatever the size of the scores."""
    scores = draw_scores(case)
    single = case.trial > 0 and case.name == "scores of ordinary size"
    if single:
        scores = scores.float()
    given = reference.array(scores).copy()
    probabilities = student.softmax(Shared(given))
    case.compare("probabilities", probabilities, reference.array(F.softmax(scores, dim=1)), 1e-5 if single else None)
    case.unchanged("scores", given, reference.array(scores))


@graded(
    points=6,
    tolerance=1e-7,
    cases=[
        case("scores of ordinary size", 5),
        case("scores beyond ±1000", 3, scale=1000.0),
        case("scores around 5000", 2, shift=5000.0),
        case("scores around -5000", 1, shift=-5000.0),
        case("a batch of one", 1, edge=True, n=1),
    ],
    hint="The logarithm of softmax is score − log Σ exp(scores): with that no probability has to be rounded to 0 first. Subtract "
    "the largest score of each row before, and divide by N in the end.",
)
def test_cross_entropy(student, case):
    """`cross_entropy` gives the mean loss, exact for scores of any size."""
    scores = draw_scores(case)
    labels = case.labels(*scores.shape)
    given, classes = reference.array(scores).copy(), reference.array(labels).copy()
    loss = student.cross_entropy(Shared(given), Shared(classes))
    case.compare("the loss", loss, reference.array(F.cross_entropy(scores, labels)))
    case.unchanged("scores", given, reference.array(scores))
    case.unchanged("labels", classes, reference.array(labels))


@graded(
    points=11,
    tolerance=1e-7,
    needs=["forward", "softmax"],
    cases=[*SHAPES, case("hidden units that are exactly zero", 1, zero=True)],
    hint="The gradient with respect to the scores is (softmax − one-hot labels) / N. From there go back: W2 and b2, the hidden "
    "layer, ReLU, W1 and b1. Write down the shapes; only one product of each pair fits. ReLU stops what is not above 0.",
)
def test_backward(student, case):
    """`backward` gives the gradients of the mean loss with respect to all parameters."""
    x, labels, params = draw(case)
    other = reference.array(case.randn(len(x) + 1, x.shape[1]).to(x.dtype))
    given, classes = reference.arrays(params), reference.array(labels)
    for some, truth in ((x, labels), (x.flip(0), labels.flip(0))):
        scores, cache = case.items("forward", student.forward(reference.array(some), given), 2)
        student.forward(other, given)  # of another batch: the cache of the first is what counts
        scores = case.array("scores", scores, (len(x), len(params["b2"])), other.dtype.type)
        before, classes = scores.copy(), reference.array(truth).copy()
        grads = student.backward(Shared(scores), Shared(classes), given, cache)
        grads = case.dictionary("grads", grads, set(reference.NAMES))
        _, right = reference.loss_and_gradients(params, some, truth)
        for name in reference.NAMES:
            case.compare(f"the gradient of {name}", grads[name], reference.array(right[name]), case.given.get("allowed"))
        case.unchanged("scores", scores, before)
        case.unchanged("labels", classes, reference.array(truth))
        reference.same_params(case, given, reference.arrays(params), "params")


@graded(
    points=3,
    tolerance=1e-9,
    cases=[
        case("one step", 4, steps=1),
        case("several steps at several rates", 4, steps=4),
        case("parameters of other names", 1, edge=True, steps=2, names=("first", "second")),
        case("float32 stays float32", 1, edge=True, steps=3, dtype=torch.float32),
    ],
    hint="Go through the names in the dictionary, and subtract the learning rate times the gradient of the same name.",
)
def test_update(student, case):
    """`update` takes a step of gradient descent with every parameter."""
    params = reference.draw_params(case, (case.size(3, 6), case.size(3, 6), case.size(3, 6)))
    if case.given.get("names"):
        params = {name: params[kind] for name, kind in zip(case.names, ("W1", "b2"), strict=True)}
    params = {name: value.to(case.given.get("dtype", torch.float64)) for name, value in params.items()}
    given = reference.arrays(params)
    rule = torch.optim.SGD(list(params.values()), lr=1.0)
    for step in range(1, case.steps + 1):
        rate = rule.param_groups[0]["lr"] = case.uniform(0.01, 0.5)
        for value in params.values():
            value.grad = case.randn(*value.shape).to(value.dtype)
        grads = {name: reference.array(value.grad).copy() for name, value in params.items()}
        before = {name: value.copy() for name, value in grads.items()}
        student.update(given, grads, rate)
        rule.step()
        case.dictionary("params", given, set(params))
        allowed = 1e-6 if case.given.get("dtype") else None
        for name, value in params.items():
            case.compare(f"{name} after step {step}", given[name], reference.array(value), allowed)
        reference.same_params(case, grads, before, "grads")
