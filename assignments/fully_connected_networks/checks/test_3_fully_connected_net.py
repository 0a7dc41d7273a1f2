"""The network of any depth, and small data overfitted with it."""

import reference
import torch

from toolbox.checks import case, graded

LAYERS = ["linear_forward", "linear_backward", "relu_forward", "relu_backward", "linear_relu"]


def draw_net(case, student, reg=0.0, dtype=torch.float64):
    """Return a student's network with known parameters, the parameters, images and labels."""
    n, classes = case.size(3, 6), case.size(3, 7)
    hidden = [case.size(5, 9) for _ in range(case.depth - 1)]
    X = case.randn(n, 3, case.size(2, 3), case.size(2, 4))
    X = X.flatten(1) if case.name.startswith("vectors") else X
    depth = X[0].numel()
    net = student.FullyConnectedNet(
        hidden, input_dim=depth, num_classes=classes, reg=reg, weight_scale=0.1, dtype=dtype, device="cpu"
    )
    params = reference.draw_params(case, [depth, *hidden, classes], 0.5, dtype)
    net.params = {name: value.clone() for name, value in params.items()}
    return net, params, X, case.labels(n, classes)


@graded(
    points=6,
    trials=1, tolerance=1e-7, needs=LAYERS,
    cases=[
        case("scores, two hidden layers", 3, depth=3), case("scores, four hidden layers", 2, depth=5),
        case("loss, λ = 0", 3, depth=3, reg=0.0), case("loss, λ > 0", 3, depth=4, reg=3.14),
        case("initial weights and biases", 3), case("images of another type", 1, edge=True, depth=3),
        case("vectors, one hidden layer", 1, edge=True, depth=2),
    ],
    hint="Loop over the layers: linear and ReLU for each hidden one, linear alone for the last. The "
    "regularisation counts the weights of every layer.",
)  # fmt: skip
def test_fully_connected_loss(student, case):
    """`FullyConnectedNet` starts right, and gives right scores and losses at any depth."""
    if case.name == "initial weights and biases":
        for dtype, depth in ((torch.float32, 3), (torch.float64, 5)):
            scale = case.uniform(1e-3, 1e-1) if dtype == torch.float32 else 1e-2  # the default
            asked = {"weight_scale": scale} if dtype == torch.float32 else {}
            hidden = [case.size(90, 99) - 10 * layer for layer in range(depth - 1)]  # no two alike
            sizes = [case.size(100, 140), *hidden, case.size(35, 45)]
            net, twin = (
                student.FullyConnectedNet(
                    sizes[1:-1], input_dim=sizes[0], num_classes=sizes[-1], dtype=dtype, **asked
                )
                for _ in range(2)  # the second leaves the first alone
            )
            layers = range(1, depth + 1)
            shapes = {f"W{i}": (sizes[i - 1], sizes[i]) for i in layers} | {f"b{i}": (sizes[i],) for i in layers}
            got = case.dictionary("params", net.params, shapes)
            params = {k: case.tensor(f"params[{k!r}]", got[k], shapes[k], dtype) for k in shapes}
            for name in (f"b{i}" for i in layers):
                case.require(not bool(params[name].any()), f"{name} does not start at zero")
            reference.check_spread(case, params, scale)
            reference.drawn_anew(case, params, twin)
    elif case.name == "images of another type":
        net, params, X, _ = draw_net(case, student, dtype=torch.float32)
        case.compare("scores", net.loss(X), reference.scores(params, X.float()), tolerance=1e-4)
    elif case.name.startswith("loss"):
        net, params, X, y = draw_net(case, student, case.reg)
        for images, labels in reference.batches(case, X, y)[:2]:
            net.params = params
            loss, _ = case.items("loss(X, y)", net.loss(images, labels), 2)
            reference.compare_loss(case, loss, params, images, labels, case.reg)
    else:
        net, params, X, y = draw_net(case, student)
        for images, _ in reference.batches(case, X, y):
            case.compare("scores", net.loss(images), reference.scores(params, images))


@graded(
    points=10,
    trials=1, tolerance=1e-6, needs=[*LAYERS, "fully_connected_loss"],
    cases=[
        case("two hidden layers, λ = 0", 3, depth=3, reg=0.0), case("two hidden layers, λ = 3.14", 3, depth=3, reg=3.14),
        case("four hidden layers, λ = 0", 2, depth=5, reg=0.0), case("three hidden layers, λ = 3.14", 2, depth=4, reg=3.14),
    ],
    hint="Keep the cache of every layer and go through them in reverse order; every layer's weights have their own λ·W.",
)  # fmt: skip
def test_fully_connected_gradients(student, case):
    """`FullyConnectedNet.loss(X, y)` gives the gradient of the loss for every parameter."""
    net, params, X, y = draw_net(case, student, case.reg)
    for images, labels in reference.batches(case, X, y):
        loss, grads = case.items("loss(X, y)", net.loss(images, labels), 2)
        reference.compare_gradients(case, loss, grads, params, images, labels, case.reg)
        reference.same_params(case, net, params)


def overfits(student, case, function, hidden_dims):
    """Demand that one of three seeds reaches full accuracy with the student's scale and learning rate."""
    returned = case.items(function, getattr(student, function)(), 2)
    scale = case.number("weight_scale", returned[0])
    rate = case.number("learning_rate", returned[1])
    case.require(0 < scale <= 100 and 0 < rate <= 100, "weight_scale and learning_rate are positive and at most 100")
    best = 0.0
    for _ in range(3):
        best = max(best, reference.overfit(case, student, hidden_dims, scale, rate))
        if best == 1.0:
            break
    case.at_least("the training accuracy on 50 images after 20 epochs", best)


NETWORK = [*LAYERS, "fully_connected_loss", "fully_connected_gradients"]


@graded(
    points=4,
    trials=1,
    needs=NETWORK,
    cases=[case("50 images, 20 epochs", 1)],
    hint="Look at the loss: if it does not move, both numbers are too small; if it jumps or becomes NaN, the "
    "learning rate is too large.",
)
def test_overfit_three_layer(student, case):
    """A three-layer net with your weight scale and learning rate learns 50 images by heart."""
    overfits(student, case, "get_three_layer_network_params", [100, 100])


@graded(
    points=4,
    trials=1,
    needs=NETWORK,
    cases=[case("50 images, 20 epochs", 1)],
    hint="Deeper nets need larger weights to begin with: with small ones the signal dies from layer to layer.",
)
def test_overfit_five_layer(student, case):
    """A five-layer net with your weight scale and learning rate learns 50 images by heart."""
    overfits(student, case, "get_five_layer_network_params", [100, 100, 100, 100])


@graded(
    points=5,
    trials=1,
    needs=["linear_forward", "relu_forward", "fully_connected_loss"],
    cases=[case("the saved network", 1)],
    hint="Save the five-layer net at the epoch at which it knows all 50 images.",
)
def test_saved_five_layer(student, case):
    """`best_overfit_five_layer_net.pth` knows the first 50 training images by heart."""
    file = "best_overfit_five_layer_net.pth"
    params = reference.saved_network(case, file, layers=5)
    X, y = case.data.X_train[:50].flatten(1), case.data.y_train[:50]
    case.at_least("the training accuracy of the saved weights", reference.known(params, X, y))
    hidden = [params[f"W{layer}"].shape[1] for layer in range(1, 5)]
    net = student.FullyConnectedNet(hidden, dtype=torch.float32, device="cpu")
    net.load(file, torch.float32, "cpu")
    reference.agrees(case, net, params, X, y)
