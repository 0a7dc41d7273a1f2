"""What the solution of the convolutional assignment reaches on real CIFAR-10, and how fast its layers are.

python -m benchmarks.results.convolutional_networks [--minute-seeds 5] [--overfit-seeds 10] [--device cpu]

Let nothing else run meanwhile: a minute of training is only worth what the machine does in it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from toolbox import data
from toolbox.fast_layers import FastConv, FastMaxPool
from toolbox.gradients import relative_error
from toolbox.solver import Solver

ASSIGNMENT = Path(__file__).resolve().parents[2] / "assignments" / "convolutional_networks"
sys.path.insert(0, str(ASSIGNMENT))
import convolutional_networks as solution  # noqa: E402  the module of the assignment, with its solution


def wait_for(device: str) -> None:
    """Let a GPU finish what it was given."""
    if device != "cpu":
        torch.cuda.synchronize()


def seconds(work: Callable[[], Any], times: int, device: str) -> float:
    """Return the median time of some work."""
    taken = []
    for _ in range(times):
        wait_for(device)
        started = time.perf_counter()
        work()
        wait_for(device)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def fast_layers(device: str, dtype: torch.dtype) -> None:
    """Set the notebook's plain loops beside the fast layers: time and difference."""
    torch.manual_seed(0)
    new: dict[str, Any] = {"device": device, "dtype": dtype}
    x, w, b = (torch.randn(*shape, **new) for shape in [(8, 3, 32, 32), (16, 3, 3, 3), (16,)])
    pool = {"pool_height": 2, "pool_width": 2, "stride": 2}
    layers: list[tuple[str, Any, Any, Sequence[Any]]] = [
        ("convolution", solution.Conv, FastConv, (x, w, b, {"stride": 1, "pad": 1})),
        ("max pooling", solution.MaxPool, FastMaxPool, (torch.randn(8, 32, 32, 32, **new), pool)),
    ]
    for name, plain, fast, inputs in layers:
        (out, cache), (fast_out, fast_cache) = plain.forward(*inputs), fast.forward(*inputs)
        dout = torch.randn_like(out)
        passes = {
            "forward": (lambda: plain.forward(*inputs), lambda: fast.forward(*inputs)),  # noqa: B023
            "backward": (lambda: plain.backward(dout, cache), lambda: fast.backward(dout, fast_cache)),  # noqa: B023
        }
        for way, (slow, quick) in passes.items():
            times = seconds(slow, 1, device), seconds(quick, 30, device)
            print(
                f"{name}, {way}, {str(dtype).removeprefix('torch.')}: plain {times[0]:.2f} s, "
                f"fast {1e3 * times[1]:.2f} ms, ratio {times[0] / times[1]:,.0f}",
                flush=True,
            )
        print(f"{name}: the outputs differ by a relative error of {relative_error(out, fast_out):.1e}")


def batch_normalisation(device: str) -> None:
    """Time the backward pass through the graph beside the simplified formula, in turn."""
    torch.manual_seed(0)
    for n, d, dtype in ((1000, 500, torch.float64), (100, 500, torch.float32), (64 * 16 * 16, 32, torch.float32)):
        x, dout = (torch.randn(n, d, dtype=dtype, device=device) for _ in range(2))
        gamma, beta = torch.rand(d, dtype=dtype, device=device), torch.zeros(d, dtype=dtype, device=device)
        _, cache = solution.BatchNorm.forward(x, gamma, beta, {"mode": "train"})
        ratios = [
            seconds(lambda: solution.BatchNorm.backward(dout, cache), 20, device)  # noqa: B023
            / seconds(lambda: solution.BatchNorm.backward_alt(dout, cache), 20, device)  # noqa: B023
            for _ in range(9)
        ]
        kind = str(dtype).removeprefix("torch.")
        print(f"batch normalisation backward, {n} × {d} {kind}: the graph takes {statistics.median(ratios):.2f} times")


