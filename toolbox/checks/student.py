"""The student's module as a check sees it: a proxy that looks like the module.

A check is written once. On a student's machine the proxy stands for the imported module; in grading
it stands for a module in another process. Values (numbers, strings, tensors, arrays, and lists,
tuples and dictionaries of them) pass through the proxy; whatever else the student's code returns (a
network, say) stays where it is and is seen through a proxy of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import linecache
import sys
import traceback
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np
import torch

from toolbox.saved_models import allow_numpy_values, read_saved

Kind = Literal["raised", "unwritten", "missing", "timeout", "died"]
"""Why there was no answer; of "unwritten" and "missing" (a file, the module) the check's own message is the cause."""


class StudentError(Exception):
    """The student's code did not answer: it raised, took too long, or ended its process."""

    def __init__(self, kind: Kind, message: str):
        super().__init__(message)
        self.kind = kind


class Backend(Protocol):
    """Where the student's code really is. Target 0 is the module, other targets are its objects."""

    def get(self, target: int, path: str) -> Any:
        """Return an attribute: a value as it is, anything else as a `Proxy`."""

    def set(self, target: int, path: str, value: Any) -> None:
        """Set an attribute."""

    def call(self, target: int, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call an attribute and return the result: values as they are, anything else as a `Proxy`.

        The student's code gets its `own_arguments`, or values that it can change as it likes.
        """

    def read_tensors(self, file: str) -> Any:
        """Return what a saved model holds, as plain values; raise `StudentError` if it is unusable."""

    def begin(self, seconds: float) -> None:
        """Start a check that may keep the student's code busy for so many seconds."""

    def end(self) -> float:
        """End a check, forget its objects, and return how long it kept the student's code busy."""


@dataclass(frozen=True)
class Shared:
    """An argument that the student's code gets itself, so that the check sees what is done to it in place."""

    value: Any


def own_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call as the student's code gets them: copies, except of what it may change."""
    copies: dict[int, Any] = {}
    named = {name: _copied(value, copies) for name, value in kwargs.items()}
    return _copied(args, copies), named


def _copied(value: Any, copies: dict[int, Any]) -> Any:
    """Return a value whose tensors and arrays are copies, in lists and tuples too; dictionaries stay themselves.

    What a check computes from its own tensors must not depend on what the student's code does to its
    arguments. A dictionary is how some functions give state back (`config`, `bn_param`), so it is shared.
    """
    if type(value) is Shared:
        return value.value
    if type(value) in (list, tuple):
        return type(value)(_copied(entry, copies) for entry in value)
    if isinstance(value, torch.Tensor | np.ndarray):
        if id(value) not in copies:  # what is one object stays one
            copies[id(value)] = value.clone() if isinstance(value, torch.Tensor) else value.copy(order="K")
        return copies[id(value)]
    return value


class Proxy:
    """Something of the student's: its attributes are looked up, set and called through the backend.

    Calls pass copies of tensors and arrays, except of those in dictionaries and of what is `Shared`.
    """

    __slots__ = ("_backend", "_path", "_target")

    def __init__(self, backend: Backend, target: int = 0, path: str = ""):
        object.__setattr__(self, "_backend", backend)
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_path", path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        path = f"{self._path}.{name}" if self._path else name
        if self._target == 0:  # of the module: looked up when it is called
            return Proxy(self._backend, 0, path)
        return self._backend.get(self._target, path)

    def __setattr__(self, name: str, value: Any) -> None:
        self._backend.set(self._target, f"{self._path}.{name}" if self._path else name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102  what it does is the student's affair
        return self._backend.call(self._target, self._path, args, kwargs)

    def __repr__(self) -> str:
        return f"<student's {self._path or 'object'}>"


_VALUES = (
    type(None), bool, int, float, str, bytes, list, tuple, dict,
    torch.Tensor, torch.nn.Parameter, torch.dtype, np.ndarray,
)  # fmt: skip


class LocalBackend:
    """The student's module in this process, imported afresh by path.

    Args:
        folder: where the module and the files beside it lie.
        modules: file names of the student's modules; checks see the last one. The others are
            imported afresh too where it imports them.

    Raises:
        StudentError: from any use, if the module is missing or cannot be imported.
    """

    def __init__(self, folder: Path, modules: Sequence[str]):
        self.folder = folder
        self._files = [folder / name for name in modules]
        self._objects: dict[int, Any] = {}
        self._module: ModuleType | None = None
        self._stopped = ""
        self._others: dict[str, str] = {}  # modules before the last that could not be imported whole, and why
        allow_numpy_values()  # in the student's own `load` too, as grading does

    def get(self, target: int, path: str) -> Any:
        """Return an attribute."""
        with self._student_code(path):
            return self._value(self._resolve(target, path))

    def set(self, target: int, path: str, value: Any) -> None:
        """Set an attribute, to a copy: what the student's code does to it is not the check's."""
        parent, _, name = path.rpartition(".")
        copies: dict[int, Any] = {}
        if type(value) is dict:
            value = {key: _copied(entry, copies) for key, entry in value.items()}
        value = _copied(value, copies)
        with self._student_code(path):
            setattr(self._resolve(target, parent), name, value)

    def call(self, target: int, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call an attribute."""
        args, kwargs = own_arguments(args, kwargs)
        with self._student_code(path):
            function = self._resolve(target, path)
            return self._value(function(*map(self._own, args), **{k: self._own(v) for k, v in kwargs.items()}))

    def read_tensors(self, file: str) -> Any:
        """Read a saved model as the grader does: plain values only."""
        path = self.folder / file
        if not path.is_file():
            raise StudentError("missing", f"`{file}` is missing: train the model and save it under this name.")
        try:
            return read_saved(file, path)
        except Exception as error:  # whatever a damaged file makes torch or NumPy raise
            first = str(error).split("\n")[0]
            raise StudentError("missing", f"`{file}` cannot be read as a saved model: {first}") from None

    def begin(self, seconds: float) -> None:
        """Start a check; on the student's own machine nothing limits it but Ctrl-C."""

    def end(self) -> float:
        """Forget the objects of a check."""
        self._objects.clear()
        return 0.0

    def _resolve(self, target: int, path: str) -> Any:
        found: Any = self._import() if target == 0 else self._objects[target]
        for name in filter(None, path.split(".")):
            found = getattr(found, name)
        return found

    def _value(self, found: Any) -> Any:
        if type(found) in (OrderedDict, defaultdict):
            return dict(found)
        if type(found) in _VALUES or isinstance(found, np.generic):
            return found
        number = len(self._objects) + 1
        self._objects[number] = found
        return Proxy(self, number)

    def _own(self, argument: Any) -> Any:
        if type(argument) is Proxy:
            return self._resolve(argument._target, argument._path)
        return argument

    def _import(self) -> ModuleType:
        if self._module is None:
            path = self._files[-1]
            if not path.is_file():
                raise StudentError("missing", f"`{path.name}` is missing.")
            linecache.checkcache()
            with self._fresh():
                for other in self._files[:-1]:
                    error = _execute(other)[1]
                    if not other.is_file():
                        self._others[other.name] = f"`{other.name}` is missing."
                    elif error is not None:
                        problem = str(explain(type(error).__name__, str(error), self._place(error), ""))
                        self._others[other.name] = stopped_half_way(other.name, problem)
                module, error = _execute(path)
                if isinstance(error, SyntaxError):
                    raise error
                if error is not None:
                    problem = str(explain(type(error).__name__, str(error), self._place(error), ""))
                    self._stopped = " " + stopped_half_way(path.name, problem)
            self._module = module
        return self._module

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[None]:
        """Let the student's modules be read from disk, and leave the notebook's copies as they were."""
        names = [path.stem for path in self._files]
        before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        sys.path.insert(0, str(self.folder))
        try:
            yield
        finally:
            sys.path.remove(str(self.folder))
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(before)

    @contextlib.contextmanager
    def _student_code(self, path: str) -> Iterator[None]:
        """Turn what the student's code raises into a `StudentError` that says where."""
        try:
            with contextlib.chdir(self.folder):  # where saved models are looked for
                yield
        except StudentError:
            raise
        except (Exception, SystemExit) as error:
            where = self._place(error)
            problem = explain(type(error).__name__, str(error), where, path)
            if self._module is None:  # it cannot be imported, which is nobody's fault but its own
                problem = StudentError("missing", str(problem))
            elif isinstance(error, AttributeError) and not where:
                problem = StudentError("missing" if self._stopped else "raised", f"{problem}{self._stopped}")
            raise because_of(self._others, problem) from error

    def _place(self, error: BaseException) -> str:
        """Return the file and line of the student's at which something was raised."""
        if isinstance(error, SyntaxError) and error.filename:
            return f"{Path(error.filename).name}, line {error.lineno}"
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if Path(frame.filename) in self._files:
                return f"{Path(frame.filename).name}, line {frame.lineno}"
        return ""


def _execute(path: Path) -> tuple[ModuleType, Exception | SystemExit | None]:
    """Import a file and return the module and what it raised, if it did; what it had defined by then is there."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        return module, error
    return module, None


def stopped_half_way(file: str, problem: str) -> str:
    """Say that a module could not be imported whole."""
    return f"Importing `{file}` stopped half-way: {problem}"


def because_of(others: Mapping[str, str], problem: StudentError) -> StudentError:
    """Add to what a student's code raised why a module that it names was not imported whole.

    Args:
        others: sentences by the module's file.
        problem: what was raised.
    """
    for file, sentence in others.items():
        if f"{file.removesuffix('.py')!r}" in str(problem):
            return StudentError(problem.kind, f"{str(problem).rstrip('.')}. {sentence}")
    return problem


def explain(kind: str, text: str, where: str, path: str) -> StudentError:
    """Say in a student's words what their code raised.

    Args:
        kind: the name of the exception's class.
        text: its message.
        where: file and line, as far as known.
        path: what the check had called, such as `Layer.forward`.
    """
    place = f" ({where})" if where else ""
    if kind == "NotImplementedError":
        return StudentError("unwritten", f"{text or f'`{path}` is not written yet'}{place}.".replace("..", "."))
    if kind == "AttributeError" and not where:
        return StudentError("raised", f"`{path}` was not found: you have not defined it, or named it otherwise.")
    if kind in ("SyntaxError", "IndentationError", "TabError"):
        return StudentError("raised", f"the module cannot be read{place}: {text.split(' (')[0]}")
    during = f"`{path}` raised " if path else "the module raised "
    return StudentError("raised", f"{during}{kind}{place}: {text}" if text else f"{during}{kind}{place}.")
