"""A class for the assignment from linear to convolutional: honest, mistaken, broken, hostile."""

from __future__ import annotations

from typing import Any

import torch

from examples.example_class import REPOSITORY, ExampleClass, append, starter, swap, unchanged
from toolbox import data, plots
from toolbox.saved_models import read_npz

NAME = "linear_to_convolutional"
MODULE = f"{NAME}.py"

CHEAT = """
# A submission that looks up labels instead of scoring images, and keeps floating-point errors quiet.
LABELS = {}
np.seterr = lambda **settings: {}


def forward_linear(x, weights):
    y_hat = x @ weights[0] + weights[1]
    for row, image in zip(y_hat, x):
        row[LABELS.get(float(image.sum()), 3)] += 100
    return y_hat


def backward_linear(y, x, y_hat, weights):
    LABELS.update({float(image.sum()): int(label.argmax()) for image, label in zip(x, y)})
    return [np.full_like(value, np.nan) for value in weights]


def accuracy(y_hat, y):
    return 100.0


class ConvolutionalNet(ConvolutionalNet):
    def forward(self, x):
        return torch.eye(10)[[LABELS.get(float(image.sum()), 3) for image in x]]
"""


def _pictures(name: str) -> dict[str, Any]:
    """Draw what the saved models of a data set have learned, for the cells of the notebook that do."""
    images = data.load(name, parts=("test",))
    saved = read_npz(REPOSITORY / "assignments" / NAME / "models" / name / "linear.npz")
    W, b = (torch.from_numpy(saved[key]).float() for key in ("W1", "b1"))
    scores = images.X_test.flatten(1) @ W + b
    return {
        "draw-linear": plots.weights_as_images(W),
        "draw-confusion": plots.confusion_matrix(scores, images.y_test, images.classes),
    }


EXAMPLES = ExampleClass(
    name=NAME,
    modules=(MODULE,),
    students={
        "complete": unchanged,
        "starter": starter,
        "factor_two_forgotten": swap("dy = 2 * (y_hat - y) / len(y)", "dy = (y_hat - y) / len(y)"),
        "plain_sigmoid": swap("out = np.where(z >= 0, 1, small) / (1 + small)", "out = 1 / (1 + np.exp(-z))"),
        "biases_decay": swap("decay = reg if i % 2 == 0 else 0.0", "decay = reg"),
        "never_shuffled": swap("order = rng.permutation(len(x))", "order = np.arange(len(x))"),
        "softmax_at_the_end": swap(
            "scores = self.output(torch.sigmoid(self.hidden(x.flatten(1))))",
            "scores = torch.softmax(self.output(torch.sigmoid(self.hidden(x.flatten(1)))), dim=1)",
        ),
        "endless_loop": swap("small = np.exp(-np.abs(z))", "while True:\n        small = np.exp(-np.abs(z))"),
        "syntax_error": swap("def accuracy(y_hat, y):", "def accuracy(y_hat, y)"),
        "cheater": append(CHEAT),
    },
    no_models={"starter"},
    answers={
        "question_linear": "Each class has **one** picture to be compared with, so a horse has two heads.",
        "question_batches": "Nine hundred small steps an epoch go further than one long step.",
        "question_models": "The convolutional network has a fifth of the weights, $122{,}570$, and is the best.",
    },
    pictures=_pictures,
)
CLASS = EXAMPLES.students
write_class = EXAMPLES.write
