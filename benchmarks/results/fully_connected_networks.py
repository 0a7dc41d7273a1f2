"""What the solution of the fully connected assignment reaches on real CIFAR-10.

python -m benchmarks.results.fully_connected_networks [--two-layer-seeds 3] [--overfit-seeds 10]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from toolbox import data
from toolbox.gradients import numeric_gradient, relative_error
from toolbox.solver import Solver

ASSIGNMENT = Path(__file__).resolve().parents[2] / "assignments" / "fully_connected_networks"
sys.path.insert(0, str(ASSIGNMENT))
import fully_connected_networks as solution  # noqa: E402  the module of the assignment, with its solution

PUBLISHED = {"three layers": (1e-1, 5e-1), "five layers": (1e-1, 2e-1)}
"""Weight scale and learning rate of published reports."""


def two_layer_net(images: data.Data, seeds: int) -> None:
    """Train the two-layer net as the notebook does, once for each seed."""
    reached = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        solver = solution.create_solver_instance(images.as_dict(), torch.float32, "cpu")
        solver.verbose = False
        started = time.monotonic()
        solver.train()
        reached.append(solver.best_val_acc)
        hidden = solver.model.params["W1"].shape[1]
        print(
            f"two-layer net, {hidden} hidden units, {solver.num_epochs} epochs, seed {seed}: "
            f"{solver.best_val_acc:.2%} validation, {time.monotonic() - started:.0f} s",
            flush=True,
        )
    print(f"two-layer net: {min(reached):.2%} to {max(reached):.2%}, mean {statistics.mean(reached):.2%}")


def overfit(images: data.Data, hidden_dims: list[int], scale: float, rate: float, seed: int) -> int | None:
    """Return the epoch, of 20, after which all 50 images are right for the first time; None if there is none."""
    torch.manual_seed(seed)
    net = solution.FullyConnectedNet(hidden_dims, weight_scale=scale)
    solver = Solver(
        net, images.as_dict(num_train=50), optim_config={"learning_rate": rate}, batch_size=25, num_epochs=20,
        num_train_samples=None, num_val_samples=100, verbose=False,
    )  # fmt: skip
    solver.train(return_best_params=False)
    history = solver.train_acc_history
    return history.index(1.0) if 1.0 in history else None


def overfits(images: data.Data, seeds: int) -> None:
    """Overfit 50 images with the solution's settings and with published ones."""
    own = {
        "three layers": solution.get_three_layer_network_params(),
        "five layers": solution.get_five_layer_network_params(),
    }
    for name, hidden_dims in {"three layers": [100] * 2, "five layers": [100] * 4}.items():
        for whose, (scale, rate) in {"ours": own[name], "published": PUBLISHED[name]}.items():
            epochs = [overfit(images, hidden_dims, scale, rate, seed) for seed in range(seeds)]
            done = [epoch for epoch in epochs if epoch is not None]
            when = f", after {min(done)} to {max(done)} epochs" if done else ""
            print(
                f"{name}, weight scale {scale:g}, learning rate {rate:g} ({whose}): "
                f"100 % for {len(done)} of {seeds} seeds{when}"
            )


def initial_loss() -> None:
    """Compute the loss of a fresh [20, 30] network on two random images of 15 numbers."""
    torch.manual_seed(0)
    X, y = torch.randn(2, 15, dtype=torch.float64), torch.randint(10, (2,))
    for reg in (0.0, 3.14):
        torch.manual_seed(0)
        net = solution.FullyConnectedNet(
            [20, 30], input_dim=15, num_classes=10, reg=reg, weight_scale=5e-2, dtype=torch.float64
        )
        loss, _ = net.loss(X, y)
        print(f"FullyConnectedNet([20, 30]), initial loss at λ {reg:g}: {float(loss):.3f}")


def layer_errors() -> None:
    """Hold the layers' gradients against central differences, in float64."""
    torch.manual_seed(0)
    x, w, b = (torch.randn(*shape, dtype=torch.float64) for shape in ((10, 2, 3), (6, 5), (5,)))
    dropout = {"p": 0.5, "mode": "train", "seed": 1}
    chains = {
        "Linear": (solution.Linear, (x, w, b)),
        "ReLU": (solution.ReLU, (x,)),
        "Linear_ReLU": (solution.Linear_ReLU, (x, w, b)),
        "Dropout": (solution.Dropout, (x,)),
    }
    for name, (layer, inputs) in chains.items():
        extra = (dropout,) if name == "Dropout" else ()
        error = _error(layer, inputs, extra)
        print(f"{name}, gradients against central differences: relative errors up to {error:.1e}")


def _error(layer: Any, inputs: tuple[Tensor, ...], extra: tuple[Any, ...]) -> float:
    """Return the largest relative error of a layer's gradients with respect to its inputs."""
    out, cache = layer.forward(*inputs, *extra)
    dout = torch.randn_like(out)
    gradients = layer.backward(dout, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    errors = []
    for i, gradient in enumerate(gradients):

        def changed(value: Tensor, i: int = i) -> Tensor:
            return layer.forward(*inputs[:i], value, *inputs[i + 1 :], *extra)[0]

        errors.append(relative_error(gradient, numeric_gradient(changed, inputs[i], dout)))
    return max(errors)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--two-layer-seeds", type=int, default=3, metavar="N")
    parser.add_argument("--overfit-seeds", type=int, default=10, metavar="N")
    options = parser.parse_args()
    images = data.load("cifar10", parts=("train", "val"))
    initial_loss()
    layer_errors()
    overfits(images, options.overfit_seeds)
    if options.two_layer_seeds:
        two_layer_net(images, options.two_layer_seeds)


if __name__ == "__main__":
    main()
