"""What the solution of the assignment from linear to convolutional reaches on real CIFAR-10, and in what time.

    python -m benchmarks.results.linear_to_convolutional [--seeds 1] [NAME…]

NAME: least_squares, linear, two_layer, two_layer_sgd, convolutional; all by default. Let nothing else run meanwhile.
The seed is that of the initial weights, of the order of the images and of what is mirrored; the linear model has none.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from toolbox import data

ASSIGNMENT = Path(__file__).resolve().parents[2] / "assignments" / "linear_to_convolutional"
sys.path.insert(0, str(ASSIGNMENT))
import linear_to_convolutional as solution  # noqa: E402  the module of the assignment, with its solution

PUBLISHED = {"linear": (40.6, 7), "two_layer": (43.5, 25), "two_layer_sgd": (47.3, 41), "convolutional": (60.3, 15)}
"""Test accuracies in per cent, and minutes."""


def train(name: str, arrays: dict[str, np.ndarray], seed: int) -> tuple[float, float]:
    """Train a model and return its validation and test accuracies in per cent."""
    if name == "convolutional":
        torch.manual_seed(seed)
        net = solution.ConvolutionalNet()
        history = solution.train_convolutional(net, arrays, seed=seed, **solution.SETTINGS[name])
        y_hat = solution.scores_of(net, arrays["x_test"])
    else:
        model, _ = solution.MODELS[name]
        weights, history = solution.train_by_hand(name, arrays, seed)
        y_hat, _ = solution.forward(model, arrays["x_test"], weights)
    return history["val_accuracy"][-1], solution.accuracy(y_hat, arrays["y_test"])


def least_squares(arrays: dict[str, np.ndarray]) -> None:
    """Print what the linear models of least squares reach with ridges from 1e-6 to 1."""
    x, y = arrays["x_train"].astype(np.float64), arrays["y_train"].astype(np.float64)
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    x -= mean_x
    spreads, directions = np.linalg.eigh(x.T @ x / len(x))
    onto = directions.T @ (x.T @ (y - mean_y)) / len(x)
    found = []
    for ridge in np.logspace(-6, 0, 13):
        W = directions @ (onto / (spreads + ridge)[:, None])
        val, test = (
            solution.accuracy((arrays[f"x_{part}"] - mean_x) @ W + mean_y, arrays[f"y_{part}"])
            for part in ("val", "test")
        )
        found.append((val, test, ridge))
        print(f"least squares, ridge {ridge:.1e}: {val:.2f} % validation, {test:.2f} % test", flush=True)
    for which, (val, test, ridge) in (("validation", max(found)), ("test", max(found, key=lambda one: one[1]))):
        print(f"the best on {which} images: ridge {ridge:.1e}, {val:.2f} % validation, {test:.2f} % test", flush=True)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results.linear_to_convolutional")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(("least_squares", *PUBLISHED)))
    options = parser.parse_args()
    if unknown := set(options.names) - {"least_squares", *PUBLISHED}:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    arrays = solution.to_arrays(data.load("cifar10"))
    print(f"numpy {np.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    names = options.names or ["least_squares", *PUBLISHED]
    if "least_squares" in names:
        least_squares(arrays)
    for name in (name for name in PUBLISHED if name in names):
        for seed in range(1 if name == "linear" else options.seeds):
            started = time.monotonic()
            val, test = train(name, arrays, seed)
            minutes = (time.monotonic() - started) / 60
            print(
                f"{name}, seed {seed}: {val:.2f} % validation, {test:.2f} % test, {minutes:.1f} min "
                f"(published: {PUBLISHED[name][0]} % in {PUBLISHED[name][1]} min)",
                flush=True,
            )


if __name__ == "__main__":
    main()
