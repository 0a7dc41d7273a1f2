"""The pictures that explain: what they draw, and what they refuse."""

import matplotlib
import pytest
import torch
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Annotation

matplotlib.use("Agg")

from toolbox import diagrams


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_network_shows_each_value_above_its_arrow_and_its_gradient_below():
    figure = diagrams.network(["linear", "loss"], ["x\n(N, D)", "s", "L"], parameters={0: "w, b"})
    assert {"linear", "loss", "x\n(N, D)", "s", "L", "w, b", "dx", "ds", "dw, db"} <= set(texts(figure))
    assert "dL" not in texts(figure)
    assert sum(isinstance(patch, FancyBboxPatch) for patch in figure.axes[0].patches) == 2
    figure.savefig("/dev/null", format="png")


def test_a_network_needs_one_value_more_than_layers():
    with pytest.raises(ValueError, match="3 values"):
        diagrams.network(["linear", "loss"], ["x", "L"])


def test_the_same_letter_is_drawn_as_the_same_length():
    figure = diagrams.arrays([("out", "N", "M"), "=", ("x", "N", "D"), "@", ("w", "D", "M"), "+", ("b", "", "M")])
    out, x, w, b = (patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle))
    assert out.get_height() == x.get_height()
    assert x.get_width() == w.get_height()
    assert out.get_width() == w.get_width() == b.get_width()
    assert b.get_height() < out.get_height()
    assert {"out", "=", "@", "+"} <= set(texts(figure))


def test_a_window_has_the_same_colour_in_every_grid_and_the_border_is_grey():
    x, out = (
        ("x", torch.ones(4, 4), [(0, 0, 2, 2), (2, 2, 2, 2)], 1),
        ("out", [["", 7.5]], [(0, 0, 1, 1), (0, 1, 1, 1)]),
    )
    figure = diagrams.grids(x, " → ", out)
    squares = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    frames = [patch for patch in squares if patch.get_linewidth() == 2]
    in_x, in_out = frames[:2], frames[2:]
    assert [f.get_edgecolor() for f in in_x] == [f.get_edgecolor() for f in in_out]
    assert in_x[0].get_edgecolor() != in_x[1].get_edgecolor()
    assert in_x[0].get_width() > in_out[0].get_width()
    cells = [patch for patch in squares if patch.get_width() == 1]
    assert sum(patch.get_facecolor() != (1, 1, 1, 1) for patch in cells) == 4 * 4 - 2 * 2
    assert {"x", "→", "out", "1", "7.5"} <= {text.strip() for text in texts(figure)}
    figure.savefig("/dev/null", format="png")


def test_a_graph_has_an_arrow_each_way_along_every_edge_which_ends_outside_the_boxes():
    figure = diagrams.graph({"x": ("$x$", 0, 0), "mean": ("mean", 0.75, 1), "c": ("c", 2, 0)},
                            [("x", "mean"), ("x", "c"), ("mean", "c")])  # fmt: skip
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    arrows = [text for text in figure.axes[0].texts if isinstance(text, Annotation)]
    assert len(boxes) == 3 and len(arrows) == 6
    assert len({arrow.arrow_patch.get_edgecolor() for arrow in arrows}) == 2
    for box in boxes:
        left, low, width, height = (getattr(box, f"get_{side}")() for side in ("x", "y", "width", "height"))
        for x, y in (end for arrow in arrows for end in (arrow.xy, arrow.xyann)):
            assert not (left < x < left + width and low < y < low + height)
    assert {"$x$", "mean", "c"} <= set(texts(figure))
    figure.savefig("/dev/null", format="png")
