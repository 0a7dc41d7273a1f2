"""Linear and ReLU layers, and the step of gradient descent."""

import numpy as np
import reference
import torch
import torch.nn.functional as F

from toolbox.checks import Shared, case, graded


@graded(
    points=3,
    trials=1,
    cases=[case("shapes and type", 2), case("weights", 4), case("bias", 2), case("two layers of one shape", 2)],
    hint="Draw every weight on its own, normal with mean 0 and a small standard deviation such as √(2/D); "
    "the bias is zeros, one for each output.",
)
def test_linear_init(student, case):
    """`LinearLayer` starts with small random weights and a bias of zeros."""
    D, M = case.size(100, 140), case.size(60, 90)
    layer = student.LinearLayer(D, M)
    weights = case.array("weights", layer.weights, (D, M))
    bias = case.array("bias", layer.bias, (M,))
    if case.name == "bias":
        case.require(not bias.any(), "bias does not start at zero")
    elif case.name == "weights":
        spread = float(weights.std())
        case.require(spread > 0, "all weights are the same: draw every one of them")
        case.require(spread <= 0.5, f"the weights are not small: their standard deviation is {spread:.2g}")
        case.require(abs(float(weights.mean())) <= 0.1 * spread, "the mean of the weights is not 0")
        along = min(float(weights.std(axis=axis).min()) for axis in (0, 1))
        case.require(along > 0.3 * spread, "whole rows or columns of the weights are the same: draw every number")
    elif case.name == "two layers of one shape":
        other = case.array("weights", student.LinearLayer(D, M).weights, (D, M))
        case.require(not np.array_equal(other, weights), "two layers start with the same weights")
        again = case.array("weights", layer.weights, (D, M))
        case.require(np.array_equal(again, weights), "making a second layer changes the first")


SHAPES = [
    case("several images", 8),
    case("a batch of one", 1, edge=True, n=1),
    case("an input that is not contiguous", 1, edge=True, transposed=True),
]


def draw_linear(case):
    """Draw x (N, D), weights (D, M) and bias (M,) for a case of SHAPES."""
    n, d, m = case.given.get("n") or case.size(2, 6), case.size(3, 8), case.size(2, 7)
    x = case.normal(d, n).T if case.given.get("transposed") else case.normal(n, d)
    return x, case.normal(d, m), case.normal(m)


def make_linear(student, weights, bias):
    """Return a student's layer with these parameters."""
    layer = student.LinearLayer(*weights.shape)
    layer.weights, layer.bias = weights, bias
    return layer


@graded(
    points=6,
    tolerance=1e-7,
    cases=SHAPES,
    hint="One matrix product, and the bias added to every row.",
)
def test_linear_forward(student, case):
    """`LinearLayer.forward` computes x·weights + bias."""
    x, weights, bias = draw_linear(case)
    layer = make_linear(student, weights, bias)
    for images in (x, case.normal(len(x) + 1, x.shape[1])):
        before = images.copy()
        out = layer.forward(Shared(images))
        right = reference.linear(*(torch.tensor(value) for value in (before, weights, bias)))
        case.compare("out", out, reference.array(right))
        case.unchanged("x", images, before)


@graded(
    points=8,
    tolerance=1e-7,
    cases=SHAPES,
    needs=["linear_forward"],
    hint="Write down the shapes: grad_weights has the shape of weights, grad_bias that of bias, and what is returned "
    "that of x; only one product of grad with x or weights has each of them. Nothing is divided by N here.",
)
def test_linear_backward(student, case):
    """`LinearLayer.backward` gives the gradients with respect to weights, bias and x."""
    x, weights, bias = draw_linear(case)
    layer = make_linear(student, weights, bias)
    for images in (x, case.normal(len(x) + 1, x.shape[1])):  # the second depends on nothing that the first left behind
        layer.forward(images)
        grad = case.normal(len(images), len(bias))
        returned = layer.backward(grad)
        right = reference.gradients(reference.linear, (images, weights, bias), grad)
        case.compare("what backward returns", returned, right[0])
        case.compare("grad_weights", layer.grad_weights, right[1])
        case.compare("grad_bias", layer.grad_bias, right[2])
    case.unchanged("weights", case.array("weights", layer.weights, weights.shape), weights)


