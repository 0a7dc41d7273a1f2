"""What `assignment.toml` says: the files, points, limits and thresholds of one assignment.

The grader reads it from `assignments/<name>/`, and a student's copy of the checks reads the same
file beside them, so the reader stands here and needs nothing but the standard library.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

DataSet = Literal["cifar10", "standin"]
Policy = Literal["warn", "zero"]

INSTALLED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
MODULE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.py")
CHECK_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DOTTED_NAME = re.compile(r"\.?[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
RESERVED = {"readme.md", "nbgrader_config.py", "timestamp.txt", "assignment.toml", "toolbox.py", "checks.py"}
"""Names that a release or nbgrader uses itself, in lower case."""
CLASSES = 10
"""How many classes the data sets have."""
MOST = 1_000_000_000
"""No number of points, seconds or megabytes is larger; what reckons with them need not think of overflow."""
MAX_SHOWN = 200
"""Characters of a wrong value that a message repeats."""


class ManifestError(Exception):
    """An `assignment.toml` that cannot be used: its file, its key, and what would be allowed."""


@dataclass(frozen=True)
class Files:
    """The files of an assignment: what a submission may contain, and what is given beside it.

    Modules are imported in this order, and checks see the last. Those that are `brought` are the
    student's own from an earlier assignment: they are handed in, but no part of the release.
    """

    modules: tuple[str, ...]
    notebook: str
    brought: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    support: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def submitted(self) -> tuple[str, ...]:
        """Every file that a submission may contain, the notebook included."""
        return (*self.modules, self.notebook, *self.models)

    def extra_in(self, folder: Path) -> list[Path]:
        """Return the further files that `extra` names in an assignment's folder, or in a student's copy of it."""
        return sorted({path for pattern in self.extra for path in folder.glob(pattern) if path.is_file()})


@dataclass(frozen=True)
class Limits:
    """What one submission may use up: seconds of processor time, and sizes with their unit in the name."""

    check_seconds: float = 10
    import_seconds: float = 20
    after_timeout_seconds: float = 20
    memory_mb: int = 2048
    scratch_mb: int = 64
    module_kb: int = 1024
    notebook_mb: int = 20
    model_mb: int = 100


@dataclass(frozen=True)
class Forbidden:
    """Names that student code should not use, and whether their use only warns or scores zero."""

    policy: Policy = "warn"
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Images:
    """The part of the data set that the checks use, in the words of `toolbox.data.load`."""

    parts: tuple[str, ...] = ("train", "val", "test")
    num_train: int | None = None
    classes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Everything that an `assignment.toml` says.

    `preload` names installed modules that jails find imported, beside PyTorch and NumPy.
    """

    title: str
    points: int
    files: Files
    written: int = 0
    preload: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    forbidden: Forbidden = field(default_factory=Forbidden)
    images: Images = field(default_factory=Images)
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def load_manifest(path: Path) -> Manifest:
    """Read and validate an `assignment.toml`.

    Raises:
        ManifestError: the file is missing, is not TOML, or holds something that is not allowed.
    """
    try:
        top = Table.read(path)
    except FileNotFoundError:
        raise ManifestError(f"{path}: there is no such file. Every assignment needs one.") from None
    manifest = Manifest(
        title=top.text("title"),
        points=top.whole("points"),
        files=_files(top.table("files", required=True)),
        written=top.whole("written", 0, least=0),
        preload=top.names("preload", INSTALLED, "the name of an installed module, such as torch.fft"),
        limits=_limits(top.table("limits")),
        forbidden=_forbidden(top.table("forbidden")),
        images=_images(top.table("images")),
        thresholds=_thresholds(top.table("thresholds")),
    )
    top.nothing_else()
    return manifest


