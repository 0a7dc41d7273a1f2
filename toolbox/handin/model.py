"""What may be wrong with a saved model: grading reads tensors and numbers, and nothing that has to be unpickled."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import torch

from toolbox.saved_models import read_saved

SAVE = "save it with the network's `save`"


def model_problem(name: str, content: bytes) -> str:
    """Return why grading cannot read a saved model, "" if it can."""
    if not content:
        return f"is empty; {SAVE}"
    npz = name.endswith(".npz")
    if content[:2] != b"PK":
        if content[:1] == b"\x80" and not npz:
            return f"is in torch's old format or a plain pickle, which grading does not read; {SAVE}"
        return f"is not a saved model; {SAVE}"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                return f"is a compressed archive, which grading does not read; {SAVE}"
        return _held(read_saved(name, io.BytesIO(content)), "it")
    except pickle.UnpicklingError as error:
        return f"holds {_culprit(error)}, not just tensors and numbers; {SAVE}"
    except (MemoryError, RecursionError):
        return f"does not fit into memory; {SAVE}"
    except Exception:  # whatever a damaged file makes zipfile, torch and NumPy raise
        return f"is damaged and cannot be read; {SAVE} again"


def _culprit(error: pickle.UnpicklingError) -> str:
    """Return what torch refused to load: its message is long and addressed to someone else."""
    _, found, rest = (str(error.args[0]) if error.args else "").partition("GLOBAL ")
    return f"a pickled `{rest.split()[0][:80]}`" if found and rest.split() else "pickled objects"


def _held(value: Any, place: str) -> str:
    """Return what is wrong with the first tensor whose numbers do not all lie in the file, "" if none."""
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided:
            return f"{place} is a sparse tensor; save its to_dense()"
        if value.device.type != "cpu":
            return f"{place} is a tensor without data (device {value.device})"
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            return f"{place} is an expanded tensor; save its contiguous()"
        return ""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list | tuple):
        pairs = list(enumerate(value))
    return next(filter(None, (_held(item, f"{place}[{key!r:.40}]") for key, item in pairs)), "")
