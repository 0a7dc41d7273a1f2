"""CIFAR-10: where it is found, how it is fetched, and the sums that its files must have.

A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009;
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from toolbox.data import download, layout
from toolbox.data.cache import cache_folder
from toolbox.data.errors import DataDamaged, DataMissing

NAME = "cifar10"
VARIABLE = "CIFAR10_DIR"
FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
URL = "https://www.cs.toronto.edu/~kriz/" + ARCHIVE
IMAGES_PER_FILE = 10_000
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"  # as the page above gives it

SUMS = {  # MD5, taken from the original files
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}

# The sums of all red, green and blue bytes of the 50,000 training images, and from them the mean of each
# channel on the scale from 0 to 1. Kept here so that a part of the data can be loaded without reading the
# rest.
CHANNEL_SUMS = (6_415_714_204, 6_295_060_180, 5_829_907_619)
MEAN = tuple(total / (255 * 1024 * 5 * IMAGES_PER_FILE) for total in CHANNEL_SUMS)


def find(files: Iterable[str] = layout.ALL_FILES) -> Path:
    """Return the folder with the batch files, downloading them into the user's cache if they are nowhere.

    The folder that CIFAR10_DIR names, if it names one; else the user's cache; else an archive laid there by
    hand; else the download. `files` are the ones that must be there. Raises DataMissing where CIFAR10_DIR
    names a wrong folder or the download fails, DataDamaged where an archive is not the right one.
    """
    files = tuple(files)
    named = os.environ.get(VARIABLE, "")
    if named:
        return _named(Path(named).expanduser(), files)
    folder = cache_folder() / FOLDER
    if _lacking(folder, files):
        _fill(folder)
    return folder


def _lacking(folder: Path, files: Iterable[str]) -> list[str]:
    return [name for name in files if not (folder / name).is_file()]


def _named(folder: Path, files: tuple[str, ...]) -> Path:
    """Return the folder named by CIFAR10_DIR, or say what is wrong with it."""
    if not folder.is_dir():
        raise DataMissing(f"{VARIABLE} names {folder}, and there is no such folder. Correct it, or unset it.")
    lacking = _lacking(folder, files)
    if not lacking:
        return folder
    hint = f"It must name the folder that holds {', '.join(layout.ALL_FILES[:2])} and so on themselves."
    if not _lacking(folder / FOLDER, files):
        hint = f"They are in {folder / FOLDER}: let {VARIABLE} name that folder."
    elif (folder / ARCHIVE).is_file():
        hint = f"{ARCHIVE} lies there: unpack it, and let {VARIABLE} name the folder {FOLDER} from it."
    verb = "is" if len(lacking) == 1 else "are"
    raise DataMissing(f"{VARIABLE} names {folder}, but {', '.join(lacking)} {verb} not in it. {hint}")


def _fill(folder: Path) -> None:
    """Put the batch files into the cache, from an archive that lies there or from the network."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataMissing(f"{folder.parent} cannot be made ({error.strerror or error}). {ways_out()}") from None
    laid = folder.parent / ARCHIVE
    if laid.is_file():
        download.extract(laid, folder, SUMS)
        return
    fetched = folder.parent / f"{ARCHIVE}.{os.getpid()}"
    try:
        download.fetch(URL, fetched, ARCHIVE_MD5)
        download.extract(fetched, folder, SUMS)
    except DataMissing as error:
        raise DataMissing(f"CIFAR-10 is not on this machine, and {error}. {ways_out()}") from None
    except DataDamaged as error:
        raise DataDamaged(f"{error} {ways_out()}") from None
    finally:
        fetched.unlink(missing_ok=True)


def ways_out() -> str:
    """Return the sentence that says how to go on where CIFAR-10 cannot be downloaded."""
    return (
        f"Ways out: set {VARIABLE} to a folder that holds data_batch_1 to data_batch_5, test_batch and "
        f"batches.meta; or put {ARCHIVE} into {cache_folder()}; or, to try things out on made-up images, "
        'ask for the stand-in by name: load("standin") in a notebook, --data standin on a command line, '
        'data = "standin" in the file course.toml of a course.'
    )
