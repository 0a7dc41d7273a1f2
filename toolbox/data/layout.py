"""The layout of a CIFAR-10 folder: five training files, one test file and one with the names of the classes.

Each file is a Python 2 pickle of a dictionary with byte-string keys, as described at
https://www.cs.toronto.edu/~kriz/cifar.html: `data` (n, 3072) uint8, the 1024 red values of an image row by
row, then the green, then the blue; `labels`, n numbers from 0 to 9; `filenames`; `batch_label`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolbox.data.errors import DataDamaged, DataMissing
from toolbox.data.unpickle import unpickle

TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILE = "test_batch"
META_FILE = "batches.meta"
ALL_FILES = (*TRAIN_FILES, TEST_FILE, META_FILE)
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Meta:
    """What `batches.meta` says: the names of the classes and how many images each file holds."""

    classes: tuple[str, ...]
    images_per_file: int


def md5(content: bytes) -> str:
    """Return the MD5 sum of some bytes as 32 hexadecimal digits."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def read_content(folder: Path, name: str, sums: Mapping[str, str] | None) -> bytes:
    """Return the bytes of one file of a folder, after holding them against their MD5 sum.

    Raises DataMissing where the file is not there or cannot be read, DataDamaged where its sum is another.
    """
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataMissing(f"{path} cannot be read ({error.strerror or error}).") from None
    if sums is not None and md5(content) != sums[name]:
        raise DataDamaged(
            f"{path} is not the original file: {len(content):,} bytes with another MD5 sum, so it was cut "
            "short or altered. Delete it and load again, or copy it again from where you had it."
        )
    return content


def read_meta(folder: Path, sums: Mapping[str, str] | None = None) -> Meta:
    """Read the names of the classes and the number of images per file; raises as `read_batch` does."""
    path = str(folder / META_FILE)
    found = unpickle(read_content(folder, META_FILE, sums), path)
    try:
        classes = tuple(name.decode("utf-8") for name in found[b"label_names"])
        count = int(found[b"num_cases_per_batch"])
    except (KeyError, AttributeError, TypeError, ValueError, UnicodeDecodeError):
        raise DataDamaged(f"{path} does not name the classes. Delete it and load again.") from None
    if len(classes) != 10 or count < 1:
        raise DataDamaged(f"{path} names {len(classes)} classes and {count} images per file, not ten and some.")
    return Meta(classes, count)


def read_batch(folder: Path, name: str, sums: Mapping[str, str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch file: images (n, 3072) uint8, a view of the file's bytes, and labels (n,) int64.

    sums: the MD5 sum of each file, or None to take the file as it is.
    Raises DataMissing or DataDamaged, naming the file.
    """
    path = str(folder / name)
    found = unpickle(read_content(folder, name, sums), path)
    images, numbers = found.get(b"data"), found.get(b"labels")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (PIXELS,):
        raise DataDamaged(f"{path} holds no images of 3072 bytes under the key 'data'.")
    if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n <= 9 for n in numbers):
        raise DataDamaged(f"{path} holds no list of labels from 0 to 9 under the key 'labels'.")
    if len(numbers) != len(images):
        raise DataDamaged(f"{path} holds {len(images)} images, but {len(numbers)} labels.")
    return images, np.array(numbers, dtype=np.int64)


def too_few(path: Path, held: int, wanted: int) -> DataDamaged:
    """Return the error for a batch file with fewer images than `batches.meta` says."""
    return DataDamaged(f"{path} holds {held} images, but {META_FILE} says at least {wanted}. Delete it and load again.")
