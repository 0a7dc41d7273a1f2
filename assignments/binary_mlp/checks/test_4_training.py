"""Measuring and training."""

import numpy as np
import reference
import torch

from toolbox.checks import Shared, case, graded

NETWORK = [
    "linear_init", "linear_forward", "linear_backward", "linear_step", "relu_forward", "relu_backward",
    "cross_entropy_forward", "cross_entropy_backward", "network_forward", "network_gradients", "network_step",
]  # fmt: skip


@graded(
    points=6,
    trials=1,
    tolerance=1e-9,
    needs=["linear_forward", "relu_forward", "cross_entropy_forward", "network_forward"],
    cases=[
        case("batches of one size", 3, n=2400, batch_size=800),
        case("a last batch that is short", 5, n=23, batch_size=5),
        case("one image at a time", 1, edge=True, n=11, batch_size=1),
        case("a batch size beyond the number of images", 1, edge=True, n=11, batch_size=64),
    ],
    hint="A short batch counts less than a full one: add up losses and right answers over the images, and divide by the "
    "number of all images at the end. The guess is 1 where the logit is above 0.",
)
def test_evaluate(student, case):
    """`evaluate` gives mean loss and accuracy, whatever the size of the batches."""
    params = reference.draw_params(case, [case.size(5, 9), case.size(6, 9), 1], 0.7)
    X = case.randn(case.n, len(params["W1"]))
    params["b2"] -= reference.scores(params, X).median() + 1e-3  # so that both classes are found
    spread = reference.scores(params, X).std()
    params["W2"] /= spread  # and some logits lie close to zero
    params["b2"] /= spread
    net = reference.make_net(case, student, params)
    logits = reference.scores(params, X)
    y = torch.gt(logits, 0).double()
    surest = logits.abs().flatten().argsort(descending=True)[: case.size(2, 4)]
    y[surest] = 1 - y[surest]
    right = 1 - len(surest) / case.n
    x, labels = reference.array(X), reference.array(y)
    before = x.copy(), labels.copy()
    returned = student.evaluate(net, Shared(x), Shared(labels), case.batch_size)
    loss, accuracy = case.items("evaluate", returned, 2)
    found = case.number("the accuracy", accuracy)
    case.require(
        abs(found - right) <= 1e-9,
        f"the accuracy is {found:.4g}, where {case.n - len(surest)} of {case.n} images are right",
    )
    case.compare("the loss", loss, reference.array(reference.loss(logits, y)))
    for name, now, then in zip(("x", "y"), (x, labels), before, strict=True):
        case.unchanged(name, now, then)
    reference.same_params(case, net, params)
    if case.name == "one image at a time":
        params = {name: value * name.startswith("W") for name, value in params.items()}  # without biases, and on black
        black, ones = np.zeros((3, len(params["W1"]))), np.ones((3, 1))  # images, logits are 0
        _, accuracy = case.items("evaluate", student.evaluate(reference.make_net(case, student, params), black, ones, 1), 2)
        case.require(case.number("the accuracy", accuracy) == 0, "a logit of 0 is taken for class 1: it is not positive")


def draw_data(case, n, d, n_test):
    """Draw training and test images of d numbers, and labels."""
    parts = [(case.randn(size, d), reference.labels(case, size)) for size in (n, n_test)]
    return reference.dataset(*parts[0], *parts[1])


@graded(
    points=9,
    trials=1,
    tolerance=1e-7,
    needs=[*NETWORK, "evaluate"],
    cases=[
        case("one batch for all images: the parameters", 3),
        case("one batch for all images: the history", 4),
        case("a last batch that is short", 3),
        case("each image once in an epoch", 3),
        case("a batch size beyond the number of images", 1, edge=True),
    ],
    hint="For each epoch: draw an order of all images, cut it into batches, the last of which may be short, and take one "
    "step for each. Then measure: the objective is the mean loss on all training images plus λ·ΣW².",
)
def test_train(student, case):
    """`train` goes through all images in each epoch, takes the right steps and keeps the history."""
    if case.name == "each image once in an epoch":
        once(case, visits(case, student, 1, case.size(0, 10**6)))
        return
    n, n_test, d = case.size(9, 14), 300, case.size(4, 7)  # enough for errors to change with every epoch
    if "history" in case.name:  # more than can be measured on a part of them without being noticed
        n, n_test = case.size(1010, 1090), 2100
    data = draw_data(case, n, d, n_test)
    batch_size = n + 20 * ("beyond" in case.name)
    if "short" in case.name:  # all images alike: in whatever order they come, the batches are the same
        batch_size = n // 2 - 1
        for name in ("x_train", "y_train"):
            data[name][:] = data[name][:1]
    settings = {
        "step_size": case.uniform(0.02, 0.1), "momentum": case.uniform(0.5, 0.9), "weight_decay": case.uniform(0.05, 0.2),
        "batch_size": batch_size, "max_epochs": case.size(3, 4),
    }  # fmt: skip
    params = reference.draw_params(case, [d, case.size(5, 8), 1], 0.6)
    net = reference.make_net(case, student, params)
    steps = [list(range(start, min(start + batch_size, n))) for start in range(0, n, batch_size)]
    if "parameters" in case.name:  # no epoch is worse on the test images than the last one, which counts all the same
        last = {name: value.clone() for name, value in params.items()}
        reference.train_alike(last, data, steps, settings)
        data["y_test"] = reference.array(torch.le(reference.scores(last, torch.from_numpy(data["x_test"])), 0).double())
    before = {name: value.copy() for name, value in data.items()}
    history = student.train(net, data, **settings, seed=case.size(0, 10**6))
    for name, value in before.items():
        case.unchanged(name, data[name], value)
    wanted = reference.train_alike(params, data, steps, settings)
    if "history" not in case.name:
        reference.compare_params(case, net, params, "after training")
    if "parameters" not in case.name:
        found = reference.histories(case, history, settings["max_epochs"])
        for name, values in wanted.items():
            case.compare(f"history[{name!r}]", found[name], reference.array(torch.tensor(values, dtype=torch.float64)))


