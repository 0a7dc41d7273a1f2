"""What crosses the socket between an examiner and a jail, and how it is laid out.

Values are numbers, strings, bytes, lists, tuples, dictionaries, dtypes, tensors and NumPy arrays. Types are
told apart with `type(x) is`, never `isinstance`: a subclass is no value but an object, and objects stay
where they are and travel as a `Ref`.

A message is `meta length (u32) | meta | padding | data blocks`. The meta part is a tree of one-byte tags; a
tensor, an array or a long byte string names its size there, and its bytes follow in the data part in the
same order, each block at a multiple of 64, so that nothing needs to be copied in between.

The two directions differ, on purpose:

- *examiner → jail* (trusted): an object that occurs twice is the same object on the other side, and strides
  survive, so a transposed tensor arrives transposed.
- *jail → examiner* (hostile): every length is held against the bytes that are really there before anything is
  allocated, data is contiguous, and no value contains itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Value = Any  # one of the above

MAX_DEPTH = 32
MAX_ITEMS = 100_000
MAX_DIMENSIONS = 32
MAX_INT_BYTES = 4096
# Integers, floats and tuples hash the same in every process, so a hostile dictionary can make all its keys
# collide, which costs the square of their number. Strings cannot: their hash is keyed.
MAX_COLLIDING_KEYS = 4096
ALIGNMENT = 64
LONG_BYTES = 4096  # longer byte strings go into the data part

TORCH_DTYPES: tuple[torch.dtype, ...] = (
    torch.float16, torch.float32, torch.float64, torch.bfloat16, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.uint8, torch.bool, torch.complex64, torch.complex128,
)  # fmt: skip
NUMPY_DTYPES: tuple[np.dtype, ...] = tuple(
    np.dtype(name)
    for name in (
        "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "bool", "complex64", "complex128",
    )
)  # fmt: skip

U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
I64 = struct.Struct("<q")
F64 = struct.Struct("<d")
C128 = struct.Struct("<dd")
# Of a tensor or an array: dtype code, dimensions, strided?, bytes in the data part, shape.
BLOCKS = tuple(struct.Struct(f"<BBBQ{n}Q") for n in range(MAX_DIMENSIONS + 1))
LAYOUTS = tuple(struct.Struct(f"<{n}qQ") for n in range(MAX_DIMENSIONS + 1))  # strides and offset, in elements


@dataclass(frozen=True)
class Ref:
    """An object that stays in the jail: the attribute `path` of handle `target` (0 is the student's module)."""

    target: int
    path: str = ""
    type_name: str = ""


def is_key(key: Any, depth: int = 0) -> bool:
    """Tell whether a value may be a key of a dictionary: a plain scalar, or a short tuple of those."""
    kind = type(key)
    if kind is tuple:
        return depth < 4 and len(key) <= 16 and all(is_key(part, depth + 1) for part in key)
    return kind is str or kind is int or kind is bool or key is None or kind is float


def clean(text: str, limit: int = 300) -> str:
    """Return text on one line without control or bidirectional characters, at most `limit` characters long."""
    text = "".join(
        c if c.isprintable() else (" " if c in "\n\t\r" else "\N{REPLACEMENT CHARACTER}") for c in text[: limit + 1]
    )
    return text if len(text) <= limit else text[: limit - 1] + "…"
