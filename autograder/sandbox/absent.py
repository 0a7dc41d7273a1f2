"""Stand-ins for packages that student code imports and that are not installed where it is graded.

Editors add imports nobody asked for. One that is never used costs nothing here; the first use raises. A
stand-in is made only after an import has failed and nothing in the student's code has caught that.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any


class NotInstalled(ImportError):
    """Something of a package that is not installed here was used."""


class _Name:
    """A name imported from a stand-in: it can be there, but not be used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise NotInstalled(f"{self._name.split('.')[0]} is not installed where this is graded")

    def __call__(self, *args: object, **kwargs: object) -> Any:
        raise NotInstalled(f"{self._name.split('.')[0]} is not installed where this is graded")


class _Absent(types.ModuleType):
    __all__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(f"{self.__name__}.{name}")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if name.split(".")[0] in self.packages:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = _Absent(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        return None


_finder = _Finder()


def absent_package(error: ModuleNotFoundError) -> str | None:
    """Return the package whose import failed, if it is one that is not installed here at all."""
    name = error.name
    if type(name) is not str or not name.isascii():
        return None
    package = name.split(".")[0]
    return package if package.isidentifier() and package not in sys.modules else None


def pass_over(package: str) -> None:
    """Let a package be imported from now on as a stand-in that does nothing."""
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)
    _finder.packages.add(package)
