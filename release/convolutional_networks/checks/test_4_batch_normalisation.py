"""Batch normalisation: of vectors, of images, and in the deep network."""

import reference
import torch
import torch.nn.functional as F
from test_3_deep_net import draw_net

from toolbox.checks import Shared, StudentError, case, graded


def draw(case, *shape):
    """Draw inputs whose columns (or channels) have means and spreads of their own, gamma and beta."""
    width = (1, shape[1], *[1] * (len(shape) - 2))
    x = case.randn(*shape) * (1 + case.randn(*width).abs()) + 3 * case.randn(*width)
    return x, 1 + 0.5 * case.randn(shape[1]), case.randn(shape[1])


def statistics(x):
    """Return the mean and the biased variance of each column or channel."""
    axes = [axis for axis in range(x.ndim) if axis != 1]
    return x.mean(dim=axes), x.var(dim=axes, correction=0)


def averages(case, x, momentum, mean, var):
    """Return what the running averages become after a batch."""
    return tuple(
        momentum * old + (1 - momentum) * new for old, new in zip((mean, var), statistics(x), strict=True)
    )  # fmt: skip


def compare_averages(case, param, wanted):
    """Demand that bn_param holds these running averages."""
    for name, right in zip(("running_mean", "running_var"), wanted, strict=True):
        case.require(name in param, f"bn_param has no entry {name!r} after the call")
        case.compare(f"bn_param[{name!r}]", param[name], right)


@graded(
    points=6, trials=1, tolerance=1e-7,
    cases=[
        case("the output for a batch", 4), case("running averages over several batches", 3),
        case("eps and momentum of its own", 2), case("the first batch of all", 2), case("inputs stay as they are", 1, edge=True),
        case("float32", 1, edge=True),
    ],
    hint="Mean and variance of each column, the variance with the divisor N; then gamma and beta. The running averages "
    "keep a share `momentum` of themselves and are put back into bn_param.",
)  # fmt: skip
def test_batchnorm_forward_train(student, case):
    """`BatchNorm.forward` normalises each column of a batch in training and keeps running averages."""
    n, d = case.size(5, 9), case.size(3, 4)
    x, gamma, beta = draw(case, n, d)
    param, eps, momentum = {"mode": "train"}, reference.EPS, reference.MOMENTUM
    mean, var = case.randn(d), 1 + case.randn(d).abs()
    if case.name == "eps and momentum of its own":
        eps, momentum = case.uniform(0.1, 0.5), case.uniform(0.3, 0.7)
        param |= {"eps": eps, "momentum": momentum}
    if case.name == "float32":
        x, gamma, beta = x.float(), gamma.float(), beta.float()
        out, _ = case.items("BatchNorm.forward", student.BatchNorm.forward(x, gamma, beta, param), 2)
        case.compare("out", out, F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps), tolerance=1e-4)
        return
    if case.name == "the first batch of all":
        student.BatchNorm.forward(x, gamma, beta, param)
        starts = [averages(case, x, momentum, torch.zeros(d).double(), torch.full((d,), v).double()) for v in (0.0, 1.0)]
        case.require("running_var" in param, "bn_param has no entry 'running_var' after the call")
        got = case.tensor("bn_param['running_var']", param["running_var"], (d,), x.dtype)
        compare_averages(case, param, min(starts, key=lambda pair: float((pair[1] - got).norm())))
        return
    param |= {"running_mean": mean.clone(), "running_var": var.clone()}
    for _ in range(3):
        before = [value.clone() for value in (x, gamma, beta)]
        out, _ = case.items(
            "BatchNorm.forward", student.BatchNorm.forward(Shared(x), Shared(gamma), Shared(beta), param), 2
        )
        mean, var = averages(case, before[0], momentum, mean, var)
        case.compare("out", out, F.batch_norm(before[0], None, None, *before[1:], training=True, eps=eps))
        if case.name == "inputs stay as they are":
            for name, now, then in zip(("x", "gamma", "beta"), (x, gamma, beta), before, strict=True):
                case.unchanged(name, now, then)
        if case.name != "the output for a batch":
            compare_averages(case, param, (mean, var))
        x, gamma, beta = before
        x = draw(case, case.size(5, 9), d)[0]


