"""What crosses the wire comes out as it went in, and hostile bytes come out as BadReply."""

from __future__ import annotations

import random
import struct
import warnings
from collections import OrderedDict, defaultdict
from typing import Any

import numpy as np
import pytest
import torch

from autograder.sandbox import BadReply, Ref
from autograder.sandbox.decode import Decoder
from autograder.sandbox.encode import Encoder, NotEncodable, TooLarge
from autograder.sandbox.wire import MAX_COLLIDING_KEYS, NUMPY_DTYPES, TORCH_DTYPES, clean


def as_bytes(encoder: Encoder) -> bytes:
    return b"".join(b.tobytes() if isinstance(b, np.ndarray) else bytes(b) for b in encoder.buffers())


def decode(data: bytes, **options: Any) -> Any:
    decoder = Decoder(np.frombuffer(bytearray(data), np.uint8), **options)
    value = decoder.take()
    decoder.finish()
    return value


def to_jail(value: Any) -> Any:
    encoder = Encoder(trusted=True)
    encoder.add(value)
    return decode(as_bytes(encoder), trusted=True)


def to_examiner(value: Any) -> Any:
    handles: list[object] = []

    def handle(value: object) -> Ref:
        handles.append(value)
        return Ref(len(handles), "", type(value).__name__)

    encoder = Encoder(handle)
    encoder.add(value)
    return decode(as_bytes(encoder))


