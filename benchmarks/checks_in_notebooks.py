"""What a cell of the other graders' notebooks calls: one check, on the module that lies beside the notebook."""

from __future__ import annotations

from pathlib import Path

import torch

from toolbox import data
from toolbox.checks import PUBLIC_SEED, Case, LocalBackend, Proxy, load_checks
from toolbox.data.dataset import Part
from toolbox.manifest import load_manifest


def keep_images(images: data.Data, file: Path) -> None:
    """Write images as they are in memory, so that a notebook need not prepare them again."""
    parts = {name: (part.X, part.y) for name, part in images.parts.items()}
    torch.save({"name": images.name, "classes": images.classes, "mean": images.mean, "parts": parts}, file)


class Checks:
    """The checks of an assignment by their names: `Checks(assignment, images)("linear_forward")`.

    Nothing happens where a check passes; what is raised says why it does not.

    Args:
        assignment: the author's side of the assignment.
        images: what `keep_images` wrote; it is mapped into memory.
    """

    def __init__(self, assignment: str, images: str):
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)  # as the kit's examiners do
        manifest = load_manifest(Path(assignment) / "assignment.toml")
        self._checks = {check.id: check for check in load_checks(Path(assignment) / "checks")}
        self._backend = LocalBackend(Path.cwd(), manifest.files.modules)
        kept = torch.load(images, mmap=True)
        parts = {name: Part(*tensors) for name, tensors in kept["parts"].items()}
        self._images = data.Data(kept["name"], kept["classes"], kept["mean"], parts)
        self._thresholds = manifest.thresholds[kept["name"]]

    def __call__(self, name: str) -> None:
        """Run one check."""
        check = self._checks[name]
        for kind in check.cases:
            threshold = self._thresholds.get(f"{name}/{kind.name}", self._thresholds.get(name))
            for trial in range(check.trials):
                case = Case(
                    check, kind, PUBLIC_SEED, trial,
                    data=lambda: self._images, threshold=threshold, saved=self._backend.read_tensors,
                )  # fmt: skip
                check.function(Proxy(self._backend), case)
        self._backend.end()
