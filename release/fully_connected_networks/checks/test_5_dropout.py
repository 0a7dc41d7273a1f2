"""Dropout, alone and in the network."""

import reference
import torch
import torch.nn.functional as F

from toolbox.checks import case, graded


@graded(
    points=4, tolerance=1e-7,
    cases=[
        case("training: what is dropped", 4), case("training: what is kept", 4), case("testing", 3),
        case("a seed repeats the draw", 1, edge=True), case("p = 0", 1, edge=True),
    ],
    hint="Draw one uniform number per entry and keep those that are not below p; divide what is kept by 1 − p.",
)  # fmt: skip
def test_dropout_forward(student, case):
    """`Dropout.forward` drops with probability p and scales up the rest; in test mode it returns x."""
    x = draw(case, case.size(100, 140), case.size(100, 140))
    if case.trial:  # inputs of any shape, in float32
        x = draw(case, case.size(100, 140), 5, 5, 5).float()
    allowed = 1e-6 if case.trial else None
    p = 0.0 if case.name == "p = 0" else case.uniform(0.2, 0.7)
    param = {"p": p, "mode": "test" if case.name == "testing" else "train", "seed": case.size(0, 10**6)}
    if case.name == "training: what is dropped":
        del param["seed"]
    out, _ = case.items("Dropout.forward", student.Dropout.forward(x, param), 2)
    out = case.tensor("out", out, tuple(x.shape), x.dtype)
    if case.name in ("testing", "p = 0"):
        case.compare("out", out, x)
        return
    dropped = torch.eq(out, 0)
    if case.name == "training: what is dropped":
        spread = (p * (1 - p) / x.numel()) ** 0.5
        share = float(dropped.double().mean())
        case.require(abs(share - p) <= 6 * spread, f"a share of {share:.3f} is dropped with p = {p:.3f}")
        for axis, kind in ((0, "column"), (1, "row")):
            shares = dropped.flatten(1).double().mean(dim=axis)
            wide = float((shares - p).abs().max())
            case.require(wide < 0.3, f"a whole {kind} is dropped at once: draw a number for every entry")
        other, _ = case.items("Dropout.forward", student.Dropout.forward(x, param), 2)
        other = case.tensor("out", other, tuple(x.shape), x.dtype)
        case.require(not torch.equal(other, out), "without a seed a second call drops the same entries")
    elif case.name == "training: what is kept":
        mixed(case, dropped)
        case.compare("the entries that are kept", out, torch.where(dropped, 0.0, x / (1 - p)), allowed)
    else:
        again, _ = case.items("Dropout.forward", student.Dropout.forward(x, param), 2)
        case.compare("out of a second call with the same seed", again, out)
        other, _ = case.items("Dropout.forward", student.Dropout.forward(x, {**param, "seed": param["seed"] + 1}), 2)
        other = case.tensor("out", other, tuple(x.shape), x.dtype)
        case.require(not torch.equal(other, out), "another seed gives the same draw")


@graded(
    points=4,
    tolerance=1e-8,
    needs=["dropout_forward"],
    cases=[case("training", 8), case("testing", 2, edge=True)],
    hint="The gradient takes the way the numbers took: the same mask, the same factor.",
)
def test_dropout_backward(student, case):
    """`Dropout.backward` sends the gradient through the same mask."""
    x = draw(case, case.size(10, 20), case.size(10, 20))
    dout = case.randn(*x.shape)
    mode = "train" if case.name == "training" else "test"
    param = {"p": case.uniform(0.2, 0.7), "mode": mode, "seed": case.size(0, 10**6)}
    if case.trial:
        del param["seed"]
    out, cache = case.items("Dropout.forward", student.Dropout.forward(x, param), 2)
    out = case.tensor("out", out, tuple(x.shape), x.dtype)
    if mode == "train":
        mixed(case, torch.eq(out, 0))
    case.compare("dx", student.Dropout.backward(dout, cache), dout * out / x)


def draw(case, *shape):
    """Draw numbers of both signs, none of them near zero."""
    x = case.randn(*shape)
    return x + 0.1 * torch.where(x < 0, -1.0, 1.0)


def mixed(case, dropped):
    """Demand that some entries are dropped and some are kept."""
    case.require(bool(dropped.any()), "nothing is dropped in training")
    case.require(not bool(dropped.all()), "everything is dropped in training")


NETWORK = [
    "linear_forward", "linear_backward", "relu_forward", "relu_backward", "linear_relu",
    "fully_connected_loss", "fully_connected_gradients", "dropout_forward", "dropout_backward",
]  # fmt: skip


