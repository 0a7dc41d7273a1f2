"""Run source notebooks top to bottom with the solution beside them.

    python -m benchmarks.notebooks [--data cifar10|standin] NAME…

Each is run in a folder made as a student's would be, in build/notebooks/<name>/, where the executed
notebook stays to be looked at. Every check cell must pass, and every cell that takes more than ten seconds
must be announced in the text before it: "about 2 minutes on two cores". Times are printed beside what was
announced; on a busy machine they are longer.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from autograder.assignment import load_assignment
from autograder.course import find_course
from toolbox.manifest import DataSet

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "build" / "notebooks"
ANNOUNCED = re.compile(r"about (\d+) (second|minute)s? on two cores", re.IGNORECASE)
LONG = 10
"""Seconds; what takes longer has to be announced."""


def run(name: str, dataset: DataSet) -> list[str]:
    """Execute a notebook and return what went wrong: nothing if every cell ran and every check passed."""
    course = find_course(REPOSITORY)
    assignment = load_assignment(course, name)
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(course.assignments / name / "checks", folder / "checks")
    shutil.copy(assignment.toml, folder / "checks")
    for file in (*assignment.files.modules, *assignment.files.support):
        shutil.copy(assignment.folder / file, folder)
    for path in assignment.files.extra_in(assignment.folder):
        (folder / path.relative_to(assignment.folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.relative_to(assignment.folder))
    notebook = nbformat.read(course.source / name / assignment.files.notebook, as_version=4)
    begun: dict[int, float] = {}
    ended: dict[int, float] = {}
    client = NotebookClient(
        notebook, timeout=3600, resources={"metadata": {"path": str(folder)}},
        on_cell_execute=lambda cell, cell_index: begun.update({cell_index: time.monotonic()}),
        on_cell_executed=lambda cell, cell_index, **_: ended.update({cell_index: time.monotonic()}),
    )  # fmt: skip
    os.environ["TOOLBOX_DATA"] = dataset
    started = time.monotonic()
    try:
        client.execute()
        problems = []
    except CellExecutionError as error:
        problems = [f"a cell failed: {error}"]
    finally:
        nbformat.write(notebook, folder / assignment.files.notebook)
    print(f"{name}: {time.monotonic() - started:.0f} s")
    problems += [f"{cell.metadata.nbgrader.grade_id} does not pass" for cell in notebook.cells if _failed(cell)]
    return problems + _report_times(notebook.cells, {i: ended[i] - begun[i] for i in ended})


def _report_times(cells: list[nbformat.NotebookNode], seconds: dict[int, float]) -> list[str]:
    """Print how long the long cells took and what the text announces; return those that it does not announce."""
    missing = []
    for i, taken in seconds.items():
        text = cells[i - 1].source if i and cells[i - 1].cell_type == "markdown" else ""
        said = ANNOUNCED.search(text.replace("\n", " "))
        if said:
            print(f"  {cells[i].id}: {taken:.0f} s, announced: {said.group()}")
        elif taken > LONG:
            missing.append(f"{cells[i].id} takes {taken:.0f} s, and the text before it does not say so")
    return missing


def _failed(cell: nbformat.NotebookNode) -> bool:
    if not cell.metadata.get("nbgrader", {}).get("grade") or cell.cell_type != "code":
        return False
    shown = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return not any("1 of 1 checks passed" in text for text in shown)


def main() -> int:
    """Run the notebooks that are named; return 0 if all is well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.notebooks", description="Run source notebooks.")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--data", choices=("cifar10", "standin"), default="cifar10")
    options = parser.parse_args()
    bad = 0
    for name in options.names:
        for problem in run(name, options.data):
            bad += 1
            print(f"{name}: {problem}", file=sys.stderr)
    print(f"the executed notebooks are in {BUILD}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
