"""Write a dictionary the way Python 2 and its NumPy did, as CIFAR-10's own files are written.

Code that reads CIFAR-10 then reads these files as well, and their bytes are the same whatever Python and
NumPy wrote them. The opcodes are those of pickle protocol 2 (PEP 307; documented in the standard library's
pickletools).
"""

import struct
from typing import Any

import numpy as np


def dumps(value: Any) -> bytes:
    """Return the pickle of a dictionary of bytes, whole numbers, lists of those and uint8 arrays.

    Raises TypeError at anything else.
    """
    return b"\x80\x02" + _write(value) + b"."


def _write(value: Any) -> bytes:
    if isinstance(value, dict):
        return b"}(" + b"".join(_write(key) + _write(entry) for key, entry in value.items()) + b"u"
    if isinstance(value, list | tuple):
        return b"](" + b"".join(map(_write, value)) + b"e"
    if isinstance(value, bytes):
        short = len(value) < 256
        return (b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value))) + value
    if isinstance(value, int | np.integer):
        return b"J" + struct.pack("<i", int(value))
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return _write_array(value)
    raise TypeError(f"{type(value).__name__} cannot be written in this layout")


def _write_array(array: np.ndarray) -> bytes:
    """An empty array is made first, then given its version, shape, type, order and bytes."""
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + _write(0) + b"\x85" + _write(b"b") + b"\x87R"
    number = b"cnumpy\ndtype\n" + _write(b"u1") + _write(0) + _write(1) + b"\x87R"
    order = b"(" + _write(3) + _write(b"|") + b"NNN" + _write(-1) + _write(-1) + _write(0) + b"tb"
    shape = b"(" + b"".join(map(_write, array.shape)) + b"t"
    state = b"(" + _write(1) + shape + number + order + b"\x89" + _write(array.tobytes()) + b"t"
    return empty + state + b"b"
