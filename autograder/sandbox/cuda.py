"""Sends what student code asks of a GPU to the CPU, and takes note that it did.

Students leave `device='cuda'` in layers and solver builders. In the jail there is no GPU; with this
redirect their code computes on the CPU instead of failing. It costs some microseconds per torch function,
so it is installed only if a submitted file mentions cuda at all. `torch.cuda.is_available()` stays False.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

notices: set[str] = set()

_DEVICE = re.compile(r"cuda(:\d+)?\Z")
_installed: list[TorchFunctionMode] = []


def mentioned(folder: str) -> bool:
    """Tell whether any Python file in a folder mentions cuda."""
    for name in os.listdir(folder):
        if name.endswith(".py"):
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    if b"cuda" in file.read():
                        return True
            except OSError:
                continue
    return False


def is_cuda(value: object) -> bool:
    """Tell whether an argument names a GPU."""
    if type(value) is str:
        return _DEVICE.match(value) is not None
    return type(value) is torch.device and value.type == "cuda"


def _to_cpu(value: Any) -> Any:
    if is_cuda(value):
        notices.add("cuda")
        return "cpu"
    return value


class _OnCPU(TorchFunctionMode):
    """Replaces GPU devices in the arguments of every torch function."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs) if kwargs else {}
        if func is torch.Tensor.cuda:
            notices.add("cuda")
            return args[0]
        if func is torch.Tensor.pin_memory:
            return args[0]
        if func is torch.Tensor.to and len(args) > 1 and type(args[1]) is int:  # the number of a GPU
            args = (args[0], "cuda", *args[2:])
        if "device" in kwargs:
            device = kwargs["device"]
            kwargs["device"] = _to_cpu("cuda" if type(device) is int else device)
        if any(type(value) in (str, torch.device) for value in args):
            args = tuple(map(_to_cpu, args))
        return func(*args, **kwargs)


def _do_nothing(*args: object, **kwargs: object) -> None:
    notices.add("cuda")


class _Nothing:
    """A device context, a stream or an event that does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        notices.add("cuda")

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., float]:
        return lambda *args, **kwargs: 0.0


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that passes its arguments on with GPU devices replaced."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_to_cpu, args), **{name: _to_cpu(value) for name, value in kwargs.items()})

    return call


def redirect() -> None:
    """Redirect GPU devices to the CPU from now on, in this process."""
    if _installed:
        return
    mode = _OnCPU()
    mode.__enter__()
    _installed.append(mode)
    torch.load = _guarded(torch.load)
    torch.set_default_device = _guarded(torch.set_default_device)
    torch.Generator = _guarded(torch.Generator)  # type: ignore[assignment, misc]
    for name in ("synchronize", "set_device", "empty_cache", "reset_peak_memory_stats", "init"):
        setattr(torch.cuda, name, _do_nothing)
    for name in ("device", "stream", "Stream", "Event"):
        setattr(torch.cuda, name, _Nothing)
    torch.cuda.get_device_name = lambda *args: "no GPU"
    torch.cuda.current_device = lambda: 0
    for name in ("memory_allocated", "max_memory_allocated", "memory_reserved"):
        setattr(torch.cuda, name, lambda *args: 0)
    for name in ("Float", "Double", "Half", "Long", "Int", "Bool"):
        setattr(torch.cuda, f"{name}Tensor", getattr(torch, f"{name}Tensor"))


def load_gpu_files_on_cpu() -> None:
    """Have torch.load put tensors that were saved on a GPU on the CPU, without being told so."""
    torch.serialization.register_package(
        5, lambda storage: None, lambda storage, place: storage if str(place).startswith("cuda") else None
    )
