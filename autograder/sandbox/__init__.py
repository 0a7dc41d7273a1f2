"""Runs untrusted Python in jails and exchanges plain values with it.

An examiner, which holds expected values, never shares a process with student code::

    with Preloaded() as preloaded:
        with preloaded.start({"layers.py": Path("submitted/layers.py")}) as jail:
            jail.import_module("layers", seconds=20)
            out, cache = jail.call(0, "Layer.forward", (x, w, b), seconds=10)

Names are loaded on first use, because some of them import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from autograder.sandbox.errors import (
    BadFile,
    BadModel,
    BadReply,
    Died,
    Interrupted,
    IsolationUnavailable,
    SandboxError,
    StudentRaised,
    TimedOut,
)
from autograder.sandbox.limits import Limits, Usage

if TYPE_CHECKING:
    from autograder.sandbox.archive import inspect_archive
    from autograder.sandbox.encode import NotEncodable
    from autograder.sandbox.jail import Jail, Scan
    from autograder.sandbox.layers import Layer, best_level, host_layers
    from autograder.sandbox.preloaded import Preloaded
    from autograder.sandbox.wire import Ref, Value

__all__ = [
    "BadFile",
    "BadModel",
    "BadReply",
    "Died",
    "Interrupted",
    "IsolationUnavailable",
    "Jail",
    "Layer",
    "Limits",
    "NotEncodable",
    "Preloaded",
    "Ref",
    "SandboxError",
    "Scan",
    "StudentRaised",
    "TimedOut",
    "Usage",
    "Value",
    "best_level",
    "host_layers",
    "inspect_archive",
]

_HOMES = {
    "Jail": "jail",
    "Layer": "layers",
    "NotEncodable": "encode",
    "Preloaded": "preloaded",
    "Ref": "wire",
    "Scan": "jail",
    "Value": "wire",
    "best_level": "layers",
    "host_layers": "layers",
    "inspect_archive": "archive",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
