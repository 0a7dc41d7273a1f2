"""The figures of the notebooks that show images, training and what a network has learned."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from torch import Tensor

from toolbox.data import unnormalise
from toolbox.style import COLORS, bare, sheet, styled

if TYPE_CHECKING:
    from toolbox.solver import Solver


def _pixels(images: Any, mean: Tensor | None) -> np.ndarray:
    """Return images as (N, H, W, 3) uint8, from prepared floats or bytes in either order of axes."""
    images = torch.as_tensor(images)
    if images.dim() != 4 or 3 not in (images.shape[1], images.shape[3]):
        raise ValueError(f"images must be (N, 3, H, W) or (N, H, W, 3), not {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        channels_last = images if images.shape[3] == 3 else images.movedim(1, -1)
        return channels_last.cpu().numpy()
    return unnormalise(images, mean).numpy()


@styled
def show_images(
    images: Any,
    labels: Tensor | None = None,
    classes: Sequence[str] | None = None,
    per_row: int = 8,
    title: str = "",
    mean: Tensor | None = None,
    titles: Sequence[str] = (),
) -> Figure:
    """Show images in a grid; where labels are given, a row of the first `per_row` images of each class.

    images: (N, 3, H, W) as `load` prepares them, or uint8 (N, H, W, 3) or (N, 3, H, W). labels: (N,).
    classes: the names. mean: what was subtracted from the images; None for that of the data set in use.
    titles: a text above each image, in order; the images are drawn larger then.
    Raises ValueError where images have another shape or there are none.
    """
    if labels is None:
        rows = [list(range(start, min(start + per_row, len(images)))) for start in range(0, len(images), per_row)]
        names = [""] * len(rows)
    else:
        found = sorted(set(labels.tolist()))
        rows = [torch.nonzero(labels == k).flatten()[:per_row].tolist() for k in found]
        names = [classes[k] if classes is not None else str(k) for k in found]
    if not rows:
        raise ValueError("there is no image to show")
    columns = max(map(len, rows))
    size = 1.9 if titles else 0.85
    fig, axes = sheet(len(rows), columns, size * columns + (1.0 if labels is not None else 0), size * len(rows) + 0.3)
    for row, name, line in zip(rows, names, axes, strict=True):
        for ax in line:
            bare(ax)
        for image, ax in zip(_pixels(images[row], mean), line, strict=False):
            ax.imshow(image, interpolation="nearest")
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for text, ax in zip(titles, axes.flat, strict=False):
        ax.set_title(text, fontsize=9)
    fig.suptitle(title)
    return fig


def _smooth(values: Sequence[float], over: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of every `over` values in a row, and the iterations in the middle of them."""
    kernel = np.ones(over) / over
    return np.arange(len(values) - over + 1) + 1 + (over - 1) / 2, np.convolve(values, kernel, "valid")


