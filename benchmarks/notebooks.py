"""Run source notebooks top to bottom with the solution beside them.

    python -m benchmarks.notebooks [--data cifar10|standin] NAME…

Each is run in a folder made as a student's would be, in build/notebooks/<name>/, where the executed
notebook stays to be looked at. Every check cell must pass.
"""

from __future__ import annotations

import argparse
import os
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
    notebook = nbformat.read(course.source / name / assignment.files.notebook, as_version=4)
    client = NotebookClient(
        notebook, timeout=3600, resources={"metadata": {"path": str(folder)}},
        on_cell_executed=lambda cell, cell_index, **_: print(".", end="", flush=True),
    )  # fmt: skip
    os.environ["TOOLBOX_DATA"] = dataset
    started = time.monotonic()
    try:
        client.execute()
        problems = []
    except CellExecutionError as error:
        problems = [str(error)]
    finally:
        nbformat.write(notebook, folder / assignment.files.notebook)
    print(f" {name}: {time.monotonic() - started:.0f} s")
    return problems or [cell.metadata.nbgrader.grade_id for cell in notebook.cells if _failed(cell)]


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