PLAIN: list[Any] = [
    None, True, False, 0, -1, 2**62, 2**63, -(2**63), -(2**63) - 1, 10**300, 1.5, -0.0, float("inf"), 2 - 3j, "", "aé𝄞\n",
    b"", b"x" * 100, b"y" * 10_000, [], (), {}, [1, (2.0, {"a": [None], 3: "b", (1, "x"): True, None: 0, 2.5: 1})],
    torch.float32, torch.bfloat16, Ref(7, "Linear.forward", "function"),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize("send", [to_jail, to_examiner])
def test_plain_values_keep_value_and_type(send: Any, value: Any) -> None:
    got = send(value)
    assert got == value
    assert type(got) is type(value)
    assert repr(got) == repr(value)


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
@pytest.mark.parametrize("send", [to_jail, to_examiner])
def test_tensors_keep_dtype_shape_and_bits(send: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    value = (torch.randn(shape) * 10).to(dtype)
    got = send(value)
    assert type(got) is torch.Tensor and got.dtype is dtype and got.shape == value.shape
    assert torch.equal(got, value)
    got.fill_(1)  # its own memory, and writable


@pytest.mark.parametrize("dtype", NUMPY_DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
@pytest.mark.parametrize("send", [to_jail, to_examiner])
def test_arrays_and_numpy_scalars_keep_dtype_shape_and_bits(send: Any, dtype: np.dtype, shape: tuple) -> None:
    value = np.asarray(np.random.default_rng(0).standard_normal(shape) * 10).astype(dtype)
    got = send(value)
    assert type(got) is np.ndarray and got.dtype == dtype and got.shape == shape and got.flags.writeable
    assert np.array_equal(got, value)
    if value.size:
        scalar = value.reshape(-1)[0]
        assert send(scalar) == scalar and type(send(scalar)) is type(scalar)


def test_parameters_and_tensors_with_a_graph_arrive_as_plain_tensors() -> None:
    weight = torch.nn.Parameter(torch.randn(2, 3))
    for value in (weight, weight * 2, (weight + 0j).conj()):
        got = to_examiner(value)
        assert type(got) is torch.Tensor and not got.requires_grad
        assert torch.equal(got, value.detach().resolve_conj())


@pytest.mark.parametrize(
    "value",
    [
        torch.randn(4, 5).T,
        torch.randn(4, 6)[:, ::2],
        torch.randn(3, 4, 5).permute(2, 0, 1),
        torch.randn(5, 5)[1:4, 1:4],
        torch.randn(3, 1).expand(3, 7),
        torch.randn(4, 5).bfloat16().T,
        np.arange(20.0).reshape(4, 5).T,
        np.arange(20)[::-2],
        np.arange(24).reshape(4, 6)[::-1, 1::2],
        np.broadcast_to(np.arange(3), (4, 3)),
    ],
    ids=lambda value: f"{type(value).__name__}{tuple(value.shape)}",
)
def test_strides_survive_on_the_way_into_the_jail_only(value: Any) -> None:
    inside = to_jail(value)
    assert (np.asarray(inside.float() if isinstance(inside, torch.Tensor) else inside) == np.asarray(
        value.float() if isinstance(value, torch.Tensor) else value)).all()  # fmt: skip
    strides = (lambda x: x.stride()) if isinstance(value, torch.Tensor) else (lambda x: x.strides)
    assert strides(inside) == strides(value)
    back = to_examiner(value)
    assert back.is_contiguous() if isinstance(back, torch.Tensor) else back.flags.c_contiguous


def test_a_far_strided_view_does_not_drag_its_whole_storage_along() -> None:
    encoder = Encoder(trusted=True)
    encoder.add(torch.zeros(10_000, 100)[:, 0])
    assert len(as_bytes(encoder)) < 50_000


def test_an_object_that_occurs_twice_is_one_object_in_the_jail() -> None:
    x, d = torch.ones(2), {"a": 1}
    got = to_jail((x, [x, d], d))
    assert got[0] is got[1][0] and got[1][1] is got[2]


def test_the_examiner_refuses_shared_objects_and_strides() -> None:
    shared = [1]
    for value in ([shared, shared], torch.randn(3, 4).T):
        encoder = Encoder(trusted=True)
        encoder.add(value)
        with pytest.raises(BadReply):
            decode(as_bytes(encoder))


class FakeTensor(torch.Tensor):
    pass


class FakeDict(dict):
    pass


class Evil(type):
    def __eq__(cls, other: object) -> bool:
        raise AssertionError("compared")

    def __hash__(cls) -> int:
        raise AssertionError("hashed")


class AlwaysEqual(metaclass=Evil):
    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    __hash__ = None  # type: ignore[assignment]


def quantised() -> torch.Tensor:
    with warnings.catch_warnings(action="ignore"):
        return torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.quint8)


def nested() -> torch.Tensor:
    with warnings.catch_warnings(action="ignore"):
        return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


def given_back() -> torch.Tensor:
    tensor = torch.zeros(3)
    tensor.untyped_storage().resize_(0)
    return tensor


def cyclic() -> list:
    loop: list = [1]
    loop.append(loop)
    return loop


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(), print, (n for n in [1]), {1}, frozenset(), FakeTensor(), FakeDict(), AlwaysEqual(),
        type("S", (str,), {})("x"), type("I", (int,), {})(1), np.array([object()]), np.array(["a"]),
        np.zeros(2, ">f8"), np.datetime64("2020"), torch.eye(2).to_sparse(), torch.empty(3, device="meta"),
        quantised(), "\ud800", 1 << 40_000, range(10**9),
        nested(), [0] * 100_001, torch.strided, torch.zeros((1,) * 65), torch.empty(0, 2**62), given_back(),
        dict.fromkeys(range(MAX_COLLIDING_KEYS + 1)), {frozenset(): 1}, {("\ud800",): 1}, {(1, (1 << 40_000,)): 1},
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_plain_value_stays_in_the_jail(value: Any) -> None:
    got = to_examiner((1.0, value))
    assert got[0] == 1.0 and type(got[1]) is Ref and got[1].type_name == type(value).__name__
    with pytest.raises(NotEncodable):
        to_jail(value)


def test_containers_that_contain_themselves_or_are_too_deep_end_in_a_ref() -> None:
    assert type(to_examiner(cyclic())[1]) is Ref
    got = to_examiner(deep(50))
    levels = 0
    while type(got) is list:
        got, levels = got[0], levels + 1
    assert type(got) is Ref and levels == 32


def test_a_cache_with_too_many_items_does_not_cost_the_output_beside_it() -> None:
    out, cache = to_examiner((torch.ones(2), [[0] * 60_000, [0] * 60_000]))
    assert torch.equal(out, torch.ones(2)) and type(cache) is Ref
    assert type(to_examiner([[[0] * 99_000], [[0] * 99_000]])[1]) is Ref


def test_a_value_over_the_cap_is_refused_before_memory_is_taken() -> None:
    encoder = Encoder(lambda value: Ref(1), max_bytes=1 << 20)
    one = torch.zeros(1)
    large = (one.expand(10**12), one.expand(2**61), np.broadcast_to(np.zeros(1), (10**12,)), "x" * (1 << 21))
    for value in large:
        with pytest.raises(TooLarge):
            encoder.add(value)


def test_encoding_leaves_the_memory_of_a_view_as_it_was() -> None:
    buffer = torch.zeros(4, 5)
    to_examiner(buffer.T)
    assert buffer.resize_(8, 5).shape == (8, 5)


def message(meta: bytes, data: bytes = b"") -> bytes:
    head = struct.pack("<I", len(meta)) + meta
    return head + bytes(-len(head) % 64) + data if data else head


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", message(b""), message(b"?"), message(b"N") + b"x", message(b"NN"), struct.pack("<I", 1 << 31) + b"N",
        message(b"s\xff\xff\xff\xff"), message(b"l\xff\xff\xff\xff"), message(b"s\x01\0\0\0\xff"),
        message(b"I\xff\xff\0\0" + bytes(65535)), message(b"=\0\0\0\0"), message(b"k\0\0\0\0"), message(b"y\xff"),
        message(b"n\x0b\x02"), message(b"l\x01\0\0\0" * 40 + b"N"),
        message(b"d\x02\0\0\0" + (b"s\x01\0\0\0a" + b"N") * 2), message(b"d\x01\0\0\0" + b"l\0\0\0\0" + b"N"),
        message(b"T" + struct.pack("<BBBQ4Q", 1, 4, 0, 0, 1 << 40, 1 << 40, 1 << 40, 0)),
        message(b"T" + struct.pack("<BBBQ2Q", 1, 2, 0, 8, 1 << 32, 1 << 32)),
        message(b"T" + struct.pack("<BBBQQ", 1, 1, 0, 4 << 40, 1 << 40)),
        message(b"T" + struct.pack("<BBBQQQqqQ", 1, 2, 1, 64, 4, 4, 1, 4, 0), bytes(64)),
        message(b"T" + struct.pack("<BBBQQ", 9, 1, 0, 64, 64), b"\x02" * 64),
        message(b"A" + struct.pack("<BBBQQ", 11, 1, 0, 64, 64), b"\x02" * 64),
        message(b"B" + struct.pack("<Q", 1 << 60)), message(b"T\x01\xff\0" + bytes(8)),
    ],
)  # fmt: skip
def test_malformed_messages_are_bad_replies(data: bytes) -> None:
    with pytest.raises(BadReply):
        decode(data)


