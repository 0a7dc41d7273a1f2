"""The convolutional network in torch.nn."""

import reference
import torch

from toolbox.checks import Proxy, Shared, case, graded


def parameters(case, net):
    """Return a network's parameters by name, float32, once they are those of the layers that are asked for."""
    found = net.state_dict()
    case.require(type(found) is dict and bool(found), "the network has no parameters: make its layers in __init__")
    count = sum(value.numel() for value in found.values() if isinstance(value, torch.Tensor))
    case.require(count == 122_570, f"the network has {count:,} parameters, where 122,570 are wanted")
    names = reference.ordered(case, "the network", found)
    return {name: case.tensor(name, found[name], tuple(found[name].shape), torch.float32) for name in names}


@graded(
    points=6, tolerance=1e-7,
    cases=[
        case("122,570 parameters", 4), case("scores", 6), case("every parameter learns", 3),
        case("a single image", 1, edge=True), case("images stay as they are", 1, edge=True),
    ],
    hint="Three convolutions of 3 × 3 with padding 1, each followed by a sigmoid and a pool of 2 × 2: after them an image "
    "is 64 × 4 × 4 numbers. Then linear to 64, sigmoid, linear to 10, and nothing after that.",
)  # fmt: skip
def test_convolutional_net(student, case):
    """`ConvolutionalNet` has the layers that are asked for, and gives the right scores."""
    net = student.ConvolutionalNet()
    case.require(isinstance(net, Proxy), "ConvolutionalNet() makes no network")
    params = parameters(case, net)
    if case.name == "122,570 parameters":
        order = [name for name in net.state_dict() if params[name].ndim > 1]
        case.require(order == list(params)[::2], "the layers are not made in the order in which images pass them")
        return
    if case.name == "every parameter learns":
        learns(case, student)
        return
    drawn = {name: (value.numel() / len(value)) ** -0.5 * 3 * case.randn(*value.shape) for name, value in params.items()}
    drawn |= {name: 0.5 * case.randn(*value.shape) for name, value in params.items() if value.ndim == 1}
    net.double()
    net.load_state_dict(drawn)
    X = case.randn(1 if case.name == "a single image" else case.size(3, 4), 3, 32, 32)
    right = reference.convolutional_scores(list(drawn.values()), X)
    for images, wanted in ((X, right), (X.flip(0), right.flip(0))):
        before = images.clone()
        case.compare("the scores", net.forward(Shared(images)), wanted)
        if case.name == "images stay as they are":
            case.unchanged("x", images, before)


def learns(case, student):
    """Demand that a step of training moves every parameter."""
    data = {}
    for part in ("train", "val"):
        data[f"x_{part}"] = case.randn(8, 3072, dtype=torch.float32).numpy()
        data[f"y_{part}"] = torch.eye(10)[case.labels(8, 10)].numpy()
    found = []
    for rate in (0.0, 0.01):
        net = student.ConvolutionalNet()
        student.train_convolutional(net, dict(data), learning_rate=rate, batch_size=8, num_epochs=1, seed=1)
        found.append(parameters(case, net))
    for name, value in found[0].items():
        case.require(not torch.equal(value, found[1][name]), f"training leaves {name} as it was: no gradient gets there")


@graded(
    points=6, trials=1, needs=["convolutional_net"], cases=[case("test images", 1)],
    hint="Run the training cell of the notebook; if the loss does not fall, look at the sigmoids: there is one after each "
    "convolution and one after the first linear layer, and none at the end.",
)  # fmt: skip
def test_saved_convolutional(student, case):
    """`convolutional.pth` classifies test images well enough."""
    params = reference.saved_convolutional(case, "convolutional.pth")
    names = reference.ordered(case, "`convolutional.pth`", params)
    there = [params[name] for name in names]
    own = student.ConvolutionalNet()
    own.load_state_dict(params)
    reference.saved_accuracy(case, lambda X: reference.convolutional_scores(there, X), lambda X: own.forward(X), at_once=100)
