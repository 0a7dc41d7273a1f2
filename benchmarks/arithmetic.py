"""The checks of an assignment in one warm process, with no grader around them: the least that any grader has to do."""

from __future__ import annotations

import time
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import torch

from toolbox import data
from toolbox.checks import Collection, LocalBackend, Setting, total
from toolbox.manifest import load_manifest


def arithmetic(assignment: Path, folder: Path, dataset: str, times: int) -> tuple[list[float], Fraction]:
    """Run all checks on the modules and saved models of a folder, in this process.

    Args:
        assignment: the author's side of the assignment.
        folder: what is handed in.
        dataset: "cifar10" or "standin".
        times: how often.

    Returns:
        The processor seconds of each time, and the score.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as examiners do
    manifest = load_manifest(assignment / "assignment.toml")
    images = data.load(dataset, **asdict(manifest.images))
    setting = Setting(
        LocalBackend(folder, manifest.files.modules), lambda: images, dict(manifest.thresholds[dataset]), b"benchmark"
    )
    collection = Collection(assignment / "checks")
    seconds = []
    for _ in range(times):
        started = time.process_time()
        results = collection.run(setting)
        seconds.append(time.process_time() - started)
    return seconds, total(results)
