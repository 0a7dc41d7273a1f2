"""What the solution of the assignment on features reaches on real CIFAR-10.

python -m benchmarks.results.feature_mlp [--seeds 3] [--kept FOLDER]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolbox import data
from toolbox.gradients import numeric_gradient, relative_error

ASSIGNMENT = Path(__file__).resolve().parents[2] / "assignments" / "feature_mlp"
sys.path.insert(0, str(ASSIGNMENT))
import feature_mlp as solution  # noqa: E402  the module of the assignment, with its solution

Arrays = dict[str, np.ndarray]


def features(kept: Path) -> Arrays:
    """Return features of the training images and of the test images, of changed copies of both, and the labels."""
    arrays, backbone = solution.prepare(data.load("cifar10")), solution.load_backbone()
    started = time.process_time()
    both, _ = solution.augment(arrays["x_train"], arrays["y_train"], solution.generator(0))
    print(f"{len(both) // 2:,} copies: {time.process_time() - started:.0f} s of processor time", flush=True)
    started = time.process_time()
    moved, _ = solution.augment(arrays["x_test"], arrays["y_test"], solution.generator(1))
    parts = {
        "x_train": arrays["x_train"], "x_copies": both[len(both) // 2 :],
        "x_test": arrays["x_test"], "x_moved": moved[len(moved) // 2 :],
    }  # fmt: skip
    found = {name: solution.kept_features(kept / f"{name}.npz", part, backbone) for name, part in parts.items()}
    taken = time.process_time() - started
    print(f"features of {sum(map(len, parts.values())):,} images: {taken:.0f} s of processor time", flush=True)
    return {**found, "y_train": arrays["y_train"], "y_test": arrays["y_test"]}


def trained(arrays: Arrays, augmented: bool, seed: int) -> tuple[float, ...]:
    """Train a network as the notebook does; return its accuracy on training images, test images, and copies of both."""
    started = time.monotonic()
    params = solution.initialize(seed)
    rows = {name: arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    if augmented:
        rows["x_train"] = np.concatenate([arrays["x_train"], arrays["x_copies"]])
        rows["y_train"] = np.concatenate([arrays["y_train"]] * 2)
    history = solution.train(params, rows, seed=seed)
    pairs = (("x_train", "y_train"), ("x_test", "y_test"), ("x_copies", "y_train"), ("x_moved", "y_test"))
    found = tuple(float(solution.evaluate(params, arrays[x], arrays[y])[1]) for x, y in pairs)
    print(
        f"{'with' if augmented else 'without'} augmentation, seed {seed}: {told(found)}, "
        f"what it learned from {history['train_accuracy'][-1]:.2%} at a loss of {history['loss'][-1]:.4f}, "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )
    return found


def told(found: Sequence[float]) -> str:
    """Return in words what `trained` found."""
    return "training images {:.2%}, test images {:.2%}, copies of them {:.2%} and {:.2%}".format(*found)


def gradient_errors() -> None:
    """Hold the gradients of the network against central differences."""
    rng = solution.generator(0)
    x, y = rng.normal(size=(6, 8)), rng.integers(0, 5, 6)
    params = {name: rng.normal(size=shape) for name, shape in (("W1", (8, 7)), ("b1", 7), ("W2", (7, 5)), ("b2", 5))}

    def loss(_: np.ndarray) -> float:
        return float(solution.cross_entropy(solution.forward(x, params)[0], y))

    scores, cache = solution.forward(x, params)
    grads = solution.backward(scores, y, params, cache)
    errors = [relative_error(grads[name], numeric_gradient(loss, value)) for name, value in params.items()]
    print(f"gradients of the network against central differences: up to {max(errors):.1e}")


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--kept", type=Path, default=Path("build/features"), metavar="FOLDER")
    options = parser.parse_args()
    gradient_errors()
    arrays = features(options.kept)
    for augmented in (False, True):
        runs = [trained(arrays, augmented, seed) for seed in range(options.seeds)]
        means = [statistics.mean(column) for column in zip(*runs, strict=True)]
        print(f"{'with' if augmented else 'without'} augmentation, mean: {told(means)}", flush=True)


if __name__ == "__main__":
    main()
