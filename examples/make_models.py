"""Train the small saved models that go with the solutions: `verify` and the example submissions use them.

    python examples/make_models.py fully_connected_networks cifar10
    python examples/make_models.py convolutional_networks standin

It uses the assignment's solution and writes assignments/<name>/models/<data set>/*.pth, in half
precision so that the files stay small.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from toolbox import data
from toolbox.solver import Solver

ASSIGNMENTS = Path(__file__).resolve().parent.parent / "assignments"


def fully_connected_networks(solution: ModuleType, images: data.Data, folder: Path) -> None:
    """Train a two-layer net, and a five-layer net on 50 images."""
    torch.manual_seed(0)
    net = solution.TwoLayerNet(hidden_dim=64, weight_scale=1e-2, reg=1e-3)
    solver = Solver(
        net,
        images.as_dict(),
        update_rule=solution.sgd_momentum,
        optim_config={"learning_rate": 8e-2},
        lr_decay=0.93,
        batch_size=200,
        num_epochs=30,
        print_every=10**6,
    )
    solver.train()
    print(f"two-layer net: {solver.best_val_acc:.2%} validation accuracy")
    _save(net, folder / "best_two_layer_net.pth")

    few = images.as_dict(num_train=50)
    net = solution.FullyConnectedNet([32] * 4, weight_scale=1.5e-1)
    solver = Solver(net, few, optim_config={"learning_rate": 1e-1}, batch_size=25, num_epochs=60, verbose=False)
    solver.train(return_best_params=False)
    print(f"five-layer net: {max(solver.train_acc_history):.0%} training accuracy on 50 images")
    _save(net, folder / "best_overfit_five_layer_net.pth")


def convolutional_networks(solution: ModuleType, images: data.Data, folder: Path) -> None:
    """Train a deep net on 50 images, and the one-minute net for its minute."""
    torch.manual_seed(0)
    weight_scale, learning_rate = solution.find_overfit_parameters()
    net = solution.DeepConvNet(
        num_filters=[8, 16, 32, 64], max_pools=[0, 1, 2, 3], reg=1e-5, weight_scale=weight_scale
    )  # fmt: skip
    solver = Solver(
        net,
        images.as_dict(num_train=50),
        update_rule=solution.fully_connected.adam,
        optim_config={"learning_rate": learning_rate},
        batch_size=10,
        num_epochs=30,
        num_val_samples=1000,
        verbose=False,
    )
    solver.train(return_best_params=False)
    print(f"deep net: {max(solver.train_acc_history):.0%} training accuracy on 50 images")
    _save(net, folder / "overfit_deepconvnet.pth")

    solver = solution.create_convolutional_solver_instance(images.as_dict(), torch.float32, "cpu")
    solver.train(time_limit=60)
    net = solver.model
    for part in ("val", "test"):
        found = solver.check_accuracy(getattr(images, f"X_{part}"), getattr(images, f"y_{part}"))
        print(f"one-minute net: {found:.2%} {part} accuracy")
    _save(net, folder / "one_minute_deepconvnet.pth")


def _save(net: Any, path: Path) -> None:
    net.params = {key: value.half() for key, value in net.params.items()}
    net.save(path)


def main(name: str, dataset: str) -> None:
    """Train and save the models of one assignment on one data set."""
    make = {make.__name__: make for make in (fully_connected_networks, convolutional_networks)}[name]
    sys.path.insert(0, str(ASSIGNMENTS / name))
    folder = ASSIGNMENTS / name / "models" / dataset
    folder.mkdir(parents=True, exist_ok=True)
    make(importlib.import_module(name), data.load(dataset), folder)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
