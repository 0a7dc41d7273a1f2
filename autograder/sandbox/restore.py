"""Copy-restore: what a call changed in its arguments travels back, and the caller's own objects are brought up to date.

Jail side: each list, dictionary, tensor and array of a request is compared with what was sent, and only the
changed ones are sent back. Tensors and arrays are compared byte by byte with the request, containers item
by item with `is`, so no code of the student's runs.

Examiner side: the changed ones, by their number in the request, are written into the objects that were
passed.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from autograder.sandbox.decode import Decoder
from autograder.sandbox.encode import Encoder
from autograder.sandbox.errors import BadReply, StudentRaised
from autograder.sandbox.wire import MAX_COLLIDING_KEYS, is_key

NOWHERE = 1 << 62  # a floor above which no argument lies

# Taken once, from the class: an object of the student's may carry attributes of the same names.
_stride, _data_ptr = torch.Tensor.stride, torch.Tensor.data_ptr

SMALL = 16384  # up to here copying two blocks is quicker than asking for their addresses

# The object, its class, what it looked like, its memory, and the bytes that were sent.
Sent = tuple[Any, type, Any, np.ndarray, np.ndarray]


def snapshot(mutables: Sequence[tuple[Any, np.ndarray, np.ndarray]]) -> list[Sent]:
    """Note what the arguments of a call look like before it."""
    return [(value, type(value), _look(value), memory, sent) for value, memory, sent in mutables]


def _look(value: Any) -> tuple:
    """Return what tells whether a container holds the same items, or an array lies in the same memory, as before."""
    kind = type(value)
    if kind is dict:
        return tuple(value.items())
    if kind is list:
        return tuple(value)
    if kind is torch.Tensor:
        return value.dtype, value.shape, _stride(value), _data_ptr(value)
    return value.dtype, value.shape, value.strides, _address(value)


def _address(value: np.ndarray) -> int:
    return int(value.__array_interface__["data"][0])


def _differs(value: Any, kind: type, look: tuple, memory: np.ndarray, sent: np.ndarray) -> bool:
    if type(value) is not kind:
        return True
    now = _look(value)
    if kind is list:
        return len(now) != len(look) or any(a is not b for a, b in zip(now, look, strict=True))
    if kind is dict:
        return len(now) != len(look) or any(
            a[0] is not b[0] or a[1] is not b[1] for a, b in zip(now, look, strict=True)
        )
    if now != look:
        return True
    if sent.nbytes <= SMALL:
        return memory.tobytes() != sent.tobytes()
    return _memcmp()(_address(memory), _address(sent), sent.nbytes) != 0


@functools.cache
def _memcmp() -> Any:
    function = ctypes.CDLL(None).memcmp
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    return function


def add_changes(encoder: Encoder, before: Sequence[Sent]) -> None:
    """Append how many arguments differ from `before`, then for each its number and its new content."""
    changed = [index for index, sent in enumerate(before) if _differs(*sent)]
    encoder.add(len(changed))
    if not changed:
        return
    encoder.known = {id(sent[0]): index for index, sent in enumerate(before)}
    for index in changed:
        value, kind = before[index][:2]
        encoder.add(index)
        # A container is sent as tuples: as itself it would only be named. The items in it that came with
        # the request are named, if they came after it, so that it cannot be put into itself.
        encoder.floor = index
        if kind is dict:
            keys = tuple(value)
            if not all(map(is_key, keys)):
                raise TypeError("a dictionary that was passed in got a key that is no plain value")
            encoder.add(keys)
            encoder.add(tuple(value.values()))
        elif kind is list:
            encoder.add(tuple(value))
        else:
            encoder.floor = NOWHERE
            encoder.add(value)
        encoder.floor = NOWHERE


def take_changes(decoder: Decoder, originals: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return what a reply says about the caller's own objects: pairs of object and new content."""
    decoder.originals = originals
    changes: list[tuple[Any, Any]] = []
    last = -1
    for _ in range(decoder.take_int(len(originals) + 1)):
        index = decoder.take_int(len(originals))
        if index <= last:
            raise BadReply("the reply changes an argument twice")
        last = index
        changes.append((originals[index], _new_content(decoder, index, type(originals[index]))))
    return changes


def write_changes(changes: Sequence[tuple[Any, Any]]) -> None:
    """Bring the caller's own objects up to date.

    Raises StudentRaised if the call gave an input another shape or dtype, which the caller's object cannot
    follow.
    """
    problems = [problem for original, new in changes if (problem := _write(original, new))]
    if problems:
        raise StudentRaised("InputChanged", problems[0])


def _new_content(decoder: Decoder, index: int, kind: type) -> Any:
    if kind is not dict and kind is not list:
        return decoder.take()
    decoder.floor = index
    parts = [decoder.take() for _ in range(2 if kind is dict else 1)]
    decoder.floor = NOWHERE
    if any(type(part) is not tuple for part in parts):
        raise BadReply("the reply is not laid out as one")
    if kind is list:
        return parts[0]
    keys, values = parts
    others = sum(type(key) is not str for key in keys)
    if len(keys) != len(values) or others > MAX_COLLIDING_KEYS or not all(map(is_key, keys)):
        raise BadReply("the reply holds a dictionary with keys that are no plain values")
    return dict(zip(keys, values, strict=True))


def _write(original: Any, new: Any) -> str:
    """Write new content into the caller's object; return what is wrong with it, if it does not fit."""
    kind = type(original)
    if kind is dict:
        original.clear()
        original.update(new)
        return ""
    if kind is list:
        original[:] = new
        return ""
    array = kind is np.ndarray
    same_kind = type(new) is np.ndarray if array else type(new) is torch.Tensor
    was = f"{tuple(original.shape)} and {original.dtype}"
    if not same_kind:
        return f"an input of shape {was} became something else during the call"
    if new.shape != original.shape or new.dtype != original.dtype:
        return f"an input of shape {was} became one of shape {tuple(new.shape)} and {new.dtype} during the call"
    try:
        if array:
            np.copyto(original, new)
        else:
            with torch.no_grad():
                original.copy_(new)
    except (ValueError, RuntimeError):  # read-only, or expanded: several elements in one place
        return f"an input of shape {was}, which cannot be written to, was changed during the call"
    return ""
