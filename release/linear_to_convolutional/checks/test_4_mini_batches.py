"""Training on a few images at a time."""

import numpy as np
import reference

from toolbox.checks import Shared, case, graded


@graded(
    points=10, trials=1, tolerance=1e-7,
    needs=[
        "mean_squared_error", "accuracy", "gradient_descent", "forward_linear", "backward_linear", "forward_two_layer",
        "backward_two_layer",
    ],
    cases=[
        case("one epoch of the linear model", 4, model="linear", epochs=1, decay=0.8, reg=0.0),
        case("one epoch of two layers", 4, model="two_layer", epochs=1, decay=0.8, reg=0.0),
        case("several epochs, λ > 0, a learning rate that falls", 5, model="two_layer", epochs=3, decay=0.7, reg=0.3),
        case("the losses", 3, model="linear", epochs=3, decay=0.9, reg=0.2),
        case("the validation accuracies", 2, model="two_layer", epochs=3, decay=0.9, reg=0.1),
        case("batches that come out even", 1, model="linear", epochs=2, decay=1.0, reg=0.0),
        case("one batch of all images", 1, edge=True, model="linear", epochs=2, decay=1.0, reg=0.0),
        case("the first weights and the images stay as they are", 2, edge=True, model="two_layer", epochs=2, decay=1.0, reg=0.1),
        case("float32", 1, edge=True, model="two_layer", epochs=2, decay=0.9, reg=0.1),
    ],
    hint="One `rng` for the whole training; each epoch draws one order from it, and its batches are cut from that order "
    "one after the other, the last one included even if it is smaller. The learning rate falls between epochs, not "
    "between steps.",
)  # fmt: skip
def test_train_mini_batch(student, case):
    """`train_mini_batch` goes through all images once an epoch, in a new order, batch by batch."""
    size = case.size(4, 6)
    count = 5 * size if case.name == "batches that come out even" else 5 * size + case.size(1, size - 1)
    data, weights = reference.draw_training(case, case.model, count)
    if case.name == "float32":
        data, weights = reference.in_float32(data, weights)
    seed, rate = case.size(0, 10**6), case.uniform(0.05, 0.1)
    if case.name == "one batch of all images":
        size = count + case.size(1, 5)
    rng = np.random.default_rng(seed)
    epochs = [np.split(rng.permutation(count), range(size, count, size)) for _ in range(case.epochs)]
    right, losses, validated = reference.follow(data, weights, epochs, rate, case.decay, case.reg)
    before = [value.copy() for value in (*weights, *data.values())]
    got, history = case.items(
        "train_mini_batch",
        student.train_mini_batch(
            case.model, dict(data), Shared(weights), learning_rate=rate, batch_size=size, num_epochs=case.epochs,
            decay=case.decay, reg=case.reg, seed=seed,
        ), 2,
    )  # fmt: skip
    if case.name.startswith("the first weights"):
        reference.same_list(case, "weights", weights, before[: -len(data)])
        for now, then in zip(data.values(), before[-len(data) :], strict=True):
            case.unchanged("the images or the labels", now, then)
    reference.compare_weights(case, got, right, tolerance=1e-4 if case.name == "float32" else None)
    history = case.dictionary("history", history, {"loss", "epoch_loss", "val_accuracy"})
    if case.name == "the losses":
        reference.compare_series(case, history, "loss", [loss for epoch in losses for loss in epoch])
        reference.compare_series(case, history, "epoch_loss", [float(np.mean(epoch)) for epoch in losses])
    if case.name == "the validation accuracies":
        reference.compare_series(case, history, "val_accuracy", validated)


@graded(
    points=6, trials=1, needs=["forward_two_layer"], cases=[case("test images", 1)],
    hint="Small batches, some tens of epochs, and a learning rate that falls: many small steps go further than a few "
    "long ones.",
)  # fmt: skip
def test_saved_two_layer_sgd(student, case):
    """`two_layer_sgd.npz`, trained on mini-batches, classifies test images well enough."""
    reference.saved_by_hand(case, student, "two_layer_sgd.npz", "two_layer")
