"""How many submissions nbgrader, otter-grader and this kit grade in the same time, side by side on this machine.

    python -m benchmarks.throughput [NAME] [--otter PYTHON] [--submissions 400] [--others 4] [--rounds 2]
                                    [--data cifar10|standin] [--json]

Every grader grades copies of the same complete submission with the same checks, once with its saved models and once
without. They take turns, round by round, and so does the checks' own arithmetic: the same checks in one warm process
with no grader around them. Each time one command grades a fresh copy of the course, first with one submission in it,
then with many. The difference says what one more takes. What each takes is the time of the whole class, the start of
the command included, divided by their number. The others are so slow that they grade a part of the class; what all of
it would take them is reckoned from what one more takes (`--others 400` leaves nothing to reckon). Processor time is
that of all processes that the command started. Every score is read back, from the gradebook that nbgrader and the kit
write and from otter's results, and has to be what the arithmetic says; else there is no table.

The others are set up as their documentation shows, without containers, and wherever there was a choice, as is best
for them. `nbgrader autograde` runs a notebook of nothing but the checks, as hidden tests, one in a cell: no guide, no
plots, no training. For otter-grader, `otter assign` makes one question of each check, and one process calls
`otter.api.grade_submission` for the whole class. As `otter grade`, which needs containers, works on several submissions
at once, another row gives each processor such a process. nbgrader has no such choice; the kit uses all processors. The
others' cells call the functions of the checks directly, without pytest, and map into memory images that were prepared
before. Neither keeps a student's code from reading the answers or from writing its own score; the kit runs that code at
the best level of isolation that there is. nbgrader and the kit fill in a gradebook; nobody writes feedback.

nbgrader comes with the kit. otter-grader needs other versions of what the kit is installed with, so it gets an
environment of its own, in which the checks can run:

    python3 -m venv build/otter
    build/otter/bin/pip install "otter-grader[grading]==7.0.0" torch==2.13.0 pytest
    python -m benchmarks.throughput --otter build/otter/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path

from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook
from rich.console import Console
from rich.table import Table

from autograder.course import Course, init_course, open_course
from autograder.release.build import generate
from benchmarks.arithmetic import arithmetic
from benchmarks.checks_in_notebooks import keep_images
from benchmarks.other_graders import (
    REPOSITORY,
    Finished,
    nbgrader_cell,
    nbgrader_release,
    otter_assign,
    otter_name,
    otter_question,
    run,
)
from examples.class_of_examples import CLASSES
from toolbox import data
from toolbox.checks import load_checks
from toolbox.manifest import load_manifest

WITHOUT, WITH = "without saved models", "with saved models"
KINDS = (WITHOUT, WITH)
BARE = "bare arithmetic: the checks in one warm process"
NOTEBOOK = "checks.ipynb"


@dataclass(frozen=True)
class Grader:
    """A grader that is set up for an assignment.

    Attributes:
        name: its name and version.
        course: the folder in which it grades, as it is before anything is handed in.
        notebook: what a student hands in beside the modules and models.
        command: grades the class; run in the folder.
        scores: reads from the folder what each student got.
        zipped: whether a submission is `submitted/<student>.zip` instead of `submitted/<student>/<assignment>/`.
    """

    name: str
    course: Path
    notebook: Path
    command: Sequence[str]
    scores: Callable[[Path], dict[str, float]]
    zipped: bool = False


@dataclass(frozen=True)
class Task:
    """An assignment, its author's side, what is handed in for it by the kind of submission, and who grades it."""

    name: str
    assignment: Path
    files: dict[str, Path]
    graders: list[Grader]


@dataclass(frozen=True)
class Timing:
    """Seconds that grading some submissions took, of the processor and, where a command did it, by the clock."""

    assignment: str
    kind: str
    grader: str
    submissions: int
    cpu: float
    wall: float | None


