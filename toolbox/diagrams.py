"""Pictures that explain: a network as a row of boxes, a product of arrays as rectangles."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from toolbox.style import COLORS, bare, sheet, styled

FORWARD, BACKWARD = COLORS[0], COLORS[1]
FILL = "#eef4f9"


@styled
def network(layers: Sequence[str], values: Sequence[str], parameters: Mapping[int, str] | None = None) -> Figure:
    """Draw a network as boxes: what travels forward above the arrows, the gradients that come back below.

    layers: the text of each box; values: what goes into the first box and what each box gives, one more than
    there are boxes; the gradient that comes back to `a` is named `da`. parameters: by the number of a box, from
    0, the parameters that enter it from below and get a gradient of their own. Texts may hold $formulas$.
    Raises ValueError where the numbers of boxes and values do not fit.
    """
    if len(values) != len(layers) + 1:
        raise ValueError(f"{len(layers)} layers have {len(layers) + 1} values around them, not {len(values)}")
    parameters = parameters or {}
    width, gap = 1.5, 1.25
    step = width + gap
    fig, axes = sheet(1, 1, min(1.25 + 1.3 * len(layers) * step / 1.9, 11.5), 2.5 if parameters else 1.9)
    ax = axes[0, 0]
    bare(ax)
    shape = "round,pad=0,rounding_size=0.15"
    for i, text in enumerate(layers):
        left = i * step
        ax.add_patch(FancyBboxPatch((left, -0.5), width, 1, boxstyle=shape, fc=FILL, ec="#444444"))
        ax.text(left + width / 2, 0, text, ha="center", va="center", fontsize=10)
        if i in parameters:
            _arrow(ax, (left + 0.45, -1.25), (left + 0.45, -0.52), FORWARD)
            _arrow(ax, (left + width - 0.45, -0.52), (left + width - 0.45, -1.25), BACKWARD)
            names = parameters[i]
            ax.text(left + 0.6, -1.32, names, ha="right", va="top", color=FORWARD, fontsize=9)
            ax.text(left + width - 0.6, -1.32, _gradient(names), ha="left", va="top", color=BACKWARD, fontsize=9)
    for i, value in enumerate(values):
        left = i * step - gap + 0.08
        right = left + gap - 0.16
        _arrow(ax, (left, 0.2), (right, 0.2), FORWARD)
        ax.text((left + right) / 2, 0.34, value, ha="center", va="bottom", color=FORWARD, fontsize=9)
        if i < len(layers):
            _arrow(ax, (right, -0.2), (left, -0.2), BACKWARD)
            ax.text((left + right) / 2, -0.34, _gradient(value), ha="center", va="top", color=BACKWARD, fontsize=9)
    ax.set(xlim=(-gap - 0.1, len(layers) * step + 0.1), ylim=(-1.9 if parameters else -1.1, 1.1))
    return fig


def _gradient(names: str) -> str:
    """Return how the gradients of a list of values are written: "W, b" gives "dW, db"; a shape below is left out."""
    return ", ".join(f"d{name.strip()}" for name in names.split("\n")[0].split(","))


def _arrow(ax: Any, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    ax.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.6})


@styled
def arrays(*rows: Sequence[Any]) -> Figure:
    """Draw formulas whose terms are rectangles, so that shapes can be seen to fit.

        arrays([("out", "N", "M"), "=", ("x", "N", "D"), "@", ("w", "D", "M"), "+", ("b", "", "M")])

    Each row is one formula: a term is (name, rows, columns), the letters of its shape; a side of one is "".
    A text stands between terms. The same letter is drawn as the same length.
    """
    lengths: dict[str, float] = {"": 0.22}
    known = iter((1.0, 1.7, 0.65, 1.35, 0.8))
    letters = sorted({side for row in rows for term in row if not isinstance(term, str) for side in term[1:]} - {""})
    lengths.update(zip(letters, known, strict=False))
    tallest = max(lengths.values())
    fig, axes = sheet(1, 1, 7.2, 0.5 + 0.66 * len(rows) * (tallest + 0.6))
    ax = axes[0, 0]
    bare(ax)
    widest = 0.0
    for i, row in enumerate(rows):
        x, y = 0.0, -i * (tallest + 0.6)
        for term in row:
            if isinstance(term, str):
                space = 0.3 + 0.16 * len(term)
                ax.text(x + space / 2, y, term, ha="center", va="center", fontsize=12)
                x += space
                continue
            name, down, across = term
            height, width = lengths[down], lengths[across]
            ax.add_patch(Rectangle((x + 0.3, y - height / 2), width, height, fc=FILL, ec=FORWARD, linewidth=1.3))
            middle = x + 0.3 + width / 2
            inside = height > 0.4 and width > 0.4
            ax.text(middle, y if inside else y - height / 2 - 0.2, name, ha="center", va="center", fontsize=10)
            ax.text(middle, y + height / 2 + 0.13, across, ha="center", va="center", fontsize=9, color="#555555")
            ax.text(x + 0.16, y, down, ha="center", va="center", fontsize=9, color="#555555")
            x += width + 0.4
        widest = max(widest, x)
    lowest = -(len(rows) - 1) * (tallest + 0.6) - tallest / 2
    ax.set(xlim=(0, widest), ylim=(lowest - 0.3, tallest / 2 + 0.3), aspect="equal")
    return fig
