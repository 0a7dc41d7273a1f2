"""The complete submission under many secret seeds: it must score everything under each.

    python -m benchmarks.seeds [NAME] [--seeds 200] [--data cifar10|standin]

Checks draw their numbers, shapes and orders from the course's secret seed. Right code that fails under some
seed would be a defect of a check.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track

from autograder.assignment import load_assignment
from autograder.course import init_course, open_course
from autograder.grading.grade import grade
from autograder.grading.pool import Pool
from autograder.release.build import generate
from examples.class_of_examples import CLASSES

REPOSITORY = Path(__file__).resolve().parent.parent


def main() -> int:
    """Grade under each seed; return 0 if the complete submission scored everything and the starter nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", choices=tuple(CLASSES), default="fully_connected_networks")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--data", choices=("cifar10", "standin"), default="cifar10")
    options = parser.parse_args()
    scores: dict[str, Counter[float]] = {"complete": Counter(), "starter": Counter()}
    lost: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        course = init_course(Path(folder) / "course", like=open_course(REPOSITORY), assignments=[options.name]).course
        generate(course, options.name)
        CLASSES[options.name].write(course.root, options.data, list(scores))
        assignment = load_assignment(course, options.name)
        for _ in track(range(options.seeds), "seeds", console=Console(stderr=True)):
            course.secret_seed.unlink(missing_ok=True)  # a new one is drawn
            with Pool() as pool:
                for outcome in grade(course, assignment, list(scores), pool, dataset=options.data):
                    assert outcome.record is not None, outcome.trouble
                    scores[outcome.student][outcome.record["score"]] += 1
                    if outcome.student == "complete":
                        lost.update(c["id"] for c in outcome.record["checks"] if c["status"] != "passed")
    for student, found in scores.items():
        print(f"{student}: {', '.join(f'{score:g} points {count} times' for score, count in sorted(found.items()))}")
    for check, count in lost.most_common():
        print(f"  {check} failed {count} times")
    return 0 if set(scores["complete"]) == {assignment.points} and set(scores["starter"]) == {0} else 1


if __name__ == "__main__":
    sys.exit(main())
