"""What walls cost: from the start of a jailed answerer to its first reply, at each level this machine offers.

    python -m benchmarks.jail_start [--times 200]

The reply is that of a function of a module of one line, which the jail imports first and in which nothing is
computed. Beside it, in the same run and in turn: a bare fork, and its end, of a process with the same
modules loaded, and (every 20th time) a fresh Python that imports torch, which is what an answerer
would cost without the preloaded process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.progress import track

from autograder.grading.workplace import PRELOADED
from autograder.sandbox import IsolationUnavailable, Preloaded
from autograder.sandbox.isolation import LEVELS

FRESH_EVERY = 20
MODULE = {"answer.py": b"def answer(): return 42\n"}
FORK, FRESH = "fork and exit alone, same modules loaded", 'fresh `python -c "import torch"`'
FORKS = """
import json, os, sys, time
from autograder.sandbox.server import preload
preload(json.loads(sys.argv[1]))
for _ in sys.stdin:
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    print(time.perf_counter() - started, flush=True)
"""


def main(times: int) -> None:
    """Measure and print the table."""
    with contextlib.ExitStack() as stack:
        ways: dict[str, Callable[[], float]] = {}
        for level in reversed(LEVELS):
            try:
                preloaded = stack.enter_context(Preloaded(level, PRELOADED))
            except IsolationUnavailable as error:
                print(f"not measured: {level}: {error}", file=sys.stderr)
            else:
                ways[f"first reply, {level} ({len(preloaded.layers)} layers)"] = partial(_first_reply, preloaded)
        forker = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", FORKS, json.dumps(PRELOADED)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            )
        )  # fmt: skip
        ways[FORK] = partial(_fork, forker)
        for way in ways.values():
            way()  # the first time sets up what stays
        ways[FRESH] = _fresh
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in track(range(times), "measuring", console=Console(stderr=True)):
            for name, way in ways.items():
                if name != FRESH or number % FRESH_EVERY == 0:
                    seconds[name].append(way())
        assert forker.stdin is not None
        forker.stdin.close()
    print("\n".join(_table(seconds)))


def _first_reply(preloaded: Preloaded) -> float:
    """Return the seconds from asking for a jail to the answer of a function in it."""
    started = time.perf_counter()
    with preloaded.start(MODULE) as jail:
        jail.import_module("answer", seconds=60)
        assert jail.call(0, "answer", seconds=60) == 42
        return time.perf_counter() - started


def _fork(forker: subprocess.Popen[str]) -> float:
    assert forker.stdin is not None and forker.stdout is not None
    forker.stdin.write("\n")
    return float(forker.stdout.readline())


def _fresh() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - started


def _table(seconds: dict[str, list[float]]) -> list[str]:
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    lines = ["| | times | median, ms | smallest, ms | beside a bare fork | beside a fresh Python |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    for name, taken in seconds.items():
        milliseconds = f"{median[name] * 1000:.1f} | {min(taken) * 1000:.1f}"
        ratios = f"{median[name] / median[FORK]:.1f} × | {median[name] / median[FRESH]:.4f} ×"
        lines.append(f"| {name} | {len(taken)} | {milliseconds} | {ratios} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jail_start", description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=200)
    main(parser.parse_args().times)
