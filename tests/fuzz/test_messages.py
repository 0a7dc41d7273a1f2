"""The wire: every value comes out as it went in, and any bytes come out as a value or as BadReply."""

from __future__ import annotations

import math
import socket
import struct
import threading
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from mutation import NUMBERS, fewer, mutated

from autograder.sandbox import control
from autograder.sandbox.allowance import Allowance
from autograder.sandbox.decode import Decoder
from autograder.sandbox.encode import Encoder, NotEncodable
from autograder.sandbox.errors import BadReply, StudentRaised
from autograder.sandbox.frames import HEADER, Closed, Link
from autograder.sandbox.limits import Limits
from autograder.sandbox.preloaded import Connection
from autograder.sandbox.restore import take_changes, write_changes
from autograder.sandbox.wire import NUMPY_DTYPES, TORCH_DTYPES, Ref

TAGS = [tag.encode() for tag in "N10iIfcsbBtldTAnyR=k"]
CAP = 1 << 16


def as_bytes(encoder: Encoder) -> bytes:
    return b"".join(part.tobytes() if isinstance(part, np.ndarray) else bytes(part) for part in encoder.buffers())


def encoded(value: Any, *, trusted: bool = False) -> bytes:
    encoder = Encoder(trusted=trusted)
    encoder.add(value)
    return as_bytes(encoder)


def decoded(data: bytes, *, trusted: bool = False) -> Any:
    decoder = Decoder(np.frombuffer(bytearray(data), np.uint8), trusted=trusted)
    value = decoder.take()
    decoder.finish()
    return value


def bits(value: Any) -> Any:
    """Return a value as something that is equal only if every bit of it and every type in it is."""
    kind = type(value)
    if kind in (list, tuple):
        return kind, [bits(item) for item in value]
    if kind is dict:
        return kind, [(bits(key), bits(item)) for key, item in value.items()]
    if kind is torch.Tensor:
        flat = value.contiguous().as_strided((value.numel(),), (1,))
        return kind, value.dtype, tuple(value.shape), flat.view(torch.uint8).numpy().tobytes() if len(flat) else b""
    if kind is np.ndarray:
        return kind, value.dtype, value.shape, value.tobytes()
    if isinstance(value, np.generic):
        return kind, value.tobytes()
    if kind is float:
        return kind, struct.pack("<d", value)
    if kind is complex:
        return kind, struct.pack("<dd", value.real, value.imag)
    return kind, value


def memory_of(value: Any) -> int:
    """Return how many bytes of text, tensors and arrays a value holds, each place in it counted."""
    if isinstance(value, list | tuple):
        return sum(map(memory_of, value))
    if isinstance(value, dict):
        return sum(memory_of(key) + memory_of(item) for key, item in value.items())
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, np.ndarray | np.generic):
        return value.nbytes
    if isinstance(value, Ref):
        return len(value.path) + len(value.type_name)
    return len(value) if isinstance(value, str | bytes) else 0


def any_float() -> st.SearchStrategy[float]:
    """Return floats of any bits, so that NaN comes in all its kinds."""
    return st.floats() | st.binary(min_size=8, max_size=8).map(lambda data: struct.unpack("<d", data)[0])


SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple) | st.just((1,) * 32)


