"""How every figure of the notebooks looks: opaque white so that light and dark themes show it alike."""

import functools
import io
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from toolbox.progress import in_notebook

P = ParamSpec("P")

# Okabe and Ito's palette, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/).
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "white",
    "axes.edgecolor": "#444444",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "font.size": 10,
    "text.color": "black",
    "axes.labelcolor": "black",
    "axes.titlecolor": "black",
    "xtick.color": "#222222",
    "ytick.color": "#222222",
    "axes.prop_cycle": plt.cycler(color=COLORS),
}


class Sheet(Figure):
    """A figure that a notebook shows once, whether or not it is the value of its cell."""

    def _ipython_display_(self) -> None:
        if not in_notebook():
            print(repr(self))
            return
        from IPython.display import Image, display

        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=2 * self.dpi)
        width, _ = self.get_size_inches() * self.dpi
        plt.close(self)  # else the notebook shows it again at the end of the cell
        display(Image(picture.getvalue(), width=int(width)))


@functools.cache
def _load_backend() -> None:
    """Let a notebook's backend set itself up now: inside a style, what it sets would be undone with the style."""
    plt.draw_if_interactive()


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the style of this module, whatever style the notebook has set."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        _load_backend()
        with plt.style.context(["default", STYLE]):
            return draw(*args, **kwargs)

    return drawn


def sheet(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """Return a figure of so many inches and its axes (rows, columns)."""
    return plt.subplots(rows, columns, figsize=(width, height), squeeze=False, FigureClass=Sheet)


def bare(ax: Any) -> None:
    """Take everything from axes but their title."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
