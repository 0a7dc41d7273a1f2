"""Settings that a person wrote: whatever stands in them, they are read or refused with a sentence."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mutation import mutated

from autograder.course import open_course
from autograder.errors import UserError
from toolbox.manifest import MOST, ManifestError, load_manifest

REPOSITORY = Path(__file__).resolve().parents[2]
REAL = [path.read_bytes() for path in sorted(REPOSITORY.glob("assignments/*/assignment.toml"))]
WORDS = [
    word.encode()
    for word in ('"""', "'", "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", "#", "\\u0000", "0x", "1e999", "nan", "inf", "-",
                 "1979-05-27T07:32:00Z", "true", "é", "\ud7ff", "points", "[limits]", "[thresholds.cifar10]", '"../x"')
]  # fmt: skip
LEAST = {"title": "Tiny", "points": 4, "files": {"modules": ["a.py"], "notebook": "a.ipynb"}}
KEYS = [
    "title", "points", "written", "files", "limits", "forbidden", "images", "thresholds", "modules", "notebook", "brought",
    "models", "support", "extra", "check_seconds", "memory_mb", "policy", "names", "parts", "num_train", "cifar10", "grading",
    "data", "isolation", "minimum",
]  # fmt: skip
SCALARS = (
    st.booleans()
    | st.integers(-2, 1000)
    | st.integers()
    | st.sampled_from([MOST, MOST + 1, 1 << 62, 10**400])
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["a.py", "b.py", "A.py", "a.ipynb", "..", "../a.py", "a.pth", "warn", "zero", "train", "standin", "best", "torch.nn"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
TABLES = st.dictionaries(st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=6)


def as_toml(value: Any) -> str:
    """Return a value as TOML writes it within a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, str):
        return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value) + '"'
    return json.dumps(value)


def document(table: dict[str, Any]) -> bytes:
    """Return a table as a TOML file."""
    return "".join(f"{json.dumps(key)} = {as_toml(value)}\n" for key, value in table.items()).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


def read(folder: Path, content: bytes) -> Any:
    path = folder / "assignment.toml"
    path.write_bytes(content)
    try:
        return load_manifest(path)
    except ManifestError as error:
        said = str(error)
        assert said.startswith(f"{path}: ") and len(said) < len(str(path)) + 1000
        return None


def demand_usable(manifest: Any, folder: Path) -> None:
    """Demand what the rest of the kit relies on."""
    files = manifest.files
    names = [name.lower() for name in (*files.submitted, *files.support)]
    assert len(set(names)) == len(names)
    assert all(name == Path(name).name and name.isprintable() and name not in ("", ".", "..") for name in names)
    assert all(0 < size <= MOST for size in vars(manifest.limits).values())
    assert all(math.isfinite(value) for table in manifest.thresholds.values() for value in table.values())
    assert 0 < manifest.points <= MOST and 0 <= manifest.written <= MOST and manifest.title.strip()
    inside = folder.resolve()
    for pattern in files.extra:
        assert all(path.resolve().is_relative_to(inside) for path in folder.glob(pattern))


def test_the_files_that_are_mutated_are_good(folder: Path) -> None:
    assert len(REAL) >= 2
    for content in [*REAL, document(LEAST)]:
        demand_usable(read(folder, content), folder)


@given(st.sampled_from(REAL).flatmap(lambda whole: mutated(whole, WORDS)) | st.binary(max_size=60))
def test_an_assignment_toml_with_errors_in_it_is_refused_or_usable(folder: Path, content: bytes) -> None:
    manifest = read(folder, content)
    if manifest is not None:
        demand_usable(manifest, folder)


@given(TABLES, st.sampled_from([{}, LEAST]))
@example({"files": {"modules": ["a.py"], "notebook": "a.ipynb", "extra": ["a\0b", "figures/*\0", "*/"]}}, LEAST)
def test_an_assignment_toml_of_any_values_is_refused_or_usable(folder: Path, table: Any, rest: dict[str, Any]) -> None:
    for key, value in rest.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            table = {**table, key: {**value, **table[key]}}
    manifest = read(folder, document({**rest, **table}))
    if manifest is not None:
        demand_usable(manifest, folder)


@given(
    st.fixed_dictionaries({}, optional={"title": VALUES, "grading": VALUES, "colour": SCALARS}).map(document)
    | mutated((REPOSITORY / "course.toml").read_bytes(), WORDS)
)
def test_a_course_toml_is_refused_or_usable(folder: Path, content: bytes) -> None:
    (folder / "course.toml").write_bytes(content)
    try:
        course = open_course(folder)
    except UserError as error:
        assert str(error).startswith(f"{folder / 'course.toml'}: ")
        return
    assert course.title.strip()
    assert course.grading.data in ("cifar10", "standin")
    assert course.grading.minimum in ("namespaces", "landlock", "process")
