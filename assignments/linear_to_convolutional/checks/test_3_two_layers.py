"""The two-layer network: sigmoid, forward, backward."""

import numpy as np
import reference
import torch

from toolbox.checks import Shared, case, graded


def draw(case, m=0):
    """Draw images, labels and the weights of a two-layer network, of shapes that cannot be taken for each other."""
    m, sizes = m or case.size(9, 12), (case.size(7, 8), case.size(5, 6), case.size(3, 4))
    return case.normal(m, sizes[0]), reference.draw_labels(case, m, sizes[2]), reference.draw_weights(case, sizes)


@graded(
    points=5, tolerance=1e-7,
    cases=[
        case("a matrix", 4), case("±1000 and in between", 3), case("no overflow on the way", 3), case("a vector", 1),
        case("z stays as it is", 1, edge=True), case("float32", 1, edge=True),
    ],
    hint="exp(1000) is too large for any type. exp(−|z|) never is: write σ with it, once for z ≥ 0 and once for z < 0.",
)  # fmt: skip
def test_sigmoid(student, case):
    """`sigmoid` is 1 / (1 + exp(−z)) for every z, and nothing overflows on the way."""
    z = 3 * case.normal(case.size(3, 5), case.size(6, 8))
    if case.name == "a vector":
        z = z[0]
    if case.name in ("±1000 and in between", "no overflow on the way"):
        z = np.concatenate([[-1000.0, 1000.0, 0.0, -750.0, 750.0, -40.0, 40.0], case.uniform(100, 900) * z[0]])
    if case.name == "float32":
        z = z.astype(np.float32)
    if case.name == "no overflow on the way" and case.trial:  # in float32, in which training is, exp(89) is too large
        z = z.astype(np.float32)
    before = z.copy()
    if case.name == "no overflow on the way":
        old = student.np.seterr(over="raise", invalid="raise", divide="raise")  # NumPy's, where the student's code runs
        try:
            got = student.sigmoid(z)
        finally:
            student.np.seterr(**old)
    else:
        got = student.sigmoid(Shared(z))
    right = torch.special.expit(torch.tensor(before)).numpy()
    case.compare("σ(z)", got, right, tolerance=1e-6 if z.dtype == np.float32 else None)
    if case.name == "z stays as it is":
        case.unchanged("z", z, before)


@graded(
    points=5, tolerance=1e-7, needs=["sigmoid"],
    cases=[
        case("predictions z2", 4), case("z1 and a1", 3), case("large weights", 1), case("a single image", 1, edge=True),
        case("inputs stay as they are", 1, edge=True),
    ],
    hint="z1 = x·W1 + b1, a1 = σ(z1), z2 = a1·W2 + b2. No sigmoid follows z2: a prediction may be any number.",
)  # fmt: skip
def test_forward_two_layer(student, case):
    """`forward_two_layer` gives the hidden units before and after the sigmoid, and the predictions."""
    x, _, weights = draw(case, 1 if case.name == "a single image" else 0)
    if case.name == "large weights":
        weights = [300 * value for value in weights]
    before = [value.copy() for value in (x, *weights)]
    got = student.forward_two_layer(Shared(x), [Shared(value) for value in weights])
    z1, a1, z2 = case.items("forward_two_layer", got, 3)
    there = reference.tensors(before[1:])
    right = [value.numpy() for value in reference.hidden(torch.tensor(before[0]), there)]
    if case.name != "predictions z2":
        case.compare("z1", z1, right[0])
        case.compare("a1", a1, right[1])
    case.compare("z2", z2, reference.predictions(torch.tensor(before[0]), there).numpy())
    if case.name == "inputs stay as they are":
        for now, then in zip((x, *weights), before, strict=True):
            case.unchanged("x or one of the weights", now, then)