def set_up(name: str, dataset: str, python: str | None, folder: Path) -> Task:
    """Set up every grader for an assignment, in a folder of its own.

    Args:
        name: the assignment.
        dataset: "cifar10" or "standin".
        python: the Python of an environment with otter-grader, if there is one.
        folder: where; it is made.
    """
    course = init_course(folder / "kit", like=open_course(REPOSITORY), assignments=[name]).course
    generate(course, name)
    CLASSES[name].write(course.root, dataset, ["complete"])
    complete = course.submitted.rename(folder / "handed_in") / "complete" / name
    files = {kind: folder / kind for kind in KINDS}
    shutil.copytree(complete, files[WITH], ignore=shutil.ignore_patterns("*.ipynb"))
    shutil.copytree(complete, files[WITHOUT], ignore=shutil.ignore_patterns("*.ipynb", "*.pth", "*.npz"))
    images = load_manifest(course.assignments / name / "assignment.toml").images
    prepared = folder / "images.pt"
    keep_images(data.load(dataset, **asdict(images)), prepared)
    first = "from benchmarks.checks_in_notebooks import Checks\n\n"
    first += f"check = Checks({str(course.assignments / name)!r}, {str(prepared)!r})"
    points = {check.id: check.points for check in load_checks(course.assignments / name / "checks")}
    graders = [
        kit(course, name, dataset, complete / f"{name}.ipynb"),
        nbgrader(name, first, points, folder / "nbgrader"),
    ]
    if python:
        processes = sorted({1, os.cpu_count() or 1})
        graders += [otter(python, many, first, points, folder / f"otter-{many}") for many in processes]
    return Task(name, course.assignments / name, files, graders)


def kit(course: Course, name: str, dataset: str, notebook: Path) -> Grader:
    """Return this kit, with the number of workers and the isolation that it takes when it is not told."""
    command = [sys.executable, "-m", "autograder", "grade", name, "--quiet", "--data", dataset]
    return Grader(f"this kit {version('coursekit')}", course.root, notebook, command, partial(_gradebook, name))


def nbgrader(name: str, first: str, points: dict[str, int], folder: Path) -> Grader:
    """Make a course of one notebook with a check in each cell and release it."""
    folder.mkdir()
    cells = [nbgrader_cell(first, "first")]
    for check, worth in points.items():
        test = f'### BEGIN HIDDEN TESTS\ncheck("{check}")\n### END HIDDEN TESTS'
        cells.append(nbgrader_cell(test, check, points=worth))
    notebook = nbgrader_release(folder, name, NOTEBOOK, cells)
    command = [sys.executable, "-m", "nbgrader", "autograde", name]
    return Grader(f"nbgrader {version('nbgrader')}", folder, notebook, command, partial(_gradebook, name))


def otter(python: str, at_once: int, first: str, points: dict[str, int], folder: Path) -> Grader:
    """Run `otter assign` on a notebook with a question for each check."""
    folder.mkdir()
    cells = [new_code_cell(first)]
    for check, worth in points.items():
        cells += otter_question(check, worth, f'check("{check}")')
    autograder, notebook = otter_assign(folder, python, NOTEBOOK, cells)
    command = [python, "-m", "benchmarks.otter_class", str(autograder), str(at_once)]
    name = f"{otter_name(python)}, {at_once} at a time"
    return Grader(name, folder, notebook, command, _otter_scores, zipped=True)


def _gradebook(name: str, course: Path) -> dict[str, float]:
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        submissions = gradebook.find_assignment(name).submissions
        return {
            submission.student.id: sum(grade.auto_score or 0 for one in submission.notebooks for grade in one.grades)
            for submission in submissions
        }


def _otter_scores(course: Path) -> dict[str, float]:
    scores: dict[str, float] = json.loads((course / "scores.json").read_text())
    return scores


def grade(task: Task, grader: Grader, kind: str, count: int, points: float) -> Finished:
    """Hand in some submissions, grade them, and see that each got its points."""
    with tempfile.TemporaryDirectory(dir=grader.course.parent) as folder:
        course = Path(folder) / "course"
        shutil.copytree(grader.course, course)
        students = [f"student{number:03d}" for number in range(count)]
        for student in students:
            handed_in = course / "submitted" / student / task.name
            shutil.copytree(task.files[kind], handed_in)
            shutil.copy(grader.notebook, handed_in)
            if grader.zipped:
                shutil.make_archive(str(handed_in.parent), "zip", handed_in)
        finished = run(course, *grader.command, seconds=3600)
        scores = grader.scores(course)
    if scores != dict.fromkeys(students, points):
        sys.exit(f"{grader.name}, {task.name} {kind}: each of {count} should have got {points:g} points: {scores}")
    return finished


