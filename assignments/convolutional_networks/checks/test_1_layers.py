"""Convolution and max pooling."""

import reference
import torch
import torch.nn.functional as F

from toolbox.checks import Shared, case, graded

CONV = [
    case("stride 1, pad 1", 4, stride=1, pad=1),
    case("stride 2, pad 1", 3, stride=2, pad=1, over=(1, 0)),
    case("stride 3, filters that are not square, no pad", 2, stride=3, pad=0, filters=(2, 4), over=(0, 2)),
    case("stride 1, pad 2, filters of 5 × 5", 2, stride=1, pad=2, filters=(5, 5)),
    case("one image, one channel, one filter of 1 × 1", 1, edge=True, stride=1, pad=0, filters=(1, 1), one=True),
    case("float32, images that are not contiguous", 1, edge=True, stride=1, pad=1, dtype=torch.float32),
]


def draw_conv(case):
    """Draw images, filters and biases, no two sizes alike; over: rows and columns of pixels that fill no window."""
    dtype, stride, pad = case.given.get("dtype", torch.float64), case.stride, case.pad
    height, width = case.given.get("filters", (3, 3))
    one = case.given.get("one", False)
    n, channels, filters = (1, 1, 1) if one else (case.size(2, 3), case.size(2, 3), case.size(4, 5))
    rows, columns = case.size(3, 4), case.size(5, 6)
    H, W = (rows - 1) * stride + height - 2 * pad, (columns - 1) * stride + width - 2 * pad
    H, W = (size + over for size, over in zip((H, W), case.given.get("over", (0, 0)), strict=True))
    x = case.randn(n, channels, H, W, dtype=dtype)
    if dtype == torch.float32:
        x = case.randn(n, H, W, channels, dtype=dtype).permute(0, 3, 1, 2)
    w = case.randn(filters, channels, height, width, dtype=dtype)
    return x, w, case.randn(filters, dtype=dtype), {"stride": stride, "pad": pad}


def conv(x, w, b, param):
    """Return the output of a convolutional layer, by torch."""
    return F.conv2d(x, w, b, stride=param["stride"], padding=param["pad"])


def allowed(x):
    """Return the error that is allowed in float32; None, the check's own, in float64."""
    return 1e-5 if x.dtype == torch.float32 else None


@graded(
    points=6, trials=1, tolerance=1e-7, cases=CONV,
    hint="Output pixel (i, j) sees the window that begins at row i·stride and column j·stride of the padded image: "
    "all channels of it times one filter, summed up, plus that filter's bias.",
)  # fmt: skip
def test_conv_forward(student, case):
    """`Conv.forward` slides every filter over every image, with any stride and pad."""
    x, w, b, param = draw_conv(case)
    before = [value.clone() for value in (x, w, b)]
    out, _ = case.items("Conv.forward", student.Conv.forward(Shared(x), Shared(w), Shared(b), dict(param)), 2)
    case.compare("out", out, conv(*before, param), allowed(x))
    for name, now, then in zip("xwb", (x, w, b), before, strict=True):
        case.unchanged(name, now, then)


@graded(
    points=8, trials=1, tolerance=1e-8, cases=CONV, needs=["conv_forward"],
    hint="Each output pixel touched one window and one filter: dw gets dout times the window, the window's dx gets "
    "dout times the filter. Windows overlap, so add. The pad is cut off at the end.",
)  # fmt: skip
def test_conv_backward(student, case):
    """`Conv.backward` gives the gradients with respect to images, filters and biases."""
    x, w, b, param = draw_conv(case)
    right = conv(x, w, b, param)
    dout = case.randn(*right.shape, dtype=x.dtype)
    _, cache = case.items("Conv.forward", student.Conv.forward(x, w, b, dict(param)), 2)
    student.Conv.forward(-x[:1], 2 * w, b, dict(param))  # another layer's: what backward needs is in the cache
    for factor in (1, 2):  # a second call depends on nothing that the first left behind
        got = case.items("Conv.backward", student.Conv.backward(factor * dout, cache), 3)
        wanted = reference.gradients(lambda x, w, b: conv(x, w, b, param), (x, w, b), factor * dout)
        for name, mine, gradient in zip(("dx", "dw", "db"), got, wanted, strict=True):
            case.compare(name, mine, gradient, allowed(x))


