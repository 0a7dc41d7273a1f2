"""The convolutional network of any depth, small data overfitted with it, and how to start it."""

import reference
import torch

from toolbox.checks import case, graded


def draw_net(case, student, reg=0.0, batchnorm=False, dtype=torch.float64):
    """Return a student's network with known parameters, their names, the parameters, images and labels."""
    n, channels, H, W = case.size(3, 4), case.size(1, 3), 4 * case.size(2, 3) + 1, 4 * case.size(2, 3) + 3  # odd twice
    filters, classes = [case.size(3, 6) for _ in range(case.depth)], case.size(4, 6)
    net = student.DeepConvNet(
        input_dims=(channels, H, W), num_filters=filters, max_pools=list(case.pools), batchnorm=batchnorm,
        num_classes=classes, weight_scale=0.1, reg=reg, dtype=dtype, device="cpu",
    )  # fmt: skip
    params = reference.draw_deep(case, (channels, H, W), filters, case.pools, classes, batchnorm, dtype=dtype)
    names = reference.own_names(case, net, params)
    reference.set_params(net, names, params)
    return net, names, params, case.randn(n, channels, H, W), case.labels(n, classes)


def scores(case):
    """Return the function that gives the scores of this case's network."""
    return lambda params, X: reference.deep_scores(params, X, case.pools)


@graded(
    points=6, trials=1, tolerance=1e-7,
    cases=[
        case("scores, pools in some layers", 3, depth=3, pools=(0, 2)), case("scores, no pool", 2, depth=2, pools=()),
        case("loss, λ = 0", 2, depth=2, pools=(1,), reg=0.0), case("loss, λ = 3.14", 2, depth=3, pools=(0, 1), reg=3.14),
        case("initial weights and biases", 3),
        case("images of another type", 1, edge=True, depth=2, pools=(0,)), case("one layer", 1, edge=True, depth=1, pools=(0,)),
    ],
    hint="Loop over the convolutional layers, each with or without a pool as max_pools says, then one linear layer. "
    "A pool halves height and width: the last weight has as many rows as numbers are left.",
)  # fmt: skip
def test_deep_loss(student, case):
    """`DeepConvNet` starts right, and gives right scores and losses with any layers and pools."""
    if case.name == "initial weights and biases":
        initial(case, student)
    elif case.name == "images of another type":
        net, _, params, X, _ = draw_net(case, student, dtype=torch.float32)
        case.compare("scores", net.loss(X), scores(case)(params, X.float()), tolerance=1e-4)
    elif case.name.startswith("loss"):
        net, names, params, X, y = draw_net(case, student, case.reg)
        for images, labels in reference.batches(case, X, y)[:2]:
            reference.set_params(net, names, params)
            loss, _ = case.items("loss(X, y)", net.loss(images, labels), 2)
            reference.compare_loss(case, loss, scores(case), params, images, labels, case.reg)
    else:
        net, _, params, X, y = draw_net(case, student)
        for images, _ in reference.batches(case, X, y):
            case.compare("scores", net.loss(images), scores(case)(params, images))


def initial(case, student):
    """Demand that every weight has the spread asked for, and that biases are zero."""
    for asked in ({}, {"weight_scale": case.uniform(1e-2, 1e-1), "dtype": torch.float64}):
        scale, dtype = asked.get("weight_scale", 1e-3), asked.get("dtype", torch.float32)
        filters, pools = [case.size(20, 24), case.size(25, 29), case.size(30, 34)], [0, 2]
        net = student.DeepConvNet(input_dims=(16, 8, 12), num_filters=filters, max_pools=pools, num_classes=20, **asked)
        twin = student.DeepConvNet(input_dims=(16, 8, 12), num_filters=filters, max_pools=pools, num_classes=20, **asked)
        wanted = reference.draw_deep(case, (16, 8, 12), filters, pools, 20, False, dtype=dtype)
        names = reference.own_names(case, net, wanted)
        found = reference.read_params(case, net)
        for name, own in names.items():
            if name.startswith("W"):
                reference.check_spread(case, own, found[own], scale)
            else:
                case.require(not bool(found[own].any()), f"{own} does not start at zero")
        reference.drawn_anew(case, names["W1"], found, reference.read_params(case, twin))
    case.measured = None


