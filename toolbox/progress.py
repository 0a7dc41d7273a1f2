"""Progress that suits where it is shown: a bar in a notebook or a terminal, plain lines in a file."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook (Jupyter, VS Code, Colab)."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def wants_bar() -> bool:
    """Return whether a bar that redraws itself looks right: in a notebook, or in a terminal."""
    return in_notebook() or bool(sys.stdout is not None and sys.stdout.isatty())


def bar(total: float | None, **options: Any) -> Any:
    """Return a tqdm bar of characters: unlike a notebook's widget, it stays in the notebook when that is saved."""
    from tqdm.std import tqdm

    width = {"ncols": 96} if in_notebook() else {"dynamic_ncols": True}
    return tqdm(total=total, **{**width, **options})


def track(items: Iterable[T], title: str = "") -> Iterator[T]:
    """Go through items with a bar that counts them, for loops over whole trainings, after a second."""
    items = list(items)
    shown = bar(len(items), desc=title, file=sys.stdout, delay=1) if wants_bar() else None
    try:
        for item in items:
            yield item
            if shown is not None:
                shown.update()
    finally:
        if shown is not None:
            shown.close()


def bytes_bar(total: int | None, title: str) -> Any:
    """Return a bar that counts bytes, for downloads; on stderr, with speed and time left."""
    return bar(total, desc=title, unit="B", unit_scale=True, unit_divisor=1000, mininterval=0.5)


BY_THE_CLOCK = {"bar_format": "{l_bar}{bar}| {n:.0f} of {total:.0f} s{postfix}"}


class TrainingProgress:
    """What `Solver.train` shows while it runs; silent when not `verbose`.

    The bar counts iterations, or seconds where a time limit is to end the training.
    """

    def __init__(self, iterations: int, epochs: int, verbose: bool, seconds: float | None = None) -> None:
        self.epochs = epochs
        self.iterations = iterations
        self.verbose = verbose
        self.start = time.monotonic()
        self.done = 0
        self.by_the_clock = seconds is not None
        self.bar = None
        if verbose and wants_bar():
            total, options = (iterations, {"unit": "it"}) if seconds is None else (seconds, BY_THE_CLOCK)
            self.bar = bar(total, file=sys.stdout, **options)
        self.shown: dict[str, str] = {}

    def step(self) -> None:
        """Count one iteration."""
        self.done += 1
        if self.bar is None:
            return
        if self.by_the_clock:
            self._show(iterations=str(self.done))
            self.bar.update(min(time.monotonic() - self.start, self.bar.total) - self.bar.n)
        else:
            self.bar.update()

    def loss(self, iteration: int, loss: float) -> None:
        """Show the loss of an iteration."""
        self._show(loss=f"{loss:.4f}")
        if self.bar is None and self.verbose:
            print(f"iteration {iteration} of {self.iterations}: loss {loss:.6f}", flush=True)

    def accuracy(self, epoch: int, train: float, val: float, seconds_left: float | None) -> None:
        """Show the accuracies (fractions) after an epoch, and how long the rest will take."""
        self._show(train=f"{train:.1%}", val=f"{val:.1%}")
        if self.bar is None and self.verbose:
            left = "" if seconds_left is None else f", about {seconds_left:.0f} s left"
            print(
                f"epoch {epoch} of {self.epochs}: training accuracy {train:.1%}, validation accuracy {val:.1%}{left}",
                flush=True,
            )

    def say(self, sentence: str) -> None:
        """Print a sentence without breaking the bar."""
        if self.bar is not None:
            self.bar.write(sentence, file=sys.stdout)
        elif self.verbose:
            print(sentence, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()

    def _show(self, **numbers: str) -> None:
        self.shown.update(numbers)
        if self.bar is not None:
            self.bar.set_postfix(self.shown, refresh=False)  # shown with the next iteration
