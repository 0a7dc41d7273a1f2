"""What a check works with: one case, its random numbers, its comparisons."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from toolbox.checks.declare import CaseKind, Check
from toolbox.gradients import relative_error

if TYPE_CHECKING:
    from toolbox.data import Data

PUBLIC_SEED = b"public"
"""The seed of the checks that students run themselves."""


class Failed(Exception):
    """An answer is not what it should be; the text says in which way, never what was expected."""


class Case:
    """One trial of one case of a check.

    Attributes:
        name: the name of the case.
        measured: the largest error so far, or the figure that `at_least` was given.
        threshold: what it was held against.
        flagged: what a person should look at although the check passes.
    """

    def __init__(
        self,
        check: Check,
        kind: CaseKind,
        seed: bytes,
        trial: int,
        *,
        data: Callable[[], Data],
        threshold: float | None = None,
        saved: Callable[[str], Any] | None = None,
    ):
        self.name = kind.name
        self.trial = trial
        self.flagged = ""
        self.measured: float | None = None
        self.threshold = check.tolerance if threshold is None else threshold
        self._tolerance = check.tolerance
        self.given = kind.given
        self._data = data
        self._saved = saved
        text = f"{check.id}/{kind.name}/{trial}".encode()
        number = int.from_bytes(hashlib.blake2b(text, key=seed[:64], digest_size=7).digest(), "big")
        self.rng = torch.Generator().manual_seed(number)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["given"][name]
        except KeyError:
            raise AttributeError(f"the case {self.name!r} was given no {name!r}") from None

    @property
    def data(self) -> Data:
        """The data set that this run uses."""
        return self._data()

    # random inputs

    def size(self, low: int, high: int) -> int:
        """Draw a whole number, low and high included."""
        return int(torch.randint(low, high + 1, (), generator=self.rng))

    def randn(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Draw a tensor of standard normal numbers."""
        return torch.randn(*shape, generator=self.rng, dtype=dtype)

    def normal(self, *shape: int) -> np.ndarray:
        """Draw a NumPy array of standard normal numbers, float64."""
        return self.randn(*shape).numpy()

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between low and high."""
        return low + (high - low) * float(torch.rand((), generator=self.rng, dtype=torch.float64))

    def labels(self, n: int, classes: int) -> Tensor:
        """Draw n labels, shape (n,), int64."""
        return torch.randint(classes, (n,), generator=self.rng)

    # what a case demands

    def fail(self, message: str) -> None:
        """Fail this case with a sentence for the student."""
        raise Failed(message)

    def require(self, condition: bool, message: str) -> None:
        """Fail this case with `message` unless the condition holds."""
        if not condition:
            raise Failed(message)

    def flag(self, sentence: str) -> None:
        """Have a person look at this submission: the sentence stands in its record, whatever the check finds."""
        self.flagged = sentence

    def tensor(self, name: str, got: Any, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
        """Return `got` if it is a finite tensor of this shape and type, else fail saying what it is."""
        got = self._of_shape(name, got, shape, dtype)
        if not bool(torch.isfinite(got).all()):
            raise Failed(f"{name} contains NaN or infinite numbers")
        return got

    def array(self, name: str, got: Any, shape: tuple[int, ...], dtype: type = np.float64) -> np.ndarray:
        """Return `got` if it is a finite NumPy array of this shape and type, else fail saying what it is."""
        got = self._array_of_shape(name, got, shape, np.dtype(dtype))
        if not np.isfinite(got).all():
            raise Failed(f"{name} contains NaN or infinite numbers")
        return got

    def _array_of_shape(self, name: str, got: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if shape == () and (type(got) in (float, int) or isinstance(got, np.generic)):
            got = np.asarray(got, dtype)
        if not isinstance(got, np.ndarray):
            raise Failed(f"{name} is {describe(got)}, where a NumPy array of shape {shape} is wanted")
        if got.shape != tuple(shape):
            raise Failed(f"{name} has shape {got.shape}, where {tuple(shape)} is wanted")
        if got.dtype != dtype:
            raise Failed(f"{name} is of type {got.dtype}, where {dtype} is wanted")
        return got

    def _of_shape(self, name: str, got: Any, shape: tuple[int, ...], dtype: torch.dtype | None) -> Tensor:
        if shape == () and (type(got) in (float, int) or (isinstance(got, np.ndarray | np.generic) and got.ndim == 0)):
            got = torch.tensor(float(got), dtype=dtype)
        if not isinstance(got, Tensor):
            raise Failed(f"{name} is {describe(got)}, where a tensor of shape {shape} is wanted")
        if tuple(got.shape) != tuple(shape):
            raise Failed(f"{name} has shape {tuple(got.shape)}, where {tuple(shape)} is wanted")
        if dtype is not None and got.dtype != dtype:
            raise Failed(f"{name} is of type {got.dtype}, where {dtype} is wanted")
        return got.detach()

    def compare(
        self, name: str, got: Any, expected: Tensor | np.ndarray | np.float64, tolerance: float | None = None
    ) -> float:
        """Demand kind, shape, type and values of `expected`, up to a relative error; return that error."""
        allowed = self._tolerance if tolerance is None else tolerance
        if allowed is None:
            raise ValueError(f"no tolerance is given for {name}")
        if isinstance(expected, Tensor):
            got = self._of_shape(name, got, tuple(expected.shape), expected.dtype)
        else:
            got = self._array_of_shape(name, got, expected.shape, expected.dtype)
        error = relative_error(got, expected)
        if math.isnan(error):
            raise Failed(f"{name} contains NaN or infinite numbers")
        if tolerance is None:
            self.measured = error if self.measured is None else max(self.measured, error)
        if not error <= allowed:
            raise Failed(f"{name} is off by a relative error of {error:.1e}, allowed {allowed:.0e}")
        return error

    def unchanged(self, name: str, now: Tensor | np.ndarray, before: Tensor | np.ndarray) -> None:
        """Demand that an input still holds what it held before the call."""
        if not torch.equal(torch.as_tensor(now), torch.as_tensor(before)):
            raise Failed(f"{name} was changed in place: work on a copy")

    def at_least(self, name: str, value: float) -> None:
        """Demand that a fraction reaches the assignment's threshold for this check."""
        if self.threshold is None:
            raise ValueError(f"assignment.toml gives no threshold for {name} on this data set")
        self.measured = value
        if not value >= self.threshold:
            raise Failed(f"{name} is {value:.2%}, at least {self.threshold:.2%} is asked for")

    def dictionary(self, name: str, got: Any, keys: Mapping[str, Any] | set[str]) -> dict[str, Any]:
        """Return `got` if it is a dictionary with exactly these keys, else fail naming the difference."""
        if type(got) not in (dict, OrderedDict, defaultdict):
            raise Failed(f"{name} is {describe(got)}, where a dictionary is wanted")
        missing = sorted(set(keys) - set(got))
        if missing:
            raise Failed(f"{name} has no entry {missing[0]!r}")
        extra = sorted(map(str, set(got) - set(keys)))
        if extra:
            raise Failed(f"{name} has an entry {extra[0][:40]!r} that belongs to nothing")
        return dict(got)

    def items(self, name: str, got: Any, count: int) -> tuple[Any, ...]:
        """Return `got` if it is a tuple or list of `count` values, else fail saying what it is."""
        if type(got) not in (tuple, list) or len(got) != count:
            raise Failed(f"{name} returned {describe(got)}, where {count} values are wanted")
        return tuple(got)

    def number(self, name: str, got: Any) -> float:
        """Return `got` as a finite Python number, else fail saying what it is."""
        if isinstance(got, Tensor | np.ndarray | np.generic) and got.ndim == 0:
            got = got.item()
        if type(got) not in (int, float) or not math.isfinite(got):
            raise Failed(f"{name} is {describe(got)}, where a finite number is wanted")
        return float(got)

    def saved(self, file: str) -> dict[str, Any]:
        """Return what the saved model `file` holds, as plain values."""
        assert self._saved is not None
        content = self._saved(file)
        if type(content) is OrderedDict:  # what a network of torch.nn calls its state
            content = dict(content)
        if type(content) is not dict:
            raise Failed(f"`{file}` holds {describe(content)}, where the dictionary that `save` writes is wanted")
        return content


def describe(value: Any) -> str:
    """Say what kind of thing a value is, in a student's words and without its contents."""
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a NumPy array of shape {value.shape}"
    if type(value) in (tuple, list):
        return f"a {type(value).__name__} of {len(value)}"
    if type(value) in (int, float) and not math.isfinite(value):
        return str(value)
    name = type(value).__name__
    article = "an" if name[:1] in "aeiouAEIOU" else "a"
    return f"{article} {name}" if name != "Proxy" else "an object of a class of its own"
