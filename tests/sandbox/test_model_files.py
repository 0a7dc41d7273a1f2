"""Saved models: good ones are read, traps are refused with a sentence a student understands."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autograder.sandbox import BadModel, Preloaded, inspect_archive

Read = Callable[..., Any]


@pytest.fixture
def read(best: Preloaded, tmp_path: Path) -> Read:
    """Save something, look at the archive, read it in a jail."""

    def saved_and_read(content: Any, name: str = "net.pth") -> Any:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        inspect_archive(path.name, path.read_bytes(), max_bytes=32 << 20)
        with best.start({name: path}) as jail:
            return jail.read_tensors(name, seconds=30)

    return saved_and_read


def test_a_checkpoint_is_read_as_plain_values(read: Read) -> None:
    weights = {"W1": torch.randn(30, 4), "b1": torch.zeros(4, dtype=torch.float64)}
    got = read({"reg": 0.5, "dtype": torch.float32, "params": weights, "use_dropout": False, "layers": [1, (2, None)]})
    assert got["reg"] == 0.5 and got["dtype"] is torch.float32 and got["layers"] == [1, (2, None)]
    assert torch.equal(got["params"]["W1"], weights["W1"]) and got["params"]["b1"].dtype is torch.float64


def test_what_students_save_by_the_way_is_fine(read: Read) -> None:
    base = torch.randn(6, 4)
    got = read(
        OrderedDict(
            parameter=torch.nn.Parameter(base.clone()), transposed=base.T, part=base[2:4], alias=base,
            number=np.float64(0.25), count=np.int64(3), array=np.arange(6.0).reshape(2, 3), device=torch.device("cpu"),
            half=base.bfloat16(), shape=base.shape,
        )
    )  # fmt: skip
    assert type(got["parameter"]) is torch.Tensor
    assert torch.equal(got["transposed"], base.T) and torch.equal(got["part"], base[2:4])
    assert got["number"] == 0.25 and got["count"] == 3 and got["array"].shape == (2, 3) and got["shape"] == (6, 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"params": {"W1": np.zeros(2)}}, "holds objects, such as lists or dictionaries; save arrays of numbers with np.savez"),
        ({"history": [1, [2, 3]]}, "holds objects"),
        (None, "did not write, maybe torch.save; save arrays of numbers with np.savez"),
    ],
)
def test_an_npz_file_that_holds_no_arrays_says_how_to_save_them(read: Read, content: Any, said: str) -> None:
    out = io.BytesIO()
    if content is None:
        torch.save({"W1": torch.zeros(2)}, out)
    else:
        np.savez(out, **{name: np.array(value, dtype=object) for name, value in content.items()})
    with pytest.raises(BadModel, match=re.escape(said)):
        read(out.getvalue(), "net.npz")


def on_gpu(archive: bytes) -> bytes:
    """Rewrite an archive as if its tensors had lain on a GPU."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                content = content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            target.writestr(entry.filename, content)
    return out.getvalue()


def saved(content: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, **options)
    return out.getvalue()


def test_tensors_saved_on_a_gpu_are_read(read: Read, best: Preloaded) -> None:
    archive = on_gpu(saved({"w": torch.arange(4)}))
    assert read(archive)["w"].tolist() == [0, 1, 2, 3]
    source = b"import torch\nw = torch.load('net.pth', weights_only=True)['w']"
    with best.start({"net.pth": archive, "m.py": source}) as jail:
        jail.import_module("m", seconds=20)
        assert jail.get(0, "w", seconds=10).tolist() == [0, 1, 2, 3]


def test_npz_files_are_read(read: Read) -> None:
    out = io.BytesIO()
    np.savez(out, W=np.ones((3, 4)), b=np.zeros(2))
    got = read(out.getvalue(), "net.npz")
    assert got["W"].shape == (3, 4) and got["b"].tolist() == [0, 0]


class Command:
    def __reduce__(self) -> tuple:
        return os.system, ("touch planted",)


class MyTensor(torch.Tensor):
    pass