IMAGES, BATCH = 40, 30


def visits(case, student, epochs, seed):
    """Train with steps so small that they add up, and return what each image contributed, shape (40,).

    Image i has a one in place i and zeros elsewhere, so row i of the first weights moves where image i is in the
    batch, by an amount known up to the division by the number of images in that batch.
    """
    rows = 0.5 + torch.rand(IMAGES, 1, generator=case.rng, dtype=torch.float64)
    one, none = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    params = {"W1": rows, "b1": none, "W2": one, "b2": none.clone()}
    X, y = torch.eye(IMAGES, dtype=torch.float64), reference.labels(case, IMAGES)
    net = reference.make_net(case, student, params)
    step_size = 1e-6
    student.train(
        net, reference.dataset(X, y, X[:5].clone(), y[:5].clone()), step_size=step_size, momentum=0.0, weight_decay=0.0,
        batch_size=BATCH, max_epochs=epochs, seed=seed,
    )  # fmt: skip
    moved = rows - torch.from_numpy(reference.get_params(case, net, params)["W1"])
    return (moved / step_size / (rows.sigmoid() - y)).flatten()


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
    needs=[*NETWORK, "evaluate", "train"],
    cases=[case("the same seed", 4), case("another seed", 3), case("each epoch in an order of its own", 3)],
    hint="Make one generator from the seed before the first epoch, and draw a new order from it in each epoch.",
)
def test_train_seed(student, case):
    """`train` draws the order of the images from its seed, anew for each epoch."""
    seed = case.size(0, 10**6)
    if case.name == "the same seed":
        data = draw_data(case, 23, 6, 9)
        params = reference.draw_params(case, [6, 7, 1], 0.6)
        settings = {"step_size": 0.2, "momentum": 0.8, "weight_decay": 0.01, "batch_size": 4, "max_epochs": 3}
        runs = []
        for _ in range(2):
            net = reference.make_net(case, student, params)
            history = reference.histories(case, student.train(net, data, **settings, seed=seed), 3)
            runs.append({**history, **reference.get_params(case, net, params)})
        for name, value in runs[0].items():
            what = f"history[{name!r}]" if name in history else f"{name} after training"
            case.compare(f"{what} of a second run with the same seed", runs[1][name], value)
    elif case.name == "another seed":
        first, second = (last_batch(visits(case, student, 1, number)) for number in (seed, seed + 1))
        case.require(not torch.equal(first, second), "another seed gives the same order of the images")
        mixed(case, first)
    else:
        moved = visits(case, student, 2, seed)
        twice = int(torch.gt(moved, 1.9 / (IMAGES - BATCH)).sum())
        case.require(twice < IMAGES - BATCH, "the images come in the same order in every epoch")


def noise(case):
    """Return settings for a sweep on images whose labels follow a rule in training and none in the test.

    So networks learn quickly, and those that differ in anything hardly ever get equally many of the 400 test images right.
    """
    data = draw_data(case, 40, 8, 400)
    data["x_train"] *= 2
    data["y_train"][:] = reference.array(torch.gt(torch.tensor(data["x_train"]) @ case.randn(8, 1), 0))
    return settings_for(data, case)


def settings_for(data, case):
    """Return what `sweep` takes as its base."""
    return {
        "data": data, "hidden_dim": 12, "num_layers": 2, "step_size": 0.1, "momentum": 0.8, "weight_decay": 0.001,
        "batch_size": 8, "max_epochs": 5, "seed": case.size(0, 10**6),
    }  # fmt: skip


