import io

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from models import ByAutograd, linear

from toolbox import data, plots
from toolbox.solver import Solver


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(40, 3, 32, 32, generator=generator) - 0.45, torch.arange(40) % 10


@pytest.fixture(scope="module")
def run(images):
    X, y = images
    s = Solver(ByAutograd(linear()), {"X_train": X, "y_train": y, "X_val": X, "y_val": y},
               batch_size=4, num_epochs=12, verbose=False)  # fmt: skip
    s.train()
    return s


@pytest.fixture(autouse=True)
def dark_notebook():
    """A notebook's own style must not reach the figures, nor theirs the notebook's."""
    with plt.style.context("dark_background"):
        before = dict(matplotlib.rcParams)
        yield
        assert dict(matplotlib.rcParams) == before
    plt.close("all")


CLASSES = tuple("abcdefghij")

FIGURES = {
    "images by class": lambda X, y, s: plots.show_images(X, y, CLASSES),
    "images": lambda X, y, s: plots.show_images(X[:5], per_row=3, title="five"),
    "one image": lambda X, y, s: plots.show_images(X[:1]),
    "images with titles": lambda X, y, s: plots.show_images(X[:2], titles=["one", "two"]),
    "bytes": lambda X, y, s: plots.show_images(data.unnormalise(X)),
    "loss": lambda X, y, s: plots.loss_curve(s.loss_history),
    "one loss": lambda X, y, s: plots.loss_curve([2.3]),
    "no loss": lambda X, y, s: plots.loss_curve([]),
    "accuracy": lambda X, y, s: plots.accuracy_curves(s.train_acc_history, s.val_acc_history),
    "training": lambda X, y, s: plots.training_curves(s),
    "comparison": lambda X, y, s: plots.compare_runs({"a": s, "b": s}),
    "comparison of many": lambda X, y, s: plots.compare_runs({str(i): s for i in range(9)}),
    "weights": lambda X, y, s: plots.weights_as_images(s.model.params["1.weight"].T),
    "filters": lambda X, y, s: plots.weights_as_images(torch.randn(8, 3, 5, 5), most=6),
    "confusion": lambda X, y, s: plots.confusion_matrix(s.model.loss(X), y, CLASSES),
    "mistakes": lambda X, y, s: plots.worst_mistakes(X, s.model.loss(X), y, CLASSES, n=7),
    "no mistakes": lambda X, y, s: plots.worst_mistakes(X, torch.eye(10)[y], y, CLASSES),
    "histogram": lambda X, y, s: plots.histogram({"one": X, "two": X.relu()}),
    "one histogram": lambda X, y, s: plots.histogram(X),
    "lines": lambda X, y, s: plots.lines([1, 10, 100], {"a": [1, 2, 3], "b": torch.ones(3)}, "x", "y", log=True),
    "lines without x": lambda X, y, s: plots.lines(None, {"a": [1, 2, 3]}, "x", "y"),
    "lines over powers of ten": lambda X, y, s: plots.lines([1, 10], {"a": [0.0, -3]}, "x", "y", log="x"),
    "walks": lambda X, y, s: plots.paths(lambda x, y: x**2 + y**2, {"a": torch.randn(5, 2)}, (0, 0)),
    "maps": lambda X, y, s: plots.maps({"a": [[0.1, float("nan")]], "b": [[1.0, 0.5]]}, [1, 2], [3], "x", "y"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_drawn_opaque_and_readable_in_a_dark_notebook(name, images, run):
    figure = FIGURES[name](*images, run)
    assert isinstance(figure, matplotlib.figure.Figure)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    pixels = plt.imread(io.BytesIO(picture.getvalue()))
    assert (pixels[..., 3] == 1).all() and (pixels[0, 0, :3] == 1).all()
    assert pixels[..., :3].min() < 0.5


def test_axes_say_what_they_measure(images, run):
    for name in ("loss", "accuracy", "training", "comparison", "confusion", "one histogram"):
        for ax in FIGURES[name](*images, run).axes[:1]:
            assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title()


def test_a_logarithmic_axis_names_the_values_where_they_are_few():
    ax = plots.lines([8, 32, 512], {"a": [1, 2, 3]}, "x", "y", log="x").axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "32", "512"]
    assert len(ax.xaxis.get_minorticklocs()) == 0


def test_the_surface_below_a_walk_reaches_to_the_minimum():
    walk = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    above = plots.paths(lambda x, y: x**2 + y**2, {"a": walk}, (-3, 0)).axes[0]
    contours = [path.vertices for path in above.collections[0].get_paths() if len(path.vertices)]
    assert min(points[:, 0].min() for points in contours) < -3


def test_a_walk_shows_the_loss_at_each_of_its_points():
    walk = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 0.5]])
    above, down = plots.paths(lambda x, y: x**2 + y**2, {"a": walk}, (0, 0)).axes
    np.testing.assert_allclose(above.lines[0].get_xydata(), walk)
    np.testing.assert_allclose(down.lines[0].get_ydata(), [4, 1, 0.25])


