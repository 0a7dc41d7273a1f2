"""The data sets that the notebooks use: CIFAR-10, and a stand-in for machines without it.

`load()` gives CIFAR-10, unless `use("standin")` or TOOLBOX_DATA=standin says otherwise;
`Solver(model, load().as_dict())` trains on it.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from toolbox.data import cifar10, layout, standin
from toolbox.data.dataset import (
    PARTS,
    Data,
    Part,
    check_parts,
    files_for,
    mean_of,
    read_part,
    split,
    to_pixels,
)
from toolbox.data.errors import DataDamaged, DataError, DataMissing

__all__ = [
    "Data", "DataDamaged", "DataError", "DataMissing", "Part", "current", "forget", "load", "mean_pixel",
    "unnormalise", "use",
]  # fmt: skip

VARIABLE = "TOOLBOX_DATA"
NAMES = (cifar10.NAME, standin.NAME)

_chosen: str | None = None
_loaded: dict[tuple[Path, str], tuple[Part, tuple[int, int]]] = {}
_means: dict[Path, Tensor] = {}


def use(name: str | None) -> None:
    """Choose the data set that `load()` gives in this process; None goes back to the environment's choice.

    Raises ValueError where there is no such data set.
    """
    global _chosen
    _chosen = None if name is None else _known(name, "use")


def current() -> str:
    """Return the name of the data set that `load()` gives.

    It is what `use` chose, else what TOOLBOX_DATA names, else "cifar10".
    """
    return _chosen or _known(os.environ.get(VARIABLE) or cifar10.NAME, VARIABLE)


def load(
    name: str | None = None,
    *,
    parts: Iterable[str] = PARTS,
    num_train: int | None = None,
    classes: Sequence[int] = (),
) -> Data:
    """Load a data set, prepared as the course prepares it: divided by 255, minus the mean of each channel.

    name: "cifar10" or "standin", None for `current()`. The stand-in says on stderr that it is one.
    parts: which of "train" (the first 80 % of the training images), "val" (the last 20 %) and "test" to load;
    only the files that hold them are read. num_train: only the first that many training images. classes: only
    images of these classes, by number, see `Data.only`; none means all. What is loaded is kept and shared by
    later calls in this process. Raises ValueError at an unknown name or class, DataMissing where a file is
    nowhere, DataDamaged where one is not whole.
    """
    name = current() if name is None else _known(name, "load")
    asked = check_parts(parts)
    if num_train is not None and num_train < 1:
        raise ValueError(f"num_train must be at least 1, not {num_train}")
    if classes:
        return load(name, parts=asked).only(classes, num_train=num_train)
    folder, sums = _folder(name, asked, num_train)
    meta = layout.read_meta(folder, sums)
    mean = _mean(name, folder)
    found = {}
    for part, images in split(meta.images_per_file).items():
        if part in asked:
            wanted = images[:num_train] if part == "train" else images
            found[part] = _keep(folder, part, files_for(part, wanted, meta.images_per_file), mean, sums)
    return Data(name, meta.classes, mean.clone(), found)


def forget() -> None:
    """Let go of what `load` keeps for later calls; whoever holds it goes on holding it."""
    _loaded.clear()


def mean_pixel(name: str | None = None) -> Tensor:
    """Return the mean (3,) of each channel that `load` subtracts, on the scale from 0 to 1."""
    name = current() if name is None else _known(name, "mean_pixel")
    return _mean(name, Path() if name == cifar10.NAME else standin.find()).clone()


def unnormalise(images: Tensor, mean: Tensor | None = None) -> Tensor:
    """Return prepared images as pixels, ready for `imshow`: (…, 3, H, W) floats to (…, H, W, 3) uint8.

    mean: (3,) what was subtracted; None for that of the data set in use.
    """
    return to_pixels(images, mean_pixel() if mean is None else mean)


def _known(name: str, where: str) -> str:
    if name not in NAMES:
        raise ValueError(f"{where}: there is no data set {name!r}; there are {' and '.join(NAMES)}")
    return name


def _folder(name: str, parts: tuple[str, ...], num_train: int | None) -> tuple[Path, dict[str, str] | None]:
    """Return the folder of a data set and the MD5 sums that its files must have, if they are known."""
    if name == standin.NAME:
        folder = standin.find()
        standin.announce()
        return folder, None
    needed = {layout.META_FILE}
    for part, images in split(cifar10.IMAGES_PER_FILE).items():
        if part in parts:
            needed.update(files_for(part, images[:num_train] if part == "train" else images, cifar10.IMAGES_PER_FILE))
    return cifar10.find(sorted(needed)), cifar10.SUMS


def _mean(name: str, folder: Path) -> Tensor:
    if name == cifar10.NAME:
        return torch.tensor(cifar10.MEAN)
    if folder not in _means:
        _means[folder] = torch.tensor(mean_of(folder))
    return _means[folder]


def _keep(folder: Path, name: str, files: dict[str, range], mean: Tensor, sums: dict[str, str] | None) -> Part:
    """Return a part from memory, or read it; one whose tensors were changed in place is read again."""
    count = sum(len(places) for places in files.values())
    part, versions = _loaded.get((folder, name), (None, (0, 0)))
    if part is None or len(part.y) < count or versions != (part.X._version, part.y._version):
        part = read_part(folder, files, mean, sums)
        _loaded[folder, name] = part, (part.X._version, part.y._version)
    return Part(part.X[:count], part.y[:count])
