"""Reads saved tensors in the jail: `.pth` files as torch.load does with weights_only=True, and `.npz` files.

A file that loads may still be a trap: a few bytes can describe a tensor of 10^12 elements, as an expanded,
sparse or meta tensor. So what was loaded is looked at before any operation touches it.
"""

from __future__ import annotations

import codecs
import os
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import torch

from autograder.sandbox.encode import NUMPY_CODES, NUMPY_SCALARS, TORCH_CODES, type_name
from autograder.sandbox.errors import BadModel
from autograder.sandbox.wire import MAX_DEPTH, MAX_ITEMS, clean

ADVICE = {
    ".pth": "save a dictionary of tensors and numbers with torch.save",
    ".npz": "save arrays of numbers with np.savez, each under its name",
}


def allow_numpy_values() -> None:
    """Let torch.load(weights_only=True) rebuild NumPy numbers and arrays, under NumPy 1's names for them too."""
    core = np._core.multiarray  # type: ignore[attr-defined]
    allowed: list[Any] = [np.dtype, np.ndarray, core.scalar, core._reconstruct, codecs.encode]
    allowed += [(core.scalar, "numpy.core.multiarray.scalar")]
    allowed += [(core._reconstruct, "numpy.core.multiarray._reconstruct")]
    allowed += sorted({type(dtype) for dtype in NUMPY_CODES}, key=lambda kind: kind.__name__)
    torch.serialization.add_safe_globals(allowed)


def read_tensors(path: str, max_bytes: int) -> Any:
    """Return what a `.pth` or `.npz` file holds as plain values. Raises BadModel with a sentence for the student."""
    name = os.path.basename(path)
    advice = _advice(name)
    try:
        content = _read_npz(path) if name.endswith(".npz") else _read_pth(path)
    except BadModel:
        raise
    except FileNotFoundError:
        raise BadModel(f"{name} is missing") from None
    except pickle.UnpicklingError as error:
        raise BadModel(f"{name} holds objects that are no tensors or numbers{_culprit(error)}; {advice}") from None
    except (MemoryError, RecursionError):
        raise BadModel(f"{name} does not fit into memory; {advice}") from None
    except Exception:
        raise BadModel(f"{name} cannot be read; {advice} and load it once to make sure that it works") from None
    return _Reader(name, max_bytes).plain(content, "it", 0)


def _advice(name: str) -> str:
    return ADVICE[".npz" if name.endswith(".npz") else ".pth"]


def _culprit(error: pickle.UnpicklingError) -> str:
    """Return the name of the forbidden global in torch's message, which is long and addressed to someone else."""
    text = str(error.args[0]) if error.args else ""
    _, found, rest = text.partition("GLOBAL ")
    return f" ({clean(rest.split()[0], 80)})" if found and rest.split() else ""


def _read_pth(path: str) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_npz(path: str) -> dict[str, np.ndarray]:
    name = os.path.basename(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            content = {key: archive[key] for key in archive.files}
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise BadModel(f"{name} holds objects, such as lists or dictionaries; {_advice(name)}") from None
    if any(type(value) is bytes for value in content.values()):  # members of an archive that NumPy did not write
        raise BadModel(f"{name} is an archive that NumPy did not write, maybe torch.save; {_advice(name)}")
    return content


class _Reader:
    """Turns what was loaded from one file into plain values, counting as it goes."""

    def __init__(self, name: str, max_bytes: int) -> None:
        self.name = name
        self.left = max_bytes
        self.items = 0

    def plain(self, value: Any, place: str, depth: int) -> Any:
        """Return a value as plain ones; `place` is what a message calls it."""
        self.items += 1
        if self.items > MAX_ITEMS or depth >= MAX_DEPTH:
            raise BadModel(f"{self.name} holds too many or too deeply nested values; {_advice(self.name)}")
        kind = type(value)
        if kind is dict or kind is OrderedDict:
            return {
                self.key(key, place): self.plain(item, f"{place}[{key!r:.40}]", depth + 1)
                for key, item in value.items()
            }
        if kind is list:
            return [self.plain(item, f"{place}[{n}]", depth + 1) for n, item in enumerate(value)]
        if kind is tuple or kind is torch.Size:
            return tuple(self.plain(item, f"{place}[{n}]", depth + 1) for n, item in enumerate(value))
        if kind is torch.Tensor or kind is torch.nn.Parameter:
            self.tensor(value, place)
            return value
        if kind is np.ndarray:
            if value.dtype not in NUMPY_CODES:
                raise self.refused(place, f"an array of dtype {value.dtype}")
            self.count(value.nbytes)
            return value
        if kind is torch.device:
            return str(value)
        if value is None or kind in (bool, int, float, complex, str, torch.dtype) or kind in NUMPY_SCALARS:
            return value
        raise self.refused(place, f"a value of type {type_name(value)}")

    def key(self, key: Any, place: str) -> Any:
        """Return a key of a dictionary if it is a plain one."""
        if type(key) not in (str, int, bool, float, tuple, type(None)):
            raise self.refused(place, f"a key of type {type_name(key)}")
        return key

    def tensor(self, value: torch.Tensor, place: str) -> None:
        """Refuse a tensor whose elements do not all lie in the file."""
        if value.layout is not torch.strided:
            raise self.refused(place, "a sparse tensor; save its to_dense()")
        if value.device.type != "cpu":
            raise self.refused(place, f"a tensor without data (device {value.device})")
        if value.dtype not in TORCH_CODES:
            raise self.refused(place, f"a tensor of dtype {value.dtype}")
        size = value.numel() * value.element_size()
        if size > value.untyped_storage().nbytes():
            raise self.refused(place, "an expanded tensor; save its contiguous()")
        self.count(size)

    def count(self, size: int) -> None:
        """Take note of bytes that will be sent."""
        self.left -= size
        if self.left < 0:
            raise BadModel(f"{self.name} holds more data than a saved model may")

    def refused(self, place: str, what: str) -> BadModel:
        """Return the error for a value that no saved model holds."""
        return BadModel(f"{self.name}: {clean(place, 120)} is {what}")
