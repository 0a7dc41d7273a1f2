"""What grading one submission costs: CPU time of examiner and answerer together, beyond the coordinator's start.

    python -m benchmarks.grading_cost [NAME] [--data cifar10|standin]

Grades 20 copies of the complete example submission with its saved models and 20 without, in turn, one at
a time, and prints the median of what the records say, beside the time that the same checks take in
one warm process (their own arithmetic).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from autograder.assignment import load_assignment
from autograder.course import init_course, open_course
from autograder.grading.grade import grade
from autograder.grading.pool import Pool
from autograder.grading.submission import students
from autograder.release.build import generate
from benchmarks.arithmetic import arithmetic
from examples.class_of_examples import CLASSES

REPEATS = 20
WITH, WITHOUT = "with saved models", "without saved models"
KINDS = (WITH, WITHOUT)
REPOSITORY = Path(__file__).resolve().parent.parent


def main(name: str, dataset: str) -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        course = init_course(Path(folder) / "course", like=open_course(REPOSITORY), assignments=[name]).course
        generate(course, name)
        CLASSES[name].write(course.root, dataset, ["complete"])
        handed_in = course.submitted / "complete" / name
        for number in range(REPEATS):  # graded in the order of their names, so the two kinds take turns
            for kind in KINDS:
                copy = course.submitted / f"{number:02d}-{kind.split()[0]}" / name
                left_out = shutil.ignore_patterns("*.pth", "*.npz") if kind == WITHOUT else None
                shutil.copytree(handed_in, copy, ignore=left_out)
        assignment = load_assignment(course, name)
        class_of, _ = students(course, assignment)
        class_of.remove("complete")
        costs: dict[str, list[float]] = {kind: [] for kind in KINDS}
        layers: list[str] = []
        with Pool(1) as pool:
            outcomes = grade(course, assignment, class_of, pool, dataset=dataset)
            for outcome in track(outcomes, "grading", total=len(class_of), console=Console(stderr=True)):
                assert outcome.record is not None, outcome.trouble
                kind = next(kind for kind in KINDS if outcome.student.endswith(f"-{kind.split()[0]}"))
                costs[kind].append(outcome.record["cpu_seconds"])
                layers = outcome.record["layers"]
        warm, _ = arithmetic(course.assignments / name, handed_in, dataset, REPEATS)
    table = Table(title=f"CPU seconds for one submission of {name}, median of {REPEATS} ({dataset})", box=None)
    for heading in ("", "median", "smallest", "largest"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, seconds in {**costs, "the checks alone, one warm process": warm}.items():
        table.add_row(kind, *(f"{f(seconds):.2f}" for f in (statistics.median, min, max)))
    Console().print(table)
    Console().print(f"layers: {', '.join(layers)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grading_cost", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", choices=tuple(CLASSES), default="fully_connected_networks")
    parser.add_argument("--data", choices=("cifar10", "standin"), default="cifar10")
    options = parser.parse_args()
    main(options.name, options.data)