@graded(
    points=4,
    trials=1,
    tolerance=1e-9,
    needs=[*NETWORK, "evaluate", "train", "train_seed"],
    cases=[
        case("the test accuracies", 4),
        case("a fresh network for each value", 3),
        case("each setting takes effect", 3),
        case("base stays as it was", 1, edge=True),
    ],
    hint="For each value: a copy of base with the one setting changed, np.random.seed, a new network, `train`, and the "
    "last test error of its history.",
)
def test_sweep(student, case):
    """`sweep` trains a fresh network for each value and returns their test accuracies."""
    if case.name == "the test accuracies":
        parts = []
        for _ in range(2):  # two clusters far from each other, which any network learns to tell apart
            y = reference.labels(case, 40)
            parts += [3 * (2 * y - 1) + 0.3 * case.randn(40, 6), y]
        wrong = case.size(28, 37)  # so that networks are best on the test images before they have learned anything
        parts[3][:wrong] = 1 - parts[3][:wrong]
        base = {**settings_for(reference.dataset(*parts), case), "batch_size": 40, "max_epochs": 80, "step_size": 0.02}
        found = reference.numbers(case, "what sweep returns", student.sweep("hidden_dim", [6, 12, 18, 25], base), 4)
        for accuracy in found:
            case.require(
                abs(accuracy - (1 - wrong / 40)) <= 1e-9,
                f"the test accuracy is {accuracy:.4g}, where {40 - wrong} of 40 test images are right",
            )
    elif case.name == "a fresh network for each value":
        base = noise(case)
        for name, values in (("step_size", [0.02, 0.3]), ("hidden_dim", [5, 11])):
            both = reference.numbers(case, "what sweep returns", student.sweep(name, values, base), 2)
            for value, accuracy in zip(values, both, strict=True):
                alone = reference.numbers(case, "what sweep returns", student.sweep(name, [value], base), 1)[0]
                case.require(
                    abs(alone - accuracy) <= 1e-9,
                    f"the accuracy for {name} = {value} depends on what was trained before: draw each network after "
                    "np.random.seed(seed), and train no network twice",
                )
        others = {"seed": [base["seed"] + 1, base["seed"] + 2], "data": [noise(case)["data"] for _ in range(2)]}
        for name, values in others.items():
            for value in values:
                swept, given = (
                    reference.numbers(case, "what sweep returns", student.sweep(*asked), 1)[0]
                    for asked in ((name, [value], base), ("step_size", [base["step_size"]], {**base, name: value}))
                )
                case.require(
                    abs(swept - given) <= 1e-9,
                    f"sweeping over {name!r} gives other accuracies than a base with that {name!r}: take every setting "
                    "from the copy of base in which the one is changed",
                )
    elif case.name == "each setting takes effect":
        several = {
            "batch_size": [2, 4, 16, 40], "step_size": [1e-4, 0.02, 0.1, 0.4], "hidden_dim": [1, 4, 15, 40],
            "max_epochs": [1, 3, 12, 20], "num_layers": [1, 2, 3, 4], "momentum": [0.0, 0.3, 0.6, 0.8],
            "weight_decay": [0.0, 0.01, 0.1, 0.3],
        }  # fmt: skip
        for name, values in several.items():
            for _ in range(3):  # four networks get equally many right by chance, one time in some hundreds
                base = {**noise(case), "max_epochs": 12, "step_size": 0.3}  # those that start from tiny weights learn, too
                found = reference.numbers(case, "what sweep returns", student.sweep(name, values, base), len(values))
                if found.std() > 0:
                    break
            else:
                case.fail(f"every {name} gives the same accuracy on images drawn at random")
    else:
        base = noise(case)
        before = {**base, "data": {name: value.copy() for name, value in base["data"].items()}}
        student.sweep("batch_size", [4, 20], base)
        case.dictionary("base", base, set(before))
        for name, value in before.items():
            case.require(name == "data" or base[name] == value, f"sweep changes base[{name!r}]: work on a copy")
        for name, value in before["data"].items():
            case.unchanged(name, base["data"][name], value)


@graded(
    points=4,
    trials=1,
    needs=[*NETWORK],
    cases=[case("50 images, 20 epochs", 1)],
    hint="The gradients of your network are wrong for images of 3072 numbers, though they are right for small ones: look "
    "for numbers that are written out, and for state that is left from an earlier batch.",
)
def test_overfit(student, case):
    """A network of three layers learns 50 images by heart with your gradients."""
    case.at_least("the training accuracy on 50 images after 20 epochs", reference.overfit(case, student))


@graded(
    points=8,
    trials=1,
    needs=["linear_forward", "relu_forward", "cross_entropy_forward", "network_forward", "evaluate"],
    cases=[case("the saved network", 1)],
    hint="Train with the settings of the notebook, for more epochs if need be, then save the network. Try another step "
    "size first, then more hidden units.",
)
def test_saved_mlp(student, case):
    """`best_binary_mlp.npz` classifies the test images well enough."""
    file = "best_binary_mlp.npz"
    params = reference.saved_network(case, file)
    X, y = case.data.X_test.flatten(1), case.data.y_test
    case.at_least("the test accuracy of the saved weights", reference.known(params, X, y))
    some = torch.randperm(len(X), generator=case.rng)[:300]
    reference.agrees(case, student, file, params, X[some], y[some])
