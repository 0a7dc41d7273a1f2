"""Train the small saved models that go with the solution: `verify` and the example submissions use them.

    python examples/make_models.py cifar10
    python examples/make_models.py standin

It uses the solution of the assignment and writes assignments/<name>/models/<data set>/*.pth, in half
precision so that the files stay small.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch

from toolbox import data
from toolbox.solver import Solver

ASSIGNMENT = Path(__file__).resolve().parent.parent / "assignments" / "fully_connected_networks"


def main(name: str) -> None:
    """Train and save both models on one data set."""
    solution = _import(ASSIGNMENT / "fully_connected_networks.py")
    images = data.load(name, parts=("train", "val"))
    folder = ASSIGNMENT / "models" / name
    folder.mkdir(parents=True, exist_ok=True)

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
        verbose=True,
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


def _save(net: object, path: Path) -> None:
    net.params = {key: value.half() for key, value in net.params.items()}  # type: ignore[attr-defined]
    net.save(path)  # type: ignore[attr-defined]


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