def _files(table: Table) -> Files:
    files = Files(
        modules=table.names("modules", MODULE_NAME, "a Python module, such as layers.py", required=True),
        notebook=table.text("notebook"),
        brought=table.names("brought", MODULE_NAME, "a Python module, such as layers.py"),
        models=table.names("models", PLAIN_NAME, "a file name without folders"),
        support=table.names("support", MODULE_NAME, "a Python module, such as helper.py"),
        extra=table.names("extra", None, ""),
    )
    table.nothing_else()
    if not PLAIN_NAME.fullmatch(files.notebook) or not files.notebook.endswith(".ipynb"):
        table.wrong("notebook", files.notebook, "a file name without folders that ends in .ipynb")
    for module in files.brought:
        if module not in files.modules[:-1]:
            table.wrong("brought", module, "one of the modules before the last, which the checks see")
    for model in files.models:
        if model.endswith((".py", ".ipynb")):
            table.wrong("models", model, "a saved model, neither .py nor .ipynb")
    for pattern in files.extra:
        leads_out = any(part == "" or part.startswith(".") for part in pattern.split("/"))
        if leads_out or "\\" in pattern or "**" in pattern:
            table.wrong("extra", pattern, "a file below the assignment's folder, such as figures/*.png")
    seen: set[str] = set()
    for name in (*files.submitted, *files.support):
        if name.lower() in RESERVED:
            table.wrong("modules", name, "a name that the kit does not use itself")
        if name.lower() in seen:
            table.wrong("modules", name, "each name once, however it is capitalised")
        seen.add(name.lower())
    return files


def _limits(table: Table) -> Limits:
    default = Limits()
    seconds = ("check_seconds", "import_seconds", "after_timeout_seconds")
    sizes = ("memory_mb", "scratch_mb", "module_kb", "notebook_mb", "model_mb")
    given: dict[str, Any] = {key: table.seconds(key, getattr(default, key)) for key in seconds}
    given |= {key: table.whole(key, getattr(default, key)) for key in sizes}
    table.nothing_else()
    return Limits(**given)


def _forbidden(table: Table) -> Forbidden:
    policy = table.choice("policy", get_args(Policy), "warn")
    names = table.names("names", DOTTED_NAME, "a dotted name, such as torch.nn")
    table.nothing_else()
    return Forbidden(policy, names)  # type: ignore[arg-type]


def _images(table: Table) -> Images:
    names = table.names("parts", re.compile("train|val|test"), 'one of "train", "val", "test"')
    number = table.whole("num_train", 0) if "num_train" in table.content else None
    classes = table.wholes("classes")
    table.nothing_else()
    if len(classes) == 1 or any(number >= CLASSES for number in classes):
        table.wrong("classes", list(classes), f"a list of at least two classes, from 0 to {CLASSES - 1}")
    return Images(names or Images.parts, number, classes)


def _thresholds(table: Table) -> dict[str, dict[str, float]]:
    thresholds: dict[str, dict[str, float]] = {}
    for data in get_args(DataSet):
        inner = table.table(data)
        thresholds[data] = {key: inner.number(key) for key in inner.content}
        for key in thresholds[data]:
            if not CHECK_ID.fullmatch(key.split("/")[0]):
                inner.wrong(key, key, "the id of a check, such as two_layer_accuracy, or an id/case")
    table.nothing_else()
    return thresholds