def _draw_loss(ax: Any, losses: Sequence[float], name: str = "", color: Any = None) -> None:
    """Draw the loss of each iteration faintly, and the mean of the last fiftieth of them over it."""
    over = max(len(losses) // 50, 1)
    color = COLORS[0] if color is None else color
    if over > 1:
        if not name:
            ax.plot(
                range(1, len(losses) + 1),
                losses,
                color=color,
                alpha=0.25,
                linewidth=0.8,
                label="each iteration",
            )
        ax.plot(*_smooth(losses, over), color=color, label=name or f"mean of {over}")
    else:
        ax.plot(range(1, len(losses) + 1), losses, color=color, label=name or None)
    ax.set(title="Training loss", xlabel="iteration", ylabel="loss")
    ax.margins(x=0.02)


def _draw_accuracy(ax: Any, history: Sequence[float], name: str, color: Any = None, best: bool = False) -> None:
    """Draw accuracies in per cent over epochs, with a ring around the best of them if asked for."""
    percent = [100 * value for value in history]
    ax.plot(percent, marker="o", markersize=3, color=color, label=name)
    if best and percent:
        epoch = int(np.argmax(percent))
        ax.plot(epoch, percent[epoch], "o", markersize=9, fillstyle="none", color=color)
        ax.annotate(
            f"{percent[epoch]:.1f} %",
            (epoch, percent[epoch]),
            xytext=(0, -16),
            textcoords="offset points",
            ha="center",
            color=color,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8},
        )
    ax.set(xlabel="epoch", ylabel="accuracy (%)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


@styled
def loss_curve(losses: Sequence[float]) -> Figure:
    """Draw the loss of each iteration, with a moving mean where there are many.

    losses: one number per iteration, as `Solver.loss_history` holds them.
    """
    fig, axes = sheet(1, 1, 6, 3.6)
    _draw_loss(axes[0, 0], losses)
    if axes[0, 0].get_legend_handles_labels()[0]:
        axes[0, 0].legend()
    return fig


@styled
def accuracy_curves(train: Sequence[float], val: Sequence[float]) -> Figure:
    """Draw training and validation accuracy over epochs, and mark the best validation accuracy.

    train, val: fractions, as `Solver.train_acc_history` and `Solver.val_acc_history` hold them.
    """
    fig, axes = sheet(1, 1, 6, 3.6)
    _both_accuracies(axes[0, 0], train, val)
    return fig


def _both_accuracies(ax: Any, train: Sequence[float], val: Sequence[float]) -> None:
    _draw_accuracy(ax, train, "training", COLORS[0])
    _draw_accuracy(ax, val, "validation", COLORS[1], best=True)
    ax.set_title("Accuracy")
    ax.legend()


@styled
def training_curves(solver: "Solver") -> Figure:
    """Draw what a solver recorded: loss over iterations, training and validation accuracy over epochs."""
    fig, axes = sheet(1, 2, 9, 3.4)
    _draw_loss(axes[0, 0], solver.loss_history)
    if axes[0, 0].get_legend_handles_labels()[0]:
        axes[0, 0].legend()
    _both_accuracies(axes[0, 1], solver.train_acc_history, solver.val_acc_history)
    return fig


@styled
def compare_runs(runs: Mapping[str, "Solver"]) -> Figure:
    """Draw the loss and both accuracies of several solvers side by side, one colour per run.

    runs: solvers by the name that the legend gives them, best validation accuracy beside it.
    """
    fig, axes = sheet(1, 3, 9.4, 3.5)
    many = len(runs) > len(COLORS)
    colors = list(plt.colormaps["viridis"](np.linspace(0, 0.9, len(runs)))) if many else COLORS
    for (name, solver), color in zip(runs.items(), colors, strict=False):
        _draw_loss(axes[0, 0], solver.loss_history, name, color)
        _draw_accuracy(axes[0, 1], solver.train_acc_history, name, color)
        _draw_accuracy(axes[0, 2], solver.val_acc_history, f"{name}: best validation {solver.best_val_acc:.1%}", color)
    axes[0, 1].set_title("Training accuracy")
    axes[0, 2].set_title("Validation accuracy")
    fig.legend(*axes[0, 2].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


@styled
def weights_as_images(W1: Tensor, shape: tuple[int, int, int] = (3, 32, 32), most: int = 100) -> Figure:
    """Show what each hidden unit or filter looks for: its weights as an image, stretched to full brightness.

    W1: (3·H·W, units), the first layer's weights, with shape (3, H, W) of the images; or the filters (F, 3, HH, WW)
    of a convolution. most: units shown, the first ones. Raises ValueError where W1 has another shape.
    """
    named = "hidden units"
    if W1.dim() == 4:
        named, shape, W1 = "filters", (W1.shape[1], W1.shape[2], W1.shape[3]), W1.flatten(1).T
    if shape[0] != 3:
        raise ValueError(f"filters of {shape[0]} channels are no colour images; those of a first layer have 3")
    if W1.dim() != 2 or W1.shape[0] != math.prod(shape):
        raise ValueError(f"weights must be ({math.prod(shape)}, units), not {tuple(W1.shape)}")
    units = W1.detach().cpu().double().T[:most].reshape(-1, *shape)
    low, high = units.amin((1, 2, 3), keepdim=True), units.amax((1, 2, 3), keepdim=True)
    pixels = ((units - low) / (high - low).clamp(min=1e-12)).movedim(1, -1).numpy()
    columns = min(math.ceil(math.sqrt(2 * len(pixels))), 12)
    rows = math.ceil(len(pixels) / columns)
    fig, axes = sheet(rows, columns, 0.75 * columns, 0.75 * rows + 0.3)
    for ax in axes.flat:
        bare(ax)
    for ax, image in zip(axes.flat, pixels, strict=False):
        ax.imshow(image, interpolation="nearest")
    all_of_them = len(pixels) == W1.shape[1]
    units_named = f"the {len(pixels)} {named}" if all_of_them else f"{len(pixels)} of {W1.shape[1]} {named}"
    fig.suptitle(f"Weights of {units_named}", fontsize=11)
    return fig


@styled
def confusion_matrix(predicted: Tensor, y: Tensor, classes: Sequence[str]) -> Figure:
    """Show which classes are taken for which: each row what became of the images of one class, in per cent.

    predicted: scores (N, C) or predicted classes (N,); y: (N,) labels; classes: the C names.
    """
    guesses = (predicted.argmax(dim=1) if predicted.dim() == 2 else predicted).cpu()
    count = len(classes)
    table = torch.bincount(y.cpu() * count + guesses, minlength=count * count).reshape(count, count).double()
    percent = (100 * table / table.sum(1, keepdim=True).clamp(min=1)).numpy()
    fig, axes = sheet(1, 1, 0.62 * count + 2, 0.52 * count + 1.6)
    ax = axes[0, 0]
    shown = ax.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for i in range(count):
        for j in range(count):
            color = "white" if percent[i, j] > 55 else "#888888" if percent[i, j] < 0.5 else "black"
            ax.text(j, i, f"{percent[i, j]:.0f}", ha="center", va="center", fontsize=9, color=color)
    ax.set_xticks(range(count), classes, rotation=40, ha="right")
    ax.set_yticks(range(count), classes)
    ax.grid(False)
    ax.tick_params(length=0)
    right = float(table.diagonal().sum() / table.sum().clamp(min=1))
    ax.set(xlabel="predicted", ylabel="true", title=f"Confusion matrix: {right:.1%} of {len(y):,} images right")
    fig.colorbar(shown, ax=ax, label="images of the true class (%)", shrink=0.8)
    return fig


@styled
def worst_mistakes(
    images: Any, scores: Tensor, y: Tensor, classes: Sequence[str], n: int = 10, mean: Tensor | None = None
) -> Figure:
    """Show the n images that the model is surest about and wrong, with the softmax probability of its guess.

    images: (N, 3, H, W) or as in `show_images`; scores: (N, C); y: (N,). Raises ValueError where lengths
    differ.
    """
    if not len(images) == len(scores) == len(y):
        raise ValueError(f"{len(images)} images, {len(scores)} scores and {len(y)} labels do not go together")
    scores, y = scores.detach().cpu().double(), y.cpu()
    sure, guesses = scores.softmax(dim=1).max(dim=1)
    wrong = torch.nonzero(guesses != y).flatten()
    worst = wrong[sure[wrong].argsort(descending=True)[:n]].tolist()
    columns = min(max(len(worst), 1), 5)
    rows = max(math.ceil(len(worst) / columns), 1)
    fig, axes = sheet(rows, columns, 1.7 * columns, 2.0 * rows + 0.3)
    for ax in axes.flat:
        bare(ax)
    for ax, i in zip(axes.flat, worst, strict=False):
        ax.imshow(_pixels(images[i : i + 1], mean)[0], interpolation="nearest")
        ax.set_title(f"said {classes[int(guesses[i])]} ({sure[i]:.0%})\nis {classes[int(y[i])]}", fontsize=9)
    fig.suptitle(f"Surest of {len(wrong):,} mistakes" if worst else "No mistakes", fontsize=11)
    return fig


@styled
def histogram(values: Tensor | Mapping[str, Tensor], bins: int = 50) -> Figure:
    """Draw how activations are spread, one panel per layer, with mean, standard deviation and zeros.

    values: one array of any shape, or arrays by the name of their layer.
    """
    layers = values if isinstance(values, Mapping) else {"activations": values}
    fig, axes = sheet(1, len(layers), min(3.0 * len(layers) + 0.6, 9.4), 2.4)
    axes[0, 0].set_ylabel("share of values (%)")
    for ax, (name, layer) in zip(axes[0], layers.items(), strict=True):
        flat = layer.detach().cpu().double().flatten().numpy()
        ax.hist(flat, bins=bins, weights=np.full(len(flat), 100 / max(len(flat), 1)), color=COLORS[0])
        ax.set(title=name, xlabel="activation")
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3))
        told = f"mean {flat.mean():.3g}\nstd {flat.std():.3g}\nzeros {np.mean(flat == 0):.0%}"
        ax.text(0.97, 0.95, told, transform=ax.transAxes, ha="right", va="top", fontsize=9)
    return fig


