"""The three-layer convolutional network."""

import math

import reference
import torch

from toolbox.checks import case, graded


def draw_net(case, student, reg=0.0, dtype=torch.float64):
    """Return a student's network with known parameters, their names, the parameters, images and labels."""
    n, channels, H, W = case.size(3, 4), case.size(2, 3), 2 * case.size(2, 3), 2 * case.size(4, 5)
    filters, size, hidden, classes = case.size(4, 5), case.filter_size, case.size(6, 8), case.size(4, 6)
    net = student.ThreeLayerConvNet(
        input_dims=(channels, H, W), num_filters=filters, filter_size=size, hidden_dim=hidden, num_classes=classes,
        weight_scale=0.1, reg=reg, dtype=dtype, device="cpu",
    )  # fmt: skip
    shapes = {
        "W1": (filters, channels, size, size), "b1": (filters,), "W2": (filters * H * W // 4, hidden), "b2": (hidden,),
        "W3": (hidden, classes), "b3": (classes,),
    }  # fmt: skip
    params = {name: 0.3 * case.randn(*shape, dtype=dtype) for name, shape in shapes.items()}
    names = reference.own_names(case, net, params)
    reference.set_params(net, names, params)
    return net, names, params, case.randn(n, channels, H, W), case.labels(n, classes)


@graded(
    points=4, trials=1, tolerance=1e-7,
    cases=[
        case("scores", 3, filter_size=3), case("loss, λ = 0", 2, filter_size=5, reg=0.0),
        case("loss, λ > 0", 2, filter_size=3, reg=0.8), case("a new network", 3),
        case("float32", 1, edge=True, filter_size=7),
    ],
    hint="Convolution – ReLU – pool – linear – ReLU – linear. With ten classes and small weights every class is "
    "about as likely as another, so the first loss is about log 10; λ adds to it.",
)  # fmt: skip
def test_three_layer_loss(student, case):
    """`ThreeLayerConvNet` starts right, and gives right scores and losses."""
    if case.name == "a new network":
        new_network(case, student)
    elif case.name == "float32":
        net, _, params, X, _ = draw_net(case, student, dtype=torch.float32)
        case.compare("scores", net.loss(X), reference.three_layer_scores(params, X.float()), tolerance=1e-4)
    elif case.name == "scores":
        net, _, params, X, y = draw_net(case, student)
        for images, _ in reference.batches(case, X, y):
            case.compare("scores", net.loss(images), reference.three_layer_scores(params, images))
    else:
        net, names, params, X, y = draw_net(case, student, case.reg)
        for images, labels in reference.batches(case, X, y)[:2]:
            reference.set_params(net, names, params)
            loss, _ = case.items("loss(X, y)", net.loss(images, labels), 2)
            reference.compare_loss(case, loss, reference.three_layer_scores, params, images, labels, case.reg)


def new_network(case, student):
    """Demand initial weights and biases as asked for, and a first loss of about log C that grows with λ."""
    X, y = case.randn(20, 3, 16, 12, dtype=torch.float32), case.labels(20, 10)
    for asked in ({}, {"weight_scale": case.uniform(1e-2, 1e-1), "dtype": torch.float64}):
        scale, dtype = asked.get("weight_scale", 1e-3), asked.get("dtype", torch.float32)
        shapes = {"W1": (32, 3, 7, 7), "b1": (32,), "W2": (32 * 48, 100), "b2": (100,), "W3": (100, 10), "b3": (10,)}
        losses: list[float] = []
        last: dict[str, torch.Tensor] = {}
        for reg in (0.0, 0.5):
            net = student.ThreeLayerConvNet(input_dims=(3, 16, 12), reg=reg, **asked)
            wanted = {name: torch.empty(shape, dtype=dtype) for name, shape in shapes.items()}
            names = reference.own_names(case, net, wanted)
            found = reference.read_params(case, net)
            for name, own in names.items():
                if name.startswith("W"):
                    reference.check_spread(case, own, found[own], scale)
                else:
                    case.require(not bool(found[own].any()), f"{own} does not start at zero")
            reference.drawn_anew(case, names["W1"], found, last)
            last = found
            losses.append(case.number("loss", case.items("loss(X, y)", net.loss(X, y), 2)[0]))
        case.measured = None
        if not asked:
            off = abs(losses[0] - math.log(10))
            case.require(off < 0.05, f"the first loss is {losses[0]:.3f}, far from log 10 for a network that knows nothing")
        case.require(losses[1] > losses[0], "the loss of a new network does not grow with λ")


@graded(
    points=6, trials=1, tolerance=1e-5, needs=["three_layer_loss"],
    cases=[case("λ = 0", 5, filter_size=3, reg=0.0), case("λ > 0, filters of 5 × 5", 5, filter_size=5, reg=0.8)],
    hint="Go back through the layers in reverse order, each with its own cache. If only λ > 0 fails, look at the "
    "regularisation of all three weights: ½·λ·ΣW² has the gradient λ·W.",
)  # fmt: skip
def test_three_layer_gradients(student, case):
    """`ThreeLayerConvNet.loss(X, y)` gives the gradient of the loss for every parameter."""
    net, names, params, X, y = draw_net(case, student, case.reg)
    for images, labels in reference.batches(case, X, y):
        loss, grads = case.items("loss(X, y)", net.loss(images, labels), 2)
        got = reference.read_grads(case, grads, names, params)
        reference.compare_gradients(
            case, loss, got, reference.three_layer_scores, params, images, labels, case.reg
        )  # fmt: skip
        reference.same_params(case, net, names, params)
