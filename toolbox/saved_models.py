"""Reading saved models as grading does: tensors, arrays and numbers, and nothing that has to be unpickled."""

from __future__ import annotations

import codecs
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch


def allow_numpy_values() -> None:
    """Let torch.load(weights_only=True) read NumPy numbers and arrays, under NumPy 1's names for them too."""
    core = np._core.multiarray  # type: ignore[attr-defined]
    known: list[Any] = [np.dtype, np.ndarray, core.scalar, core._reconstruct, codecs.encode]
    known += [(core.scalar, "numpy.core.multiarray.scalar"), (core._reconstruct, "numpy.core.multiarray._reconstruct")]
    known += sorted({type(np.dtype(code)) for code in "?bhilqBHILQefdFD"}, key=lambda kind: kind.__name__)
    torch.serialization.add_safe_globals(known)


def read_pth(file: Path | IO[bytes]) -> Any:
    """Return what a `.pth` file holds, its tensors on the CPU."""
    allow_numpy_values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=True)


def read_npz(file: Path | IO[bytes]) -> dict[str, np.ndarray]:
    """Return the arrays that a `.npz` file holds, by name."""
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_saved(name: str, file: Path | IO[bytes]) -> Any:
    """Return what a saved model holds, whose name ends in `.npz` or in `.pth`."""
    return read_npz(file) if name.endswith(".npz") else read_pth(file)
