"""The linear model: forward, backward, training on all images at once."""

import numpy as np
import reference
import torch

from toolbox.checks import Shared, case, graded


def draw(case, m=0):
    """Draw images, labels and the weights of a linear model, of shapes that cannot be taken for each other."""
    m, sizes = m or case.size(8, 12), (case.size(6, 7), case.size(3, 5))
    return case.normal(m, sizes[0]), reference.draw_labels(case, m, sizes[1]), reference.draw_weights(case, sizes)


@graded(
    points=4, tolerance=1e-7,
    cases=[
        case("several images", 8), case("a single image", 1, edge=True),
        case("float32", 1, edge=True),
    ],
    hint="Each row of x times W, plus the one row of b.",
)  # fmt: skip
def test_forward_linear(student, case):
    """`forward_linear` gives x·W + b."""
    x, _, weights = draw(case, 1 if case.name == "a single image" else 0)
    if case.name == "float32":
        x, weights = x.astype(np.float32), [value.astype(np.float32) for value in weights]
    before = [value.copy() for value in (x, *weights)]
    got = student.forward_linear(Shared(x), [Shared(value) for value in weights])
    right = reference.predictions(torch.tensor(before[0]), reference.tensors(before[1:])).numpy()
    case.compare("the predictions", got, right, tolerance=1e-5 if case.name == "float32" else None)
    for now, then in zip((x, *weights), before, strict=True):
        case.unchanged("x or one of the weights", now, then)


@graded(
    points=8, tolerance=1e-7, needs=["forward_linear"],
    cases=[
        case("against autograd", 10), case("predictions far from the labels", 2), case("against numeric slopes", 2),
        case("a single image", 1, edge=True), case("inputs stay as they are", 1, edge=True), case("float32", 1, edge=True),
    ],
    hint="With e = ŷ − y, the derivative of (1/m) Σ e² with respect to ŷ is 2·e/m, m the number of images. W gets it "
    "through x, b gets its sum over the images, in the shape (1, K). No λ here.",
)  # fmt: skip
def test_backward_linear(student, case):
    """`backward_linear` gives the gradients of the data term with respect to W and b."""
    x, y, weights = draw(case, 1 if case.name == "a single image" else 0)
    if case.name == "predictions far from the labels":
        weights = [20 * value for value in weights]
    if case.name == "float32":
        x, y, *weights = (value.astype(np.float32) for value in (x, y, *weights))
    y_hat = reference.predictions(torch.tensor(x), reference.tensors(weights)).numpy()
    before = [value.copy() for value in (y, x, y_hat)]
    got = student.backward_linear(Shared(y), Shared(x), Shared(y_hat), weights)
    if case.name == "inputs stay as they are":
        for name, now, then in zip(("y", "x", "y_hat"), (y, x, y_hat), before, strict=True):
            case.unchanged(name, now, then)
    y, x, _ = before
    if case.name == "against numeric slopes":
        reference.compare_slopes(case, got, weights, y, lambda weights: student.forward_linear(x, weights))
    right = reference.gradients(x, y, weights)
    reference.compare_weights(case, got, right, "the gradients", tolerance=1e-4 if case.name == "float32" else None)


@graded(
    points=8, tolerance=1e-7,
    needs=["mean_squared_error", "accuracy", "gradient_descent", "forward_linear", "backward_linear"],
    cases=[
        case("one step", 3, steps=1, decay=1.0, reg=0.0), case("several steps", 4, steps=5, decay=1.0, reg=0.0),
        case("a learning rate that falls", 3, steps=5, decay=0.7, reg=0.0), case("λ > 0", 3, steps=5, decay=0.9, reg=0.4),
        case("the losses", 3, steps=4, decay=0.8, reg=0.3), case("the validation accuracies", 2, steps=4, decay=0.9, reg=0.1),
        case("the first weights stay as they are", 2, edge=True, steps=3, decay=1.0, reg=0.2),
        case("float32", 1, edge=True, steps=3, decay=0.9, reg=0.2),
    ],
    hint="Each step: forward, the loss, backward, the update, then the accuracy on the validation images. Step 0 has the "
    "learning rate as it is given, step 1 that times `decay`.",
)  # fmt: skip
def test_train_full_batch(student, case):
    """`train_full_batch` takes the asked steps on all images, and keeps losses and accuracies."""
    data, weights = reference.draw_training(case, "linear", case.size(12, 16))
    if case.name == "float32":
        data, weights = reference.in_float32(data, weights)
    rate, every = case.uniform(0.1, 0.2), np.arange(len(data["x_train"]))
    right, losses, validated = reference.follow(data, weights, [[every]] * case.steps, rate, case.decay, case.reg)
    before = [value.copy() for value in weights]
    got, history = case.items(
        "train_full_batch",
        student.train_full_batch(
            "linear", dict(data), Shared(weights), learning_rate=rate, num_steps=case.steps, decay=case.decay, reg=case.reg
        ), 2,
    )  # fmt: skip
    if case.name == "the first weights stay as they are":
        reference.same_list(case, "weights", weights, before)
    reference.compare_weights(case, got, right, tolerance=1e-4 if case.name == "float32" else None)
    history = case.dictionary("history", history, {"loss", "val_accuracy"})
    if case.name == "the losses":
        reference.compare_series(case, history, "loss", [loss for step in losses for loss in step])
    if case.name == "the validation accuracies":
        reference.compare_series(case, history, "val_accuracy", validated)


@graded(
    points=6, trials=1, needs=["forward_linear"], cases=[case("test images", 1)],
    hint="Train on all training images until the loss hardly falls any more, with a learning rate just below the one "
    "at which it explodes, and save the weights.",
)  # fmt: skip
def test_saved_linear(student, case):
    """`linear.npz` classifies test images well enough."""
    reference.saved_by_hand(case, student, "linear.npz", "linear")