def deflated(archive: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    return out.getvalue()


def overlapping(archive: bytes) -> bytes:
    """Point every entry of the directory at the first entry's bytes."""
    changed = bytearray(archive)
    at = 0
    while (at := changed.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<I", changed, at + 42, 0)
        at += 4
    return bytes(changed)


def understating(archive: bytes) -> bytes:
    """Claim in the directory that an entry is larger than the file."""
    changed = bytearray(archive)
    at = changed.find(b"PK\x01\x02")
    struct.pack_into("<II", changed, at + 20, 1 << 30, 1 << 30)
    return bytes(changed)


def far_away(archive: bytes) -> bytes:
    """Claim in the directory that the last entry begins at the end of all addresses."""
    changed = bytearray(archive)
    at = changed.rfind(b"PK\x01\x02")
    end = changed.rfind(b"PK\x05\x06")
    name, old = struct.unpack_from("<HH", changed, at + 28)
    far = struct.pack("<HHQ", 1, 8, (1 << 64) - 1)
    struct.pack_into("<H", changed, at + 30, len(far))
    struct.pack_into("<I", changed, at + 42, 0xFFFFFFFF)
    struct.pack_into("<I", changed, end + 12, struct.unpack_from("<I", changed, end + 12)[0] + len(far) - old)
    changed[at + 46 + name : at + 46 + name + old] = far
    return bytes(changed)


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


GOOD = saved({"w": torch.zeros(1000)})
STORAGE = torch.zeros(1 << 20)
TRAPS = {
    "a command": (saved({"w": Command()}), "objects that are no tensors or numbers"),
    "an expanded tensor": (saved({"w": torch.zeros(1).expand(10**6, 10**6)}), "expanded"),
    "a sparse tensor": (saved({"w": torch.eye(2).to_sparse()}), "sparse|no tensors"),
    "a meta tensor": (saved({"w": torch.empty(10**6, 10**6, device="meta")}), "without data|no tensors"),
    "a subclass": (saved({"w": torch.zeros(2).as_subclass(MyTensor)}), "no tensors or numbers|of type"),
    "an object array": (saved({"w": np.array([{}, 1], dtype=object)}), "dtype object|no tensors"),
    "a set": (saved({"w": {1, 2}}), "of type set|no tensors"),
    "a module": (saved(torch.nn.Linear(2, 2)), "no tensors or numbers"),
    "a function": (saved({"w": torch.nn.functional.relu}), "no tensors or numbers"),
    "deflated entries": (deflated(GOOD), "compressed"),
    "overlapping entries": (overlapping(GOOD), "overlap"),
    "a lying size": (understating(GOOD), "damaged"),
    "an entry beyond all addresses": (far_away(GOOD), "damaged"),
    "the old format": (saved({"w": torch.zeros(3)}, _use_new_zipfile_serialization=False), "old format"),
    "a bare pickle": (pickle.dumps({"w": 1}), "old format"),
    "nothing": (b"", "empty"),
    "a notebook": (b'{"cells": []}', "not a saved model"),
    "half a file": (GOOD[: len(GOOD) // 2], "damaged"),
    "an empty zip": (b"PK\x05\x06" + bytes(18), "not a saved model"),
    "another zip": (deflated(GOOD).replace(b"data.pkl", b"data.xyz"), "compressed"),
    "too many bytes": (saved({"w": torch.zeros(9 << 20)}), "larger than 32 MB"),
    "many views of one storage": (saved([STORAGE[n:] for n in range(80)]), "more data"),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_refused_with_a_sentence(read: Read, trap: str) -> None:
    content, says = TRAPS[trap]
    with pytest.raises(BadModel, match=says) as caught:
        read(content)
    assert str(caught.value).startswith("net.pth")
    assert not os.path.exists("planted")


def test_a_compressed_npz_says_what_to_use_instead(read: Read) -> None:
    with pytest.raises(BadModel, match=r"np\.savez, not"):
        read(npz(w=np.zeros(10)), "net.npz")


def test_an_npz_with_pickled_objects_is_refused(read: Read) -> None:
    out = io.BytesIO()
    np.savez(out, w=np.array([Command()], dtype=object))
    with pytest.raises(BadModel, match=r"net\.npz"):
        read(out.getvalue(), "net.npz")


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(50):
            archive.writestr(str(n), b"")
    with pytest.raises(BadModel, match="more than 10 entries"):
        inspect_archive(path.name, path.read_bytes(), 1 << 20, 10)


def test_damaged_archives_are_refused_or_fine_and_never_crash_the_examiner(tmp_path: Path) -> None:
    import random

    generator = random.Random(3)
    path = tmp_path / "net.pth"
    good = saved({"w": torch.zeros(4)})
    for _ in range(1500):
        broken = bytearray(good)
        for _ in range(generator.randrange(1, 6)):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        path.write_bytes(broken[: generator.choice((len(broken), generator.randrange(len(broken))))])
        try:
            inspect_archive(path.name, path.read_bytes(), 1 << 20)
        except BadModel as error:
            assert str(error).startswith("net.pth")


def test_a_missing_file_is_told(best: Preloaded) -> None:
    with best.start({"m.py": b""}) as jail, pytest.raises(BadModel, match=r"net\.pth is missing"):
        jail.read_tensors("net.pth", seconds=10)