@styled
def lines(
    x: Sequence[float] | Tensor | None,
    curves: Mapping[str, Sequence[float] | Tensor],
    xlabel: str,
    ylabel: str,
    title: str = "",
    log: bool | str = False,
) -> Figure:
    """Draw several curves over the same x, named in a legend.

    x: (n,) numbers, or None for 0, 1, 2, …; curves: numbers by the name of their curve, (n,) where x is given.
    log: which axes are logarithmic: "x", "y", or True for both. Each number is marked where there are few of them,
    and then a logarithmic x axis names just these.
    """
    fig, axes = sheet(1, 1, 6.4, 3.6)
    ax = axes[0, 0]
    styles = ["-", "--", "-.", ":"]
    for i, (name, values) in enumerate(curves.items()):
        places = range(len(values)) if x is None else _numbers(x)
        marker = "o" if len(values) <= 12 else None
        ax.plot(places, _numbers(values), label=name, linestyle=styles[i % 4], linewidth=2, marker=marker, markersize=4)
    ax.set(xscale="log" if log in (True, "x") else "linear", yscale="log" if log in (True, "y") else "linear")
    if x is None or isinstance(x, range):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif log in (True, "x") and len(x) <= 12:
        ax.set_xticks(_numbers(x), [f"{number:g}" for number in _numbers(x)])
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.legend()
    return fig


