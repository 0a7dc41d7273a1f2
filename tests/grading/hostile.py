"""Submissions that try to get more than they earn, harm others, or never end. Each is small and stops by itself.

Each is the solution with something done to it, so that what its honest parts earn is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from examples.fully_connected_class import MODULE, SOLUTION

TRUTH = SOLUTION.read_text(encoding="utf-8")
TWO_LAYER = "best_two_layer_net.pth"

EVERYTHING = "everything"


@dataclass(frozen=True)
class Attack:
    """A hostile submission.

    Attributes:
        module: its source, or what to make in the place of its file.
        loses: the checks it must lose points at. Checks that need one of these may lose points as well; all
            others must score as in an honest submission.
        tells: what the record must say somewhere.
        models: what to do to the saved models in its folder.
    """

    module: str | Callable[[Path], None]
    loses: set[str] | str
    tells: str = ""
    models: Callable[[Path], None] = field(default=lambda folder: None)


def with_code(text: str) -> str:
    """Return the solution with code at its end."""
    return f"{TRUTH}\n\n{text}\n"


def with_linear(body: str) -> str:
    """Return the solution with another body of `Linear.forward`."""
    return TRUTH.replace("        out = x.reshape(x.shape[0], -1) @ w + b\n", body)


FUNCTIONS = {
    "Linear.forward": "linear_forward", "Linear.backward": "linear_backward", "ReLU.forward": "relu_forward",
    "ReLU.backward": "relu_backward", "Dropout.forward": "dropout_forward", "Dropout.backward": "dropout_backward",
    "TwoLayerNet.loss": "two_layer_scores", "FullyConnectedNet.loss": "fully_connected_loss",
    "sgd_momentum": "sgd_momentum", "rmsprop": "rmsprop", "adam": "adam",
    "get_three_layer_network_params": "overfit_three_layer", "get_five_layer_network_params": "overfit_five_layer",
}  # fmt: skip
"""Every function that returns something to compare, and the check that it is compared in."""

ANSWERS = {
    "nan": "torch.full((3, 4), float('nan'))",
    "shape": "torch.zeros(1)",
    "string": "'right'",
    "equal": "Equal(3)",
}
"""Answers that are none; `Equal` is a tensor that claims to be equal to everything."""

EQUAL = """
class Equal(torch.Tensor):
    def __new__(cls, *size):
        return torch.zeros(*size).as_subclass(cls)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.tensor(0.0)

    def __eq__(self, other):
        return True

    __hash__ = None
"""


def answering(function: str, answer: str) -> str:
    """Return the solution in which one function gives an answer that is none, as often as values are expected."""
    count = {"Linear.backward": 3}.get(function, 2)
    if function in ("ReLU.backward", "Dropout.backward") or function.endswith(".loss"):
        count = 1
    value = answer if count == 1 else f"({', '.join([answer] * count)},)"
    owner, _, name = function.rpartition(".")
    wrapper = f"lambda *args, **kwargs: {value}"
    if owner and not function.endswith(".loss"):
        wrapper = f"staticmethod({wrapper})"
    return with_code(f"{EQUAL}\n{f'{owner}.' if owner else ''}{name} = {wrapper}")


def link_to(target: Path) -> Callable[[Path], None]:
    """Return what makes the module a symbolic link."""
    return lambda folder: (folder / MODULE).symlink_to(target)


def pickled_command(marker: Path) -> Callable[[Path], None]:
    """Return what makes a saved model a pickle that runs a command when it is read."""

    def write(folder: Path) -> None:
        import os

        import torch

        class Command:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return os.system, (f"touch {marker}",)

        torch.save({"reg": 0.0, "params": Command()}, folder / TWO_LAYER)

    return write


def _save_two_layer(folder: Path, hidden: int, value: float) -> None:
    import torch

    weights = {"W1": (3072, hidden), "b1": (hidden,), "W2": (hidden, 10), "b2": (10,)}
    params = {name: torch.full(shape, value, dtype=torch.bfloat16) for name, shape in weights.items()}
    torch.save({"reg": 0.0, "params": params}, folder / TWO_LAYER)


def denormal_weights(folder: Path) -> None:
    """Save weights so small that a processor computes with them a hundred times slower."""
    _save_two_layer(folder, 500, 1e-39)


def too_many_weights(folder: Path) -> None:
    """Save a network larger than any that an assignment needs."""
    _save_two_layer(folder, 7000, 0.0)


def attacks(solution: Path, marker: Path, secret: Path) -> dict[str, Attack]:
    """Return all attacks by name.

    Args:
        solution: the author's solution in the course folder.
        marker: a file that appears if a pickled command runs.
        secret: the course's secret seed.
    """
    found = {
        "exits_at_import": Attack("import os\nos._exit(0)\n", EVERYTHING, "ended the process"),
        "exits_late": Attack(with_code("import atexit, os\natexit.register(os._exit, 0)"), set()),
        "loops_for_ever": Attack(
            TRUTH.replace("        dx = dout * (x > 0)\n", "        while True:\n            pass\n"),
            {"relu_backward"},
            "no answer within",
        ),
        "patches_comparisons": Attack(
            with_linear("        out = torch.zeros(x.shape[0], w.shape[1], dtype=x.dtype)\n")
            + "\n\nimport builtins\ntorch.allclose = torch.equal = lambda *args, **kwargs: True\n"
            "builtins.abs = lambda x: 0\ntorch.Tensor.abs = lambda self: self * 0\n",
            {"linear_forward"},
        ),
        "searches_for_checks": Attack(
            with_code(f"""
