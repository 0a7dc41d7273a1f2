"""Bytes into values, where the bytes may come from a hostile process; see `wire` for the layout."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from autograder.sandbox.errors import BadReply
from autograder.sandbox.wire import (
    ALIGNMENT,
    BLOCKS,
    C128,
    F64,
    I64,
    LAYOUTS,
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
    Value,
    clean,
    is_key,
)

TORCH_SIZES = tuple(dtype.itemsize for dtype in TORCH_DTYPES)
NUMPY_SIZES = tuple(dtype.itemsize for dtype in NUMPY_DTYPES)
NUMPY_OF_TORCH = tuple(np.dtype(str(dtype)[6:]) if dtype is not torch.bfloat16 else None for dtype in TORCH_DTYPES)
_NOTHING = np.empty(0, np.uint8)
PATH = re.compile(r"[\w.]{0,200}")
MAX_ELEMENTS = 1 << 48  # where a dimension is 0: torch and NumPy multiply the others all the same


class Decoder:
    """Takes values from one message. Whatever the bytes are, it returns values or raises BadReply.

    buffer: the message as a writable byte array; tensors and arrays keep parts of it as their memory.
    trusted: accept shared objects and strides, and copy data blocks, so that the buffer stays as it was sent
        (jail side). `mutables` then lists each list, dictionary, tensor and array, the latter two with the
        memory they got and the bytes that were sent.
    resolve: turns a Ref into the object it names; without it Refs are values.
    originals: what `Encoder.known` objects stand for on this side.
    """

    def __init__(
        self,
        buffer: np.ndarray,
        *,
        trusted: bool = False,
        resolve: Callable[[Ref], object] | None = None,
        originals: Sequence[Any] = (),
    ) -> None:
        self.trusted = trusted
        self.copying = trusted  # may be switched off where nobody will compare
        self.resolve = resolve
        self.originals = originals
        self.floor = 1 << 62
        self.mutables: list[tuple[Any, np.ndarray, np.ndarray]] = []
        self._buffer = buffer
        self._view = memoryview(buffer)  # type: ignore[arg-type]
        self._total = buffer.nbytes
        self._items = 0
        if self._total < 4:
            raise BadReply("the reply is too short to be one")
        self._at = 4
        self._end = 4 + U32.unpack_from(self._view)[0]
        if self._end > self._total:
            raise BadReply("the reply breaks off")
        self._data = self._end + -self._end % ALIGNMENT if self._end < self._total else self._end

    def finish(self) -> None:
        """Demand that the message holds nothing more."""
        if self._at != self._end or self._data != self._total:
            raise BadReply("the reply holds more bytes than its values")

    def take(self, depth: int = 0) -> Value:
        """Return the next value."""
        self._items += 1
        if self._items > MAX_ITEMS:
            raise BadReply(f"the reply holds more than {MAX_ITEMS} items")
        if depth > MAX_DEPTH:
            raise BadReply(f"the reply is nested more than {MAX_DEPTH} deep")
        at = self._at
        if at >= self._end:
            raise BadReply("the reply breaks off")
        self._at = at + 1
        reader = _READERS[self._view[at]]
        if reader is None:
            raise BadReply("the reply holds a value of no known type")
        return reader(self, depth)

    def take_str(self) -> str:
        """Return the next value, which must be a string."""
        value = self.take()
        if type(value) is not str:
            raise BadReply("the reply is not laid out as one")
        return value

    def take_int(self, below: int) -> int:
        """Return the next value, which must be an integer from 0 to below `below`."""
        value = self.take()
        if type(value) is not int or not 0 <= value < below:
            raise BadReply("the reply is not laid out as one")
        return value

    def _claim(self, count: int) -> int:
        """Step over the next `count` bytes of the meta part and return where they start."""
        start = self._at
        if count > self._end - start:
            raise BadReply("the reply breaks off")
        self._at = start + count
        return start

    def _bytes(self, count: int) -> memoryview:
        start = self._claim(count)
        return self._view[start : start + count]

    def _u32(self) -> int:
        return int(U32.unpack_from(self._view, self._claim(4))[0])

    def _text(self) -> str:
        try:
            return str(self._bytes(self._u32()), "utf-8")
        except UnicodeDecodeError:
            raise BadReply("the reply holds text that is not UTF-8") from None

    def _count(self, least: int) -> int:
        """Read a number of items, each of which takes at least `least` bytes."""
        count = self._u32()
        if count * least > self._end - self._at:
            raise BadReply("the reply breaks off")
        if count > MAX_ITEMS:
            raise BadReply(f"the reply holds more than {MAX_ITEMS} items")
        return count

    def _block(self, size: int) -> int:
        """Claim the next `size` bytes of the data part and return where they start."""
        start = self._data
        padded = size + -size % ALIGNMENT
        if padded > self._total - start:
            raise BadReply("the reply breaks off")
        self._data = start + padded
        return start

    def _int(self, depth: int) -> int:
        return int(I64.unpack_from(self._view, self._claim(8))[0])

    def _big_int(self, depth: int) -> int:
        size = self._u32()
        if size > MAX_INT_BYTES:
            raise BadReply("the reply holds an integer with too many digits")
        return int.from_bytes(self._bytes(size), "little", signed=True)

    def _float(self, depth: int) -> float:
        return float(F64.unpack_from(self._view, self._claim(8))[0])

    def _complex(self, depth: int) -> complex:
        return complex(*C128.unpack(self._bytes(16)))

    def _string(self, depth: int) -> str:
        return self._text()

    def _short_bytes(self, depth: int) -> bytes:
        return bytes(self._bytes(self._u32()))

    def _long_bytes(self, depth: int) -> bytes:
        (size,) = U64.unpack(self._bytes(8))
        start = self._block(size)
        return bytes(self._view[start : start + size])

    def _tuple(self, depth: int) -> tuple:
        return tuple([self.take(depth + 1) for _ in range(self._count(1))])

    def _list(self, depth: int) -> list:
        result: list[Any] = []
        if self.trusted:
            self.mutables.append((result, _NOTHING, _NOTHING))
        for _ in range(self._count(1)):
            result.append(self.take(depth + 1))
        return result

    def _dict(self, depth: int) -> dict:
        result: dict[Any, Any] = {}
        if self.trusted:
            self.mutables.append((result, _NOTHING, _NOTHING))
        count = self._count(2)
        others = 0
        for _ in range(count):
            key = self.take(depth + 1)
            if type(key) is not str:
                others += 1
                if others > MAX_COLLIDING_KEYS or not is_key(key):
                    raise BadReply("the reply holds a dictionary with keys that are no plain values")
            result[key] = self.take(depth + 1)
        if len(result) != count:
            raise BadReply("the reply holds a dictionary with the same key twice")
        return result

    def _header(self, sizes: tuple[int, ...]) -> tuple[int, list[int], int, tuple[int, ...]]:
        """Read and check what stands before a tensor or array: dtype code, shape, bytes, strides with offset."""
        dimensions = self._view[self._at + 1] if self._end - self._at > 1 else 0
        if dimensions > MAX_DIMENSIONS:
            raise BadReply("the reply holds a malformed tensor or array")
        block = BLOCKS[dimensions]
        code, _, strided, size, *shape = block.unpack_from(self._view, self._claim(block.size))
        if code >= len(sizes) or strided > self.trusted:
            raise BadReply("the reply holds a malformed tensor or array")
        if strided:
            layout = LAYOUTS[dimensions]
            return code, shape, size, layout.unpack_from(self._view, self._claim(layout.size))
        if math.prod(shape) * sizes[code] != size or (size == 0 and math.prod(n or 1 for n in shape) > MAX_ELEMENTS):
            raise BadReply("the reply holds a tensor or array whose shape does not fit its bytes")
        return code, shape, size, ()

    def _memory(self, size: int, boolean: bool) -> tuple[np.ndarray, int]:
        """Claim a block and return memory for it, with the block's place in it."""
        start = self._block(size)
        if boolean and self._buffer[start : start + size].max() > 1:
            raise BadReply("the reply holds a boolean that is neither 0 nor 1")
        return (self._buffer[start : start + size].copy(), 0) if self.copying else (self._buffer, start)

    def _keep(self, value: Any, memory: np.ndarray, size: int) -> Any:
        if self.copying:
            start = self._data - size - -size % ALIGNMENT
            self.mutables.append((value, memory, self._buffer[start : start + size]))
        elif self.trusted:
            self.mutables.append((value, memory, _NOTHING))
        return value

    def _tensor(self, depth: int) -> torch.Tensor:
        code, shape, size, layout = self._header(TORCH_SIZES)
        dtype = TORCH_DTYPES[code]
        if size == 0:
            return self._keep(torch.empty(shape, dtype=dtype), _NOTHING, 0)
        memory, start = self._memory(size, dtype is torch.bool)
        if layout or dtype is torch.bfloat16:
            flat = torch.frombuffer(memory, dtype=dtype, count=size // TORCH_SIZES[code], offset=start)
            value = flat.as_strided(shape, layout[:-1], layout[-1]) if layout else flat.view(shape)
        else:
            value = torch.from_numpy(np.ndarray(shape, NUMPY_OF_TORCH[code], memory, start))
        return self._keep(value, memory, size)

    def _array(self, depth: int) -> np.ndarray:
        code, shape, size, layout = self._header(NUMPY_SIZES)
        dtype, item = NUMPY_DTYPES[code], NUMPY_SIZES[code]
        if size == 0:
            return self._keep(np.empty(shape, dtype), _NOTHING, 0)
        memory, start = self._memory(size, dtype.kind == "b")
        if not layout:
            return self._keep(np.ndarray(shape, dtype, memory, start), memory, size)
        strides = [s * item for s in layout[:-1]]
        return self._keep(np.ndarray(shape, dtype, memory, start + layout[-1] * item, strides), memory, size)

    def _scalar(self, depth: int) -> np.generic:
        code = self._bytes(1)[0]
        if code >= len(NUMPY_DTYPES):
            raise BadReply("the reply holds a number of no known type")
        dtype = NUMPY_DTYPES[code]
        data = bytes(self._bytes(dtype.itemsize))
        if dtype.kind == "b" and data[0] > 1:
            raise BadReply("the reply holds a boolean that is neither 0 nor 1")
        scalar: np.generic = np.frombuffer(data, dtype)[0]
        return scalar

    def _dtype(self, depth: int) -> torch.dtype:
        code = self._bytes(1)[0]
        if code >= len(TORCH_DTYPES):
            raise BadReply("the reply holds a dtype that is not known")
        return TORCH_DTYPES[code]

    def _ref(self, depth: int) -> object:
        (target,) = U64.unpack(self._bytes(8))
        path = self._text()
        if not PATH.fullmatch(path):
            raise BadReply("the reply names an attribute that cannot be one")
        ref = Ref(target, path, clean(self._text(), 80))
        return ref if self.resolve is None else self.resolve(ref)

    def _same(self, depth: int) -> object:
        index = self._u32()
        if not self.trusted or index >= len(self.mutables):
            raise BadReply("the reply names a value that is not there")
        return self.mutables[index][0]

    def _known(self, depth: int) -> object:
        index = self._u32()
        if not self.floor < index < len(self.originals):
            raise BadReply("the reply names an argument that is not there")
        return self.originals[index]


_TAGS: dict[int, Callable[[Decoder, int], Any]] = {
    ord("N"): lambda decoder, depth: None,
    ord("1"): lambda decoder, depth: True,
    ord("0"): lambda decoder, depth: False,
    ord("i"): Decoder._int,
    ord("I"): Decoder._big_int,
    ord("f"): Decoder._float,
    ord("c"): Decoder._complex,
    ord("s"): Decoder._string,
    ord("b"): Decoder._short_bytes,
    ord("B"): Decoder._long_bytes,
    ord("t"): Decoder._tuple,
    ord("l"): Decoder._list,
    ord("d"): Decoder._dict,
    ord("T"): Decoder._tensor,
    ord("A"): Decoder._array,
    ord("n"): Decoder._scalar,
    ord("y"): Decoder._dtype,
    ord("R"): Decoder._ref,
    ord("="): Decoder._same,
    ord("k"): Decoder._known,
}
_READERS = tuple(map(_TAGS.get, range(256)))
