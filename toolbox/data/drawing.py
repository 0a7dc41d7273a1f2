"""Draw the stand-in's images: ten shapes in noisy, cluttered scenes.

What makes a class can be learnt at three depths, as in photographs:

- each class has scenes of its own colour, with much overlap: a linear classifier sees that;
- each class has a place where its shape lies most often, lighter or darker than the scene with equal chance:
the
  average image shows no trace of it, a hidden layer finds some;
- the shape itself comes in many places, sizes and tilts, before part of another shape: that takes a
convolution.

Only +, −, ×, /, square roots and comparisons are used on floats, which IEEE 754 defines to the last bit, and
no sum whose order NumPy may choose: so the images are the same on every platform.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray

# Lengths in pixels, brightness on the scale from 0 to 1. Chosen by training the three kinds of model on
# images drawn with other values; `toolbox.data.standin` says what they reach.
HOME = 5.0  # how far the usual place of a class is from the centre, at most, in each direction
PLACE = 5.0  # how far a shape is from that place, at most
SIZES = (5.5, 8.5)  # from the centre of a shape to its edge
TILT = 0.2  # tangent of half the largest tilt: 23°
CONTRAST = (0.03, 0.35)  # between a shape and the scene, for each colour
TINT = 0.38  # range of the classes' mean colours
BASE = (0.3, 0.7)  # range of the scenes' colours around it
SLOPE = 0.012  # change of the scene's colour per pixel, at most
NOISE = 0.1  # for each pixel, once in grey and once in colour
CLUTTER_SIZES = (4.0, 7.0)
CLUTTER_PLACE = 12.0
LAYOUT_SEED = 7  # of the usual places and mean colours of the classes


def _disc(u: Array, v: Array) -> Array:
    return np.sqrt(u * u + v * v) - 1


def _ring(u: Array, v: Array) -> Array:
    return np.abs(np.sqrt(u * u + v * v) - 0.75) - 0.25


def _square(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(u), np.abs(v)) - 0.9


def _frame(u: Array, v: Array) -> Array:
    return np.abs(np.maximum(np.abs(u), np.abs(v)) - 0.7) - 0.22


def _triangle(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(u) * 0.87 - v * 0.5, v) - 0.6


def _wedge(u: Array, v: Array) -> Array:
    return _triangle(u, -v)


def _plus(u: Array, v: Array) -> Array:
    a, b = np.abs(u), np.abs(v)
    return np.minimum(np.maximum(a - 1, b - 0.3), np.maximum(b - 1, a - 0.3))


def _cross(u: Array, v: Array) -> Array:
    return _plus((u + v) * 0.71, (u - v) * 0.71)


def _columns(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(np.abs(u) - 0.6) - 0.25, np.abs(v) - 0.95)


def _rows(u: Array, v: Array) -> Array:
    return _columns(v, u)


# The distance of a point (u, v) from the edge of each shape, negative inside, the shape being about as large
# as the unit disc; the v axis points down.
SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "frame": _frame,
    "triangle": _triangle,
    "wedge": _wedge,
    "plus": _plus,
    "cross": _cross,
    "columns": _columns,
    "rows": _rows,
}
CLASSES = tuple(SHAPES)


class _Dice:
    """Draws one number, or one small array of numbers, for each of n images."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng, self.n = rng, n

    def between(self, low: float, high: float, *shape: int) -> Array:
        return low + (high - low) * self.rng.random((self.n, *shape))

    def within(self, reach: float, *shape: int) -> Array:
        return self.between(-reach, reach, *shape)


def draw(labels: Array, rng: np.random.Generator) -> Array:
    """Draw one image for each label (n,), and return them as (n, 3072) uint8 in CIFAR-10's order of bytes."""
    dice = _Dice(rng, len(labels))
    fixed = np.random.Generator(np.random.PCG64(LAYOUT_SEED))
    homes = HOME * (2 * fixed.random((10, 2)) - 1)
    tints = TINT * (fixed.random((10, 3)) - 0.5)

    y, x = _grid()
    colour = dice.between(*BASE, 3, 1, 1) + tints[labels][:, :, None, None]
    scene = colour + dice.within(SLOPE, 3, 1, 1) * x + dice.within(SLOPE, 3, 1, 1) * y
    others = dice.between(0, 10).astype(np.int64)
    clutter = _cover(dice, others, np.zeros((10, 2)), CLUTTER_PLACE, CLUTTER_SIZES)
    shape = _cover(dice, labels, homes, PLACE, SIZES)
    image = _paint(_paint(scene, clutter, scene, dice), shape, scene, dice)
    image = image + dice.within(NOISE, 3, 32, 32) + dice.within(NOISE, 1, 32, 32)
    return np.clip(np.floor(image * 255 + 0.5), 0, 255).astype(np.uint8).reshape(len(labels), 3072)


def _grid() -> tuple[Array, Array]:
    """Return y and x of each pixel (32, 32), measured from the centre."""
    steps = np.arange(32) - 15.5
    return steps[:, None] + 0 * steps, steps + 0 * steps[:, None]


def _cover(dice: _Dice, kinds: Array, homes: Array, place: float, sizes: tuple[float, float]) -> Array:
    """Return how much of each pixel a shape covers (n, 1, 32, 32), from 0 to 1, with soft edges."""
    y, x = _grid()
    x = x - homes[kinds, 0][:, None, None] - dice.within(place, 1, 1)
    y = y - homes[kinds, 1][:, None, None] - dice.within(place, 1, 1)
    size, t = dice.between(*sizes, 1, 1), dice.within(TILT, 1, 1)
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    u, v = (x * cos + y * sin) / size, (y * cos - x * sin) / size
    distance = np.empty_like(u)
    for kind, shape in enumerate(SHAPES.values()):
        chosen = kinds == kind
        distance[chosen] = shape(u[chosen], v[chosen])
    return np.clip(0.5 - distance * size, 0, 1)[:, None]


def _paint(image: Array, cover: Array, scene: Array, dice: _Dice) -> Array:
    """Paint a shape over images, as much lighter or darker than the bare scene as the dice say."""
    sign = np.where(dice.rng.random((dice.n, 1, 1, 1)) < 0.5, -1.0, 1.0)
    ink = scene + sign * dice.between(*CONTRAST, 3, 1, 1)
    return image + cover * (ink - image)