def overfit(images: data.Data, seed: int) -> int | None:
    """Return the epoch, of 30, after which all 50 images are right for the first time; None if there is none."""
    torch.manual_seed(seed)
    weight_scale, learning_rate = solution.find_overfit_parameters()
    net = solution.DeepConvNet(
        num_filters=[8, 16, 32, 64], max_pools=[0, 1, 2, 3], reg=1e-5, weight_scale=weight_scale
    )  # fmt: skip
    solver = Solver(
        net, images.as_dict(num_train=50), update_rule=solution.fully_connected.adam,
        optim_config={"learning_rate": learning_rate}, batch_size=10, num_epochs=30, num_train_samples=None,
        num_val_samples=100, verbose=False,
    )  # fmt: skip
    solver.train(return_best_params=False)
    return solver.train_acc_history.index(1.0) if 1.0 in solver.train_acc_history else None


def initialisations(images: data.Data) -> None:
    """Train a 31-layer network from each initialisation, as the notebook does."""
    some = images.as_dict(num_train=4000)
    for weight_scale in (1e-1, 1e-2, 1e-3, "kaiming"):
        reached = []
        for seed in range(3):
            torch.manual_seed(seed)
            net = solution.DeepConvNet(num_filters=[8] * 30, max_pools=[0, 1], weight_scale=weight_scale)
            solver = Solver(
                net, some, update_rule=solution.fully_connected.adam, optim_config={"learning_rate": 1e-3},
                batch_size=50, num_epochs=3, num_val_samples=None, verbose=False,
            )  # fmt: skip
            solver.train(return_best_params=False)
            reached.append(f"{solver.val_acc_history[-1]:.1%}")
        print(f"31 layers, weight scale {weight_scale}: {', '.join(reached)} validation", flush=True)


def plain_solver(images: dict[str, torch.Tensor], dtype: torch.dtype, device: str) -> Solver:
    """Make a solver as a student might: Adam with its defaults, and nothing that falls or is mirrored."""
    net = solution.DeepConvNet(
        num_filters=[16, 32, 64, 128], max_pools=[0, 1, 2, 3], batchnorm=True, weight_scale="kaiming",
        dtype=dtype, device=device,
    )  # fmt: skip
    adam = solution.fully_connected.adam
    return Solver(net, images, update_rule=adam, num_epochs=100, num_val_samples=1000, device=device)


def one_minute(images: data.Data, make: Callable[..., Solver], name: str, seeds: int, device: str) -> None:
    """Train a network for a minute, once for each seed."""
    found: dict[str, list[float]] = {"validation": [], "test": []}
    for seed in range(seeds):
        torch.manual_seed(seed)
        solver = make(images.as_dict(), torch.float32, device)
        solver.verbose = False
        started = time.monotonic()
        solver.train(time_limit=60)
        taken = time.monotonic() - started
        found["validation"].append(solver.check_accuracy(images.X_val, images.y_val))
        found["test"].append(solver.check_accuracy(images.X_test, images.y_test))
        print(
            f"one minute on {device}, {name}, seed {seed}: {taken:.1f} s, {len(solver.loss_history)} iterations of "
            f"{solver.batch_size} images, {found['validation'][-1]:.2%} validation, {found['test'][-1]:.2%} test",
            flush=True,
        )
    if seeds:
        medians = " and ".join(f"{statistics.median(values):.2%} {part}" for part, values in found.items())
        print(f"one minute on {device}, {name}: median of {seeds} seeds {medians}")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results.convolutional_networks")
    parser.add_argument("--minute-seeds", type=int, default=5)
    parser.add_argument("--overfit-seeds", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    images = data.load("cifar10")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    make = solution.create_convolutional_solver_instance
    one_minute(images, make, "the solution", options.minute_seeds, options.device)
    one_minute(images, plain_solver, "a plain one", min(options.minute_seeds, 3), options.device)
    for dtype in (torch.float32, torch.float64):
        fast_layers(options.device, dtype)
    batch_normalisation(options.device)
    if options.overfit_seeds:
        epochs = [overfit(images, seed) for seed in range(options.overfit_seeds)]
        reached = [epoch for epoch in epochs if epoch is not None]
        print(
            f"50 images to 100 % within 30 epochs: {len(reached)} of {len(epochs)} seeds"
            + (f", after {min(reached)} to {max(reached)} epochs" if reached else "")
        )
    initialisations(images)


if __name__ == "__main__":
    main()