@st.composite
def content(draw: st.DrawFn, itemsize: int, boolean: bool, shape: tuple[int, ...]) -> bytearray:
    size = math.prod(shape) * itemsize
    data = draw(st.binary(min_size=min(size, 64), max_size=min(size, 64)))
    data = (data * (size // max(len(data), 1) + 1))[:size]
    return bytearray(byte & 1 for byte in data) if boolean else bytearray(data)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Return an array of any bits, of any dtype, in any order in memory."""
    shape, dtype = draw(SHAPES), draw(st.sampled_from(NUMPY_DTYPES))
    array = np.frombuffer(draw(content(dtype.itemsize, dtype.kind == "b", shape)), dtype).reshape(shape)
    array = array.transpose(draw(st.permutations(range(len(shape)))))
    parts = st.sampled_from([slice(None), slice(None, None, -1), slice(1, None), slice(None, None, 2)])
    array = array[tuple(draw(parts) for _ in shape)]
    return np.broadcast_to(array, (3, *array.shape)) if len(shape) < 32 and draw(st.booleans()) else array


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Return a tensor of any bits, of any dtype, in any order in memory."""
    shape, dtype = draw(SHAPES), draw(st.sampled_from(TORCH_DTYPES))
    data = draw(content(dtype.itemsize, dtype is torch.bool, shape))
    tensor = torch.frombuffer(data, dtype=dtype).reshape(shape) if data else torch.empty(shape, dtype=dtype)
    tensor = tensor.permute(draw(st.permutations(range(len(shape)))))
    parts = st.sampled_from([slice(None), slice(1, None), slice(None, None, 2)])
    tensor = tensor[tuple(draw(parts) for _ in shape)]
    return tensor.expand(3, *tensor.shape) if len(shape) < 32 and draw(st.booleans()) else tensor


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(1 << 3000), 1 << 3000)
    | any_float()
    | st.builds(complex, any_float(), any_float())
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
    | st.binary(min_size=4096, max_size=4100)
    | st.sampled_from(TORCH_DTYPES)
    | st.builds(Ref, st.integers(0, (1 << 64) - 1), st.from_regex(r"[\w.]{0,20}", fullmatch=True), st.just("Linear"))
)
KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab\0é", max_size=3),
    lambda keys: st.lists(keys, max_size=3).map(tuple),
    max_leaves=4,
)
LEAVES = SCALARS | arrays() | tensors() | arrays().filter(lambda array: array.size).map(lambda array: array.flat[0])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_arrives_with_all_its_bits_in_both_directions(value: Any) -> None:
    assert bits(decoded(encoded(value))) == bits(value)
    assert bits(decoded(encoded(value, trusted=True), trusted=True)) == bits(value)


SAMPLE = encoded(
    [
        None, True, -1, 1 << 80, 1.5, 2j, "aé", b"x", b"y" * 4096, (), {"a": [1], 3: "b", (1, "x"): True},
        torch.ones(2, 3), torch.ones(2, dtype=torch.bool), torch.empty(0, 5), np.arange(6).reshape(2, 3),
        np.float32(1), torch.float64, Ref(7, "Linear.forward", "function"),
    ]
)  # fmt: skip


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Return a message of any tags and lengths whose outer layout holds."""
    parts = st.sampled_from(TAGS) | st.sampled_from(NUMBERS) | st.binary(max_size=12)
    meta = b"".join(draw(st.lists(parts, max_size=12)))
    data = draw(st.binary(max_size=80))
    head = struct.pack("<I", len(meta)) + meta
    return head + bytes(-len(head) % 64) + data if data else head


HOSTILE = st.binary(max_size=200) | messages() | mutated(SAMPLE, TAGS)


@given(HOSTILE)
@example(struct.pack("<I", 5 * 31 + 5) + b"l\1\0\0\0" * 31 + b"l\0\0\0\0")
def test_any_bytes_are_a_bad_reply_or_a_value_no_larger_than_they_are(data: bytes) -> None:
    try:
        value = decoded(data)
    except BadReply:
        return
    assert memory_of(value) <= len(data)
    assert bits(decoded(encoded(value))) == bits(value)


@st.composite
def replies(draw: st.DrawFn, passed: list[Any]) -> bytes:
    """Return what a jail could say about changed arguments; half of it is laid out as a jail would."""
    encoder = Encoder(known={id(value): index for index, value in enumerate(passed)})
    anything = SCALARS | st.sampled_from(passed) | tensors() | st.lists(SCALARS | st.sampled_from(passed), max_size=3)
    encoder.floor = draw(st.sampled_from([-1, 0, 1, 1 << 62]))
    count = draw(st.integers(0, 4))
    encoder.add(draw(st.just(count) | SCALARS))
    for index in sorted(draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))):
        encoder.add(draw(st.just(index) | SCALARS))
        for _ in range(draw(st.integers(1, 2))):
            encoder.add(draw(st.lists(anything, max_size=3).map(tuple) | anything))
    data = as_bytes(encoder)
    return draw(st.just(data) | mutated(data, TAGS, most=2))


@given(st.data())
def test_whatever_a_reply_says_of_the_arguments_is_a_bad_reply_or_fits_them(data: st.DataObject) -> None:
    inner = [1]
    passed = [{"a": inner, 3: None}, inner, torch.zeros(2, 3), np.zeros(4), np.broadcast_to(np.zeros(1), (3,))]
    kinds = [(type(value), getattr(value, "shape", None), getattr(value, "dtype", None)) for value in passed]
    reply = data.draw(replies(passed))
    try:
        decoder = Decoder(np.frombuffer(bytearray(reply), np.uint8))
        changes = take_changes(decoder, passed)
        decoder.finish()
        write_changes(changes)
    except (BadReply, StudentRaised):
        pass
    assert [(type(v), getattr(v, "shape", None), getattr(v, "dtype", None)) for v in passed] == kinds
    try:
        encoded(passed, trusted=True)  # which would not end for a container that contains itself
    except NotEncodable as error:
        assert "itself" not in str(error)


@pytest.fixture(scope="module")
def link() -> Any:
    """Return a function that lets a jail's side send some bytes and close, and returns what `receive` makes of them."""

    def receive(data: bytes, number: int, seconds: float) -> np.ndarray:
        ours, theirs = socket.socketpair()
        quiet, ended = socket.socketpair()
        with ours, theirs, quiet, ended:
            writer = threading.Thread(target=_send, args=(theirs, data))
            writer.start()
            try:
                return Link(ours, ended.fileno(), lambda: False).receive(number, CAP, Allowance(seconds, None))
            finally:
                ours.close()
                writer.join()

    return receive


