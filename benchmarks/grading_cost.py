"""What grading one submission costs: CPU time of examiner and answerer together, beyond the coordinator's start.

    python -m benchmarks.grading_cost [cifar10|standin]

Grades the complete example submission 20 times with its saved models and 20 times without, in turn, one
at a time, and prints the median of what the records say, beside the time that the same checks take in
one warm process (their own arithmetic).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from autograder.assignment import load_assignment
from autograder.course import init_course, open_course
from autograder.grading.grade import grade
from autograder.release.build import generate
from examples.class_of_examples import NAME, write_class
from toolbox import data
from toolbox.checks import LocalBackend, Setting, run_checks

REPEATS = 20
REPOSITORY = Path(__file__).resolve().parent.parent


def main(dataset: str) -> None:
    """Measure and print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        course = init_course(Path(folder) / "course", like=open_course(REPOSITORY), assignments=[NAME]).course
        generate(course, NAME)
        write_class(course.root, dataset, ["complete"])
        handed_in = course.submitted / "complete" / NAME
        models = {path: path.read_bytes() for path in handed_in.glob("*.pth")}
        assignment = load_assignment(course, NAME)
        costs: dict[str, list[float]] = {"with saved models": [], "without saved models": []}
        warm: list[float] = []
        layers: list[str] = []
        for _ in track(range(REPEATS), "grading", console=Console(stderr=True)):
            for kind in costs:
                for path, content in models.items():
                    path.write_bytes(content) if kind == "with saved models" else path.unlink(missing_ok=True)
                (outcome,) = grade(course, assignment, ["complete"], workers=1, force=True, dataset=dataset)
                assert outcome.record is not None, outcome.trouble
                costs[kind].append(outcome.record["cpu_seconds"])
                layers = outcome.record["layers"]
            for path, content in models.items():
                path.write_bytes(content)
            warm.append(_arithmetic(course.assignments / NAME, handed_in, dataset))
    table = Table(title=f"CPU seconds for one submission, median of {REPEATS} ({dataset})", box=None)
    for heading in ("", "median", "smallest", "largest"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, seconds in {**costs, "the checks alone, one warm process": warm}.items():
        table.add_row(kind, *(f"{f(seconds):.2f}" for f in (statistics.median, min, max)))
    Console().print(table)
    Console().print(f"layers: {', '.join(layers)}")


def _arithmetic(assignment: Path, folder: Path, dataset: str) -> float:
    """Return the CPU time of the checks on the imported module, with its saved models, after a first run."""
    from toolbox.manifest import load_manifest

    manifest = load_manifest(assignment / "assignment.toml")
    images = data.load(dataset, parts=manifest.images.parts, num_train=manifest.images.num_train)
    setting = Setting(
        LocalBackend(folder, manifest.files.modules), lambda: images, dict(manifest.thresholds[dataset]), b"benchmark"
    )
    run_checks(assignment / "checks", setting, ["linear_forward"])
    started = time.process_time()
    run_checks(assignment / "checks", setting)
    return time.process_time() - started


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cifar10")
