"""Changed images: crops, rotations, squares cut out, contrast and mirror images, and a set doubled with them."""

import numpy as np
import reference

from toolbox.checks import Shared, case, graded

ANYWHERE = 200
"""Calls in which every one of nine places comes up: one is missing with a probability of 9·(8/9)²⁰⁰, about 5e-10."""


def as_often(case, times, what):
    """Demand that the middle one of three places comes up about as often as the other two: 5.7 standard deviations.

    times: how often each place came up, shape (3,), of at least 600 calls.
    """
    calls = times.sum()
    case.require(
        abs(times[1] - calls / 3) <= 5.7 * (calls * 2 / 9) ** 0.5,
        f"the {what} is in the middle in {times[1]:.0f} of {calls:.0f} calls, where each of three places is as likely",
    )


@graded(
    points=6,
    trials=1,
    cases=[
        case("a window of the image with its margin", 4),
        case("every window comes up", 3),
        case("the margin that is meant by default", 2),
        case("the same generator, the same windows", 2),
        case("no margin", 1, edge=True),
    ],
    hint="Pad both axes of pixels with zeros on both sides, not the colours. There are 2·padding + 1 places for the top and "
    "as many for the left, 0 and 2·padding among them.",
)
def test_random_crop(student, case):
    """`random_crop` cuts any window out of the image with a black margin."""
    image = reference.picture(case, case.size(5, 8), case.size(9, 12))
    rng = student.generator(case.size(0, 10**6))
    if case.name == "a window of the image with its margin":
        padding = case.size(2, 3)
        possible = reference.windows(image, padding)
        for _ in range(8):
            before = image.copy()
            out = reference.image_like(case, "the window", student.random_crop(Shared(image), rng, padding=padding), image)
            case.unchanged("image", image, before)
            found = (possible == out).all(axis=(2, 3, 4)).any()
            case.require(bool(found), f"what comes out is no window of the image with {padding} black pixels around it")
    elif case.name == "no margin":
        out = student.random_crop(image, rng, padding=0)
        case.unchanged("image", reference.image_like(case, "the window", out, image), image)
    elif case.name == "the same generator, the same windows":
        reference.same_again(case, student, "random_crop", image, padding=3)
    else:
        padding = 1 if "every" in case.name else 4
        settings = {"padding": 1} if padding == 1 else {}
        possible = reference.windows(image, padding)
        times = np.zeros(possible.shape[:2])
        calls = 2 * ANYWHERE if padding == 1 else ANYWHERE
        for _ in range(calls):
            out = reference.image_like(case, "the window", student.random_crop(image, rng, **settings), image)
            times += (possible == out).all(axis=(2, 3, 4))
        case.require(times.sum() >= calls, f"not every window lies in the image with {padding} black pixels around it")
        for side, along in (("top", times.sum(axis=1)), ("left", times.sum(axis=0))):
            never = [f"{place - padding:+d}".replace("+0", "0") for place in range(len(along)) if along[place] == 0]
            case.require(not never, f"in {calls} calls, the {side} of the window is never at {', '.join(never)}")
        if padding == 1:
            case.require(bool(times.all()), "some of the nine places never come up: draw top and left separately")
            as_often(case, times.sum(axis=1) + times.sum(axis=0), "window")


ANGLES = 120
"""Calls in which an angle lies in any given sixth of its range but with a probability of (5/6)¹²⁰, about 3e-10."""