def _send(sock: socket.socket, data: bytes) -> None:
    try:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@fewer(2)
@given(
    number=st.sampled_from([0, 1, (1 << 64) - 1]),
    answered=st.sampled_from([0, 1, (1 << 64) - 1]) | st.integers(0, (1 << 64) - 1),
    size=st.sampled_from([0, 1, CAP, CAP + 1, (1 << 63) - 1, (1 << 64) - 1]) | st.integers(0, 300),
    body=st.binary(max_size=300),
    more=st.sampled_from([0, 0, 0, CAP, CAP + 1, 3 * CAP]),
    cut=st.none() | st.integers(0, 16),
)
@example(number=0, answered=0, size=0, body=b"", more=0, cut=16)
@example(number=0, answered=0, size=CAP, body=b"", more=CAP, cut=None)
@example(number=0, answered=0, size=CAP + 1, body=b"", more=CAP + 1, cut=None)
def test_whatever_a_jail_writes_is_one_message_of_the_size_it_says_or_no_answer(
    link: Any, number: int, answered: int, size: int, body: bytes, more: int, cut: int | None
) -> None:
    data = (HEADER.pack(answered, size) + body + bytes(more))[:cut]
    good = len(data) >= HEADER.size and answered == number and size <= min(CAP, len(data) - HEADER.size)
    try:
        message = link(data, number, 60)
    except (BadReply, Closed):
        # bytes after the message may arrive with it or wait to spoil the next answer
        assert not good or len(data) > HEADER.size + size
        return
    assert good and message.tobytes() == data[HEADER.size :][:size]


@given(
    st.dictionaries(st.integers(0, 1 << 32), st.tuples(st.integers(-3, 1 << 20), any_float(), any_float()), max_size=5),
    st.lists(st.integers(1, 90), min_size=1),
)
def test_reports_survive_the_pieces_in_which_they_arrive(ends: dict[int, tuple], pieces: list[int]) -> None:
    door, behind = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with door, behind:
        connection = Connection(door)
        _, descriptor = control.receive_descriptor(behind, 16)
    data = b"".join(control.REPORT.pack(control.ENDED, jail, *how) for jail, how in ends.items())
    with connection.sock, socket.socket(fileno=descriptor) as server:
        while data:
            size = pieces[len(data) % len(pieces)]
            server.sendall(data[:size])
            connection.collect()
            data = data[size:]
        assert {jail: bits(astuple(report)[1:]) for jail, report in connection.reports.items()} == {
            jail: bits(how) for jail, how in ends.items()
        }


@given(st.builds(Limits, *[st.integers(0, (1 << 64) - 1)] * 6), st.integers(0, (1 << 64) - 1))
def test_limits_reach_the_preloaded_process_as_they_were_asked_for(limits: Limits, jail: int) -> None:
    assert control.parse_request(control.request(control.START, jail, limits)) == (control.START, jail, limits)