import os
FOUND = []
for top in ('/', {str(solution.parents[2])!r}, os.getcwd(), '..', '/proc/1/root', '/proc/self/cwd/..'):
    for count, (folder, _, names) in enumerate(os.walk(top)):
        FOUND += [os.path.join(folder, n) for n in names if n.startswith('test_1_layers') or n == 'secret_seed']
        if count > 2000:
            break
for name in ({str(solution)!r}, {str(solution.parent / "checks" / "reference.py")!r}, {str(secret)!r}):
    try:
        FOUND.append(open(name).read())
    except OSError:
        pass
if FOUND:
    Linear.forward = lambda *args: 1 / 0
"""),
            set(),
        ),
        "opens_a_socket": Attack(
            with_code("""
import socket
OPENED = []
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, 40):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            OPENED.append(socket.socket(family, kind))
        except OSError:
            pass
if OPENED:
    Linear.forward = lambda *args: 1 / 0
"""),
            set(),
        ),
        "forks": Attack(
            with_linear("""        import os
        for _ in range(200):
            if os.fork() == 0:
                import time
                time.sleep(60)
                os._exit(0)
        out = x.reshape(x.shape[0], -1) @ w + b
"""),
            {"linear_forward"},
            "PermissionError",
        ),
        "fills_memory": Attack(
            with_linear("""        hoard = []
        for _ in range(16):
            hoard.append(torch.empty(1 << 26))
        out = x.reshape(x.shape[0], -1) @ w + b
"""),
            {"linear_forward"},
            "allocate memory",
        ),
        "is_a_link": Attack(link_to(solution), EVERYTHING, "is a link"),
        "pickles_a_command": Attack(TRUTH, {"two_layer_accuracy"}, "cannot be read as a saved model",
                                    models=pickled_command(marker)),
        "ignores_its_weights": Attack(
            with_code("""
def _look_up(self, X, y=None):
    scores = torch.zeros(len(X), 10, dtype=X.dtype)
    scores[torch.arange(len(X)), (X.reshape(len(X), -1).sum(1) * 1000).long() % 10] = 1
    return scores if y is None else (scores.mean(), {n: torch.zeros_like(v) for n, v in self.params.items()})


TwoLayerNet.loss = _look_up
"""),
            {"two_layer_scores", "two_layer_loss", "two_layer_gradients", "two_layer_accuracy"},
            "other scores than the saved weights",
        ),
        "raises_base_exception": Attack(
            with_linear("        raise KeyboardInterrupt\n"), {"linear_forward"}, "KeyboardInterrupt"
        ),
        "steps_inside_loss": Attack(  # gradients that jump to weights it has brought along
            with_code("""
_loss = FullyConnectedNet.loss


def _jump(self, X, y=None):
    answer = _loss(self, X, y)
    if y is not None and X.shape[-1] == 3072:
        loss, grads = answer
        return loss, {name: 10 * value for name, value in grads.items()}
    return answer


