"""A stand-in for CIFAR-10: ten classes of made-up 32×32 colour images, drawn by a seeded program.

Best validation accuracy after 20 to 40 epochs on its 4,000 training images, beside what published reports of
the same assignments give for such models on CIFAR-10, trained on ten times as many:

    linear classifier                                      41 %      41 %
    two-layer net, 200 to 500 hidden units              51–56 %      52 %
    three 3×3 convolutions of 16, 32 and 32 filters     75–79 %      76 % (a deeper net)
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from toolbox.data import layout, python2_pickle
from toolbox.data.cache import cache_folder
from toolbox.data.drawing import CLASSES, draw
from toolbox.data.errors import DataMissing

NAME = "standin"
VERSION = 1  # raise it whenever a drawn image changes; it is part of the folder's name
SEED = 20_260


def find() -> Path:
    """Return the stand-in's folder in the user's cache, drawing it there the first time.

    Raises DataMissing where the cache cannot be written.
    """
    folder = cache_folder() / f"standin-{VERSION}"
    if all((folder / name).is_file() for name in layout.ALL_FILES):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=folder.name + ".", suffix=".part", dir=folder.parent) as made:
            write_standin(Path(made))
            folder.mkdir(exist_ok=True)
            for name in layout.ALL_FILES:
                os.replace(Path(made) / name, folder / name)
    except OSError as error:
        raise DataMissing(f"The stand-in cannot be written to {folder} ({error.strerror or error}).") from None
    return folder


def announce() -> None:
    """Say on stderr what the images are."""
    print(
        "These are the stand-in's made-up images, not CIFAR-10; results on them do not compare with "
        "results on CIFAR-10.",
        file=sys.stderr,
        flush=True,
    )


def write_standin(folder: Path, images_per_file: int = 1000, seed: int = SEED) -> None:
    """Draw the stand-in and write it into a folder in CIFAR-10's layout: five training files and a test file.

    images_per_file: a multiple of ten, for every class comes up equally often in each file. The same
    arguments give the same bytes on every platform.
    """
    if images_per_file < 10 or images_per_file % 10:
        raise ValueError(f"images_per_file must be a multiple of ten, not {images_per_file}")
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate((*layout.TRAIN_FILES, layout.TEST_FILE)):
        rng = np.random.Generator(np.random.PCG64([seed, number]))
        order = np.argsort(rng.random(images_per_file), kind="stable")
        labels = np.repeat(np.arange(10), images_per_file // 10)[order]
        images = draw(labels, rng)
        entry = {
            b"batch_label": f"stand-in {name}".encode(),
            b"labels": labels.tolist(),
            b"data": images,
            b"filenames": [f"{CLASSES[k]}_{name}_{i:05d}.png".encode() for i, k in enumerate(labels)],
        }
        (folder / name).write_bytes(python2_pickle.dumps(entry))
    meta = {
        b"num_cases_per_batch": images_per_file,
        b"label_names": [name.encode() for name in CLASSES],
        b"num_vis": layout.PIXELS,
    }
    (folder / layout.META_FILE).write_bytes(python2_pickle.dumps(meta))
