"""Data sets small enough for tests, and the real one where it is at hand."""

import tarfile

import pytest

from toolbox import data
from toolbox.data import cifar10, layout, standin


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Every test has an empty cache of its own, and no choice of data set."""
    for name in (cifar10.VARIABLE, data.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "_chosen", None)
    monkeypatch.setattr(data, "_loaded", {})
    monkeypatch.setattr(data, "_means", {})
    return tmp_path / "cache" / "coursekit"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder with a small stand-in, 20 images a file."""
    folder = tmp_path_factory.mktemp("drawn")
    standin.write_standin(folder, images_per_file=20)
    return folder


@pytest.fixture
def small(drawn, tmp_path, monkeypatch):
    """A small data set that passes for CIFAR-10 in this test; the folder may be changed."""
    folder = tmp_path / "small"
    folder.mkdir()
    for name in layout.ALL_FILES:
        (folder / name).write_bytes((drawn / name).read_bytes())
    monkeypatch.setattr(cifar10, "SUMS", {name: layout.md5((folder / name).read_bytes()) for name in layout.ALL_FILES})
    monkeypatch.setattr(cifar10, "IMAGES_PER_FILE", 20)
    return folder


@pytest.fixture
def archive(small, tmp_path, monkeypatch):
    """The same data set as the archive that would be downloaded."""
    path = tmp_path / "served" / cifar10.ARCHIVE
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        tar.add(small, arcname=cifar10.FOLDER)
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", layout.md5(path.read_bytes()))
    return path


@pytest.fixture
def real(cifar10_dir, monkeypatch):
    """The folder of the real CIFAR-10, which `load` then finds; the test is skipped where there is none."""
    monkeypatch.setenv(cifar10.VARIABLE, str(cifar10_dir))
    return cifar10_dir
