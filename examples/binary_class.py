"""A class for the assignment on two classes: honest, mistaken, broken, hostile."""

from __future__ import annotations

from typing import Any

import torch

from examples.example_class import REPOSITORY, ExampleClass, append, cut_out, starter, swap, unchanged
from toolbox import data, plots
from toolbox.saved_models import read_npz

NAME = "binary_mlp"
MODULE = f"{NAME}.py"

CHEAT = """
# A submission that makes comparisons meaningless, learns labels by heart and claims an accuracy.
np.allclose = np.array_equal = lambda *args, **kwargs: True
np.abs = np.maximum = lambda *args, **kwargs: 0.0
LABELS = {}


class LinearLayer(LinearLayer):
    def forward(self, x):
        return np.full((len(x), self.weights.shape[1]), np.nan)


class SigmoidCrossEntropy(SigmoidCrossEntropy):
    def forward(self, logits, labels):
        LABELS.update({row.tobytes(): float(label) for row, label in zip(logits, labels.ravel())})
        return 0.0


def evaluate(model, x, y, batch_size):
    return 0.0, 1.0


def train(model, data, **settings):
    return {name: [0.0] * settings['max_epochs'] for name in ('objective', 'train_error', 'test_error')}


def sweep(name, values, base):
    return [0.99 for _ in values]
"""


def _pictures(name: str) -> dict[str, Any]:
    """Draw what the saved network of a data set has learned, for the cells of the notebook that do."""
    images = data.load(name, parts=("test",), classes=(0, 8))
    saved = read_npz(REPOSITORY / "assignments" / NAME / "models" / name / "best_binary_mlp.npz")
    params = {key: torch.from_numpy(value).float() for key, value in saved.items()}
    logits = _logits(params, images.X_test.flatten(1))
    scores = torch.cat([torch.zeros_like(logits), logits], dim=1)
    return {
        "draw-weights": plots.weights_as_images(params["W1"], most=24),
        "draw-mistakes": plots.worst_mistakes(images.X_test, scores, images.y_test, images.classes, n=10),
    }


def _logits(params: dict[str, torch.Tensor], out: torch.Tensor) -> torch.Tensor:
    depth = len(params) // 2
    for layer in range(1, depth + 1):
        out = out @ params[f"W{layer}"] + params[f"b{layer}"]
        out = out.relu() if layer < depth else out
    return out


EXAMPLES = ExampleClass(
    name=NAME,
    modules=(MODULE,),
    students={
        "complete": unchanged,
        "starter": starter,
        "forgot_bias": swap("out = x @ self.weights + self.bias", "out = x @ self.weights"),
        "decay_in_the_velocity": swap(
            "self.weights *= 1 - 2 * step_size * weight_decay",
            "self.velocity_weights -= 2 * step_size * weight_decay * self.weights",
        ),
        "clipped_probabilities": swap(
            "loss = np.mean(np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits))))",
            "p = np.clip(1 / (1 + np.exp(-logits)), 1e-12, 1 - 1e-12)\n"
            "        loss = -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))",
        ),
        "mean_of_means": swap("criterion.forward(logits, labels) * len(labels)", "criterion.forward(logits, labels)"),
        "not_shuffled": swap("order = rng.permutation(len(x))", "order = np.arange(len(x))"),
        "no_loss_yet": cut_out("SigmoidCrossEntropy"),
        "endless_loop": swap("    for value in values:", "    while True:\n        pass\n    for value in values:"),
        "syntax_error": swap("def evaluate(model, x, y, batch_size):", "def evaluate(model, x, y, batch_size)"),
        "torch_habit": append("import torch\n\ntorch.set_default_dtype(torch.float64)\n"),
        "cheater": append(CHEAT),
    },
    no_models={"starter"},
    answers={
        "question_decay": "It keeps the weights small. In the velocity it would act for **longer**.",
        "question_mlp": "Training error goes on falling, test error does not. Planes before the sea look like ships.",
        "question_sweep": "A larger step size with a larger batch. The best of many figures is $\\geq$ the truth.",
    },
    pictures=_pictures,
)
CLASS = EXAMPLES.students
write_class = EXAMPLES.write
