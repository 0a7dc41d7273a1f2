"""A class for the fully connected assignment: honest, mistaken, broken, hostile."""

from __future__ import annotations

from typing import Any

from examples.example_class import REPOSITORY, ExampleClass, append, cut_out, starter, swap, unchanged
from toolbox import data, plots
from toolbox.saved_models import read_pth

NAME = "fully_connected_networks"
MODULE = f"{NAME}.py"
NOTEBOOK = f"{NAME}.ipynb"
SOLUTION = REPOSITORY / "assignments" / NAME / MODULE

CHEAT = """
# A submission that patches what a careless grader would compare with, and looks for the tests.
import builtins
import glob

torch.allclose = lambda *args, **kwargs: True
torch.equal = lambda *args, **kwargs: True
builtins.abs = lambda x: 0


class Anything(torch.Tensor):
    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return torch.zeros(())


FOUND = glob.glob('/**/checks/test_*.py', recursive=True)


class Linear:
    @staticmethod
    def forward(x, w, b):
        return torch.zeros(x.shape[0], w.shape[1]).as_subclass(Anything), (x, w, b)

    @staticmethod
    def backward(dout, cache):
        return tuple(torch.zeros_like(value).as_subclass(Anything) for value in cache)
"""


def _pictures(name: str) -> dict[str, Any]:
    """Draw the saved two-layer net of a data set, for the cells of the notebook that do."""
    images = data.load(name, parts=("val",))
    net = read_pth(REPOSITORY / "assignments" / NAME / "models" / name / "best_two_layer_net.pth")["params"]
    W1, b1, W2, b2 = (net[key].float() for key in ("W1", "b1", "W2", "b2"))
    scores = (images.X_val.flatten(1) @ W1 + b1).clamp(min=0) @ W2 + b2
    return {
        "draw-weights": plots.weights_as_images(W1),
        "draw-confusion": plots.confusion_matrix(scores, images.y_val, images.classes),
        "draw-mistakes": plots.worst_mistakes(images.X_val, scores, images.y_val, images.classes, n=10),
    }


EXAMPLES = ExampleClass(
    name=NAME,
    modules=(MODULE,),
    students={
        "complete": unchanged,
        "starter": starter,
        "forgot_bias": swap("@ w + b", "@ w"),
        "relu_everywhere": swap("dx = dout * (x > 0)", "dx = dout * (x >= 0)"),
        "regularised_once": swap("for name in ('W1', 'W2'):", "for name in ('W1',):"),
        "no_dropout_yet": cut_out("Dropout"),
        "endless_loop": swap("mask = (torch.rand", "while True:\n                pass\n            mask = (torch.rand"),
        "syntax_error": swap("def sgd_momentum(w, dw, config=None):", "def sgd_momentum(w, dw, config=None)"),
        "gpu_habit": swap("next_w = w + v", "next_w = (w.cuda() + v.to('cuda:0'))"),
        "cheater": append(CHEAT),
        "no_module": None,
        "unreadable_notebook": unchanged,
        "no_notebook": unchanged,
    },
    no_models={"starter", "no_module"},
    answers={
        "question_two_layer": "It learns the training images by heart: the gap between the curves grows.\n\n"
        "Cats and dogs.",
        "question_depth": "With small weights the signal is **gone** after four layers, see the histograms.",
        "question_dropout": "The larger $p$, the lower the training accuracy. Validation accuracy stays the same.",
    },
    pictures=_pictures,
)
CLASS = EXAMPLES.students
write_class = EXAMPLES.write
