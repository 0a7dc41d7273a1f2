"""Setting up nbgrader and otter-grader as their documentation shows, and running commands, for the comparisons."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_raw_cell

REPOSITORY = Path(__file__).resolve().parent.parent
OTTER_OPTIONS = "generate: true\nexport_cell: false"


def nbgrader_release(folder: Path, assignment: str, notebook: str, cells: Sequence[nbformat.NotebookNode]) -> Path:
    """Make a course of one notebook in a folder, release it, and return what students get."""
    (folder / "nbgrader_config.py").write_text('c = get_config()\nc.CourseDirectory.course_id = "course"\n')
    write(new_notebook(cells=list(cells)), folder / "source" / assignment / notebook)
    run(folder, sys.executable, "-m", "nbgrader", "generate_assignment", assignment, "--create")
    return folder / "release" / assignment / notebook


def nbgrader_cell(
    text: str, grade_id: str, *, points: int | None = None, solution: bool = False
) -> nbformat.NotebookNode:
    """Return a code cell as nbgrader marks it: the student's if it holds a solution, with points if it is graded."""
    about = {"schema_version": 3, "grade_id": grade_id, "solution": solution, "locked": not solution, "task": False}
    about |= {"grade": False} if points is None else {"grade": True, "points": points}
    return new_code_cell(text, metadata={"nbgrader": about})


def otter_assign(folder: Path, python: str, notebook: str, cells: Sequence[nbformat.NotebookNode]) -> tuple[Path, Path]:
    """Run `otter assign` on a master notebook; return the autograder's zip file and what students get."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    options = new_raw_cell(f"# ASSIGNMENT CONFIG\n{OTTER_OPTIONS}")
    write(new_notebook(cells=[options, *cells], metadata={"kernelspec": kernel}), folder / notebook)
    run(folder, python, "-m", "otter", "assign", notebook, "dist", "--no-run-tests", "--no-pdfs")
    (autograder,) = (folder / "dist" / "autograder").glob("*.zip")
    return autograder, folder / "dist" / "student" / notebook


def otter_question(
    name: str, points: int, test: str, task: Sequence[nbformat.NotebookNode] = ()
) -> list[nbformat.NotebookNode]:
    """Return the cells of a question with one hidden test."""
    return [
        new_raw_cell(f"# BEGIN QUESTION\nname: {name}\npoints: {points}"),
        *task,
        new_raw_cell("# BEGIN TESTS"),
        new_code_cell(f"# HIDDEN\n{test}"),
        new_raw_cell("# END TESTS"),
        new_raw_cell("# END QUESTION"),
    ]


def otter_name(python: str) -> str:
    """Return the name and version of the otter-grader that a Python has."""
    asked = [python, "-c", "from importlib.metadata import version; print(version('otter-grader'), end='')"]
    return f"otter-grader {subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout}"


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


@dataclass(frozen=True)
class Finished:
    """What running a command came to: its exit status, and seconds by the clock and of the processor.

    The latter are those of all processes that it started and waited for, directly or through others.
    """

    status: int
    wall: float
    cpu: float


def run(folder: Path, *command: str, fails: bool = False, seconds: float = 600) -> Finished:
    """Run a command in a folder, with the repository's modules at hand; its status must be 0 unless it may fail."""
    modules = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    programs = os.pathsep.join([str(Path(command[0]).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTEST_ADDOPTS": "", "PYTHONPATH": modules, "PATH": programs}
    before, started = _processor_seconds(), time.monotonic()
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, process_group=0,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException:  # Ctrl-C, or it takes too long: what it started ends with it
            os.killpg(process.pid, signal.SIGKILL)
            raise
    finished = Finished(process.returncode, time.monotonic() - started, _processor_seconds() - before)
    if finished.status and not fails:
        sys.exit(f"{' '.join(command)}\n{output[-4000:]}")
    return finished


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
