"""The two-layer network."""

import reference
import torch

from toolbox.checks import case, graded


def draw_net(case, student, reg=0.0):
    """Return a student's network in float64 with known parameters, the parameters, images and labels."""
    n, hidden, classes = case.size(3, 6), case.size(4, 9), case.size(3, 8)
    shape = (3, case.size(2, 4), case.size(2, 4)) if "images" in case.name else (case.size(5, 15),)
    X = case.randn(n, *shape)
    depth = X[0].numel()
    net = student.TwoLayerNet(
        input_dim=depth, hidden_dim=hidden, num_classes=classes, reg=reg, dtype=torch.float64, device="cpu"
    )
    params = reference.draw_params(case, [depth, hidden, classes], 0.5)
    net.params = {name: value.clone() for name, value in params.items()}
    return net, params, X, case.labels(n, classes)


@graded(
    points=3,
    trials=1,
    tolerance=0.1,
    cases=[
        case("shapes and type", 2),
        case("weights", 4),
        case("biases", 2),
        case("the default weight scale", 1, edge=True),
        case("float64", 1, edge=True),
    ],
    hint="W1 and W2 are normal with mean 0 and standard deviation weight_scale; b1 and b2 are zeros; all have the dtype asked for.",
)
def test_two_layer_init(student, case):
    """`TwoLayerNet` starts with small random weights and zero biases."""
    D, H, C = case.size(100, 140), case.size(90, 120), case.size(35, 45)
    scale = 1e-3 if case.name == "the default weight scale" else case.uniform(1e-3, 1e-1)
    asked = {} if case.name == "the default weight scale" else {"weight_scale": scale}
    dtype = torch.float64 if case.name == "float64" else torch.float32
    net, twin = (
        student.TwoLayerNet(input_dim=D, hidden_dim=H, num_classes=C, dtype=dtype, device="cpu", **asked)
        for _ in range(2)  # the second leaves the first alone
    )
    shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    got = case.dictionary("params", net.params, shapes)
    params = {name: case.tensor(f"params[{name!r}]", got[name], shape, dtype) for name, shape in shapes.items()}
    if case.name == "biases":
        for name in ("b1", "b2"):
            case.require(not bool(params[name].any()), f"{name} does not start at zero")
    if case.name in ("weights", "the default weight scale", "float64"):
        reference.check_spread(case, params, scale, measure=True)
    if case.name == "weights":
        reference.drawn_anew(case, params, twin)


SCORES = [case("vectors", 5), case("images", 5)]


@graded(
    trials=1,
    points=5,
    tolerance=1e-7,
    cases=SCORES,
    needs=["linear_forward", "relu_forward", "two_layer_init"],
    hint="Linear – ReLU – linear, and nothing after the last layer: scores may be negative.",
)
def test_two_layer_scores(student, case):
    """`TwoLayerNet.loss(X)` gives the scores of the network."""
    net, params, X, y = draw_net(case, student)
    for images, _ in reference.batches(case, X, y):
        case.compare("scores", net.loss(images), reference.scores(params, images))


BACKWARD = ["linear_forward", "linear_backward", "relu_forward", "relu_backward", "linear_relu"]


@graded(
    trials=1,
    points=5,
    tolerance=1e-7,
    needs=[*BACKWARD, "two_layer_init", "two_layer_scores"],
    cases=[case("vectors, λ = 0", 5, reg=0.0), case("images, λ > 0", 5, reg=0.9)],
    hint="The softmax loss of the scores, plus ½·λ times the sum of all squared weights of both layers; biases do not count.",
)
def test_two_layer_loss(student, case):
    """`TwoLayerNet.loss(X, y)` gives the softmax loss with its regularisation."""
    net, params, X, y = draw_net(case, student, case.reg)
    for images, labels in reference.batches(case, X, y)[:2]:
        net.params = params  # anew: what loss does to them is another check's affair
        loss, _ = case.items("loss(X, y)", net.loss(images, labels), 2)
        reference.compare_loss(case, loss, params, images, labels, case.reg)


@graded(
    trials=1,
    points=8,
    tolerance=1e-6,
    needs=[*BACKWARD, "two_layer_init", "two_layer_scores", "two_layer_loss"],
    cases=[case("vectors, λ = 0", 5, reg=0.0), case("images, λ = 0.7", 5, reg=0.7)],
    hint="Go back through the layers in reverse order. If only λ > 0 fails, the regularisation in the loss and "
    "in the gradients do not belong together: ½·λ·ΣW² has the gradient λ·W.",
)
def test_two_layer_gradients(student, case):
    """`TwoLayerNet.loss(X, y)` gives the gradient of the loss for every parameter."""
    net, params, X, y = draw_net(case, student, case.reg)
    for images, labels in reference.batches(case, X, y):
        loss, grads = case.items("loss(X, y)", net.loss(images, labels), 2)
        reference.compare_gradients(case, loss, grads, params, images, labels, case.reg)
        reference.same_params(case, net, params)


@graded(
    points=8,
    trials=1,
    needs=["linear_forward", "relu_forward", "two_layer_init", "two_layer_scores"],
    cases=[case("the saved network", 1)],
    hint="Train with `create_solver_instance`, then save the network with the best parameters. Try another "
    "learning rate first, then more hidden units.",
)
def test_two_layer_accuracy(student, case):
    """`best_two_layer_net.pth` classifies the validation images well enough."""
    file = "best_two_layer_net.pth"
    params = reference.saved_network(case, file, layers=2)
    X, y = case.data.X_val.flatten(1), case.data.y_val
    some = torch.randperm(len(X), generator=case.rng)[:500]
    case.at_least("the validation accuracy of the saved weights", reference.known(params, X, y, case.threshold))
    net = student.TwoLayerNet(hidden_dim=params["W1"].shape[1], dtype=torch.float32, device="cpu")
    net.load(file, torch.float32, "cpu")
    reference.agrees(case, net, params, X[some], y[some])
