"""The pictures that explain: what they draw, and what they refuse."""

import matplotlib
import pytest
from matplotlib.patches import FancyBboxPatch, Rectangle

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
