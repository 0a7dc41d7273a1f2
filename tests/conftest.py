"""What tests share: where the real data set is, and how many threads torch may take."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded: the suite runs on every core already

import shutil
import signal
import tarfile
import tempfile
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
BESIDE = REPOSITORY.parent / "shared" / "data" / "cifar-10-python.tar.gz"
"""Where the real CIFAR-10 may lie beside the checkout."""

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job hands on that Ctrl-C is ignored
torch.set_num_threads(1)


def _unpack(archive: Path) -> Path:
    """Unpack the batch files into build/data, once, and return their folder."""
    folder = REPOSITORY / "build" / "data" / "cifar-10-batches-py"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            with tarfile.open(archive) as tar:
                tar.extractall(temporary, filter="data")
            try:
                os.rename(Path(temporary) / folder.name, folder)
            except OSError:  # another worker was faster
                shutil.rmtree(Path(temporary) / folder.name)
    return folder


if not os.environ.get("CIFAR10_DIR") and BESIDE.is_file():
    os.environ["CIFAR10_DIR"] = str(_unpack(BESIDE))


@pytest.fixture(scope="session")
def cifar10_dir() -> Path:
    """Give the folder of the real CIFAR-10, or skip the test."""
    folder = os.environ.get("CIFAR10_DIR")
    if not folder:
        pytest.skip("the real CIFAR-10 is not here: set CIFAR10_DIR to the folder of its batch files")
    return Path(folder)