@graded(
    points=6, trials=1, tolerance=1e-5, needs=["deep_loss"],
    cases=[
        case("pools in some layers, λ = 0", 3, depth=3, pools=(0, 2), reg=0.0),
        case("pools in some layers, λ = 3.14", 3, depth=3, pools=(1,), reg=3.14),
        case("no pool", 2, depth=2, pools=(), reg=0.0), case("a pool in every layer", 2, depth=2, pools=(0, 1), reg=3.14),
    ],
    hint="Go back through the sandwich layers in reverse order, each with the cache of its own forward pass; every "
    "layer's weights, the last one's too, have their own λ·W.",
)  # fmt: skip
def test_deep_gradients(student, case):
    """`DeepConvNet.loss(X, y)` gives the gradient of the loss for every parameter."""
    net, names, params, X, y = draw_net(case, student, case.reg)
    for images, labels in reference.batches(case, X, y):
        loss, grads = case.items("loss(X, y)", net.loss(images, labels), 2)
        got = reference.read_grads(case, grads, names, params)
        reference.compare_gradients(case, loss, got, scores(case), params, images, labels, case.reg)
        reference.same_params(case, net, names, params)


@graded(
    points=5, trials=1, needs=["deep_loss", "deep_gradients"],
    cases=[case("50 images, 30 epochs", 1)],
    hint="Look at the loss: if it stays at 2.3, the weights are too small for four layers; if it jumps, the learning "
    "rate is too large.",
)  # fmt: skip
def test_overfit_deep(student, case):
    """A deep net with your weight scale and learning rate learns 50 images by heart."""
    returned = case.items("find_overfit_parameters", student.find_overfit_parameters(), 2)
    scale, rate = case.number("weight_scale", returned[0]), case.number("learning_rate", returned[1])
    case.require(0 < scale <= 100 and 0 < rate <= 100, "weight_scale and learning_rate are positive and at most 100")
    best = 0.0
    for _ in range(3):
        best = max(best, reference.overfit(case, student, scale, rate))
        if best == 1.0:
            break
    case.at_least("the training accuracy on 50 images after 30 epochs", best)


@graded(
    points=4, trials=1, needs=["deep_loss"],
    cases=[case("the saved network", 1)],
    hint="Save the net at an epoch at which it knows all 50 images, with its `save`.",
)  # fmt: skip
def test_saved_overfit_deep(student, case):
    """`overfit_deepconvnet.pth` knows the first 50 training images by heart."""
    X, y = case.data.X_train[:50], case.data.y_train[:50]
    found = reference.saved_accuracy(case, student, "overfit_deepconvnet.pth", X, y)
    case.at_least("the training accuracy of the saved weights", found)


@graded(
    points=4, trials=1, tolerance=0.1, needs=["deep_loss"],
    cases=[
        case("linear, a ReLU after it", 2), case("linear, no ReLU", 2), case("convolution, a ReLU after it", 2),
        case("convolution, no ReLU", 1), case("every layer of a deep network", 2), case("float64", 1, edge=True),
    ],
    hint="The variance is gain / fan-in, and its root is what randn is multiplied with. A filter's output is a sum "
    "of Din·K·K numbers.",
)  # fmt: skip
def test_kaiming_initializer(student, case):
    """`kaiming_initializer` draws weights of the variance gain / fan-in, and `DeepConvNet` uses it."""
    if case.name == "every layer of a deep network":
        filters = [case.size(30, 34), case.size(35, 39), case.size(40, 44)]
        function = {"weight_initializer": student.kaiming_initializer, "dtype": torch.float64}
        for asked in ({"weight_scale": "kaiming"}, function):
            net = student.DeepConvNet(
                input_dims=(12, 8, 8), num_filters=filters, max_pools=[1], num_classes=30, device="cpu", **asked
            )
            wanted = reference.draw_deep(case, (12, 8, 8), filters, [1], 30, False, dtype=asked.get("dtype", torch.float32))
            names = reference.own_names(case, net, wanted)
            found = reference.read_params(case, net)
            fan_in = [9 * channels for channels in (12, *filters[:-1])] + [filters[-1] * 16]
            for layer, (fan, gain) in enumerate(zip(fan_in, (2, 2, 2, 1), strict=True), start=1):
                reference.check_spread(case, names[f"W{layer}"], found[names[f"W{layer}"]], (gain / fan) ** 0.5)
        return
    Din, Dout, K = case.size(90, 110), case.size(60, 80), case.size(2, 4)
    relu, dtype = "no ReLU" not in case.name, torch.float64 if case.name == "float64" else torch.float32
    kinds = {"linear": ((Din, Dout), {}, Din), "convolution": ((Dout, Din, K, K), {"K": K}, Din * K * K)}
    for kind in kinds if case.name == "float64" else [case.name.split(",")[0]]:
        shape, given, fan = kinds[kind]
        weight, another = (
            case.tensor(
                "weight", student.kaiming_initializer(Din, Dout, relu=relu, device="cpu", dtype=dtype, **given), shape, dtype
            )
            for _ in range(2)
        )
        reference.check_spread(case, "weight", weight, ((2 if relu else 1) / fan) ** 0.5)
        case.require(not torch.equal(weight, another), "two calls give the same weights: draw new ones each time")