class Table:
    """One table of a TOML file, which remembers the keys it was asked for and complains about others."""

    def __init__(self, path: Path, name: str, content: Mapping[str, Any]):
        self.path = path
        self.name = name
        self.content = content
        self._asked: list[str] = []

    @classmethod
    def read(cls, path: Path) -> Table:
        """Read a TOML file.

        Raises:
            FileNotFoundError: there is none.
            ManifestError: it cannot be read as TOML.
        """
        try:
            return cls(path, "", tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise
        except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, too many digits
            raise ManifestError(f"{path}: this cannot be read as TOML: {error}.") from None

    def wrong(self, key: str, value: Any, allowed: str) -> None:
        """Raise for a value that is not allowed, naming file, key and what would be."""
        raise ManifestError(f"{self.path}: {self._key(key)} is {_shown(value)}; allowed is {allowed}.")

    def nothing_else(self) -> None:
        """Raise if the table holds a key that nobody asked for."""
        for key in self.content:
            if key not in self._asked:
                known = ", ".join(self._asked)
                raise ManifestError(f"{self.path}: {self._key(key)} is not known here; known are {known}.")

    def table(self, key: str, *, required: bool = False) -> Table:
        """Return the table below a key, an empty one where there is none."""
        value = self._get(key, None if required else {})
        if not isinstance(value, dict):
            self.wrong(key, value, f"a table, written [{self._inner(key)}]")
        return Table(self.path, self._inner(key), value)

    def tables(self, key: str, label: str) -> list[Table]:
        """Return the tables written `[[key]]`; messages name each by its number and its entry `label`."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            self.wrong(key, value, f"a list of tables, each written [[{self._inner(key)}]]")
        return [
            Table(self.path, f"{self._inner(key)} {number}, {_shown(entry.get(label))}", entry)
            for number, entry in enumerate(value, start=1)
        ]

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string that is not empty."""
        value = self._get(key, default)
        if not isinstance(value, str) or not value.strip():
            self.wrong(key, value, "a text that is not empty")
        return str(value)

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """Return one of the allowed words."""
        value = self._get(key, default)
        if value not in allowed:
            self.wrong(key, value, " or ".join(f'"{word}"' for word in allowed))
        return str(value)

    def whole(self, key: str, default: int | None = None, least: int = 1) -> int:
        """Return a whole number that is not below `least`."""
        value = self._get(key, default)
        if type(value) is not int or not least <= value <= MOST:
            self.wrong(key, value, f"a whole number {'above zero' if least else 'of zero or more'}, at most {MOST:,}")
        return int(value)

    def wholes(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers of zero or more, none twice; an empty one where there is none."""
        value = self._get(key, [])
        if not isinstance(value, list) or any(type(one) is not int or not 0 <= one <= MOST for one in value):
            self.wrong(key, value, "a list of whole numbers, such as [0, 8]")
        if len(set(value)) < len(value):
            self.wrong(key, value, "each number once")
        return tuple(value)

    def seconds(self, key: str, default: float) -> float:
        """Return a number of seconds above zero."""
        value = self._get(key, default)
        if type(value) not in (int, float) or not 0 < value <= MOST:
            self.wrong(key, value, f"a number above zero, at most {MOST:,}")
        return value

    def number(self, key: str) -> float:
        """Return a number that is not beyond all measure."""
        value = self._get(key, None)
        if type(value) not in (int, float) or not -MOST <= value <= MOST:
            self.wrong(key, value, f"a number, at most {MOST:,}")
        return float(value)

    def names(
        self, key: str, grammar: re.Pattern[str] | None, allowed: str, *, required: bool = False
    ) -> tuple[str, ...]:
        """Return a list of names that follow a grammar, none twice."""
        value = self._get(key, None if required else [])
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            self.wrong(key, value, 'a list of names, such as ["a", "b"]')
        if required and not value:
            self.wrong(key, value, "a list of at least one name")
        for name in value:
            if grammar is not None and not grammar.fullmatch(name):
                self.wrong(key, name, allowed)
            if value.count(name) > 1:
                self.wrong(key, name, "each name once")
        return tuple(value)

    def texts(self, key: str) -> list[str]:
        """Return a list of strings, which may be empty ones."""
        value = self._get(key, None)
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            self.wrong(key, value, 'a list of texts, such as ["a", "b"]')
        return list(value)

    def _get(self, key: str, default: Any) -> Any:
        self._asked.append(key)
        if key in self.content:
            return self.content[key]
        if default is None:
            raise ManifestError(f"{self.path}: {self._key(key)} is missing; add it.")
        return default

    def _inner(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def _key(self, key: str) -> str:
        return f"[{self.name}] {key}" if self.name else key


def _shown(value: Any) -> str:
    """Return a value as a message shows it."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of very many digits, or tables nested very deep
        return "something too large to show"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
