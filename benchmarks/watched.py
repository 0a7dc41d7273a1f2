"""Running a command that grades, and looking at it meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.sandbox.allowance import processor_seconds

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass
class Run:
    """What one run of the command took.

    Attributes:
        seconds: of the clock, its start included.
        looks: how many records there were, how much processor time the command's own process had used up
            without its children, and what `also` said then, at each look.
    """

    seconds: float = 0.0
    looks: list[tuple[int, float, int]] = field(default_factory=list)

    @property
    def own_seconds(self) -> float:
        """Processor time of the command's own process for one submission: what no further worker takes off it."""
        started = [look for look in self.looks if look[0] > 0]
        (first, before, _), (last, after, _) = started[0], started[-1]
        return (after - before) / (last - first)


def run(
    arguments: Sequence[str],
    results: Path,
    *,
    every: float | None = None,
    also: Callable[[int], int] = lambda process: 0,
) -> Run:
    """Run `autograder` with some arguments; exit if it fails.

    Args:
        arguments: the command's.
        results: the folder that it writes records into.
        every: seconds between two looks; None for none.
        also: what else to see at each look, from the number of the process.
    """
    found = Run()
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "autograder", *arguments], cwd=REPOSITORY)
    while process.poll() is None:
        used = processor_seconds(process.pid)
        if every is not None and used is not None:
            found.looks.append((len(list(results.glob("*.json"))), used, also(process.pid)))
        try:
            process.wait(every)
        except subprocess.TimeoutExpired:
            continue
    found.seconds = time.monotonic() - started
    if process.returncode:
        sys.exit(f"The command ended with status {process.returncode}.")
    return found
