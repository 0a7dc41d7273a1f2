"""Schedule, measuring, training, and the trained network."""

import numpy as np
import reference
import torch
import torch.nn.functional as F

from toolbox.checks import Shared, case, graded

NETWORK = ["forward", "softmax", "cross_entropy", "backward", "update"]


@graded(
    points=3,
    trials=1,
    tolerance=1e-9,
    cases=[
        case("the epochs before and after a change", 4),
        case("any epoch of a training", 3),
        case("what is meant by default", 2),
        case("many changes", 1, edge=True),
    ],
    hint="How many times has it been divided by 10? epoch // every counts that; epochs begin with 0.",
)
def test_schedule(student, case):
    """`schedule` divides the learning rate by 10 after every so many epochs."""
    rate, every = case.uniform(0.005, 0.5), case.size(3, 12)
    if "default" in case.name:
        asked = [(epoch, student.schedule(epoch)) for epoch in (0, 99, 100, 199, 200, 299)]
        rate, every = 0.01, 100
    else:
        if "before and after" in case.name:
            epochs = [0, 1, every - 1, every, every + 1, 2 * every - 1, 2 * every]
        elif "any" in case.name:
            epochs = [case.size(0, 4 * every) for _ in range(8)]
        else:
            every, epochs = 1, [5, 6]
        asked = [(epoch, student.schedule(epoch, learning_rate=rate, every=every)) for epoch in epochs]
    parameter = torch.zeros(1, requires_grad=True)
    rule = torch.optim.SGD([parameter], lr=rate)
    falling = torch.optim.lr_scheduler.StepLR(rule, every, gamma=0.1)
    rates = []
    for _ in range(max(epoch for epoch, _ in asked) + 1):
        rates.append(rule.param_groups[0]["lr"])
        rule.step()
        falling.step()
    for epoch, got in asked:
        found = case.number("the learning rate", got)
        case.compare(f"the learning rate of epoch {epoch} (every = {every})", found, np.float64(rates[epoch]))


@graded(
    points=2,
    tolerance=1e-7,
    needs=["forward", "cross_entropy"],
    cases=[case("several images", 4), case("thousands of images", 2, n=2100), case("one image", 1, edge=True, n=1)],
    hint="An image counts as right where argmax of its scores is its label.",
)
def test_evaluate(student, case):
    """`evaluate` gives mean loss and accuracy."""
    n, sizes = case.given.get("n") or case.size(20, 30), (6, 8, 5)
    params, x = reference.draw_params(case, sizes), case.randn(n, 6)
    scores = reference.scores(params, x)
    y = scores.argmax(dim=1)
    wrong = case.size(3, n - 3) if n > 1 else case.size(0, 1)
    y[:wrong] = (y[:wrong] + torch.randint(1, 5, (wrong,), generator=case.rng)) % 5
    given, features, labels = reference.arrays(params), reference.array(x), reference.array(y)
    before = features.copy(), labels.copy()
    loss, accuracy = case.items("evaluate", student.evaluate(given, Shared(features), Shared(labels)), 2)
    case.compare("the loss", loss, reference.array(F.cross_entropy(scores, y)))
    found = case.number("the accuracy", accuracy)
    case.require(
        abs(found - (n - wrong) / n) <= 1e-9, f"the accuracy is {found:.4g}, where {n - wrong} of {n} images are right"
    )
    for name, now, then in zip(("x", "y"), (features, labels), before, strict=True):
        case.unchanged(name, now, then)
    reference.same_params(case, given, reference.arrays(params), "params")


@graded(
    points=8,
    trials=1,
    tolerance=1e-7,
    needs=[*NETWORK, "schedule", "evaluate"],
    cases=[
        case("one batch for all images: the parameters", 3),
        case("one batch for all images: the history", 4),
        case("the learning rate falls", 3),
        case("a last batch that is short", 3),
        case("each image once in an epoch", 3),
        case("a batch size beyond the number of images", 1, edge=True), case("float32", 1, edge=True),
    ],
    hint="For each epoch: ask `schedule` for its learning rate, draw an order of all images, cut it into batches, the last of "
    "which may be short, and take one step for each. Then measure with `evaluate`.",
)
def test_train(student, case):
    """`train` goes through all images in each epoch, takes the right steps and keeps the history."""
    if case.name == "each image once in an epoch":
        once(case, visits(case, student, 1, case.size(0, 10**6)))
        return
    n, n_test = case.size(9, 14), 11
    if "history" in case.name:  # more than can be measured on a part of them without being noticed
        n, n_test = case.size(1010, 1090), 2100
    sizes, dtype = (case.size(4, 7), case.size(5, 8), 4), torch.float32 if case.name == "float32" else torch.float64
    x, y = case.randn(n, sizes[0], dtype=dtype), case.labels(n, 4)
    batch_size = n + 20 * ("beyond" in case.name)
    if "short" in case.name:  # all images alike: in whatever order they come, the batches are the same
        batch_size = n // 2 - 1
        x[:], y[:] = x[0].clone(), int(y[0])
    data = reference.dataset(x, y, case.randn(n_test, sizes[0], dtype=dtype), case.labels(n_test, 4))
    falls = "falls" in case.name
    settings = {
        "learning_rate": case.uniform(0.05, 0.3), "every": case.size(1, 2) if falls else 100, "batch_size": batch_size,
        "epochs": 5 if falls else case.size(3, 4),
    }  # fmt: skip
    params = reference.draw_params(case, sizes, dtype)
    given, before = reference.arrays(params), {name: value.copy() for name, value in data.items()}
    history = student.train(given, data, **settings, seed=case.size(0, 10**6))
    reference.same_params(case, data, before, "data")
    steps = [list(range(start, min(start + batch_size, n))) for start in range(0, n, batch_size)]
    wanted = reference.train_alike(params, data, steps, settings)
    if "history" not in case.name:
        case.dictionary("params", given, set(params))
        for name, value in params.items():
            case.compare(f"{name} after training", given[name], reference.array(value), 1e-4 if case.name == "float32" else None)
    if "parameters" not in case.name and case.name != "float32":
        found = reference.histories(case, history, settings["epochs"])
        for name, values in wanted.items():
            case.compare(f"history[{name!r}]", found[name], reference.array(torch.tensor(values, dtype=torch.float64)))