POOL = [
    case("windows of 2 × 2 side by side", 4, size=(2, 2), stride=2, over=(0, 1)),
    case("windows of 2 × 3 that overlap", 3, size=(2, 3), stride=1),
    case("windows with gaps between them", 1, size=(2, 2), stride=3, over=(2, 1)),
    case("one image, one channel", 1, edge=True, size=(3, 2), stride=2, one=True),
    case("float32, images that are not contiguous", 1, edge=True, size=(2, 2), stride=2, dtype=torch.float32),
]


def draw_pool(case):
    """Draw images, of negative numbers alone in the second trial, and the parameters of a pool; over: as for conv."""
    dtype = case.given.get("dtype", torch.float64)
    (height, width), stride = case.given["size"], case.stride
    n, channels = (1, 1) if case.given.get("one") else (case.size(2, 3), case.size(4, 5))
    H, W = (case.size(2, 3) - 1) * stride + height, (case.size(4, 5) - 1) * stride + width
    H, W = (size + over for size, over in zip((H, W), case.given.get("over", (0, 0)), strict=True))
    x = case.randn(n, channels, H, W, dtype=dtype)
    if dtype == torch.float32:
        x = case.randn(n, W, H, channels, dtype=dtype).permute(0, 3, 2, 1)
    if case.trial:
        x = -x.abs() - 1
    return x, {"pool_height": height, "pool_width": width, "stride": stride}


def pool(x, param):
    """Return the output of a max pooling layer, by torch."""
    return F.max_pool2d(x, (param["pool_height"], param["pool_width"]), stride=param["stride"])


@graded(
    points=4, tolerance=1e-7, cases=POOL,
    hint="The largest number of each window, for every image and every channel by itself; it may be negative.",
)  # fmt: skip
def test_max_pool_forward(student, case):
    """`MaxPool.forward` keeps the largest number of each window."""
    x, param = draw_pool(case)
    before = x.clone()
    out, _ = case.items("MaxPool.forward", student.MaxPool.forward(Shared(x), dict(param)), 2)
    case.compare("out", out, pool(before, param))
    case.unchanged("x", x, before)


@graded(
    points=4, tolerance=1e-10, needs=["max_pool_forward"],
    cases=[*POOL[:3], case("several numbers are the largest", 1, size=(2, 2), stride=2, ties=True), *POOL[3:]],
    hint="Find where the largest number of each window stands and add the window's gradient there, nowhere else.",
)  # fmt: skip
def test_max_pool_backward(student, case):
    """`MaxPool.backward` sends each gradient to the largest number of its window alone."""
    x, param = draw_pool(case)
    if case.given.get("ties"):
        x = torch.round(x).clamp(-1, 1)
    dout = case.randn(*pool(x, param).shape, dtype=x.dtype)
    _, cache = case.items("MaxPool.forward", student.MaxPool.forward(x, dict(param)), 2)
    student.MaxPool.forward(-x[:1], dict(param))
    for factor in (1, 2):
        got = student.MaxPool.backward(factor * dout, cache)
        if case.given.get("ties"):
            one_of_them(case, case.tensor("dx", got, tuple(x.shape), x.dtype), x, factor * dout)
        else:
            case.compare("dx", got, reference.gradients(lambda x: pool(x, param), [x], factor * dout)[0])


def one_of_them(case, dx, x, dout):
    """Demand that in each window of 2 × 2 one of the largest numbers gets the whole gradient."""
    inside = dx.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    numbers = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    places = torch.ne(inside, 0)
    case.require(
        bool((places.sum(dim=4) <= 1).all()), "the gradient of a window goes to several numbers, where one is to get it"
    )
    case.compare("the sum of dx over each window", inside.sum(dim=4), dout)
    largest = torch.eq(numbers, numbers.amax(dim=4, keepdim=True))
    case.require(bool((largest | ~places).all()), "the gradient of a window goes to a number that is not its largest")
