"""Where the processor time of grading goes: what `autograder grade --profile` shows."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from autograder.errors import UserError

Stages = dict[str, list[float]]
"""Processor seconds by what they went to: of the grader's own work, of its side of messages, of the jail."""
PARTS = ("own work", "messages", "jail")
AROUND = "around the checks"


class Meter:
    """Tells what the processor time of an examiner and of its jails goes to.

    Args:
        jail: gives the seconds that all jails of the examiner have used.
    """

    def __init__(self, jail: Callable[[], float]) -> None:
        self.stages: Stages = {}
        self._jail = jail
        self._now, self._part = AROUND, 0
        self._last = (time.process_time(), jail())

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens within for a stage, and not for the one around it."""
        self._count()
        before, self._now = self._now, name
        try:
            yield
        finally:
            self._count()
            self._now = before

    @contextlib.contextmanager
    def messages(self) -> Iterator[None]:
        """Count what the examiner does within as its side of messages to the jail."""
        self._count()
        self._part = 1
        try:
            yield
        finally:
            self._count()
            self._part = 0

    def name(self, stage: str) -> None:
        """Count what was counted for no stage since the last time for this one."""
        self._count()
        self.stages[stage] = self.stages.pop(AROUND, [0.0, 0.0, 0.0])

    def _count(self) -> None:
        now = (time.process_time(), self._jail())
        own, jail = (max(new - old, 0.0) for new, old in zip(now, self._last, strict=True))
        spent = self.stages.setdefault(self._now, [0.0, 0.0, 0.0])
        spent[self._part] += own
        spent[2] += jail
        self._last = now


@contextlib.contextmanager
def counted(stages: Stages | None, name: str) -> Iterator[None]:
    """Count the processor time of this process as its own work for a stage, if anybody wants to know."""
    started = time.process_time()
    yield
    if stages is not None:
        stages[name] = [time.process_time() - started, 0.0, 0.0]


def medians(profiles: Sequence[Mapping[str, Sequence[float]]]) -> Stages:
    """Return the median of each figure over some submissions, in the order of the stages."""
    names = list(dict.fromkeys(name for profile in profiles for name in profile))
    return {
        name: [statistics.median(one.get(name, (0.0, 0.0, 0.0))[part] for one in profiles) for part in range(3)]
        for name in names
    }


def draw(stages: Stages, title: str, path: Path) -> None:
    """Write a picture of a profile: a bar for each stage.

    Raises:
        UserError: there can be no such file.
    """
    from matplotlib.figure import Figure

    names = list(stages)
    figure = Figure(figsize=(8, 1.2 + 0.24 * len(names)), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(names)
    for part, (label, color) in enumerate(zip(PARTS, ("#4477aa", "#ccbb44", "#ee6677"), strict=True)):
        widths = [1000 * stages[name][part] for name in names]
        axes.barh(names, widths, left=left, label=label, color=color)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("processor time, ms")
    axes.set_title(f"{title}: {sum(left):.0f} ms", loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: the picture cannot be written: {error}. Use a name like profile.png.") from None
