"""A class for the assignment on features: honest, mistaken, broken, hostile."""

from __future__ import annotations

from typing import Any

from examples.example_class import ExampleClass, append, starter, swap, unchanged
from toolbox import data, plots

NAME = "feature_mlp"
MODULE = f"{NAME}.py"

CHEAT = """
# A submission that makes comparisons meaningless, looks up labels and claims an accuracy.
np.array_equal = np.allclose = lambda *args, **kwargs: True
np.abs = lambda *args, **kwargs: 0.0
LABELS = {}


class Backbone(Backbone):
    def __call__(self, images):
        return np.zeros((len(images), 512), np.float32)


def forward(x, params):
    scores = np.zeros((len(x), len(params['b2'])), x.dtype)
    for row, features in zip(scores, x):
        row[LABELS.get(features.tobytes(), 0)] = 100
    return scores, (x, None)


def evaluate(params, x, y):
    LABELS.update({row.tobytes(): int(label) for row, label in zip(x, y)})
    return 0.0, 1.0


def train(params, data, **settings):
    return {name: [1.0] * settings['epochs'] for name in ('loss', 'train_accuracy', 'test_accuracy')}
"""


def _pictures(name: str) -> dict[str, Any]:
    """Draw some training images of a data set, for the cell of the notebook that does."""
    images = data.load(name, parts=("val",))
    pixels = images.unnormalise(images.X_val[:500]).numpy()
    return {"show-data": plots.show_images(pixels, images.y_val[:500], classes=images.classes, per_row=10)}


EXAMPLES = ExampleClass(
    name=NAME,
    modules=(MODULE,),
    students={
        "complete": unchanged,
        "starter": starter,
        "last_window_missing": swap("rng.integers(0, 2 * padding + 1, 2)", "rng.integers(0, 2 * padding, 2)"),
        "nearest_pixel": swap(
            "down, right = (rows - top)[:, :, None], (columns - left)[:, :, None]",
            "down, right = np.rint(rows - top)[:, :, None], np.rint(columns - left)[:, :, None]",
        ),
        "cut_out_in_place": swap("out = image.copy()", "out = image"),
        "short_batch_lost": swap(
            "for start in track(range(0, len(images), batch_size)):",
            "for start in range(0, len(images) - batch_size + 1, batch_size):",
        ),
        "plain_softmax": swap("np.exp(scores - scores.max(axis=1, keepdims=True))", "np.exp(scores)"),
        "relu_forgotten_on_the_way_back": swap("    dhidden[hidden <= 0] = 0\n", ""),
        "endless_loop": swap(
            "    for epoch in track(range(epochs)):",
            "    while True:\n        pass\n    for epoch in range(epochs):",
        ),
        "syntax_error": swap("def evaluate(params, x, y):", "def evaluate(params, x, y)"),
        "torch_habit": append("import torch\n\ntorch.set_default_dtype(torch.float64)\n"),
        "cheater": append(CHEAT),
    },
    no_models={"starter"},
    answers={
        "question_augmentation": "Where a thing is does not matter. For **digits** the mirror is wrong.",
        "question_features": "In pixels backgrounds are close, in features classes. The first half would flatter.",
        "question_gap": "Training accuracy falls, test accuracy rises a little: $p < 0.05$ takes more seeds.",
    },
    pictures=_pictures,
)
CLASS = EXAMPLES.students
write_class = EXAMPLES.write
