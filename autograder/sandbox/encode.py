"""Values into bytes; see `wire` for what a value is."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from autograder.sandbox.wire import (
    ALIGNMENT,
    BLOCKS,
    C128,
    F64,
    I64,
    LAYOUTS,
    LONG_BYTES,
    MAX_COLLIDING_KEYS,
    MAX_DEPTH,
    MAX_DIMENSIONS,
    MAX_INT_BYTES,
    MAX_ITEMS,
    NUMPY_DTYPES,
    TORCH_DTYPES,
    U32,
    U64,
    Ref,
    is_key,
)

TORCH_CODES = {dtype: code for code, dtype in enumerate(TORCH_DTYPES)}
NUMPY_CODES = {dtype: code for code, dtype in enumerate(NUMPY_DTYPES)}
NUMPY_SCALARS = {dtype.type: code for code, dtype in enumerate(NUMPY_DTYPES)}
for _twin in (np.intc, np.long, np.longlong, np.uintc, np.ulong, np.ulonglong):  # C names of the same numbers
    NUMPY_SCALARS.setdefault(_twin, NUMPY_CODES[np.dtype(_twin)])

Parameter = torch.nn.Parameter
# Taken once, from the classes: an object of the student's may carry attributes of the same names.
_detach, _numpy = torch.Tensor.detach, torch.Tensor.numpy
_is_contiguous, _data_ptr = torch.Tensor.is_contiguous, torch.Tensor.data_ptr
_name_of = type.__dict__["__name__"].__get__
# What torch and NumPy raise for tensors without plain memory, those of torch.func for one, or with absurd shapes.
UNREADABLE = (RuntimeError, TypeError, ValueError, MemoryError)


class NotEncodable(TypeError):
    """A value is none that crosses the wire; the examiner sees this when it tries to send one."""


class TooLarge(Exception):
    """The value to be sent is larger than the cap on one message."""


class _TooMany(NotEncodable):
    """The value at hand holds more items than a message may."""


def type_name(value: object) -> str:
    """Return the name of a value's class without running any code of that class."""
    return str(_name_of(type(value)))


