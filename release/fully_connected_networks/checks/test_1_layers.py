"""Linear and ReLU layers."""

import reference
import torch
import torch.nn.functional as F

from toolbox.checks import Shared, case, graded

SHAPES = [
    case("vectors", 3, dims=1),
    case("images", 5, dims=3),
    case("a batch of one, in float32", 1, edge=True, dims=2, n=1, dtype=torch.float32),
    case("an input that is not contiguous", 1, edge=True, dims=2, transposed=True),
]


def draw_linear(case):
    """Draw x (N, d1, …, dk), w (D, M), b (M,) for a case of SHAPES."""
    n, dtype = case.given.get("n") or case.size(2, 6), case.given.get("dtype", torch.float64)
    dims = [case.size(2, 5) for _ in range(case.dims)]
    x = case.randn(n, *dims, dtype=dtype)
    if case.given.get("transposed"):
        x = case.randn(n, *reversed(dims)).transpose(1, 2)
    depth = int(torch.tensor(dims).prod())
    m = case.size(2, 7)
    return x, case.randn(depth, m, dtype=dtype), case.randn(m, dtype=dtype)


def allowed(x):
    """Return the error that is allowed in float32; None, the check's own, in float64."""
    return 1e-5 if x.dtype == torch.float32 else None


@graded(
    trials=1,
    points=4,
    tolerance=1e-7,
    cases=SHAPES,
    hint="Make each image one row of D numbers first (reshape to N rows), then one matrix product and one sum.",
)
def test_linear_forward(student, case):
    """`Linear.forward` computes x·w + b for inputs of any trailing shape."""
    first, w, b = draw_linear(case)
    for x in (first, -first):  # a second call of the same shapes depends on nothing that the first left behind
        before = [value.clone() for value in (x, w, b)]
        out, _ = case.items("Linear.forward", student.Linear.forward(Shared(x), Shared(w), Shared(b)), 2)
        case.compare("out", out, reference.linear(*before), allowed(x))
        for name, now, then in zip("xwb", (x, w, b), before, strict=True):
            case.unchanged(name, now, then)


@graded(
    trials=1,
    points=6,
    tolerance=1e-8,
    cases=SHAPES,
    needs=["linear_forward"],
    hint="Write down the shapes: dx has the shape of x, dw that of w, db that of b; only one product of "
    "dout with x or w has each of them.",
)
def test_linear_backward(student, case):
    """`Linear.backward` gives the gradients with respect to x, w and b."""
    x, w, b = draw_linear(case)
    dout = case.randn(len(x), len(b), dtype=x.dtype)
    _, cache = case.items("Linear.forward", student.Linear.forward(x, w, b), 2)
    for factor in (1, 2):  # a second call depends on nothing that the first left behind
        got = case.items("Linear.backward", student.Linear.backward(factor * dout, cache), 3)
        for name, mine, right in zip(
            ("dx", "dw", "db"), got, reference.gradients(reference.linear, (x, w, b), factor * dout), strict=True
        ):
            case.compare(name, mine, right, allowed(x))


RELU = [
    case("numbers of both signs", 6),
    case("the input stays as it is", 3),
    case("numbers that are exactly zero, in float32", 1, edge=True, zeros=True),
]


def draw_relu(case):
    """Draw an input of random shape, with zeros in it where the case asks for them."""
    x = 10 * case.randn(case.size(3, 6), case.size(3, 6), case.size(2, 4))
    if case.given.get("zeros"):
        x[torch.rand(x.shape, generator=case.rng) < 0.4] = 0
        x = x.float()
    return x


@graded(
    points=2, trials=1, tolerance=1e-7, cases=RELU, hint="Negative numbers become 0; make a new tensor for the result."
)
def test_relu_forward(student, case):
    """`ReLU.forward` computes max(0, x) and leaves x as it is."""
    x = draw_relu(case)
    before = x.clone()
    out, _ = case.items("ReLU.forward", student.ReLU.forward(Shared(x)), 2)
    if case.name == "the input stays as it is":
        case.unchanged("x", x, before)
    case.compare("out", out, F.relu(before))


@graded(
    trials=1,
    points=3,
    tolerance=1e-8,
    needs=["relu_forward"],
    cases=[
        case("numbers of both signs", 8),
        case("numbers that are exactly zero, in float32", 2, edge=True, zeros=True),
    ],
    hint="The gradient passes where the input was positive, and nowhere else.",
)
def test_relu_backward(student, case):
    """`ReLU.backward` lets the gradient through where x > 0."""
    x = draw_relu(case)
    dout = case.randn(*x.shape, dtype=x.dtype)
    _, cache = case.items("ReLU.forward", student.ReLU.forward(x), 2)
    case.compare("dx", student.ReLU.backward(dout, cache), dout * torch.gt(x, 0))


@graded(
    trials=1,
    points=2,
    tolerance=1e-8,
    needs=["linear_forward", "linear_backward", "relu_forward", "relu_backward"],
    cases=[case("forward", 1, dims=2), case("backward", 1, dims=3)],
    hint="This sandwich is given: if it fails, one of its two layers is wrong.",
)
def test_linear_relu(student, case):
    """`Linear_ReLU` puts the two layers together, forward and backward."""
    x, w, b = draw_linear(case)
    b = 4 * b  # large enough to decide what the ReLU lets through

    def right(x, w, b):
        return F.relu(reference.linear(x, w, b))

    out, cache = case.items("Linear_ReLU.forward", student.Linear_ReLU.forward(x, w, b), 2)
    if case.name == "forward":
        case.compare("out", out, right(x, w, b))
        return
    dout = case.randn(len(x), len(b))
    got = case.items("Linear_ReLU.backward", student.Linear_ReLU.backward(dout, cache), 3)
    for name, mine, gradient in zip(("dx", "dw", "db"), got, reference.gradients(right, (x, w, b), dout), strict=True):
        case.compare(name, mine, gradient)