@graded(
    points=4, tolerance=1e-6, needs=NETWORK, trials=1,
    cases=[
        case("training on one image", 4, n=1), case("training on several images", 3),
        case("testing", 3), case("without dropout", 1, edge=True),
    ],
    hint="Dropout comes after the ReLU of every hidden layer, in training alone; going back it comes before that ReLU.",
)  # fmt: skip
def test_dropout_network(student, case):
    """`FullyConnectedNet` applies dropout after every hidden layer, in training alone."""
    p = 0.0 if case.name == "without dropout" else case.uniform(0.3, 0.6)
    sizes = [case.size(8, 12), 40, 36, case.size(3, 6)]  # of two widths: their masks cannot be mistaken
    n = 1 if case.name == "training on one image" else case.size(3, 6)
    seed = case.size(0, 10**6)

    def make_net(seed, reg=0.0):
        return student.FullyConnectedNet(
            sizes[1:-1],
            input_dim=sizes[0],
            num_classes=sizes[-1],
            dropout=p,
            reg=reg,
            weight_scale=0.1,
            seed=seed,
            dtype=torch.float64,
        )

    net = make_net(seed)
    params = reference.draw_params(case, sizes, 0.02)
    for name in ("b1", "b2"):  # far from the kink of the ReLU, whatever is dropped: half on, half off
        params[name] = torch.where(case.randn(len(params[name])) > 0, 1.0, -1.0).double()
        params[name][:30] = 1.0
    X, y = case.randn(n, sizes[0]), case.labels(n, sizes[-1])
    net.params = params
    if case.name == "testing":
        case.items("loss(X, y)", net.loss(X, y), 2)  # a training step must leave no trace
        case.compare("scores", net.loss(X), reference.scores(params, X))
        return
    case.compare("scores before training", net.loss(X), reference.scores(params, X))  # no trace either
    loss, grads = case.items("loss(X, y)", net.loss(X, y), 2)
    if case.name == "without dropout":
        reference.compare_gradients(case, loss, grads, params, X, y, 0.0)
        return
    got = case.dictionary("grads", grads, params)
    got = {
        name: case.tensor(f"grads[{name!r}]", got[name], tuple(params[name].shape), torch.float64).clone()
        for name in params
    }
    compare_with_masks(case, loss, got, params, X, y, p)
    if n > 1:
        compare_regularised(case, make_net, seed, params, X, y, (loss, got))
        again, _ = case.items("loss(X, y)", net.loss(X, y), 2)
        first = torch.tensor(case.number("loss", loss))
        case.compare("the loss of a second call with the same seed", case.number("loss", again), first)
        other = make_net(seed + 1)
        other.params = params
        again, _ = case.items("loss(X, y)", other.loss(X, y), 2)
        case.require(case.number("loss", again) != case.number("loss", loss), "nothing is dropped in training")
        free = make_net(None)
        free.params = params
        twice = [case.number("loss", case.items("loss(X, y)", free.loss(X, y), 2)[0]) for _ in range(2)]
        case.require(twice[0] != twice[1], "without a seed every batch drops the same units")


def compare_regularised(case, make_net, seed, params, X, y, without):
    """Demand that λ adds to the loss and to the gradients what it adds without dropout."""
    loss, gradients = case.number("loss", without[0]), without[1]
    reg = case.uniform(0.5, 1.5)
    net = make_net(seed, reg)
    net.params = params
    more, grads = case.items("loss(X, y)", net.loss(X, y), 2)
    added, squares = case.number("loss", more) - loss, reg * reference.squares(params)
    factor = min(reference.CONVENTIONS.values(), key=lambda factor: abs(added - float(factor * squares)))
    case.compare("what λ adds to the loss", torch.tensor(added, dtype=torch.float64), factor * squares)
    got = case.dictionary("grads", grads, params)
    for name, value in params.items():
        wanted = gradients[name] + (2 * factor * reg * value if name.startswith("W") else 0)
        case.compare(f"grads[{name!r}] with λ > 0", got[name], wanted)


def compare_with_masks(case, loss, got, params, X, y, p):
    """Read off the gradients which units each image kept, and hold loss and gradients against that network.

    A layer has more inputs than there are images, so dW = inputsᵀ·dout has one solution for dout, which is
    zero where a unit was dropped (or off).
    """
    masks, inputs = [], X
    for layer in "12":
        w, b = params[f"W{layer}"], params[f"b{layer}"]
        dout = torch.linalg.lstsq(inputs.t(), got[f"W{layer}"]).solution
        mask = (dout.abs() > 1e-9 * dout.abs().max()).double() / (1 - p)
        on = mask[:, b > 0]
        case.require(bool((on == 0).any()), f"no unit of hidden layer {layer} is dropped in training")
        case.require(bool((on > 0).any()), f"every unit of hidden layer {layer} is dropped in training")
        inputs = F.relu(reference.linear(inputs, w, b)) * mask
        masks.append(mask)

    def objective(*values):
        q = dict(zip(params, values, strict=True))
        out = X
        for layer, mask in enumerate(masks, start=1):
            out = F.relu(reference.linear(out, q[f"W{layer}"], q[f"b{layer}"])) * mask
        return F.cross_entropy(reference.linear(out, q["W3"], q["b3"]), y)

    case.compare("the loss", loss, objective(*params.values()))
    for name, wanted in zip(params, reference.gradients(objective, list(params.values())), strict=True):
        case.compare(f"grads[{name!r}]", got[name], wanted)