@graded(
    points=4, trials=1, tolerance=1e-7, needs=["batchnorm_forward_train"],
    cases=[
        case("running averages that are given", 4), case("after training on several batches", 4),
        case("one image", 1, edge=True), case("another mode", 1, edge=True),
    ],
    hint="In testing the running averages take the place of the batch's own mean and variance, and stay as they are.",
)  # fmt: skip
def test_batchnorm_forward_test(student, case):
    """`BatchNorm.forward` normalises with the running averages in testing, and leaves them alone."""
    d = case.size(3, 6)
    x, gamma, beta = draw(case, 1 if case.name == "one image" else case.size(4, 8), d)
    mean, var, eps = case.randn(d), 0.5 + case.randn(d).abs(), case.uniform(1e-3, 1e-1)
    param = {"mode": "test", "running_mean": mean.clone(), "running_var": var.clone(), "eps": eps}
    if case.name == "another mode":
        student.BatchNorm.forward(x, gamma, beta, param)
        try:
            student.BatchNorm.forward(x, gamma, beta, {**param, "mode": "validate"})
        except StudentError as error:
            if error.kind != "raised" or "ValueError" not in str(error):
                raise
            return
        case.fail("a mode other than 'train' and 'test' raises no ValueError")
    if case.name.startswith("after training"):
        param["mode"] = "train"
        for _ in range(3):
            batch = draw(case, case.size(5, 9), d)[0]
            student.BatchNorm.forward(batch, gamma, beta, param)
            mean, var = averages(case, batch, reference.MOMENTUM, mean, var)
        param["mode"] = "test"
    for part in (x, x[:1]):  # each image by itself, whatever stands beside it
        out, _ = case.items("BatchNorm.forward", student.BatchNorm.forward(part, gamma, beta, param), 2)
        case.compare("out", out, F.batch_norm(part, mean, var, gamma, beta, eps=eps))
        compare_averages(case, param, (mean, var))


BACKWARD = [case("a batch", 5), case("eps of its own", 3), case("a larger batch", 2)]


def compare_backward(case, student, backward):
    """Hold the gradients of a batch against those of autograd."""
    n = case.size(30, 40) if case.name == "a larger batch" else case.size(5, 9)
    x, gamma, beta = draw(case, n, case.size(3, 4))
    eps = case.uniform(0.1, 1.0) if case.name == "eps of its own" else reference.EPS
    param = {"mode": "train"} if eps == reference.EPS else {"mode": "train", "eps": eps}
    dout = case.randn(*x.shape)
    _, cache = case.items("BatchNorm.forward", student.BatchNorm.forward(x, gamma, beta, param), 2)
    student.BatchNorm.forward(2 * x[1:], gamma, beta, param)  # another layer's: what backward needs is in the cache

    def right(x, gamma, beta):
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)

    for factor in (1, 2):  # a second call depends on nothing that the first left behind
        got = case.items(f"BatchNorm.{backward}", getattr(student.BatchNorm, backward)(factor * dout, cache), 3)
        wanted = reference.gradients(right, (x, gamma, beta), factor * dout)
        for name, mine, gradient in zip(("dx", "dgamma", "dbeta"), got, wanted, strict=True):
            case.compare(name, mine, gradient)


@graded(
    points=7, trials=1, tolerance=1e-9, needs=["batchnorm_forward_train"], cases=BACKWARD,
    hint="x acts on the output in three ways: directly, through the mean, and through the variance. Add up all three.",
)  # fmt: skip
def test_batchnorm_backward(student, case):
    """`BatchNorm.backward` gives the gradients through the mean and the variance too."""
    compare_backward(case, student, "backward")


@graded(
    points=4, trials=1, tolerance=1e-9, needs=["batchnorm_forward_train"], cases=BACKWARD,
    hint="dx is dout less its part along a constant and less its part along x̂, times gamma over the standard deviation.",
)  # fmt: skip
def test_batchnorm_backward_alt(student, case):
    """`BatchNorm.backward_alt` gives the same gradients by the simplified formula."""
    compare_backward(case, student, "backward_alt")


SPATIAL = [case("training", 5), case("testing", 3), case("one image, training", 1, edge=True)]


def draw_images(case):
    """Draw images, no two of whose sizes are alike, gamma and beta, and running averages."""
    n = 1 if case.name.startswith("one image") else 2
    x, gamma, beta = draw(case, n, case.size(3, 4), case.size(5, 6), case.size(7, 8))
    return x, gamma, beta, case.randn(len(gamma)), 1 + case.randn(len(gamma)).abs()


@graded(
    points=3, tolerance=1e-7, needs=["batchnorm_forward_train", "batchnorm_forward_test"], cases=SPATIAL,
    hint="One mean and one variance per channel, over all images and pixels: bring the channels to the last axis, and "
    "`BatchNorm` does the rest.",
)  # fmt: skip
def test_spatial_batchnorm_forward(student, case):
    """`SpatialBatchNorm.forward` normalises each channel over all images and pixels."""
    x, gamma, beta, mean, var = draw_images(case)
    mode, eps, momentum = "test" if case.name == "testing" else "train", reference.EPS, reference.MOMENTUM
    param = {"mode": mode, "running_mean": mean.clone(), "running_var": var.clone()}
    if case.trial:
        eps, momentum = case.uniform(0.1, 0.5), case.uniform(0.3, 0.7)
        param |= {"eps": eps, "momentum": momentum}
    out, _ = case.items("SpatialBatchNorm.forward", student.SpatialBatchNorm.forward(x, gamma, beta, param), 2)
    if mode == "train":
        case.compare("out", out, F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps))
        mean, var = averages(case, x, momentum, mean, var)
    else:
        case.compare("out", out, F.batch_norm(x, mean, var, gamma, beta, eps=eps))
    compare_averages(case, param, (mean, var))