class Encoder:
    """Collects values into the buffers of one message.

    handle: called with each object that is no plain value; what it returns is sent instead. Without it such
        an object raises NotEncodable.
    trusted: objects that occur twice keep their identity, and strides are kept (examiner → jail).
        `mutables` then lists the lists, dictionaries, tensors and arrays in the order in which the receiver
        meets them.
    known: objects that the receiver already has, by id; they are named instead of sent if they come after
        `floor`, which keeps a changed container from being put into itself.
    """

    def __init__(
        self,
        handle: Callable[[object], Ref] | None = None,
        *,
        trusted: bool = False,
        max_bytes: int = 1 << 62,
        known: dict[int, int] | None = None,
    ) -> None:
        self.handle = handle
        self.trusted = trusted
        self.max_bytes = max_bytes
        self.known = known or {}
        self.floor = 1 << 62
        self.mutables: list[Any] = []
        self._out = bytearray(4)
        self._blocks: list[np.ndarray | bytes] = []
        self._data_bytes = 0
        self._items = 0
        self._seen: dict[int, int] = {}
        self._open: set[int] = set()

    def buffers(self) -> list[Any]:
        """Return the buffers that make up the message, in order."""
        out = self._out
        U32.pack_into(out, 0, len(out) - 4)
        if not self._blocks:
            return [out]
        out += bytes(-len(out) % ALIGNMENT)
        buffers: list[Any] = [out]
        for block in self._blocks:
            size = len(block) if type(block) is bytes else block.nbytes  # type: ignore[union-attr]
            buffers.append(block)
            if size % ALIGNMENT:
                buffers.append(bytes(-size % ALIGNMENT))
        return buffers

    def add(self, value: Any, depth: int = 0) -> None:
        """Append one value; if it is no plain one, take back what was appended for it and put a Ref in its place."""
        if self.handle is None:
            self._add(value, depth)
            return
        mark = len(self._out), len(self._blocks), self._data_bytes, self._items
        try:
            self._add(value, depth)
            return
        except _TooMany:
            # Only the outermost value, or one part of it, becomes a Ref: (out, cache) must not cost `out`.
            if depth > 1 or mark[3] >= MAX_ITEMS:
                raise
        except NotEncodable:
            pass
        del self._out[mark[0] :]
        del self._blocks[mark[1] :]
        self._data_bytes, self._items = mark[2], mark[3] + 1
        self._ref(self.handle(value))

    def _add(self, value: Any, depth: int) -> None:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise _TooMany(f"a value with more than {MAX_ITEMS} items cannot be sent")
        writer = _WRITERS.get(id(type(value)))
        if writer is None:
            raise NotEncodable(f"a value of type {type_name(value)} cannot be sent to the student's code")
        writer(self, value, depth)

    def _already(self, value: object) -> bool:
        """Name an object that the receiver has already, and tell whether it was one; else take note of it."""
        index = self.known.get(id(value), -1)
        if index > self.floor:
            self._out += b"k" + U32.pack(index)
            return True
        if self.trusted:
            index = self._seen.setdefault(id(value), len(self.mutables))
            if index < len(self.mutables):
                self._out += b"=" + U32.pack(index)
                return True
            self.mutables.append(value)
        return False

    def _int(self, value: int, depth: int) -> None:
        if -(1 << 63) <= value < 1 << 63:
            self._out += b"i" + I64.pack(value)
            return
        size = value.bit_length() // 8 + 1
        if size > MAX_INT_BYTES:
            raise NotEncodable("an integer with too many digits to be sent")
        self._out += b"I" + U32.pack(size) + value.to_bytes(size, "little", signed=True)

    def _float(self, value: float, depth: int) -> None:
        self._out += b"f" + F64.pack(value)

    def _complex(self, value: complex, depth: int) -> None:
        self._out += b"c" + C128.pack(value.real, value.imag)

    def _dtype(self, value: torch.dtype, depth: int) -> None:
        if value not in TORCH_CODES:
            raise NotEncodable(f"a value of {value} cannot be sent to the student's code")
        self._out += b"y" + bytes((TORCH_CODES[value],))

    def _scalar(self, value: np.generic, depth: int) -> None:
        self._out += b"n" + bytes((NUMPY_SCALARS[type(value)],)) + value.tobytes()

    def _text(self, value: str, depth: int) -> None:
        self._claim(len(value))
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise NotEncodable("a string with lone surrogates cannot be sent") from None
        self._out += b"s" + U32.pack(len(data)) + data

    def _bytes(self, value: bytes, depth: int) -> None:
        if len(value) < LONG_BYTES:
            self._out += b"b" + U32.pack(len(value)) + value
        else:
            self._out += b"B" + U64.pack(len(value))
            self._block(value, len(value))

    def _sequence(self, value: Any, depth: int) -> None:
        is_list = type(value) is list
        if is_list and self._already(value):
            return
        items = tuple(value)  # a copy: the student's other threads may change the list while it is being read
        self._enter(value, depth, len(items))
        self._out += (b"l" if is_list else b"t") + U32.pack(len(items))
        for item in items:
            self.add(item, depth + 1)
        self._open.discard(id(value))

    def _mapping(self, value: OrderedDict | defaultdict, depth: int) -> None:
        if self.trusted:
            raise NotEncodable(f"a value of type {type_name(value)} cannot be sent to the student's code")
        self._dict(dict(value), depth)

    def _dict(self, value: dict, depth: int) -> None:
        if self._already(value):
            return
        items = tuple(value.items())
        self._enter(value, depth, len(items))
        self._out += b"d" + U32.pack(len(items))
        others = 0
        for key, item in items:
            if type(key) is not str:
                others += 1
                if others > MAX_COLLIDING_KEYS or not is_key(key):
                    self._open.discard(id(value))
                    raise NotEncodable("a dictionary with keys that are no plain values cannot be sent")
            self._key(key, depth + 1)
            self.add(item, depth + 1)
        self._open.discard(id(value))

    def _key(self, value: Any, depth: int) -> None:
        """Append a key; nothing inside it becomes a Ref."""
        if type(value) is not tuple:
            self._add(value, depth)
            return
        self._items += 1
        self._out += b"t" + U32.pack(len(value))
        for part in value:
            self._key(part, depth + 1)

    def _enter(self, value: object, depth: int, count: int) -> None:
        if depth >= MAX_DEPTH:
            raise NotEncodable(f"containers nested more than {MAX_DEPTH} deep cannot be sent")
        if count > MAX_ITEMS:
            raise NotEncodable(f"a container with more than {MAX_ITEMS} items cannot be sent")
        if id(value) in self._open:
            raise NotEncodable("a container that contains itself cannot be sent")
        self._open.add(id(value))

    def _tensor(self, value: torch.Tensor, depth: int) -> None:
        if (self.known or self.trusted) and self._already(value):
            return
        code = TORCH_CODES.get(value.dtype, -1)
        try:
            if value.requires_grad:
                value = _detach(value)
            plain = code >= 0 and _is_contiguous(value) and _data_ptr(value) != 0
            if plain:
                block = _numpy(value)
                plain = block.ndim <= MAX_DIMENSIONS
        except UNREADABLE:
            plain = False
        if not plain:
            self._odd_tensor(value, code)
            return
        shape, size = block.shape, block.nbytes
        self._out += b"T" + BLOCKS[len(shape)].pack(code, len(shape), 0, size, *shape)
        self._block(block, size)

    def _odd_tensor(self, value: torch.Tensor, code: int) -> None:
        """Append a tensor that NumPy does not take as it is, or that is not contiguous."""
        if code < 0 or value.layout is not torch.strided or not value.is_cpu or value.is_nested:
            raise NotEncodable(f"a tensor on {value.device} of {value.layout} and {value.dtype} cannot be sent")
        shape = value.shape
        dimensions = len(shape)
        if dimensions > MAX_DIMENSIONS:
            raise NotEncodable(f"a tensor of more than {MAX_DIMENSIONS} dimensions cannot be sent")
        try:
            value = _detach(value)
            if value.numel() and not value.data_ptr():
                raise ValueError("the memory was given back, and NumPy would make up some of its own")
            if value.is_conj() or value.is_neg():
                value = value.resolve_conj().resolve_neg()
            if not value.is_contiguous():
                if self.trusted and value.numel():
                    strides = value.stride()
                    span = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
                    if _dense(span, value.numel()):
                        block = _as_array(value.as_strided((span,), (1,), value.storage_offset()))
                        self._strided(b"T", code, shape, strides, 0, block)
                        return
                self._claim(value.numel() * value.element_size())  # before memory is taken
                value = value.contiguous()
            block = _as_array(value)
        except UNREADABLE:
            raise NotEncodable("a tensor without plain memory cannot be sent") from None
        size = block.nbytes
        self._out += b"T" + BLOCKS[dimensions].pack(code, dimensions, 0, size, *shape)
        self._block(block, size)

    def _array(self, value: np.ndarray, depth: int) -> None:
        if self._already(value):
            return
        code = NUMPY_CODES.get(value.dtype, -1)
        if code < 0 or value.ndim > MAX_DIMENSIONS:
            raise NotEncodable(f"an array of dtype {value.dtype} cannot be sent")
        shape, item, size = value.shape, value.itemsize, value.nbytes
        if self.trusted and size and not value.flags.c_contiguous:
            low = sum((n - 1) * s for n, s in zip(shape, value.strides, strict=True) if s < 0)
            high = sum((n - 1) * s for n, s in zip(shape, value.strides, strict=True) if s > 0)
            span = high - low + item
            if _dense(span // item, value.size) and all(s % item == 0 for s in value.strides):
                block = np.asarray(_Memory(value, low, span))
                self._strided(b"A", code, shape, [s // item for s in value.strides], -low // item, block)
                return
        self._claim(size)
        self._out += b"A" + BLOCKS[len(shape)].pack(code, len(shape), 0, size, *shape)
        self._block(value if value.flags.c_contiguous else np.ascontiguousarray(value), size)

    def _strided(
        self,
        tag: bytes,
        code: int,
        shape: Sequence[int],
        strides: Sequence[int],
        offset: int,
        block: np.ndarray,
    ) -> None:
        n = len(shape)
        self._out += tag + BLOCKS[n].pack(code, n, 1, block.nbytes, *shape)
        self._out += LAYOUTS[n].pack(*strides, offset)
        self._block(block, block.nbytes)

    def _claim(self, size: int) -> None:
        if len(self._out) + self._data_bytes + size > self.max_bytes:
            raise TooLarge

    def _block(self, block: np.ndarray | bytes, size: int) -> None:
        self._claim(size)
        self._data_bytes += size
        if size:
            self._blocks.append(block)

    def _ref(self, value: Ref, depth: int = 0) -> None:
        if type(value.target) is not int or not 0 <= value.target < 1 << 64:
            raise NotEncodable("a reference to nothing cannot be sent")
        self._out += b"R" + U64.pack(value.target)
        for text in (value.path, value.type_name):
            data = str(text).encode("utf-8", "replace")
            self._out += U32.pack(len(data)) + data


_WRITERS: dict[int, Callable[[Encoder, Any, int], None]] = {
    id(type(None)): lambda encoder, value, depth: encoder._out.extend(b"N"),
    id(bool): lambda encoder, value, depth: encoder._out.extend(b"1" if value else b"0"),
    id(int): Encoder._int,
    id(float): Encoder._float,
    id(complex): Encoder._complex,
    id(str): Encoder._text,
    id(bytes): Encoder._bytes,
    id(tuple): Encoder._sequence,
    id(list): Encoder._sequence,
    id(torch.Size): Encoder._sequence,
    id(dict): Encoder._dict,
    id(OrderedDict): Encoder._mapping,
    id(defaultdict): Encoder._mapping,
    id(torch.Tensor): Encoder._tensor,
    id(Parameter): Encoder._tensor,
    id(np.ndarray): Encoder._array,
    id(torch.dtype): Encoder._dtype,
    id(Ref): Encoder._ref,
    **{id(kind): Encoder._scalar for kind in NUMPY_SCALARS},
}
"""How values of each class are written, by the class's id: to look up the class itself might run a metaclass's code."""


class _Memory:
    """The bytes from the lowest to the highest element of an array, lent to NumPy."""

    def __init__(self, array: np.ndarray, low: int, span: int) -> None:
        start = array.__array_interface__["data"][0] + low
        self.__array_interface__ = {"data": (start, True), "shape": (span,), "typestr": "|u1", "version": 3}
        self.array = array  # keeps the memory alive


def _as_array(tensor: torch.Tensor) -> np.ndarray:
    """Return an array on the memory of a contiguous tensor; bfloat16, which NumPy lacks, as 16-bit integers."""
    return (tensor.view(torch.int16) if tensor.dtype is torch.bfloat16 else tensor).numpy()


def _dense(span: int, count: int) -> bool:
    """Tell whether elements lie densely enough in memory to be sent together with the gaps between them."""
    return span <= 4 * count + 1024
