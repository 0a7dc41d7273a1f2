import contextlib
import io
import os
import pickle
import shutil
import socket
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import torch

from toolbox import data
from toolbox.data import DataDamaged, DataMissing, cifar10, download, layout, python2_pickle
from toolbox.data.dataset import mean_of


@contextlib.contextmanager
def served(content, announced=None):
    """Serve some bytes from this machine, with a length that may be a lie; give the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            if announced != "":
                self.send_header("Content-Length", str(announced or len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{cifar10.ARCHIVE}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def offline(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{port}/{cifar10.ARCHIVE}")


@pytest.fixture
def named(small, monkeypatch):
    monkeypatch.setenv(cifar10.VARIABLE, str(small))
    return small


def everything_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) if folder.exists() else []


# Found where CIFAR10_DIR says


def test_the_named_folder_is_used(named):
    loaded = data.load()
    assert loaded.name == "cifar10" and len(loaded.y_train) == 80
    assert cifar10.find() == named


def test_a_named_folder_that_is_not_there_is_an_error_and_nothing_else_is_tried(own_cache, small, monkeypatch):
    own_cache.mkdir(parents=True)
    small.rename(own_cache / cifar10.FOLDER)
    assert len(data.load(parts=["test"]).y_test) == 20
    monkeypatch.setenv(cifar10.VARIABLE, "/no/such/folder")
    with pytest.raises(DataMissing, match=r"CIFAR10_DIR names .*no.such.folder, and there is no such folder"):
        data.load()


def test_a_named_folder_without_the_files_says_what_is_missing(small, monkeypatch, tmp_path):
    monkeypatch.setenv(cifar10.VARIABLE, str(small))
    (small / "data_batch_3").unlink()
    with pytest.raises(DataMissing, match="data_batch_3 is not in it"):
        data.load()
    assert len(data.load(parts=("val", "test")).y_val) == 20


def test_a_folder_one_too_high_is_told_which_one_is_meant(small, monkeypatch, tmp_path):
    small.rename(tmp_path / cifar10.FOLDER)
    monkeypatch.setenv(cifar10.VARIABLE, str(tmp_path))
    with pytest.raises(DataMissing, match="let CIFAR10_DIR name that folder"):
        data.load()


def test_a_folder_with_the_archive_alone_is_told_to_unpack_it(archive, monkeypatch):
    monkeypatch.setenv(cifar10.VARIABLE, str(archive.parent))
    with pytest.raises(DataMissing, match="unpack it"):
        data.load()


# Whole or not


def test_an_altered_file_is_named(named):
    path = named / "data_batch_2"
    content = bytearray(path.read_bytes())
    content[-5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataDamaged, match=r"data_batch_2 is not the original file.*Delete it"):
        data.load()


def test_a_truncated_file_is_named(named):
    path = named / "test_batch"
    path.write_bytes(path.read_bytes()[:-1000])
    assert len(data.load(parts=["val"]).y_val) == 20
    with pytest.raises(DataDamaged, match=r"test_batch.*cut short"):
        data.load()


def test_a_command_in_a_batch_file_is_not_run_even_with_the_right_sum(named, monkeypatch, tmp_path):
    class Command:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    content = pickle.dumps({"data": Command(), "labels": []}, protocol=2)
    (named / "data_batch_1").write_bytes(content)
    monkeypatch.setitem(cifar10.SUMS, "data_batch_1", layout.md5(content))
    with pytest.raises(DataDamaged, match=r"data_batch_1 .*mkdir; only arrays and plain values"):
        data.load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({b"data": np.zeros((20, 3071), np.uint8)}, "no images of 3072 bytes"),
        ({b"labels": [0] * 19}, "20 images, but 19 labels"),
        ({b"labels": [10] * 20}, "labels from 0 to 9"),
        ({b"labels": b"abc"}, "no list of labels"),
        ({b"data": np.zeros((5, 3072), np.uint8), b"labels": [0] * 5}, "holds 5 images"),
    ],
)
def test_a_batch_file_of_another_layout_is_named(named, monkeypatch, change, says):
    entry = {b"data": np.zeros((20, 3072), np.uint8), b"labels": [0] * 20} | change
    (named / "test_batch").write_bytes(python2_pickle.dumps(entry))
    monkeypatch.setitem(cifar10.SUMS, "test_batch", layout.md5((named / "test_batch").read_bytes()))
    with pytest.raises(DataDamaged, match=f"test_batch.*{says}"):
        data.load()


# Downloaded


def test_it_is_downloaded_once_with_a_progress_bar(archive, own_cache, monkeypatch, capsys):
    with served(archive.read_bytes()) as url:
        monkeypatch.setattr(cifar10, "URL", url)
        assert len(data.load().y_train) == 80
    assert "downloading cifar-10-python.tar.gz: 100%" in capsys.readouterr().err
    assert everything_in(own_cache) == sorted(
        [cifar10.FOLDER, *(os.path.join(cifar10.FOLDER, name) for name in layout.ALL_FILES)]
    )
    monkeypatch.setattr(data, "_loaded", {})
    assert len(data.load().y_train) == 80  # the server is gone


def test_a_server_that_does_not_say_how_long_it_is_will_do(archive, monkeypatch):
    with served(archive.read_bytes(), announced="") as url:
        monkeypatch.setattr(cifar10, "URL", url)
        assert cifar10.find().is_dir()


def test_no_network_names_the_ways_out(offline, own_cache):
    with pytest.raises(DataMissing) as caught:
        data.load()
    for way in ("CIFAR10_DIR", "data_batch_1", str(own_cache), cifar10.ARCHIVE, 'load("standin")', "refused"):
        assert way in str(caught.value)
    assert everything_in(own_cache) == []


def test_the_stand_in_never_stands_in_by_itself(offline, own_cache):
    with pytest.raises(DataMissing):
        data.load("cifar10")
    assert everything_in(own_cache) == []


def test_an_interrupted_transfer_leaves_nothing(archive, own_cache, monkeypatch):
    content = archive.read_bytes()
    with served(content[: len(content) // 2], announced=len(content)) as url:
        monkeypatch.setattr(cifar10, "URL", url)
        with pytest.raises(DataMissing, match=r"broke off after .* MB.*Ways out"):
            data.load()
    assert everything_in(own_cache) == []


def test_a_login_page_instead_of_the_archive_is_refused(own_cache, monkeypatch):
    with served(b"<html>Please log in</html>") as url:
        monkeypatch.setattr(cifar10, "URL", url)
        with pytest.raises(DataDamaged, match="is not the archive"):
            data.load()
    assert everything_in(own_cache) == []


@pytest.mark.parametrize("step", ["update", "extract", "put"])
def test_ctrl_c_leaves_nothing_half_made(archive, own_cache, monkeypatch, step):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    if step == "update":
        real_bar = download.bytes_bar

        def bar(*args):
            made = real_bar(*args)
            made.update = interrupt
            return made

        monkeypatch.setattr(download, "bytes_bar", bar)
    else:
        monkeypatch.setattr(download, "_take" if step == "extract" else "_put", interrupt)
    with served(archive.read_bytes()) as url:
        monkeypatch.setattr(cifar10, "URL", url)
        with pytest.raises(KeyboardInterrupt):
            data.load()
        assert everything_in(own_cache) in ([], [cifar10.FOLDER])


def test_a_file_deleted_from_the_cache_comes_back(archive, own_cache, monkeypatch):
    with served(archive.read_bytes()) as url:
        monkeypatch.setattr(cifar10, "URL", url)
        folder = cifar10.find()
        (folder / "data_batch_4").unlink()
        assert (cifar10.find() / "data_batch_4").is_file()


def test_an_archive_laid_into_the_cache_by_hand_is_used_and_kept(archive, own_cache, offline):
    own_cache.mkdir(parents=True)
    laid = own_cache / cifar10.ARCHIVE
    laid.write_bytes(archive.read_bytes())
    assert len(data.load().y_test) == 20
    assert laid.exists()


def test_a_damaged_archive_laid_there_is_named(archive, own_cache):
    own_cache.mkdir(parents=True)
    laid = own_cache / cifar10.ARCHIVE
    for content in (archive.read_bytes()[:-2000], b"no archive at all", b""):
        laid.write_bytes(content)
        with pytest.raises(DataDamaged, match=f"{cifar10.ARCHIVE} is no whole"):
            data.load()
        assert everything_in(own_cache) in ([cifar10.ARCHIVE], [cifar10.FOLDER, cifar10.ARCHIVE])


def test_only_expected_regular_files_are_taken_from_an_archive(small, tmp_path):
    path, folder = tmp_path / "odd.tar.gz", tmp_path / "out" / "batches"
    with tarfile.open(path, "w:gz") as tar:
        for name in layout.ALL_FILES[1:]:
            tar.add(small / name, arcname=f"../../{name}")
        extra = tarfile.TarInfo("../../evil.py")
        extra.size = 4
        tar.addfile(extra, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("data_batch_1")
        link.type, link.linkname = tarfile.SYMTYPE, str(small / "data_batch_1")
        tar.addfile(link)
    with pytest.raises(DataDamaged, match="lacks data_batch_1 in the original form"):
        download.extract(path, folder, cifar10.SUMS)
    assert everything_in(tmp_path / "out") == ["batches"]
    with tarfile.open(path, "w:gz") as tar:
        for name in layout.ALL_FILES:
            tar.add(small / name, arcname=f"../../{name}")
    download.extract(path, folder, cifar10.SUMS)
    assert everything_in(folder) == sorted(layout.ALL_FILES)
    assert not (tmp_path.parent / "data_batch_1").exists()


def test_a_cache_that_cannot_be_made_names_the_ways_out(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataMissing, match=r"cannot be made.*Ways out"):
        data.load()
    with pytest.raises(DataMissing, match="cannot be written"):
        data.load("standin")


# The real thing


@pytest.mark.cifar10
def test_the_stored_mean_is_that_of_the_real_images(real):
    assert mean_of(real, cifar10.SUMS) == cifar10.MEAN


@pytest.mark.cifar10
def test_the_real_data_set_is_whole_and_prepared(real):
    loaded = data.load()
    shapes = [tuple(x.shape) for x in (loaded.X_train, loaded.X_val, loaded.X_test)]
    assert shapes == [(40_000, 3, 32, 32), (10_000, 3, 32, 32), (10_000, 3, 32, 32)]
    assert loaded.classes[:3] == ("airplane", "automobile", "bird") and loaded.classes[9] == "truck"
    assert torch.bincount(loaded.y_test).tolist() == [1000] * 10
    assert loaded.y_train[:5].tolist() == [6, 9, 9, 4, 1]
    total = loaded.X_train.mean((0, 2, 3), dtype=torch.float64) * 0.8
    total += loaded.X_val.mean((0, 2, 3), dtype=torch.float64) * 0.2
    assert total.abs().max() < 1e-6
    pixels, _ = layout.read_batch(real, "data_batch_5")
    expected = torch.tensor(pixels[:3]).reshape(3, 3, 32, 32).movedim(1, -1)
    assert torch.equal(loaded.unnormalise(loaded.X_val[:3]), expected)


@pytest.mark.cifar10
def test_what_a_grader_needs_takes_two_files_and_little_time(real, tmp_path, monkeypatch):
    for name in ("data_batch_1", "data_batch_5", "batches.meta"):
        shutil.copy(real / name, tmp_path / name)
    monkeypatch.setenv(cifar10.VARIABLE, str(tmp_path))
    start = time.perf_counter()
    loaded = data.load(parts=("train", "val"), num_train=50)
    assert time.perf_counter() - start < 5
    assert loaded.X_train.shape == (50, 3, 32, 32) and len(loaded.y_val) == 10_000