@graded(
    points=8,
    trials=1,
    tolerance=1e-9,
    needs=["linear_forward", "linear_backward"],
    cases=[
        case("one step, no momentum, no decay", 2, steps=1, momentum=0.0, decay=0.0),
        case("momentum over several steps", 4, steps=4, decay=0.0),
        case("momentum and weight decay over several steps", 4, steps=4),
        case("two layers in turn", 2, steps=3, layers=2),
        case("momentum and weight decay left out", 1, edge=True, steps=3, defaults=True),
        case("settings that change from step to step", 1, edge=True, steps=4, changing=True),
    ],
    hint="Update the velocity first, with a minus before η, then add it. The decay 2·η·λ·weights takes the weights as "
    "they were before the step, stays outside of the velocity, and leaves the bias alone.",
)
def test_linear_step(student, case):
    """`LinearLayer.step` follows momentum and weight decay over several steps."""
    layers, rules = [], []
    d, m = case.size(3, 6), case.size(2, 5)
    for _ in range(case.given.get("layers", 1)):
        weights, bias = case.normal(d, m), case.normal(m)
        layers.append(make_linear(student, weights, bias))
        rules.append(reference.Descent({"W": torch.tensor(weights), "b": torch.tensor(bias)}))
    settings = draw_settings(case)
    for step in range(1, case.steps + 1):
        if case.given.get("changing"):
            settings = draw_settings(case)
        for layer, rule in zip(layers, rules, strict=True):
            W = rule.params["W"]
            x, grad = case.normal(4, W.shape[0]), case.normal(4, W.shape[1])
            layer.forward(x)
            layer.backward(grad)
            values = [x, *(reference.array(value) for value in rule.params.values())]
            _, *right = reference.gradients(reference.linear, values, grad)
            rule.step(dict(zip(rule.params, map(torch.tensor, right), strict=True)), *settings)
            if case.given.get("defaults"):
                layer.step(settings[0])
            else:
                layer.step(settings[0], momentum=settings[1], weight_decay=settings[2])
            case.compare(f"weights after step {step}", layer.weights, reference.array(W))
            case.compare(f"bias after step {step}", layer.bias, reference.array(rule.params["b"]))


def draw_settings(case):
    """Draw step size, momentum and weight decay, or take those that the case gives."""
    if case.given.get("defaults"):
        return case.uniform(0.01, 0.1), 0.8, 0.0
    momentum, decay = case.given.get("momentum"), case.given.get("decay")
    return (
        case.uniform(0.01, 0.1),
        case.uniform(0.5, 0.95) if momentum is None else momentum,
        case.uniform(0.1, 1.0) if decay is None else decay,
    )


RELU = [
    case("numbers of both signs", 6),
    case("the input stays as it is", 2),
    case("numbers that are exactly zero", 2, edge=True, zeros=True),
]


def draw_relu(case):
    """Draw an input of random shape, with zeros in it where the case asks for them."""
    x = 10 * case.normal(case.size(3, 6), case.size(3, 6))
    if case.given.get("zeros"):
        x[case.normal(*x.shape) < -0.3] = 0
    return x


@graded(
    points=3,
    tolerance=1e-7,
    cases=RELU,
    hint="Negative numbers become 0; make a new array for the result.",
)
def test_relu_forward(student, case):
    """`ReLU.forward` computes max(0, x) and leaves x as it is."""
    x = draw_relu(case)
    before = x.copy()
    out = student.ReLU().forward(Shared(x))
    if case.name == "the input stays as it is":
        case.unchanged("x", x, before)
    case.compare("out", out, reference.array(F.relu(torch.tensor(before))))


@graded(
    points=4,
    tolerance=1e-7,
    needs=["relu_forward"],
    cases=[
        case("numbers of both signs", 7),
        case("a step in between", 1),
        case("numbers that are exactly zero", 2, edge=True, zeros=True),
    ],
    hint="The gradient passes where the input of the last forward was positive, and nowhere else.",
)
def test_relu_backward(student, case):
    """`ReLU.backward` lets the gradient through where x > 0, and `step` does nothing."""
    layer = student.ReLU()
    for _ in range(2):
        x = draw_relu(case)
        grad = case.normal(*x.shape)
        layer.forward(x)
        if case.name == "a step in between":
            layer.step(0.1, momentum=0.9, weight_decay=0.5)
            layer.step(0.1)
        right = reference.gradients(F.relu, (x,), grad)[0]
        case.compare("what backward returns", layer.backward(grad), right)
