"""The kit's commands and nbgrader's, each in a process of its own that has loaded PyTorch and nbgrader before it starts.

Loading them takes longer than most of what the tests have a command do; what is forked from the standard library's
fork server has them. What a fresh Python does is tried where that matters: in tests/redteam, tests/test_privacy.py,
tests/new and wherever a test starts `sys.executable`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch", "nbgrader.api", "nbgrader.apps", "autograder.grading.workplace"])


def run(
    module: str,
    *arguments: str | Path,
    cwd: Path = REPOSITORY,
    environment: Mapping[str, str] | None = None,
    seconds: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Do what `python -m MODULE ARGUMENTS` does, and return how it ended and what it printed, read as UTF-8."""
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as name:
        printed = [Path(name) / "stdout", Path(name) / "stderr"]
        process = FORKS.Process(target=_be, args=(module, words, cwd, dict(environment or os.environ), printed))
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([module, *words], seconds)
        stdout, stderr = (path.read_text(encoding="utf-8") if path.exists() else "" for path in printed)
    assert process.exitcode is not None
    return subprocess.CompletedProcess([module, *words], process.exitcode, stdout, stderr)


def command(course, *arguments: str | Path) -> list[str]:
    """Return the words that start the kit's command in a fresh Python."""
    return [sys.executable, "-m", "autograder", *map(str, arguments), "--course", str(course.root)]


def kit(course, *arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
    """Run the kit's own command on a course."""
    return run("autograder", *arguments, "--course", course.root, **options)


def _be(module: str, arguments: list[str], cwd: Path, environment: dict[str, str], printed: list[Path]) -> None:
    """Be that command: what multiprocessing calls in the new process."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in enumerate(printed, start=1):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115 — the process's own, to its end
    sys.stderr = open(2, "w", encoding=encoding, closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