def measure(tasks: Sequence[Task], dataset: str, submissions: int, others: int) -> Iterator[Timing]:
    """Give every grader its turn."""
    for task, kind in product(tasks, KINDS):
        seconds, points = arithmetic(task.assignment, task.files[kind], dataset, times=3)
        yield from (Timing(task.name, kind, BARE, 1, cpu, None) for cpu in seconds)
        for grader in task.graders:
            for count in (1, submissions if grader is task.graders[0] else others):
                took = grade(task, grader, kind, count, float(points))
                print(f"{task.name} {kind}, {grader.name}, {count}: {took.wall:.1f} s", file=sys.stderr)
                yield Timing(task.name, kind, grader.name, count, took.cpu, took.wall)


def table(title: str, timings: Sequence[Timing], submissions: int) -> Table:
    """Return the table of one assignment and kind of submission."""
    shown = Table(title=title, title_justify="left", box=None)
    shown.add_column()
    for what in ("each", "one more", "× the kit"):
        for clock in ("wall", "CPU"):
            shown.add_column(f"{what}\n{clock}", justify="right", no_wrap=True)
    by_grader = {timing.grader: [one for one in timings if one.grader == timing.grader] for timing in timings}
    bare = statistics.median(timing.cpu for timing in by_grader.pop(BARE))
    kits = None
    for grader, own in by_grader.items():
        each, more = _each_and_one_more(own, submissions)
        kits = kits or each  # which come first
        ratios = [seconds / kit for seconds, kit in zip(each, kits, strict=True)]
        shown.add_row(grader, *(f"{seconds:.2f}" for seconds in each + more), *(f"{ratio:.1f}" for ratio in ratios))
    shown.add_row(BARE, "", f"{bare:.2f}")
    return shown


def _each_and_one_more(timings: Sequence[Timing], submissions: int) -> tuple[list[float], list[float]]:
    """Return what a grader takes for each submission of a class, and for one more, by the clock and the processor."""
    most = max(timing.submissions for timing in timings)
    each, more = [], []
    for clock in ("wall", "cpu"):
        one, all_of_them = (
            statistics.median(getattr(timing, clock) for timing in timings if timing.submissions == count)
            for count in (1, most)
        )
        more.append((all_of_them - one) / (most - 1))
        each.append((one + more[-1] * (submissions - 1)) / submissions)
    return each, more


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", choices=tuple(CLASSES), help="one assignment instead of all")
    parser.add_argument("--otter", metavar="PYTHON", help="the Python of an environment with otter-grader")
    parser.add_argument("--submissions", type=int, default=400, help="how many a class has (default: 400)")
    parser.add_argument("--others", type=int, default=4, help="how many of them the others grade (default: 4)")
    parser.add_argument("--rounds", type=int, default=2, help="how often all take turns (default: 2)")
    parser.add_argument("--data", choices=("cifar10", "standin"), default="cifar10")
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON instead")
    options = parser.parse_args()
    if min(options.submissions, options.others) < 2 or options.rounds < 1:
        parser.error("--submissions and --others must be at least 2, --rounds at least 1")
    python = options.otter and str(Path(options.otter).absolute())
    names = [options.name] if options.name else list(CLASSES)
    timings: list[Timing] = []
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        os.environ["TMPDIR"] = folder  # what graders leave behind goes with it
        print("setting up the graders", file=sys.stderr)
        tasks = [set_up(name, options.data, python, Path(folder) / name) for name in names]
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            timings += measure(tasks, options.data, options.submissions, options.others)
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "data": options.data, "timings": [asdict(one) for one in timings]}))
        return
    console = Console()
    for name in names:
        for kind in KINDS:
            own = [timing for timing in timings if (timing.assignment, timing.kind) == (name, kind)]
            console.print(table(f"\n{name}, {kind}", own, options.submissions))
    console.print(
        f"\nSeconds for each of {options.submissions} submissions and for one more. Medians, rounds: {options.rounds}. "
        f"{options.data}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {version('torch')}."
    )
    if not options.otter:
        print("otter-grader is not installed: see `python -m pydoc benchmarks.throughput`", file=sys.stderr)


if __name__ == "__main__":
    main()