@graded(
    points=11,
    trials=1,
    tolerance=reference.ROUNDING,
    cases=[
        case("a given angle", 6, times=3),
        case("a quarter of a turn", 3),
        case("angles between the given bounds", 3),
        case("the bounds that are meant by default", 2),
        case("the same generator, the same angles", 2),
        case("no rotation", 1, edge=True),
        case("an image of few pixels", 1, edge=True, times=3, small=True),
        case("half a turn of a wide image", 1, edge=True),
    ],
    hint="For every pixel of the result, compute the place in the image that it comes from: turn its distance from the "
    "centre back by the angle. There, mix the four pixels around it, and round in the end. Rows count downwards.",
)
def test_random_rotation(student, case):
    """`random_rotation` turns the image by any angle, bilinear, black around it."""
    rng = student.generator(case.size(0, 10**6))

    def turn(image, low, high):
        out = student.random_rotation(image, rng, low=low, high=high)
        return reference.image_like(case, "the image", out, image)

    if "given angle" in case.name or "few pixels" in case.name:
        for _ in range(case.times):
            sides = (2, 3) if case.given.get("small") else (case.size(8, 12), case.size(13, 17))
            image = reference.picture(case, *sides, low=0)
            before = image.copy()
            degrees = case.uniform(5, 85) * (1 - 2 * case.size(0, 1))
            out = student.random_rotation(Shared(image), rng, low=degrees, high=degrees)
            case.unchanged("image", image, before)
            out = reference.image_like(case, "the image", out, image)
            reference.rounded(case, f"the image turned by {degrees:.1f}°", out, reference.turned(image, degrees))
    elif case.name == "a quarter of a turn":
        image = reference.picture(case, 7, 7)
        for degrees, times in ((90.0, 1), (-90.0, -1)):
            found = turn(image, degrees, degrees)
            same = np.abs(found.astype(int) - np.rot90(image, times)).max() <= 1
            case.require(bool(same), f"a rotation by {degrees:.0f}° is not a quarter of a turn about the centre, its way round")
    elif case.name == "half a turn of a wide image":
        image = reference.picture(case, 4, 9)
        same = np.abs(turn(image, 180.0, 180.0).astype(int) - image[::-1, ::-1]).max() <= 1
        case.require(bool(same), "a rotation by 180° is not half a turn about the centre of the image")
    elif case.name == "no rotation":
        image = reference.picture(case, 6, 9)
        case.unchanged("image", turn(image, 0.0, 0.0), image)
    elif case.name == "the same generator, the same angles":
        reference.same_again(case, student, "random_rotation", reference.ramp())
    else:
        image = reference.ramp()
        if "default" in case.name:
            low, high = -15.0, 15.0
            outs = [student.random_rotation(image, rng) for _ in range(ANGLES)]
        else:
            low = case.uniform(-30, 10)
            high = low + 24
            outs = [student.random_rotation(image, rng, low=low, high=high) for _ in range(ANGLES)]
        angles = np.array([reference.angle_of(case, reference.image_like(case, "the image", out, image)) for out in outs])
        within = bool((angles > low - 0.5).all() and (angles < high + 0.5).all())  # pixels are whole numbers: up to 0.41° off
        case.require(within, f"an image is turned by {angles[np.abs(angles - (low + high) / 2).argmax()]:.1f}°, which is not "
                     f"between {low:.1f}° and {high:.1f}°")  # fmt: skip
        sixth = (high - low) / 6
        reached = angles.min() < low + sixth and angles.max() > high - sixth
        case.require(bool(reached), f"all angles lie in a part of what is between {low:.1f}° and {high:.1f}°")
        apart = np.diff(np.sort(angles))
        case.require(int((apart > 0.02).sum()) > ANGLES // 2, "few angles come up again and again: draw any number")


@graded(
    points=5,
    trials=1,
    cases=[
        case("a black square inside the image", 4),
        case("every place comes up", 3),
        case("the size that is meant by default", 1),
        case("the same generator, the same squares", 2),
        case("a square as large as the image", 1, edge=True),
        case("no square", 1, edge=True),
    ],
    hint="In each axis there are side − size + 1 places at which the square is inside. Change a copy of the image.",
)
def test_random_cutout(student, case):
    """`random_cutout` makes a square black, which lies anywhere inside the image."""
    rng = student.generator(case.size(0, 10**6))

    def cut(image, **settings):
        before = image.copy()
        out = student.random_cutout(Shared(image), rng, **settings)
        case.unchanged("image", image, before)
        return reference.image_like(case, "the image", out, image)

    if case.name == "a black square inside the image":
        for _ in range(8):
            image, size = reference.picture(case, case.size(6, 9), case.size(10, 13)), case.size(2, 5)
            reference.square_of(case, image, cut(image, size=size), size)
    elif case.name == "every place comes up":
        times = np.zeros(3)  # along the longer side
        for height, width in ((5, 4), (4, 5)):
            image = reference.picture(case, height, width)
            found = [reference.square_of(case, image, cut(image, size=3), 3) for _ in range(2 * ANYWHERE)]
            places = len(set(found))
            case.require(
                places == 6,
                f"a square of 3 × 3 has 6 places in an image of {height} × {width}; in {len(found)} calls, it is at {places} of them",
            )
            times += np.bincount([place[width > height] for place in found], minlength=3)
        as_often(case, times, "square")
    elif case.name == "the size that is meant by default":
        image = reference.picture(case, 32, 32)
        for _ in range(8):
            reference.square_of(case, image, cut(image), 8)
    elif case.name == "the same generator, the same squares":
        reference.same_again(case, student, "random_cutout", reference.picture(case, 12, 15), size=4)
    elif case.name == "no square":
        image = reference.picture(case, 6, 8)
        case.require(np.array_equal(cut(image, size=0), image), "a square of size 0 changes the image")
    else:
        image = reference.picture(case, 6, 6)
        case.require(not cut(image, size=6).any(), "a square as large as the image does not make all of it black")


FACTORS = 150
"""Calls in which a factor lies in any given sixth of its range but with a probability of (5/6)¹⁵⁰, about 1e-12."""


@graded(
    points=8,
    trials=1,
    tolerance=reference.ROUNDING,
    cases=[
        case("a given factor", 5),
        case("left and right exchanged", 3),
        case("factors between the given bounds", 3),
        case("the bounds that are meant by default", 1),
        case("mirrored as often as asked for", 3),
        case("the same generator, the same images", 2),
        case("an image of one brightness", 1, edge=True),
        case("a factor of zero", 1, edge=True),
    ],
    hint="Compute with floats: v − m is negative for half of the numbers, which uint8 cannot hold. Hold the results between 0 "
    "and 255, round them, and only then make them uint8.",
)
def test_random_contrast_and_flip(student, case):
    """`random_contrast_and_flip` changes the contrast about the mean, and mirrors the image with a probability."""
    rng = student.generator(case.size(0, 10**6))

    def change(image, **settings):
        before = image.copy()
        out = student.random_contrast_and_flip(Shared(image), rng, **settings)
        case.unchanged("image", image, before)
        return reference.image_like(case, "the image", out, image)

    if case.name in ("a given factor", "a factor of zero"):
        for low, high in ((0.3, 0.9), (1.3, 2.5)) if case.name == "a given factor" else ((0.0, 0.0),):
            image, factor = reference.picture(case, case.size(5, 8), case.size(9, 12), low=0), case.uniform(low, high)
            image[:2] //= 3  # so that the mean lies off the middle
            mean = reference.mean_of(image)
            exact = np.clip(mean + factor * (image - mean), 0, 255)
            out = change(image, low=factor, high=factor, flip=0.0)
            reference.rounded(case, f"the image with factor {factor:.2f}", out, exact)
    elif case.name == "left and right exchanged":
        image = reference.picture(case, 7, 10)
        for _ in range(6):
            out = change(image, low=1.0, high=1.0, flip=1.0)
            case.require(np.array_equal(out, image[:, ::-1]), "with flip = 1 and factor 1 this is not the image mirrored")
            out = change(image, low=1.0, high=1.0, flip=0.0)
            case.require(np.array_equal(out, image), "with flip = 0 and factor 1 this is not the image itself")
    elif case.name == "an image of one brightness":
        image = np.full((5, 7, 3), case.size(20, 230), np.uint8)
        case.require(np.array_equal(change(image), image), "an image of one brightness does not stay as it is")
    elif case.name == "mirrored as often as asked for":
        image = reference.picture(case, 6, 9)
        for flip in (0.25, 0.75):
            outs = [change(image, low=1.0, high=1.0, flip=flip) for _ in range(ANYWHERE)]
            times = sum(not np.array_equal(out, image) for out in outs)
            case.require(  # the standard deviation is 6.1
                abs(times - flip * ANYWHERE) <= 40,
                f"with flip = {flip}, {times} of {ANYWHERE} images are mirrored",
            )
    elif case.name == "the same generator, the same images":
        reference.same_again(case, student, "random_contrast_and_flip", reference.picture(case, 9, 11))
    else:
        image = reference.picture(case, 12, 15, low=100)
        image[image > 150] = 150  # no number gets to 0 or 255
        if "default" in case.name:
            low, high, settings = 0.6, 1.4, {}
        else:
            low = case.uniform(0.4, 1.0)
            high = low + 0.5
            settings = {"low": low, "high": high}
        factors, mirrored = [], []
        for _ in range(FACTORS):
            out = change(image, **settings)
            factors.append(float(out.std() / image.std()))
            off = [np.abs(one - image.mean() - factors[-1] * (image - image.mean())).max() for one in (out, out[:, ::-1])]
            case.require(bool(min(off) <= 1.5), "not every number of an image is changed by the same factor")
            mirrored.append(off[1] < off[0])
        factors = np.array(factors)
        within = bool((factors > low - 0.02).all() and (factors < high + 0.02).all())
        case.require(within, f"factors lie between {factors.min():.2f} and {factors.max():.2f}, where {low:.2f} and "
                     f"{high:.2f} are the bounds")  # fmt: skip
        sixth = (high - low) / 6
        reached = factors.min() < low + sixth and factors.max() > high - sixth
        case.require(bool(reached), f"factors lie between {factors.min():.2f} and {factors.max():.2f}, where any number "
                     f"from {low:.2f} to {high:.2f} is to come up")  # fmt: skip
        several = len(np.unique(factors.round(3)))
        case.require(several > FACTORS // 4, "few factors come up again and again: draw any number")
        weak = factors < (low + high) / 2
        mirrored = np.array(mirrored)
        fewest = min(int((mirrored == one)[weak == other].sum()) for one in (True, False) for other in (True, False))
        case.require(
            fewest >= 8,  # of 37.5 on average, with a standard deviation of 5.3
            "whether an image is mirrored depends on its factor: draw two numbers",
        )


CHANGES = ("random_crop", "random_rotation", "random_cutout", "random_contrast_and_flip")


@graded(
    points=5,
    trials=1,
    needs=list(CHANGES),
    cases=[
        case("the given images come first", 3),
        case("each copy goes through the four changes", 5),
        case("the labels, twice", 3),
        case("equal images get different copies", 2),
        case("one image", 1, edge=True, n=1),
    ],
    hint="For each image in turn, call the four functions one after the other, each on what the one before returned, and all "
    "with the same rng. Then put originals and copies, labels and labels one after the other.",
)
def test_augment(student, case):
    """`augment` adds a changed copy of each image, with its label."""
    n = case.given.get("n") or case.size(4, 7)
    images = np.stack([reference.picture(case, 14, 18) for _ in range(n)])
    labels = reference.array(case.labels(n, 10))
    if "equal" in case.name:
        images[:] = images[0]
    before = images.copy(), labels.copy()
    seed = case.size(0, 10**6)
    returned = student.augment(Shared(images), Shared(labels), student.generator(seed))
    case.unchanged("images", images, before[0])
    case.unchanged("labels", labels, before[1])
    both, twice = case.items("augment", returned, 2)
    both = case.array("the images", both, (2 * n, *images.shape[1:]), np.uint8)
    twice = case.array("the labels", twice, (2 * n,), np.int64)
    if "labels" in case.name or n == 1:
        case.require(np.array_equal(twice, np.tile(labels, 2)), "the labels are not those of the images, and again for the copies")
    if "first" in case.name or n == 1:
        case.require(np.array_equal(both[:n], images), "the first half of the images is not the given ones in their order")
    if "four changes" in case.name or n == 1:
        rng = student.generator(seed)
        for number, image in enumerate(images):
            for name in CHANGES:
                image = reference.image_like(case, f"what {name} gives", getattr(student, name)(image, rng), images[0])
            case.require(
                np.array_equal(both[n + number], image),
                f"copy {number + 1} is not what your four functions make of its image, in order and with default settings, "
                "when they draw from rng image by image",
            )
    if "equal" in case.name:
        different = {one.tobytes() for one in both[n:]}
        case.require(len(different) == n, "copies of equal images are equal: let every copy draw numbers of its own")
