"""Check a hand-written gradient against a numeric one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

SMALLEST = 1e-10  # the least denominator of a relative error, so that two zeros agree

Array = Tensor | np.ndarray
Function = Callable[[Any], Any]  # from an array to an array or a number


def relative_error(a: Array | float, b: Array | float) -> float:
    """Return how far two arrays are apart: max|a − b| / max(|a| + |b|), one number for the whole array.

    a, b: PyTorch tensors, NumPy arrays or numbers, of the same shape, else ValueError. The denominator is at
    least 1e-10; empty arrays give 0.
    A value that is not finite in either gives nan.
    """
    p, q = _double(a), _double(b)
    if p.shape != q.shape:
        raise ValueError(f"arrays of shapes {tuple(p.shape)} and {tuple(q.shape)} cannot be compared")
    if not p.numel():
        return 0.0
    # NaN spreads through max, and inf leaves inf − inf or inf / inf, which is NaN as well.
    return float((p - q).abs().max() / (p.abs() + q.abs()).max().clamp(min=SMALLEST))


def _double(value: Any) -> Tensor:
    """Return a value as float64 on the CPU; a Python number keeps all its digits."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", torch.float64)
    return torch.tensor(np.asarray(value, dtype=np.float64))


def numeric_gradient(f: Function, x: Array, df: Array | None = None, h: float = 1e-6) -> Any:
    """Compute the gradient of f at x by central differences, one entry of x at a time.

        dx_i = Σ_j df_j · (f(x + h·e_i) − f(x − h·e_i))_j / 2h

    f: from x to an array of any shape, or to one number. x: a tensor or a NumPy array of any shape and float
    type; float64 is the one to use, for with float32 rounding leaves two or three digits. df: the upstream
    gradient, in the shape of f(x); None for ones. f sees x itself, changed in place in one entry; x is as it
    was when this returns, or raises.
    Returns dx in the kind, shape and type of x. Raises ValueError where df does not have the shape of f(x),
    or x holds whole numbers.
    """
    dx = torch.empty(x.shape, dtype=_data(x).dtype, device=_data(x).device)
    for i in range(dx.numel()):
        dx.view(-1)[i] = _slope(f, x, _place(x, i), df, h)
    return dx if isinstance(x, Tensor) else dx.numpy()


def _data(x: Array) -> Tensor:
    """Return a tensor that shares x's memory, to change entries through; refuse whole numbers."""
    data = torch.as_tensor(x).detach()
    if not data.is_floating_point():
        raise ValueError(f"a gradient needs x of a float type, not {data.dtype}")
    return data


def _place(x: Array, i: int) -> tuple[int, ...]:
    """Return the coordinates of the i-th entry, row by row."""
    return tuple(int(k) for k in np.unravel_index(i, tuple(x.shape)))


def _slope(f: Function, x: Array, place: tuple[int, ...], df: Array | None, h: float) -> float:
    """Return the slope of df·f along one entry of x."""
    data = _data(x)
    old = data[place].item()
    try:
        data[place] = old + h
        above, high = data[place].item(), _double(f(x)).clone()  # f may hand out the same memory each time
        data[place] = old - h
        below, low = data[place].item(), _double(f(x))
    finally:
        data[place] = old
    if df is not None and tuple(df.shape) != tuple(high.shape):
        raise ValueError(f"df has shape {tuple(df.shape)}, but f(x) has {tuple(high.shape)}")
    change = high - low if df is None else (high - low) * _double(df)
    return float(change.sum()) / (above - below)  # the step as x's own type rounds it


@dataclass(frozen=True)
class Sample:
    """An entry of a gradient: where it is, what the code under test says, and what the numbers say."""

    place: tuple[int, ...]
    analytic: float
    numeric: float

    @property
    def error(self) -> float:
        """The relative error of this entry alone."""
        return relative_error(self.analytic, self.numeric)


def sampled_gradient(
    f: Function,
    x: Array,
    analytic: Array,
    df: Array | None = None,
    h: float = 1e-6,
    samples: int = 10,
    seed: int | None = None,
) -> list[Sample]:
    """Compare a gradient with numeric slopes at random entries, for arrays too large to try every one.

    f, x, df and h are as in `numeric_gradient`; analytic: the gradient under test, in x's shape, else
    ValueError. seed: draws the same entries each time; None draws from torch's generator. No entry comes
    twice.
    """
    if analytic.shape != x.shape:
        raise ValueError(f"the gradient has shape {tuple(analytic.shape)}, but x has {tuple(x.shape)}")
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    chosen = torch.randperm(_data(x).numel(), generator=generator)[:samples]
    places = [_place(x, int(i)) for i in chosen]
    return [Sample(place, float(analytic[place]), _slope(f, x, place, df, h)) for place in places]
