"""Train the small saved models that go with the solutions: `verify` and the example submissions use them.

    python examples/make_models.py fully_connected_networks cifar10
    python examples/make_models.py convolutional_networks standin

It uses the assignment's solution and writes assignments/<name>/models/<data set>/, in half precision so
that the files stay small. Further arguments name models, where only some of them are to be trained.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
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


def binary_mlp(solution: ModuleType, images: data.Data, folder: Path) -> None:
    """Train the network for two classes with the settings of the notebook."""
    arrays = solution.prepare(images.only((0, 8)))
    np.random.seed(0)
    net = solution.FeedForwardNeuralNetwork(3072, 1, 128, 3)
    history = solution.train(
        net, arrays, step_size=3e-3, momentum=0.8, weight_decay=0.01, batch_size=16, max_epochs=20, seed=0
    )
    print(f"network for two classes: {1 - history['test_error'][-1]:.2%} test accuracy")
    for layer in solution.linear_layers(net):
        layer.weights, layer.bias = layer.weights.astype(np.float16), layer.bias.astype(np.float16)
    solution.save(net, folder / "best_binary_mlp.npz")


STANDIN = {"linear": {"num_steps": 100}, "two_layer": {"num_steps": 100}}
"""What takes fewer steps on the small images of the stand-in."""


def linear_to_convolutional(solution: ModuleType, images: data.Data, folder: Path, only: Sequence[str] = ()) -> None:
    """Train the four models with the solution's settings."""
    arrays = solution.to_arrays(images)
    for name, (model, _) in solution.MODELS.items():
        if only and name not in only:
            continue
        started = time.monotonic()
        fewer = {} if images.name == "cifar10" else STANDIN.get(name, {})
        weights, history = solution.train_by_hand(name, arrays, **fewer)
        y_hat, _ = solution.forward(model, arrays["x_test"], weights)
        _told(name, history, solution.accuracy(y_hat, arrays["y_test"]), started)
        solution.save(folder / f"{name}.npz", [value.astype(np.float16) for value in weights])
    if not only or "convolutional" in only:
        started = time.monotonic()
        net = solution.ConvolutionalNet()
        history = solution.train_convolutional(net, arrays, **solution.SETTINGS["convolutional"])
        found = solution.accuracy(solution.scores_of(net, arrays["x_test"]), arrays["y_test"])
        _told("convolutional", history, found, started)
        net.half().save(folder / "convolutional.pth")


def _told(name: str, history: dict[str, list[float]], test: float, started: float) -> None:
    print(
        f"{name}: {history['val_accuracy'][-1]:.2f} % validation, {test:.2f} % test accuracy, "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )


def feature_mlp(solution: ModuleType, images: data.Data, folder: Path) -> None:
    """Train the network on features of images and of their changed copies, with the settings of the notebook."""
    arrays, backbone = solution.prepare(images), solution.load_backbone()
    x, y = solution.augment(arrays["x_train"], arrays["y_train"], solution.generator(0))
    params = solution.initialize(seed=0)
    features = {
        "x_train": solution.extract_features(x, backbone), "y_train": y,
        "x_test": solution.extract_features(arrays["x_test"], backbone), "y_test": arrays["y_test"],
    }  # fmt: skip
    history = solution.train(params, features)
    print(f"network on features: {history['test_accuracy'][-1]:.2%} test accuracy")
    solution.save({name: value.astype(np.float16) for name, value in params.items()}, folder / "best_feature_mlp.npz")


def _save(net: Any, path: Path) -> None:
    net.params = {key: value.half() for key, value in net.params.items()}
    net.save(path)


def main(name: str, dataset: str, *only: str) -> None:
    """Train and save the models of one assignment on one data set."""
    makers = (fully_connected_networks, convolutional_networks, binary_mlp, linear_to_convolutional, feature_mlp)
    make: Callable[..., None] = {make.__name__: make for make in makers}[name]
    sys.path.insert(0, str(ASSIGNMENTS / name))
    folder = ASSIGNMENTS / name / "models" / dataset
    folder.mkdir(parents=True, exist_ok=True)
    make(importlib.import_module(name), data.load(dataset), folder, *([only] if only else []))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
