"""What all models share: the loss, the accuracy, the update."""

import numpy as np
import reference
import torch

from toolbox.checks import Shared, case, graded


def draw(case, sizes=(6, 5, 4)):
    """Draw predictions, labels and weights of a model."""
    m = case.size(8, 12)
    return reference.draw_labels(case, m, sizes[-1]), case.normal(m, sizes[-1]), reference.draw_weights(case, sizes)


@graded(
    points=5, tolerance=1e-7,
    cases=[
        case("λ = 0", 4, reg=0.0, sizes=(6, 4)), case("λ > 0, a linear model", 3, reg=0.7, sizes=(6, 4)),
        case("λ > 0, two layers", 3, reg=0.3, sizes=(6, 5, 4)), case("predictions that are right", 1, reg=0.0, sizes=(6, 4)),
        case("a single image", 1, edge=True, reg=0.2, sizes=(6, 5, 4)),
    ],
    hint="Sum the squares over classes, then take the mean over images. λ multiplies the sum of all squared weights "
    "of all layers; biases, which stand at the odd places of the list, do not count.",
)  # fmt: skip
def test_mean_squared_error(student, case):
    """`mean_squared_error` is the mean over images of the squared distance, plus λ ΣW²."""
    y, y_hat, weights = draw(case, case.sizes)
    if case.name == "a single image":
        y, y_hat = y[:1], y_hat[:1]
    if case.name == "predictions that are right":
        y_hat = y.copy()
    right = reference.whole_loss(torch.tensor(y_hat), torch.tensor(y), reference.tensors(weights), case.reg)
    before = y.copy(), y_hat.copy()
    got = case.number("the loss", student.mean_squared_error(Shared(y), Shared(y_hat), weights, case.reg))
    case.compare("the loss", got, right)
    for name, now, then in zip(("y", "y_hat"), (y, y_hat), before, strict=True):
        case.unchanged(name, now, then)


@graded(
    points=4, tolerance=1e-7,
    cases=[
        case("random predictions", 5), case("all right", 1), case("all wrong", 1),
        case("predictions below zero", 2), case("a single image", 1, edge=True),
        case("predictions that are all the same", 1, edge=True),
    ],
    hint="The guess is the place of the largest prediction in a row, and the label the place of its 1. The result goes "
    "from 0 to 100.",
)  # fmt: skip
def test_accuracy(student, case):
    """`accuracy` is the share of images whose largest prediction is that of their class, in per cent."""
    m = 1 if case.name == "a single image" else case.size(30, 40)
    classes = case.size(4, 7)
    y, y_hat = reference.draw_labels(case, m, classes), case.normal(m, classes)
    if case.name == "all right":
        y_hat = y_hat + 10 * y
    elif case.name == "all wrong":
        y_hat = y_hat - 10 * y
    elif case.name == "predictions below zero":
        y_hat = y_hat / 10 + y / 5 - 5
    elif case.name == "predictions that are all the same":
        y, y_hat = np.tile(np.eye(classes), (3, 1)), np.zeros((3 * classes, classes))
    before = y_hat.copy(), y.copy()
    got = case.number("the accuracy", student.accuracy(Shared(y_hat), Shared(y)))
    for name, now, then in zip(("y_hat", "y"), (y_hat, y), before, strict=True):
        case.unchanged(name, now, then)
    if case.name == "predictions that are all the same":  # the guess is one class, whichever it is
        case.require(got <= 60, f"the accuracy is {got:.4g}, where every class is right for {100 / classes:.4g} % of the images")
        return
    case.compare("the accuracy", got, np.float64(reference.per_cent(torch.tensor(y_hat), torch.tensor(y))))


@graded(
    points=7, tolerance=1e-7,
    cases=[
        case("λ = 0", 4, sizes=(6, 4), reg=0.0), case("λ > 0, a linear model", 4, sizes=(6, 4), reg=0.6),
        case("λ > 0, two layers", 4, sizes=(6, 5, 4), reg=0.3), case("three steps", 3, sizes=(6, 5, 4), reg=0.2),
        case("weights and gradients stay as they are", 2, edge=True, sizes=(6, 5, 4), reg=0.4),
        case("float32", 1, edge=True, sizes=(6, 4), reg=0.5),
    ],
    hint="W − α·dW − α·λ·W for weights and b − α·db for biases. Make new arrays: W −= … changes the old one.",
)  # fmt: skip
def test_gradient_descent(student, case):
    """`gradient_descent` takes a step against the gradient, and lets weights decay but no biases."""
    weights = reference.draw_weights(case, case.sizes)
    rate = case.uniform(0.05, 0.5)
    if case.name == "float32":
        weights = [value.astype(np.float32) for value in weights]
        grads = [case.normal(*value.shape).astype(np.float32) for value in weights]
        got = case.items("gradient_descent", student.gradient_descent(grads, weights, rate, case.reg), len(weights))
        for name, mine, value in zip(reference.names_of(weights), got, weights, strict=True):
            case.array(name, mine, value.shape, np.float32)
        return
    leaves = reference.tensors(weights)
    rule = reference.optimiser(leaves, rate, case.reg)
    for _ in range(3 if case.name == "three steps" else 1):
        grads = [case.normal(*value.shape) for value in weights]
        before = [value.copy() for value in (*weights, *grads)]
        got = student.gradient_descent(Shared(grads), Shared(weights), rate, case.reg)
        if case.name == "weights and gradients stay as they are":
            reference.same_list(case, "weights", weights, before[: len(before) // 2])
            reference.same_list(case, "grads", grads, before[len(before) // 2 :])
        for leaf, grad in zip(leaves, before[len(leaves) :], strict=True):
            leaf.grad = torch.tensor(grad)
        rule.step()
        right = [leaf.numpy().copy() for leaf in leaves]
        reference.compare_weights(case, got, right, "the new weights")
        weights = right