@graded(
    points=12, tolerance=1e-7, needs=["forward_two_layer"],
    cases=[
        case("W2 and b2", 3, parts=(2, 3)), case("W1 and b1", 5, parts=(0, 1)), case("units that are nearly 0 or 1", 1),
        case("against numeric slopes", 3), case("a single image", 1, edge=True),
        case("inputs stay as they are", 1, edge=True), case("float32", 1, edge=True),
    ],
    hint="The last layer is the linear model with a1 in the place of x. Going on, the gradient with respect to a1 is "
    "dz2·W2ᵀ; the sigmoid multiplies it by a1·(1 − a1); and the first layer is a linear layer again.",
)  # fmt: skip
def test_backward_two_layer(student, case):
    """`backward_two_layer` gives the gradients of the data term with respect to both layers."""
    x, y, weights = draw(case, 1 if case.name == "a single image" else 0)
    if case.name.startswith("units"):
        weights[0] = 10 * weights[0]
    if case.name == "float32":
        x, y, *weights = (value.astype(np.float32) for value in (x, y, *weights))
    there = reference.tensors(weights)
    z1, a1 = (value.numpy() for value in reference.hidden(torch.tensor(x), there))
    cache = [z1, a1, reference.predictions(torch.tensor(x), there).numpy()]
    before = [value.copy() for value in (y, x, *cache, *weights)]
    shared = [Shared(value) for value in (y, x)], [Shared(value) for value in cache], [Shared(value) for value in weights]
    got = student.backward_two_layer(*shared[0], shared[1], shared[2])
    if case.name == "inputs stay as they are":
        for now, then in zip((y, x, *cache, *weights), before, strict=True):
            case.unchanged("one of the inputs", now, then)
    y, x, *_ = before
    weights = before[5:]
    right = reference.gradients(x, y, weights)
    if case.name.startswith("W"):
        found = case.items("the gradients", got, 4)
        for part in case.parts:
            case.compare(f"{reference.names_of(weights)[part]} of the gradients", found[part], right[part])
        return
    if case.name == "against numeric slopes":
        reference.compare_slopes(
            case, got, weights, y,
            lambda weights: case.items("forward_two_layer", student.forward_two_layer(x, weights), 3)[-1],
        )  # fmt: skip
    reference.compare_weights(case, got, right, "the gradients", tolerance=1e-4 if case.name == "float32" else None)


@graded(
    points=2, trials=1, tolerance=1e-7, needs=["train_full_batch", "forward_two_layer", "backward_two_layer"],
    cases=[case("the weights", 3), case("the losses and the validation accuracies", 2)],
    hint="Ask `forward` and `backward` with the `model` that you were given; what the second wants of the first is its "
    "`cache`, and the predictions come first in what `forward` returns.",
)  # fmt: skip
def test_train_full_batch_two_layer(student, case):
    """`train_full_batch` trains the two-layer network by the same loop."""
    data, weights = reference.draw_training(case, "two_layer", case.size(12, 16))
    steps, rate, decay, reg = case.size(3, 5), case.uniform(0.1, 0.2), case.uniform(0.7, 0.9), case.uniform(0.1, 0.4)
    every = np.arange(len(data["x_train"]))
    right, losses, validated = reference.follow(data, weights, [[every]] * steps, rate, decay, reg)
    got, history = case.items(
        "train_full_batch",
        student.train_full_batch(
            "two_layer", dict(data), weights, learning_rate=rate, num_steps=steps, decay=decay, reg=reg
        ), 2,
    )  # fmt: skip
    if case.name == "the weights":
        reference.compare_weights(case, got, right)
        return
    history = case.dictionary("history", history, {"loss", "val_accuracy"})
    reference.compare_series(case, history, "loss", [loss for step in losses for loss in step])
    reference.compare_series(case, history, "val_accuracy", validated)


@graded(
    points=6, trials=1, needs=["forward_two_layer"], cases=[case("test images", 1)],
    hint="Train for as many steps as you have patience for: a network trained on all images at once learns a little at "
    "each step. If the loss explodes, the learning rate is too large.",
)  # fmt: skip
def test_saved_two_layer(student, case):
    """`two_layer.npz`, trained on all images at once, classifies test images well enough."""
    reference.saved_by_hand(case, student, "two_layer.npz", "two_layer")
