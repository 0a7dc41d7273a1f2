"""A data set in memory: images as the course prepares them, and labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from toolbox.data import layout
from toolbox.data.errors import DataError

PARTS = ("train", "val", "test")
BLOCK = 500  # images converted at a time, so that both passes over them stay in the processor's cache


@dataclass(frozen=True)
class Part:
    """The images (n, 3, 32, 32) float32 and labels (n,) int64 of one part of a data set."""

    X: Tensor
    y: Tensor


@dataclass(frozen=True)
class Data:
    """A data set split into training, validation and test images.

    Images are (N, 3, 32, 32) float32: pixel / 255, minus `mean`, the mean of each channel over all training
    images, validation included. Labels are (N,) int64, numbers into `classes`. Asking for a part that was not
    loaded raises DataError. Calls of `load` share these tensors: treat them as read-only.
    """

    name: str
    classes: tuple[str, ...]
    mean: Tensor
    parts: Mapping[str, Part] = field(repr=False)

    @property
    def X_train(self) -> Tensor:
        """Training images (N, 3, 32, 32)."""
        return self._part("train").X

    @property
    def y_train(self) -> Tensor:
        """Training labels (N,)."""
        return self._part("train").y

    @property
    def X_val(self) -> Tensor:
        """Validation images (N, 3, 32, 32)."""
        return self._part("val").X

    @property
    def y_val(self) -> Tensor:
        """Validation labels (N,)."""
        return self._part("val").y

    @property
    def X_test(self) -> Tensor:
        """Test images (N, 3, 32, 32)."""
        return self._part("test").X

    @property
    def y_test(self) -> Tensor:
        """Test labels (N,)."""
        return self._part("test").y

    def _part(self, name: str) -> Part:
        if name not in self.parts:
            raise DataError(
                f'The part "{name}" of {self.name} was not loaded, only {", ".join(self.parts)}. '
                "Name it in load(parts=...), or leave parts out."
            )
        return self.parts[name]

    def as_dict(self, num_train: int | None = None) -> dict[str, Tensor]:
        """Return the loaded parts as `{"X_train": …, "y_train": …, "X_val": …}`, as the Solver takes them.

        num_train: only the first that many training images. No image is copied.
        """
        found = {}
        for name, part in self.parts.items():
            stop = num_train if name == "train" else None
            found[f"X_{name}"], found[f"y_{name}"] = part.X[:stop], part.y[:stop]
        return found

    def only(self, classes: Sequence[int], *, num_train: int | None = None) -> "Data":
        """Return the images of some classes, in the order they have here; labels count those classes from 0.

        classes: their numbers here, in the order that they are to have. num_train: only the first that many
        training images. Raises ValueError where there is no such class, or one is named twice.
        """
        for number in classes:
            if not 0 <= number < len(self.classes) or list(classes).count(number) > 1:
                raise ValueError(f"classes: {number} is none of 0 to {len(self.classes) - 1}, or named twice")
        parts = {}
        for name, part in self.parts.items():
            matches = part.y[:, None] == torch.tensor(list(classes))
            chosen = matches.any(dim=1).nonzero()[:, 0][: num_train if name == "train" else None]
            parts[name] = Part(part.X[chosen], matches[chosen].int().argmax(dim=1))
        return Data(self.name, tuple(self.classes[number] for number in classes), self.mean, parts)

    def unnormalise(self, images: Tensor) -> Tensor:
        """Return prepared images as pixels, ready for `imshow`; see `toolbox.data.unnormalise`."""
        return to_pixels(images, self.mean)


def to_pixels(images: Tensor, mean: Tensor) -> Tensor:
    """Undo the preparation: (…, 3, H, W) floats around zero become (…, H, W, 3) uint8 from 0 to 255."""
    floats = images.detach().cpu()
    if floats.dtype not in (torch.float32, torch.float64):
        floats = floats.float()
    scaled = (floats + mean.to(floats.dtype)[:, None, None]).mul_(255)
    return scaled.round_().clamp_(0, 255).to(torch.uint8).movedim(-3, -1).contiguous()


def split(images_per_file: int) -> dict[str, range]:
    """Return which images each part is: the first 80 % train, the last 20 % validate, the test file tests."""
    total = images_per_file * len(layout.TRAIN_FILES)
    first_val = total * 4 // 5
    return {"train": range(first_val), "val": range(first_val, total), "test": range(images_per_file)}


def files_for(name: str, images: range, images_per_file: int) -> dict[str, range]:
    """Return which batch files hold some images of a part, and which places in each file."""
    if name == "test":
        return {layout.TEST_FILE: images}
    found = {}
    for number, file in enumerate(layout.TRAIN_FILES):
        start = number * images_per_file
        places = range(max(images.start - start, 0), min(images.stop - start, images_per_file))
        if places:
            found[file] = places
    return found


def read_part(folder: Path, files: Mapping[str, range], mean: Tensor, sums: Mapping[str, str] | None) -> Part:
    """Read and prepare images from batch files, file by file, so that no whole copy of the pixels is made."""
    total = sum(len(places) for places in files.values())
    X = torch.from_numpy(np.empty((total, 3, 32, 32), dtype=np.float32))  # NumPy asks for pages of megabytes
    y = torch.empty(total, dtype=torch.int64)
    filled = 0
    for file, places in files.items():
        images, labels = layout.read_batch(folder, file, sums)
        if len(images) < places.stop:
            raise layout.too_few(folder / file, len(images), places.stop)
        _prepare(images[places.start : places.stop], mean, X.numpy()[filled : filled + len(places)])
        y.numpy()[filled : filled + len(places)] = labels[places.start : places.stop]
        filled += len(places)
    return Part(X, y)


def _prepare(images: np.ndarray, mean: Tensor, out: np.ndarray) -> None:
    """Write pixel / 255 − mean of (n, 3072) uint8 into (n, 3, 32, 32) float32."""
    shift = mean.numpy()[:, None, None]
    for start in range(0, len(images), BLOCK):
        block = out[start : start + BLOCK]
        pixels = images[start : start + BLOCK].reshape(-1, 3, 32, 32)
        np.divide(pixels, np.float32(255), out=block)
        np.subtract(block, shift, out=block)


def mean_of(folder: Path, sums: Mapping[str, str] | None = None) -> tuple[float, ...]:
    """Compute the mean of each channel over all training images, on the scale from 0 to 1.

    The sums are of whole numbers, so the result does not depend on the order of the additions.
    """
    totals, count = np.zeros(3, dtype=np.int64), 0
    for file in layout.TRAIN_FILES:
        images, _ = layout.read_batch(folder, file, sums)
        totals += images.reshape(-1, 3, 1024).sum(axis=(0, 2), dtype=np.int64)
        count += len(images)
    return tuple(int(total) / (255 * 1024 * count) for total in totals)


def check_parts(parts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of parts in the order of the data set; raises ValueError at an unknown name."""
    asked = (parts,) if isinstance(parts, str) else tuple(parts)
    for name in asked:
        if name not in PARTS:
            raise ValueError(f"parts are {', '.join(PARTS)}; {name!r} is none of them")
    return tuple(name for name in PARTS if name in asked)
