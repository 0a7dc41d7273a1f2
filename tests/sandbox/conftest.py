"""Real preloaded processes and real jails, one set for each level of isolation that this host gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from autograder.sandbox import IsolationUnavailable, Jail, Limits, Preloaded

LEVELS = ("namespaces", "landlock", "process")


def _preloaded(level: str) -> Iterator[Preloaded]:
    try:
        process = Preloaded(level)
    except IsolationUnavailable as error:
        pytest.skip(str(error))
    with process:
        yield process


@pytest.fixture(scope="session", params=LEVELS)
def preloaded(request: pytest.FixtureRequest) -> Iterator[Preloaded]:
    yield from _preloaded(request.param)


@pytest.fixture(scope="session", params=LEVELS[:2])
def walled(request: pytest.FixtureRequest) -> Iterator[Preloaded]:
    """The levels that keep student code from the rest of the machine."""
    yield from _preloaded(request.param)


@pytest.fixture(scope="session")
def best() -> Iterator[Preloaded]:
    yield from _preloaded("best")


@pytest.fixture
def jail_with() -> Iterator[Callable[..., Jail]]:
    """Starts jails in which a source is imported as `layers`, and ends them after the test."""
    jails: list[Jail] = []

    def start(preloaded: Preloaded, source: str, limits: Limits | None = None, **files: bytes) -> Jail:
        named = {name.replace("__", "."): content for name, content in files.items()}
        jail = preloaded.start({"layers.py": source.encode(), **named}, limits)
        jails.append(jail)
        jail.import_module("layers", seconds=20)
        return jail

    yield start
    for jail in jails:
        jail.close()