IMAGES, BATCH = 40, 30


def visits(case, student, epochs, seed):
    """Train with steps so small that they add up, and return what each image contributed, shape (40,).

    Image i has a one in place i and zeros elsewhere, so row i of W1 moves where image i is in the batch, by an
    amount known up to the division by the number of images in that batch.
    """
    rows = 0.5 + torch.rand(IMAGES, 1, generator=case.rng, dtype=torch.float64)
    params = {
        "W1": rows, "b1": torch.zeros(1, dtype=torch.float64),
        "W2": torch.tensor([[0.0, 1.0]], dtype=torch.float64), "b2": torch.zeros(2, dtype=torch.float64),
    }  # fmt: skip
    x, y = torch.eye(IMAGES, dtype=torch.float64), case.labels(IMAGES, 2)
    given, rate = reference.arrays(params), 1e-6
    data = reference.dataset(x, y, x[:5].clone(), y[:5].clone())
    student.train(given, data, learning_rate=rate, every=1000, batch_size=BATCH, epochs=epochs, seed=seed)
    moved = rows - torch.from_numpy(case.array("W1", given.get("W1"), (IMAGES, 1)))
    return (moved / rate / (rows.sigmoid() - y[:, None])).flatten()


def last_batch(moved):
    """Return which images of one epoch were in its last batch, which is smaller, so that each counts more."""
    return torch.gt(moved, 0.5 * (1 / BATCH + 1 / (IMAGES - BATCH)))


def mixed(case, members):
    """Demand that the images of a batch come from all over: moved along or turned round, an order leaves neighbours together."""
    ends = int((members != members.roll(1)).sum())  # of stretches of neighbours; for fewer than six the odds are 1 : 100,000
    case.require(ends >= 6, "neighbours stay together, batch by batch: draw an order in which every image can come anywhere")


def once(case, moved):
    """Demand that each image was in one batch of an epoch, and each batch was divided by its own size."""
    short = IMAGES - BATCH
    wanted = torch.tensor([1 / BATCH] * BATCH + [1 / short] * short, dtype=torch.float64)
    case.require(
        bool((moved.sort().values - wanted).abs().max() <= 1e-3 / BATCH),
        f"in an epoch of {IMAGES} images in batches of {BATCH}, not every image is used exactly once",
    )


@graded(
    points=3,
    trials=1,
    tolerance=1e-9,
    needs=[*NETWORK, "schedule", "evaluate", "train"],
    cases=[case("the same seed", 4), case("another seed", 3), case("each epoch in an order of its own", 3)],
    hint="Make one generator from the seed before the first epoch, and draw a new order from it in each epoch.",
)
def test_train_seed(student, case):
    """`train` draws the order of the images from its seed, anew for each epoch."""
    seed = case.size(0, 10**6)
    if case.name == "the same seed":
        data = reference.dataset(case.randn(23, 6), case.labels(23, 4), case.randn(9, 6), case.labels(9, 4))
        params = reference.draw_params(case, (6, 7, 4))
        runs = []
        for _ in range(2):
            given = reference.arrays(params)
            history = student.train(given, data, learning_rate=0.2, every=2, batch_size=4, epochs=3, seed=seed)
            runs.append({**reference.histories(case, history, 3), **case.dictionary("params", given, set(params))})
        for name, value in runs[0].items():
            what = f"history[{name!r}]" if name in reference.HISTORY else f"{name} after training"
            wanted = case.array(what, value, np.shape(value))
            case.compare(f"{what} of a second run with the same seed", runs[1][name], wanted)
    elif case.name == "another seed":
        first, second = (last_batch(visits(case, student, 1, number)) for number in (seed, seed + 1))
        case.require(not torch.equal(first, second), "another seed gives the same order of the images")
        mixed(case, first)
    else:
        moved = visits(case, student, 2, seed)
        twice = int(torch.gt(moved, 1.9 / (IMAGES - BATCH)).sum())
        case.require(twice < IMAGES - BATCH, "the images come in the same order in every epoch")


@graded(
    points=8,
    trials=1,
    needs=["forward", "cross_entropy", "evaluate"],
    cases=[case("the saved network", 1)],
    hint="Train on the features of the images and of their changed copies for 300 epochs, then save the network. A network "
    "saved from features of another backbone is of no use here.",
)
def test_saved_mlp(student, case):
    """`best_feature_mlp.npz` classifies the features of the test images well enough."""
    file = "best_feature_mlp.npz"
    x, y = reference.features(case), case.data.y_test
    params = reference.saved_network(case, file)
    case.at_least("the test accuracy of the saved weights", reference.known(params, x, y, case.threshold))
    some = torch.randperm(len(x), generator=case.rng)[:300]
    reference.agrees(case, student, file, params, x[some], y[some])
