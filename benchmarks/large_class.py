"""What grading a large class takes: time, rate and memory, with every score in the gradebook and every page written.

    python -m benchmarks.large_class [--submissions 1000] [--data cifar10|standin]
    python -m benchmarks.large_class --compare 100 1000 [--runs 3] [--data cifar10|standin]

Makes a class of the example submissions of the fully connected assignment, broken, hostile and endless ones in the
same share as there, no two files equal, and runs `autograder grade NAME --feedback` on it, once as it comes
and once more unchanged. Once a second it adds up the memory of all its processes, each page shared by
several of them divided among them (PSS), and looks at the processor time of the command's own process, which hands
out the work and writes records and gradebook. With --compare, classes of two sizes are graded in turn, each run
from nothing, and what one submission takes in either is compared.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from autograder.course import Course, init_course, open_course, secret_seed
from autograder.gradebook import rows
from autograder.release.build import generate
from autograder.sandbox import tree
from benchmarks.watched import Run, run
from examples.fully_connected_class import EXAMPLES, MODULE, NAME, NOTEBOOK
from toolbox.saved_models import read_pth

REPOSITORY = Path(__file__).resolve().parent.parent
PERTURBATION = 1e-7
"""What saved weights are changed by: it changes no score."""
MOMENTS = (0.1, 0.5, 1.0)
"""The parts of the class after which memory is looked at."""


def make_class(root: Path, size: int, dataset: str, console: Console) -> Course:
    """Make a course in which so many have handed in and nobody is graded."""
    course = init_course(root, like=open_course(REPOSITORY), assignments=[NAME]).course
    course.toml.write_text(course.toml.read_text().replace('"cifar10"', f'"{dataset}"'))
    generate(course, NAME)
    secret_seed(course)
    kinds = EXAMPLES.write(root, dataset)
    for number in track(range(size), "making the class", console=console, transient=True):
        kind = kinds[number % len(kinds)]
        folder = course.submitted / f"{number:04d}_{kind}" / NAME
        shutil.copytree(course.submitted / kind / NAME, folder)
        _vary(folder, number)
    for kind in kinds:
        shutil.rmtree(course.submitted / kind)
    return open_course(root)


def _vary(folder: Path, number: int) -> None:
    """Make the files of a submission unlike anybody else's, and as good."""
    for name, text in ((MODULE, f"\n# variation {number}\n"), (NOTEBOOK, "\n" + " " * number + "\n")):
        if (folder / name).is_file():
            with open(folder / name, "a", encoding="utf-8") as file:
                file.write(text)
    generator = torch.Generator().manual_seed(number)

    def perturb(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: perturb(one) for key, one in value.items()}
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return value + PERTURBATION * torch.randn(value.shape, generator=generator, dtype=value.dtype)
        return value

    for path in folder.glob("*.pth"):
        torch.save(perturb(read_pth(path)), path)


def grade(course: Course, *, watched: bool) -> Run:
    """Run the command, looking at its memory every second where that is wanted."""
    arguments = ["grade", NAME, "--feedback", "--quiet", "--course", str(course.root)]
    return run(arguments, course.results / NAME, every=1 if watched else None, also=_memory)


def _memory(process: int) -> int:
    """Return the bytes that a process and all below it take."""
    return sum(map(_pss, tree.with_descendants({process})))


def _pss(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def start_anew(course: Course, gradebook: Path) -> None:
    """Take away all that grading has left."""
    for folder in (course.results, course.feedback):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copyfile(gradebook, course.root / "gradebook.db")


def measure(folder: Path, size: int, dataset: str, console: Console) -> None:
    """Grade a class and grade it again unchanged, and print what that took."""
    course = make_class(folder / "course", size, dataset, console)
    first = grade(course, watched=True)
    again = grade(course, watched=False)
    table = Table(box=None, show_header=False, title=f"{size} submissions of {NAME} ({dataset})", title_justify="left")
    table.add_row("records", str(len(list((course.results / NAME).glob("*.json")))))
    table.add_row("students in the gradebook", str(len(rows(course, NAME))))
    table.add_row("pages", str(len(list(course.feedback.glob(f"*/{NAME}/*.html")))))
    table.add_row("seconds", f"{first.seconds:.0f}")
    table.add_row("seconds for one submission", f"{first.seconds / size:.3f}")
    table.add_row("submissions in a minute", f"{60 * size / first.seconds:.0f}")
    for part in MOMENTS:
        there = [memory for graded, _, memory in first.looks if graded <= part * size]
        table.add_row(f"memory after {part:.0%} of the class, MB", f"{there[-1] / 1e6:.0f}" if there else "–")
    table.add_row("memory at most, MB", f"{max(memory for _, _, memory in first.looks) / 1e6:.0f}")
    table.add_row("processor time of the command itself, ms for one submission", f"{1e3 * first.own_seconds:.1f}")
    for what, files in (
        ("handed in", course.submitted.glob(f"*/{NAME}/*")),
        ("record", (course.results / NAME).glob("*.json")),
        ("page", course.feedback.glob(f"*/{NAME}/*")),
        ("gradebook", [course.root / "gradebook.db"]),
    ):
        kilobytes = sum(file.stat().st_size for file in files) / 1e3
        table.add_row(f"{what}, kB for one submission", f"{kilobytes / size:.1f}")
    table.add_row("seconds, once more unchanged", f"{again.seconds:.1f}")
    Console().print(table)


def compare(folder: Path, sizes: tuple[int, int], runs: int, dataset: str, console: Console) -> None:
    """Grade classes of two sizes in turn, and print what one submission takes in each."""
    courses = {size: make_class(folder / str(size), size, dataset, console) for size in sizes}
    for course in courses.values():
        shutil.copyfile(course.root / "gradebook.db", course.root / "empty.db")
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in track(range(runs), "grading in turn", console=console, transient=True):
        for size, course in courses.items():
            start_anew(course, course.root / "empty.db")
            seconds[size].append(grade(course, watched=False).seconds / size)
    title = f"Seconds for one submission of {NAME}, {runs} runs ({dataset})"
    table = Table(box=None, title=title, title_justify="left")
    for heading in ("class of", "median", "smallest", "largest"):
        table.add_column(heading, justify="right")
    for size, found in seconds.items():
        table.add_row(str(size), *(f"{f(found):.3f}" for f in (statistics.median, min, max)))
    medians = [statistics.median(found) for found in seconds.values()]
    Console().print(table)
    Console().print(f"ratio of the medians: {medians[1] / medians[0]:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_class", description=__doc__.split("\n")[0])
    parser.add_argument("--submissions", type=int, default=1000)
    parser.add_argument("--compare", type=int, nargs=2, metavar=("SMALL", "LARGE"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", choices=("cifar10", "standin"), default="cifar10")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.compare:
            compare(Path(temporary), tuple(options.compare), options.runs, options.data, Console(stderr=True))
        else:
            measure(Path(temporary), options.submissions, options.data, Console(stderr=True))