FullyConnectedNet.loss = _jump
"""),
            {"overfit_three_layer", "overfit_five_layer"},
            "is wrong in training",
        ),
    }  # fmt: skip
    found |= {
        "zeroes_its_inputs": Attack(
            with_code("""
def _zeroing(function, answer):
    def call(*args):
        for value in args:
            for tensor in value if type(value) is tuple else (value,):
                if type(tensor) is torch.Tensor:
                    tensor.zero_()
        return answer(*args)
    return staticmethod(call)


Linear.forward = _zeroing(Linear.forward, lambda x, w, b: (torch.zeros(len(x), len(b), dtype=x.dtype), (x, w, b)))
Linear.backward = _zeroing(Linear.backward, lambda dout, cache: tuple(map(torch.zeros_like, cache)))
ReLU.backward = _zeroing(ReLU.backward, lambda dout, cache: dout)
Dropout.backward = _zeroing(Dropout.backward, lambda dout, cache: dout)
"""),
            {"linear_forward", "linear_backward", "relu_backward", "linear_relu", "dropout_backward"},
        ),
        "zeroes_its_images": Attack(
            TRUTH.replace("        X = X.to(self.dtype)\n", "        X.zero_()\n        X = X.to(self.dtype)\n"),
            {"fully_connected_loss", "fully_connected_gradients", "overfit_three_layer", "saved_five_layer"},
        ),
        "drops_nothing": Attack(
            TRUTH.replace(">= p).to(x.dtype) / (1 - p)", ">= 0).to(x.dtype)"), {"dropout_forward", "dropout_backward"}
        ),
        "drops_everything": Attack(
            TRUTH.replace(">= p).to(x.dtype)", ">= 2).to(x.dtype)"), {"dropout_forward", "dropout_backward"}
        ),
        "constant_loss_in_training": Attack(
            with_code("""
_true_loss = FullyConnectedNet.loss


def _constant(self, X, y=None):
    if y is None or not self.use_dropout or len(X) == 1:
        return _true_loss(self, X, y)
    return torch.tensor(1.0, dtype=X.dtype), {name: torch.zeros_like(value) for name, value in self.params.items()}


FullyConnectedNet.loss = _constant
"""),
            {"dropout_network"},
        ),
        "forges_the_path_of_an_object": Attack(
            with_code("""
import sys
kit = next(module for name, module in sys.modules.items() if name.endswith('sandbox.answerer'))
kit.Answerer.handle_of = lambda self, value: kit.Ref(7, '\\x1b[31m<script>' * 1000, 'x')
Linear.forward = staticmethod(lambda x, w, b: (object(), None))
"""),
            {"linear_forward", "two_layer_init", "fully_connected_loss"},
        ),
        "hides_from_the_scan": Attack(
            with_code("x = getattr(torch.nn, '\\ud800', None)\ny = torch.nn" + ".functional" * 0 + ".Linear"), set(),
            "uses torch.nn",
        ),
        "dies_again_and_again": Attack(
            "import time\ntime.sleep(1)\n" + TRUTH.replace("        out = x.reshape(x", "        import os; os._exit(3)\n        out = x.reshape(x"),
            {"linear_forward"}, "ended the process",
        ),
        "denormal_weights": Attack(TRUTH, {"two_layer_accuracy"}, models=denormal_weights),
        "too_many_weights": Attack(TRUTH, {"two_layer_accuracy"}, "are allowed", models=too_many_weights),
        "falls_over_at_the_end": Attack(with_code("1 / 0"), set(), "stopped half-way"),
        "falls_over_in_the_middle": Attack(
            TRUTH.replace("def rmsprop(", "1 / 0\n\n\ndef rmsprop("), {"rmsprop", "adam"}, "stopped half-way"
        ),
        "imports_what_is_not_here": Attack(
            "import cv2_not_here\nfrom sklearn_not_here.linear_model import Ridge\n" + TRUTH, set(), "is not installed"
        ),
    }  # fmt: skip
    for function, check in FUNCTIONS.items():
        for kind, answer in ANSWERS.items():
            found[f"{function.replace('.', '_')}_{kind}"] = Attack(answering(function, answer), {check})
    return found
