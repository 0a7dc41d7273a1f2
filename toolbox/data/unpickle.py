"""Read a pickle that holds arrays and plain values, and refuse every other one.

A pickle is a program. Of everything it could ask for, this reader knows three names, the ones with which
NumPy writes an array, and gives each a harmless class of its own: nothing from a pickle is ever imported or
called.
"""

import io
import pickle
from typing import Any

import numpy as np

from toolbox.data.errors import DataDamaged

MOST_BYTES = 1 << 30
_NUMBERS = {kind + size for kind in "iuf" for size in "1248"} - {"f1"}


class _DType:
    """Stands for `numpy.dtype`: a number type by its short name, such as `u1`."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any = b"", *_: Any) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else code
        self.order = "|"
        if self.code not in _NUMBERS:
            raise pickle.UnpicklingError(f"an array of {self.code!r} is not an array of numbers")

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else order
        if self.order not in ("|", "<", ">", "="):
            raise pickle.UnpicklingError(f"unknown byte order {self.order!r}")


class _Array:
    """Stands for `numpy.ndarray` while a pickle is read; `numpy()` is the array it describes."""

    __slots__ = ("state",)

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def numpy(self) -> np.ndarray:
        """Return the array, a read-only view of the bytes in the pickle."""
        _, shape, dtype, columns_first, data = self.state
        if not isinstance(dtype, _DType) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array without its type or its bytes")
        flat = np.frombuffer(data, dtype=np.dtype(dtype.order + dtype.code))
        return flat.reshape(shape, order="F" if columns_first else "C")


_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}; only arrays and plain values are read"
            ) from None


def unpickle(content: bytes, name: str) -> dict[bytes, Any]:
    """Return the dictionary in a pickle of arrays and plain values; text from Python 2 comes as bytes.

    content: the whole file; name: what to call it in an error.
    Raises DataDamaged where the pickle is cut short, holds no dictionary, or asks for anything but arrays,
    numbers, texts, lists, tuples and dictionaries. Nothing that it asks for is run.
    """
    try:
        if len(content) > MOST_BYTES:
            raise pickle.UnpicklingError("it is larger than any batch file")
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(found, dict):
            raise pickle.UnpicklingError("it holds no dictionary")
        return {key: value.numpy() if isinstance(value, _Array) else value for key, value in found.items()}
    except Exception as error:  # a broken pickle can raise nearly anything, MemoryError included
        why = str(error) or type(error).__name__
        raise DataDamaged(f"{name} is not a readable batch file: {why}.") from None
