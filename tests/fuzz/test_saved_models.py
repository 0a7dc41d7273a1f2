"""Saved models: whatever the bytes are, they are read as plain values of a bounded size, or refused with a sentence."""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st
from mutation import NUMBERS, fewer, mutated

from autograder.sandbox import BadModel, Limits, Preloaded, SandboxError, inspect_archive
from autograder.sandbox.encode import Encoder

LOCAL, ENTRY, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
FIELDS = {LOCAL: (4, 30), ENTRY: (4, 46), END: (4, 22)}
"""Where the numbers of a record stand behind its signature."""
ZIP64 = [struct.pack("<HHQ", 1, 8, number) for number in (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)]
WORDS = [LOCAL, ENTRY, END, b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08", b"data.pkl", *ZIP64]
OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
NAMES = [
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"ctorch\nnonexistent\n", b"cbuiltins\neval\n", b"cos\nsystem\n",
    b"ccollections\nOrderedDict\n", b"cnumpy._core.multiarray\n_reconstruct\n", b"cnumpy._core.multiarray\nscalar\n",
    b"cnumpy\ndtype\n", b"c_codecs\nencode\n", b"ctorch\ndevice\n", b"X\x04\x00\x00\x00meta", b"X\x06\x00\x00\x00cuda:0",
]  # fmt: skip
REPLY_MB = 4


def saved(content: Any) -> bytes:
    out = io.BytesIO()
    torch.save(content, out)
    return out.getvalue()


def saved_with_numpy(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


GOOD = {
    "net.pth": saved({"reg": 0.5, "layers": (1, None), "params": {"W1": torch.ones(3, 2), "b1": torch.zeros(2).bfloat16()}}),
    "odd.pth": saved({"a": np.float64(1), "b": np.arange(4.0), "c": torch.nn.Parameter(torch.ones(4, 4).T), "d": torch.float32}),
    "net.npz": saved_with_numpy(W=np.ones((3, 4)), b=np.zeros(2, np.float32)),
}  # fmt: skip


@st.composite
def misdirected(draw: st.DrawFn, archive: bytes) -> bytes:
    """Return an archive in whose records some numbers are others."""
    content = bytearray(archive)
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from([LOCAL, ENTRY, ENTRY, END]))
        places = [at for at in range(len(content)) if content.startswith(kind, at)]
        if places:
            at = draw(st.sampled_from(places)) + draw(st.integers(*FIELDS[kind]))
            number = draw(st.sampled_from(NUMBERS) | st.integers(0, len(archive)).map(lambda n: struct.pack("<I", n)))
            content[at : at + len(number)] = number
    if draw(st.booleans()):
        return bytes(content)
    at = content.rfind(ENTRY)
    if at < 0 or len(content) < at + 46:
        return bytes(content)
    # the last entry says that its numbers stand in a longer form behind its name
    name, old = struct.unpack_from("<HH", content, at + 28)
    extra = draw(st.sampled_from(ZIP64))
    content[at + 46 + name : at + 46 + name + old] = extra
    content[at + 30 : at + 32] = struct.pack("<H", len(extra))
    content[at + 42 : at + 46] = b"\xff" * 4
    end = content.rfind(END)
    if end >= 0 and len(content) >= end + 16:
        (size,) = struct.unpack_from("<I", content, end + 12)
        content[end + 12 : end + 16] = struct.pack("<I", (size + len(extra) - old) % (1 << 32))
    return bytes(content)


@st.composite
def repickled(draw: st.DrawFn, archive: bytes) -> bytes:
    """Return an archive as it was, except for what its pickle does or what its arrays say of themselves."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith((".pkl", ".npy")):
                content = draw(mutated(content, [*OPCODES, *NAMES], most=3))
            target.writestr(entry.filename, content)
    return out.getvalue()


@st.composite
def archives(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return the name and content of a file that is nearly a saved model."""
    name = draw(st.sampled_from(sorted(GOOD)))
    good = GOOD[name]
    return name, draw(mutated(good, WORDS) | misdirected(good) | repickled(good))


@pytest.fixture(scope="module")
def walled() -> Iterator[Preloaded]:
    with Preloaded("best") as preloaded:
        yield preloaded


def memory_of(value: Any) -> int:
    if isinstance(value, dict):
        return sum(memory_of(item) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(map(memory_of, value))
    return value.numel() * value.element_size() if isinstance(value, torch.Tensor) else getattr(value, "nbytes", 0)


@pytest.mark.parametrize("name", GOOD)
def test_the_files_that_are_mutated_are_good(walled: Preloaded, name: str) -> None:
    inspect_archive(name, GOOD[name])
    with walled.start({name: GOOD[name]}) as jail:
        assert memory_of(jail.read_tensors(name, seconds=20)) > 0


@given(archives())
def test_an_archive_is_refused_or_holds_no_more_than_its_bytes(file: tuple[str, bytes]) -> None:
    name, content = file
    try:
        inspect_archive(name, content, max_bytes=1 << 20, max_entries=20)
    except BadModel as error:
        assert str(error).startswith(name) and len(str(error)) < 200
        return
    event("let through")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    assert len(entries) <= 20
    assert sum(entry.file_size for entry in entries) <= len(content)
    assert all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)


@fewer(5)
@given(archives())
def test_a_model_that_is_let_through_is_read_as_plain_values_or_refused(
    walled: Preloaded, file: tuple[str, bytes]
) -> None:
    name, content = file
    try:
        inspect_archive(name, content)
        with walled.start({name: content}, Limits(memory_mb=512, reply_mb=REPLY_MB)) as jail:
            value = jail.read_tensors(name, seconds=20)
    except SandboxError as error:
        event(type(error).__name__)
        assert len(str(error)) < 1000
        return
    event("read")
    assert memory_of(value) <= REPLY_MB << 20
    Encoder(trusted=True).add(value)  # raises for what is no plain value
