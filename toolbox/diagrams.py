"""Pictures that explain: networks and graphs of boxes, products of rectangles, windows on grids of numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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


class Grid(NamedTuple):
    """A table of numbers, with windows on it: what `grids` draws."""

    name: str
    values: Any
    """(rows, columns) numbers or texts."""
    windows: Sequence[tuple[int, int, int, int]] = ()
    """Each (first row, first column, rows, columns); the k-th window has the same colour in every grid."""
    pad: int = 0
    """That many rows and columns on each side are drawn in grey."""


@styled
def grids(*terms: Grid | tuple[Any, ...] | str) -> Figure:
    """Draw small images as tables of numbers, side by side, with coloured windows on them.

        grids(("x", [[1, 2], [3, 4]], [(0, 0, 2, 2)]), "→", ("out", [[4]], [(0, 0, 1, 1)]))

    Each term is a `Grid`, or a tuple that makes one; a text stands between two of them.
    """
    tables = [term if isinstance(term, str) else Grid(*term) for term in terms]
    cells = [table.values for table in tables if not isinstance(table, str)]
    tallest = max(len(values) for values in cells)
    across = sum(len(term) * 0.22 + 0.8 if isinstance(term, str) else len(term.values[0]) + 0.6 for term in tables)
    fig, axes = sheet(1, 1, 0.4 * across + 0.2, 0.4 * (tallest + 1.2) + 0.2)
    ax = axes[0, 0]
    bare(ax)
    x = 0.3
    for term in tables:
        if isinstance(term, str):
            width = len(term) * 0.22 + 0.8
            ax.text(x + width / 2 - 0.3, 0, term, ha="center", va="center", fontsize=12)
            x += width
            continue
        _table(ax, x, term)
        x += len(term.values[0]) + 0.6
    ax.set(xlim=(0, across), ylim=(-tallest / 2 - 0.2, tallest / 2 + 1.0), aspect="equal")
    return fig


def _table(ax: Any, left: float, grid: Grid) -> None:
    """Draw a grid with its left edge at `left` and its middle at height 0."""
    rows, columns = len(grid.values), len(grid.values[0])
    top = rows / 2
    ax.text(left + columns / 2, top + 0.2, grid.name, ha="center", va="bottom", fontsize=10)
    for i, row in enumerate(grid.values):
        for j, value in enumerate(row):
            inside = grid.pad <= i < rows - grid.pad and grid.pad <= j < columns - grid.pad
            color = "white" if inside else "#e4e4e4"
            ax.add_patch(Rectangle((left + j, top - i - 1), 1, 1, fc=color, ec="#aaaaaa", linewidth=0.8))
            text = value if isinstance(value, str) else f"{float(value):g}"
            ax.text(left + j + 0.5, top - i - 0.5, text, ha="center", va="center", fontsize=9)
    for k, (i, j, height, width) in enumerate(grid.windows):
        color, inset = COLORS[k % len(COLORS)], 0.06
        corner = left + j + inset, top - i - height + inset
        size = width - 2 * inset, height - 2 * inset
        ax.add_patch(Rectangle(corner, *size, fc=color, ec="none", alpha=0.14))
        ax.add_patch(Rectangle(corner, *size, fc="none", ec=color, linewidth=2))


@styled
def graph(nodes: Mapping[str, tuple[str, float, float]], edges: Sequence[tuple[str, str]]) -> Figure:
    """Draw a computation as boxes anywhere: values travel along the blue arrows, gradients back along the orange ones.

    nodes: by name, the text of a box, which may hold $formulas$, and its column and row, counted to the right and
    down; edges: the names of the nodes from which and to which a value travels.
    """
    wide, high, gap = 1.75, 0.8, (2.6, 1.35)
    places = {name: (column * gap[0], -row * gap[1]) for name, (_, column, row) in nodes.items()}
    (left, right), (low, top) = ((min(side), max(side)) for side in zip(*places.values(), strict=True))
    fig, axes = sheet(1, 1, 0.72 * (right - left + wide) + 0.3, 0.72 * (top - low + high) + 0.3)
    ax = axes[0, 0]
    bare(ax)
    for name, (text, _, _) in nodes.items():
        x, y = places[name]
        shape = "round,pad=0,rounding_size=0.12"
        corner = x - wide / 2, y - high / 2
        ax.add_patch(FancyBboxPatch(corner, wide, high, boxstyle=shape, fc=FILL, ec="#444444"))
        ax.text(x, y, text, ha="center", va="center", fontsize=10)
    for source, target in edges:
        (x, y), (u, v) = places[source], places[target]
        length = math.hypot(u - x, v - y)
        across, up = (u - x) / length, (v - y) / length
        for side, color in ((0.1, FORWARD), (-0.1, BACKWARD)):
            dx, dy = -side * up, side * across  # the two arrows run side by side
            out = _rim(wide, high, dx, dy, across, up)
            into = _rim(wide, high, dx, dy, -across, -up)
            start, end = (x + dx + out * across, y + dy + out * up), (u + dx - into * across, v + dy - into * up)
            _arrow(ax, *((start, end) if color == FORWARD else (end, start)), color)
    ax.set(xlim=(left - wide / 2 - 0.1, right + wide / 2 + 0.1), ylim=(low - high / 2 - 0.1, top + high / 2 + 0.1))
    ax.set_aspect("equal")
    return fig


def _rim(width: float, height: float, x: float, y: float, across: float, up: float) -> float:
    """Return how far it is from (x, y) to the rim of a box around 0 along a direction of length 1, and a little on."""
    way_out = [
        (side / 2 - math.copysign(1, way) * place) / abs(way)
        for side, place, way in ((width, x, across), (height, y, up))
        if abs(way) > 1e-9
    ]
    return min(way_out) + 0.05
