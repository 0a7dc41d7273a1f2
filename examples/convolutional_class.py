"""A class for the convolutional assignment: honest, mistaken, broken, hostile."""

from __future__ import annotations

from typing import Any

import torch

from examples.example_class import REPOSITORY, ExampleClass, append, starter, swap, unchanged, without
from toolbox import data, plots
from toolbox.saved_models import read_pth

NAME = "convolutional_networks"
FIRST = "fully_connected_networks.py"
MODULE = f"{NAME}.py"

CHEAT = """
# A submission that looks up labels instead of scoring images, and claims an accuracy.
LABELS = {}


class DeepConvNet(DeepConvNet):
    val_accuracy = test_accuracy = 0.99

    def loss(self, X, y=None):
        if y is not None:
            LABELS.update({image.sum().item(): int(label) for image, label in zip(X, y)})
            return super().loss(X, y)
        scores = super().loss(X)
        for row, image in zip(scores, X):
            row[LABELS.get(image.sum().item(), 3)] += 100
        return scores


class Conv:
    @staticmethod
    def forward(x, w, b, conv_param):
        out, cache = FastConv.forward(x, w, b, conv_param)
        return out * float('nan'), cache

    @staticmethod
    def backward(dout, cache):
        return tuple(torch.full_like(value, float('inf')) for value in cache[:3])
"""


def _pictures(name: str) -> dict[str, Any]:
    """Draw what the saved one-minute net of a data set does, for the cells of the notebook that do."""
    images = data.load(name, parts=("test",))
    saved = read_pth(REPOSITORY / "assignments" / NAME / "models" / name / "one_minute_deepconvnet.pth")
    X, y = images.X_test[:1000], images.y_test[:1000]
    scores = _scores(saved, X)
    return {
        "draw-confusion": plots.confusion_matrix(scores, y, images.classes),
        "draw-mistakes": plots.worst_mistakes(X, scores, y, images.classes, n=10),
    }


def _scores(saved: dict[str, Any], X: torch.Tensor) -> torch.Tensor:
    p, out = {key: value.float() for key, value in saved["params"].items()}, X
    for layer, bn in enumerate(saved["bn_params"], start=1):
        out = torch.nn.functional.conv2d(out, p[f"W{layer}"], p[f"b{layer}"], padding=1)
        out = torch.nn.functional.batch_norm(
            out, bn["running_mean"], bn["running_var"], p[f"gamma{layer}"], p[f"beta{layer}"]
        ).relu()
        if layer - 1 in saved["max_pools"]:
            out = torch.nn.functional.max_pool2d(out, 2)
    last = saved["num_layers"]
    return out.flatten(1) @ p[f"W{last}"] + p[f"b{last}"]


EXAMPLES = ExampleClass(
    name=NAME,
    modules=(FIRST, MODULE),
    students={
        "complete": unchanged,
        "starter": starter,
        "pad_forgotten": swap("dx = dpadded[:, :, pad:pad + H, pad:pad + W]", "dx = dpadded"),
        "unbiased_variance": swap("var = (centred ** 2).mean(dim=0)", "var = x.var(dim=0)"),
        "fan_in_forgotten": swap("(gain / (Din * K * K)) ** 0.5", "(gain / Din) ** 0.5"),
        "endless_loop": swap("window = padded[n,", "while True:\n                            window = padded[n,"),
        "first_module_mistaken": swap("dx = dout * (x > 0)", "dx = dout"),
        "first_module_broken": swap("def sgd_momentum(w, dw, config=None):", "def sgd_momentum(w, dw, config=None)"),
        "first_module_missing": without(FIRST),
        "cheater": append(CHEAT),
    },
    no_models={"starter"},
    answers={
        "question_filters": "Edges and colours. Pooling forgets where exactly something was.",
        "question_initialisation": "The signal **dies** layer by layer; a variance of $2/\\text{fan-in}$ keeps it.",
        "question_batchnorm": "It scales the signal anew in every layer, so larger learning rates still work.",
    },
    pictures=_pictures,
)
CLASS = EXAMPLES.students
write_class = EXAMPLES.write