def test_a_map_shows_per_cent_and_a_dash_where_there_is_no_figure():
    figure = plots.maps({"a": [[0.5, float("nan")]]}, [0.1, 1], [0.01], "rate", "scale")
    assert [text.get_text() for text in figure.axes[0].texts] == ["50", "–"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0.1", "1"]


def test_images_are_shown_as_they_were_before_preparation(images):
    X, _ = images
    shown = plots.show_images(X[:1]).axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, data.unnormalise(X[0]).numpy())
    swapped = data.unnormalise(X[:1]).movedim(-1, 1)
    np.testing.assert_array_equal(plots.show_images(swapped).axes[0].images[0].get_array(), shown)


def test_the_confusion_matrix_has_true_classes_in_rows():
    figure = plots.confusion_matrix(torch.tensor([1, 1, 1, 0]), torch.tensor([0, 0, 1, 0]), ("x", "y"))
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[100 / 3, 200 / 3], [0, 100]])
    assert "50.0% of 4 images" in figure.axes[0].get_title()


def test_the_surest_mistakes_come_first(images):
    X, _ = images
    scores = torch.tensor([[5.0, 0.0], [9.0, 0.0], [0.0, 9.0], [1.0, 0.0]])
    figure = plots.worst_mistakes(X[:4], scores, torch.ones(4, dtype=torch.int64), ("x", "y"), n=2)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["said x (100%)\nis y", "said x (99%)\nis y"]


def test_what_does_not_fit_is_named(images):
    X, y = images
    with pytest.raises(ValueError, match=r"\(8, 32, 32\)"):
        plots.show_images(X[:, 0])
    with pytest.raises(ValueError, match="no image"):
        plots.show_images(X[:0])
    with pytest.raises(ValueError, match=r"\(3072, units\), not \(100, 3072\)"):
        plots.weights_as_images(torch.zeros(100, 3072))
    with pytest.raises(ValueError, match="filters of 8 channels"):
        plots.weights_as_images(torch.zeros(16, 8, 3, 3))
    with pytest.raises(ValueError, match="do not go together"):
        plots.worst_mistakes(X, torch.zeros(3, 10), y, CLASSES)


def test_filters_are_drawn_as_the_images_that_they_are():
    figure = plots.weights_as_images(torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4))
    assert figure.get_suptitle() == "Weights of the 2 filters"
    drawn = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert len(drawn) == 2
    assert (drawn[0] == drawn[1]).all() and drawn[0][0, 1, 0] == pytest.approx(1 / 47)


def test_an_axis_is_logarithmic_if_asked_for():
    scales = {}
    for log in (False, "x", "y", True):
        ax = plots.lines([1, 10], {"a": [1, 2]}, "x", "y", log=log).axes[0]
        scales[log] = ax.get_xscale(), ax.get_yscale()
    assert scales == {False: ("linear", "linear"), "x": ("log", "linear"), "y": ("linear", "log"),
                      True: ("log", "log")}  # fmt: skip


def test_a_notebook_shows_each_figure_once():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [
        "from toolbox import plots\nplots.loss_curve([2.0, 1.0])",
        "kept = plots.loss_curve([2.0, 1.0])",
        "plots.loss_curve([2.0, 1.0])\nplots.accuracy_curves([0.1, 0.5], [0.1, 0.4])",
        "1 + 1",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    root = plots.__file__.rsplit("toolbox", 1)[0]
    nbclient.NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": root}}).execute()
    pictures = [sum("image/png" in output.get("data", {}) for output in cell.outputs) for cell in book.cells]
    assert pictures == [1, 1, 2, 0]


def test_outside_a_notebook_a_figure_is_named_and_stays_open(capsys):
    figure = plots.loss_curve([1.0, 0.5])
    figure._ipython_display_()
    assert capsys.readouterr().out == repr(figure) + "\n"
    assert plt.fignum_exists(figure.number)
