"""The network: forward, backward, step."""

import reference
import torch

from toolbox.checks import case, graded

LAYERS = ["linear_init", "linear_forward", "relu_forward"]
BACKWARD = [*LAYERS, "linear_backward", "relu_backward"]


def draw_net(case, student):
    """Return a student's network with known parameters, and the parameters."""
    sizes = [case.size(5, 12), *[case.size(6, 12)] * (case.depth - 1), case.given.get("outputs", 1)]
    params = reference.draw_params(case, sizes, 0.6)
    return reference.make_net(case, student, params), params


def batches(case, params):
    """Return a batch of images, another of other images, and one that is shorter."""
    n, d = case.size(4, 7), params["W1"].shape[0]
    return [case.normal(size, d) for size in (n, n, n - 1)]


DEPTHS = [
    case("two layers", 3, depth=2),
    case("three layers", 3, depth=3),
    case("five layers", 2, depth=5),
    case("one layer", 1, edge=True, depth=1),
    case("three outputs", 1, edge=True, depth=3, outputs=3),
]


@graded(
    points=6,
    trials=1,
    tolerance=1e-7,
    cases=DEPTHS,
    needs=LAYERS,
    hint="A linear layer, then a ReLU, and so on; nothing comes after the last linear layer. A network of three layers "
    "has three linear ones and two ReLU.",
)
def test_network_forward(student, case):
    """`FeedForwardNeuralNetwork.forward` gives the logits of a network of any depth."""
    net, params = draw_net(case, student)
    reference.same_shapes(case, reference.fresh_net(student, params), params)
    other, others = draw_net(case, student)  # a second network leaves the first alone
    for images in batches(case, params):
        right = reference.scores(params, torch.tensor(images))
        case.compare("logits", net.forward(images), reference.array(right))
        other.forward(case.normal(3, len(others["W1"])))
    reference.same_params(case, net, params)


@graded(
    points=9,
    trials=1,
    tolerance=1e-6,
    cases=DEPTHS,
    needs=[*BACKWARD, "network_forward"],
    hint="Go through the layers in reverse order: what one layer's backward returns is given to the layer before it. "
    "Every ReLU is an object of its own, as each remembers its own input.",
)
def test_network_gradients(student, case):
    """`FeedForwardNeuralNetwork.backward` gives the gradients of all layers."""
    net, params = draw_net(case, student)
    for images in batches(case, params):
        logits = net.forward(images)
        grad = case.normal(len(images), case.given.get("outputs", 1))
        case.array("logits", logits, grad.shape)
        returned = net.backward(grad)

        def function(x, *values):
            return reference.scores(dict(zip(params, values, strict=True)), x)

        values = [reference.array(value) for value in params.values()]
        wanted = reference.gradients(function, [images, *values], grad)
        found = reference.get_gradients(case, net, params)
        for name, right in zip(params, wanted[1:], strict=True):
            kind = "grad_weights" if name.startswith("W") else "grad_bias"
            case.compare(f"{kind} of linear layer {name[1:]}", found[name], right)
        case.compare("what backward returns", returned, wanted[0])
        reference.same_params(case, net, params)


@graded(
    points=4,
    trials=1,
    tolerance=1e-9,
    cases=[
        case("two layers", 4, depth=2),
        case("four layers", 4, depth=4),
        case("momentum and weight decay left out", 2, edge=True, depth=3, defaults=True),
    ],
    needs=[*BACKWARD, "linear_step", "network_forward", "network_gradients"],
    hint="Call `step` of every layer once, with the three settings that the network was given.",
)
def test_network_step(student, case):
    """`FeedForwardNeuralNetwork.step` moves the parameters of every layer."""
    net, params = draw_net(case, student)
    descent = reference.Descent(params)
    settings = case.uniform(0.01, 0.05), case.uniform(0.5, 0.95), case.uniform(0.1, 1.0)
    if case.given.get("defaults"):
        settings = settings[0], 0.8, 0.0
    for number, images in enumerate(batches(case, params), start=1):
        labels = reference.labels(case, len(images))
        _, grads = reference.loss_and_gradients(params, torch.tensor(images), labels)
        logits = torch.tensor(case.array("logits", net.forward(images), labels.shape))
        net.backward(reference.gradients(lambda z, y=labels: reference.loss(z, y), (logits.numpy(),))[0])
        descent.step(grads, *settings)
        if case.given.get("defaults"):
            net.step(settings[0])
        else:
            net.step(settings[0], momentum=settings[1], weight_decay=settings[2])
        reference.compare_params(case, net, params, f"after step {number}")
