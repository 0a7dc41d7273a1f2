"""What a Dask cluster costs beside the local pool: the same class, graded by both in turn on this machine.

    python -m benchmarks.cluster [NAME] [--size 40] [--repeats 5] [--data cifar10|standin]

Both have two processes for the work: `--workers 2`, and a cluster of two workers with one thread each.
Printed are the seconds of the clock for one submission, median of the runs: those of the whole command's
work, and those between the first record and the last, when everything has started; and the processor time of the
command's own process, which hands out the work and writes records and gradebook however many workers there are.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import statistics
import tempfile
from pathlib import Path

from distributed import LocalCluster
from rich.console import Console
from rich.table import Table

from autograder.course import Course, init_course, open_course
from autograder.release.build import generate
from benchmarks.watched import run
from examples.class_of_examples import CLASSES

REPOSITORY = Path(__file__).resolve().parent.parent
WORKERS = 2
LOCAL, CLUSTER = "local pool", "Dask cluster"


def main(name: str, size: int, repeats: int, dataset: str) -> None:
    """Measure and print the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=":0",
            silence_logs=logging.ERROR,
        ) as cluster,
    ):
        course = _make_class(Path(folder) / "course", name, size, dataset)
        how = {LOCAL: ["--workers", str(WORKERS)], CLUSTER: ["--scheduler", cluster.scheduler_address]}
        whole: dict[str, list[float]] = {kind: [] for kind in how}
        running: dict[str, list[float]] = {kind: [] for kind in how}
        own: dict[str, list[float]] = {kind: [] for kind in how}
        for _ in range(repeats):
            for kind, options in how.items():
                arguments = ["grade", name, "--force", "--quiet", "--data", dataset, "--course", str(course.root)]
                shutil.rmtree(course.results, ignore_errors=True)
                found = run([*arguments, *options], course.results / name, every=0.1)
                whole[kind].append(found.seconds / size)
                own[kind].append(found.own_seconds)
                written = [path.stat().st_mtime for path in (course.results / name).glob("*.json")]
                running[kind].append((max(written) - min(written)) / (size - 1))
    title = f"seconds for one of {size} submissions of {name} ({dataset}), median of {repeats} runs"
    table = Table(title=title, box=None)
    for heading in ("", *how, "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for row, seconds in (
        ("with the start of the command", whole),
        ("between first and last record", running),
        ("processor time of the command's own process", own),
    ):
        medians = {kind: statistics.median(seconds[kind]) for kind in how}
        ratio = medians[CLUSTER] / medians[LOCAL]
        table.add_row(row, *(f"{medians[kind]:.3f}" for kind in how), f"{ratio:.2f}")
    Console().print(table)


def _make_class(root: Path, name: str, size: int, dataset: str) -> Course:
    course = init_course(root, like=open_course(REPOSITORY), assignments=[name]).course
    generate(course, name)
    CLASSES[name].write(course.root, dataset, ["complete"])
    for number in range(size):
        shutil.copytree(course.submitted / "complete", course.submitted / f"{number:03d}")
    shutil.rmtree(course.submitted / "complete")
    return course


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", choices=tuple(CLASSES), default="fully_connected_networks")
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", choices=("cifar10", "standin"), default="cifar10")
    options = parser.parse_args()
    main(options.name, options.size, options.repeats, options.data)