def _numbers(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


@styled
def paths(surface: Callable[[Any, Any], Any], walks: Mapping[str, Tensor], minimum: tuple[float, float]) -> Figure:
    """Draw walks over a surface of two parameters, seen from above, and how fast each comes down.

    surface: the height at (x, y), which works on arrays; walks: (steps + 1, 2) points by the name of the walk;
    minimum: the lowest point, marked with a star.
    """
    fig, axes = sheet(1, 2, 9.4, 3.8)
    above, down = axes[0]
    points = torch.cat([walk.detach().cpu().double() for walk in (*walks.values(), torch.tensor([minimum]))]).numpy()
    (left, low), (right, high) = points.min(0) - 0.3, points.max(0) + 0.3
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
    above.contour(x, y, surface(x, y), levels=18, colors="#bbbbbb", linewidths=0.8)
    for (name, walk), color in zip(walks.items(), COLORS, strict=False):
        steps = walk.detach().cpu().double().numpy()
        above.plot(*steps.T, "o-", color=color, markersize=2.5, linewidth=1.2, label=name)
        down.plot(surface(*steps.T), color=color, label=name, linewidth=1.8)
    above.plot(*minimum, "*", color="black", markersize=12)
    above.set(title="The walk, seen from above", xlabel="first parameter", ylabel="second parameter")
    above.grid(False)
    down.set(title="The loss at each step", xlabel="step", ylabel="loss", yscale="log")
    down.legend()
    return fig


@styled
def maps(
    values: Mapping[str, Sequence[Sequence[float]]],
    columns: Sequence[float],
    rows: Sequence[float],
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Draw fractions over two settings, one map per name, side by side; NaN is left white.

    values: rows of fractions (len(rows), len(columns)) by the name of their map; columns, rows: the settings.
    """
    fig, axes = sheet(1, len(values), 0.62 * len(columns) * len(values) + 1.8, 0.46 * len(rows) + 1.3)
    for ax, (name, table) in zip(axes[0], values.items(), strict=True):
        percent = 100 * np.asarray(table, dtype=float)
        shown = ax.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto", origin="lower")
        for (i, j), value in np.ndenumerate(percent):
            color = "white" if value > 55 else "black"
            ax.text(j, i, "–" if np.isnan(value) else f"{value:.0f}", ha="center", va="center", fontsize=9, color=color)
        ax.set_xticks(range(len(columns)), [f"{c:g}" for c in columns])
        ax.set_yticks(range(len(rows)), [f"{r:g}" for r in rows])
        ax.grid(False)
        ax.tick_params(length=0)
        ax.set(xlabel=xlabel, ylabel=ylabel, title=name)
    fig.colorbar(shown, ax=axes, label="accuracy (%)", shrink=0.9)
    return fig