@graded(
    points=3, tolerance=1e-6,
    needs=["batchnorm_forward_train", "batchnorm_backward", "batchnorm_backward_alt", "spatial_batchnorm_forward"],
    cases=[case("a batch of images", 8), case("one image", 2, edge=True)],
    hint="Go the same way as forward: channels to the last axis, then one of the gradients of `BatchNorm`, then back.",
)  # fmt: skip
def test_spatial_batchnorm_backward(student, case):
    """`SpatialBatchNorm.backward` gives the gradients with respect to images, gamma and beta."""
    x, gamma, beta, _, _ = draw_images(case)
    dout, eps = case.randn(*x.shape), case.uniform(0.1, 0.5) if case.trial else reference.EPS
    param = {"mode": "train", "eps": eps} if case.trial else {"mode": "train"}
    forward = student.SpatialBatchNorm.forward(x, gamma, beta, param)
    _, cache = case.items("SpatialBatchNorm.forward", forward, 2)
    student.SpatialBatchNorm.forward(2 * x[:1], gamma, beta, {"mode": "train"})

    def right(x, gamma, beta):
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)

    for factor in (1, 2):
        got = case.items("SpatialBatchNorm.backward", student.SpatialBatchNorm.backward(factor * dout, cache), 3)
        wanted = reference.gradients(right, (x, gamma, beta), factor * dout)
        for name, mine, gradient in zip(("dx", "dgamma", "dbeta"), got, wanted, strict=True):
            case.compare(name, mine, gradient)


LAYERS = [
    "batchnorm_forward_train", "batchnorm_forward_test", "batchnorm_backward", "batchnorm_backward_alt",
    "spatial_batchnorm_forward", "spatial_batchnorm_backward",
]  # fmt: skip


@graded(
    points=6, trials=1, tolerance=1e-6, needs=["deep_loss", "deep_gradients", *LAYERS],
    cases=[
        case("no pool, λ = 0", 2, depth=2, pools=(), reg=0.0), case("pools in some layers, λ = 3.14", 3, depth=3, pools=(0, 2), reg=3.14),
        case("a pool in every layer, λ = 0", 2, depth=2, pools=(0, 1), reg=0.0), case("scores after training", 2, depth=2, pools=(1,)),
        case("initial gamma and beta", 1),
    ],
    hint="Each convolutional layer has a gamma, a beta and a bn_param of its own; the sandwich layers with BatchNorm in "
    "their name return five gradients.",
)  # fmt: skip
def test_deep_batchnorm_gradients(student, case):
    """`DeepConvNet` with batch normalisation gives right scores, losses and gradients."""
    if case.name == "initial gamma and beta":
        initial(case, student)
    elif case.name == "scores after training":
        after_training(case, student)
    else:
        net, names, params, X, y = draw_net(case, student, case.reg, batchnorm=True)
        for images, labels in reference.batches(case, X, y):
            loss, grads = case.items("loss(X, y)", net.loss(images, labels), 2)
            got = reference.read_grads(case, grads, names, params)
            reference.compare_gradients(
                case, loss, got, lambda params, X: reference.deep_scores(params, X, case.pools), params, images, labels,
                case.reg,
            )  # fmt: skip
            reference.same_params(case, net, names, params)


def initial(case, student):
    """Demand ones for gamma and zeros for beta and the biases."""
    filters = [case.size(3, 5), case.size(6, 8)]
    net = student.DeepConvNet(input_dims=(3, 8, 8), num_filters=filters, max_pools=[0], batchnorm=True)
    wanted = reference.draw_deep(case, (3, 8, 8), filters, [0], 10, True, dtype=torch.float32)
    names = reference.own_names(case, net, wanted)
    found = reference.read_params(case, net)
    for name, own in names.items():
        if not name.startswith("W"):
            start = 1 if name.startswith("gamma") else 0
            case.require(bool((found[own] == start).all()), f"{own} does not start at {start}")


def after_training(case, student):
    """Demand scores by the running averages of the batches before, which scoring leaves alone."""
    net, _, params, X, y = draw_net(case, student, batchnorm=True)
    before = []
    for images, labels in reference.batches(case, X, y):
        net.loss(images, labels)
        before.append(images)
    both = [
        reference.deep_scores(params, X, case.pools, reference.follow_averages(params, before, case.pools, start))
        for start in (0.0, 1.0)
    ]
    for rows in (slice(None), slice(1)):
        got = case.tensor("scores", net.loss(X[rows]), tuple(both[0][rows].shape), X.dtype)
        case.compare("scores", got, min((one[rows] for one in both), key=lambda one: float((one - got).norm())))