def test_mutated_messages_are_values_or_bad_replies_and_nothing_else() -> None:
    generator = random.Random(12)
    encoder = Encoder(lambda value: Ref(3, "", "x"))
    encoder.add(
        [
            *PLAIN, torch.randn(3, 4), torch.ones(2, dtype=torch.bool), np.arange(6).reshape(2, 3), np.float32(1),
            np.ones(3, bool), {"W1": torch.zeros(2, 2, dtype=torch.bfloat16)}, object(), torch.empty(0, 5),
        ]
    )  # fmt: skip
    data = as_bytes(encoder)
    meta = 4 + struct.unpack_from("<I", data)[0]
    refused = 0
    for _ in range(20_000):
        mutated = bytearray(data)
        for _ in range(generator.choice((1, 1, 2, 8))):
            # Mostly the meta part, where the lengths are.
            at = generator.randrange(meta if generator.random() < 0.9 else len(mutated))
            mutated[at] = generator.choice((0, 1, 255, generator.randrange(256), ord(generator.choice("TAldtsIBnk="))))
        if generator.random() < 0.2:
            del mutated[generator.randrange(len(mutated)) :]
        try:
            decode(bytes(mutated))
        except BadReply:
            refused += 1
    assert 5_000 < refused < 20_000


def test_random_bytes_are_bad_replies() -> None:
    generator = random.Random(5)
    for _ in range(3_000):
        tail = generator.randbytes(generator.randrange(60))
        with pytest.raises(BadReply):
            decode(struct.pack("<I", len(tail)) + tail + b"!")


def test_text_from_the_jail_is_one_printable_line() -> None:
    assert (
        clean("a\nb\x1b[31mc\u202ed\0")
        == "a b\N{REPLACEMENT CHARACTER}[31mc\N{REPLACEMENT CHARACTER}d\N{REPLACEMENT CHARACTER}"
    )
    assert clean("x" * 1000, 10) == "x" * 9 + "…"


def test_dictionaries_of_pythons_own_kinds_come_out_of_the_jail_as_dictionaries() -> None:
    for value in (OrderedDict(a=1), defaultdict(int, a=1)):
        encoder = Encoder(lambda inner: Ref(1))
        encoder.add(value)
        decoder = Decoder(np.frombuffer(b"".join(bytes(memoryview(b)) for b in encoder.buffers()), np.uint8).copy())
        assert decoder.take() == {"a": 1}
