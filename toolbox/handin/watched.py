"""Running the checks of a folder in a process of their own, which is ended when the student's code gets stuck."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from toolbox.handin.clean import clean_environment, make_clean_folder
from toolbox.handin.worker import START_SECONDS
from toolbox.manifest import Manifest
from toolbox.results import CheckResult

FRAME = re.compile(r'File "([^"]*)", line (\d+) in (\S+)')


@dataclass
class Outcome:
    """How the checks went; `problem` is the sentence to show where they could not be run."""

    results: list[CheckResult] = field(default_factory=list)
    problem: str = ""


def patience(manifest: Manifest) -> float:
    """Return how many seconds may go by without a result.

    Grading lets a module take `import_seconds` to import and a check `check_seconds`; a student's machine
    may be three times slower, and the check's own work comes on top.
    """
    return manifest.limits.import_seconds + 3 * manifest.limits.check_seconds


def run_alone(
    folder: Path,
    manifest: Manifest,
    files: Mapping[str, bytes],
    dataset: str | None = None,
    on_result: Callable[[CheckResult], None] = lambda result: None,
) -> Outcome:
    """Run all checks of an assignment folder on these files, where nothing else of the student's can be found."""
    try:
        with tempfile.TemporaryDirectory(prefix="submit-", ignore_cleanup_errors=True) as temporary:
            clean = Path(temporary).resolve()
            make_clean_folder(clean, folder, manifest.files, files)
            return run_watched(clean, manifest, dataset, on_result)
    except OSError as error:
        return Outcome(problem=f"They cannot be run here: {error.strerror or error}.")


def run_watched(
    folder: Path,
    manifest: Manifest,
    dataset: str | None = None,
    on_result: Callable[[CheckResult], None] = lambda result: None,
) -> Outcome:
    """Run all checks of an assignment folder, with a toolbox in it, in a process that may get stuck or die.

    Args:
        folder: where the modules, `checks/` and `toolbox/` lie.
        manifest: of the assignment.
        dataset: "cifar10" or "standin"; None for what TOOLBOX_DATA chose.
        on_result: called with each result as it comes.

    Raises:
        OSError: the process cannot be started.
    """
    seconds = patience(manifest)
    found: dict[str, CheckResult] = {}
    ended: set[str] = set()
    problem, finished = "", False
    with tempfile.TemporaryDirectory(prefix="checks-", ignore_cleanup_errors=True) as temporary:
        stuck = Path(temporary) / "stuck.txt"
        command = [sys.executable, "-m", "toolbox.handin.worker", dataset or "", str(seconds), str(stuck)]
        with subprocess.Popen(
            command, cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            encoding="utf-8", errors="replace",
        ) as process:  # fmt: skip
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    said = json.loads(line)
                    if "checks" in said:
                        found = {entry["id"]: _result(entry) for entry in said["checks"]}
                    elif "result" in said:
                        result = _result(said["result"])
                        found[result.id] = result
                        ended.add(result.id)
                        on_result(result)
                    else:
                        problem, finished = said.get("broken", ""), True
                        break
            except BaseException:
                process.kill()
                raise
        where = stuck.read_text(encoding="utf-8", errors="replace") if stuck.is_file() else ""
    waiting = [result for result in found.values() if result.id not in ended]
    if finished or (found and not waiting):
        return Outcome([] if problem else list(found.values()), problem)
    if not found:
        late = f"within {START_SECONDS:g} s" if where else f"(exit status {process.returncode})"
        return Outcome([], f"The checks did not start {late}.")
    first, *rest = waiting
    _blame(first, where, seconds, process.returncode, manifest)
    for result in rest:
        result.message = f"Not run: `{first.id}` did not come to an end."
    for result in (first, *rest):
        on_result(result)
    return Outcome(list(found.values()))


def _blame(result: CheckResult, where: str, seconds: float, status: int, manifest: Manifest) -> None:
    """Say of the check that was running how the process ended."""
    if where:
        frames = [(Path(file).name, line, function) for file, line, function in FRAME.findall(where)]
        at = next((frame for frame in frames if frame[0] in manifest.files.modules), None)
        place = " It was at {}, line {}, in `{}`.".format(*at) if at else ""
        result.status = "timeout"
        result.message = (
            f"No answer within {seconds:g} s.{place} Look for a loop that does not end. If there is none, try again "
            "when the computer is less busy."
        )
    else:
        result.status = "error"
        result.message = f"Your code ended the process (exit status {status}), or there was not enough memory."


def _result(entry: dict[str, Any]) -> CheckResult:
    """Return a result from what `CheckResult.as_json` made of it."""
    same = ("id", "sentence", "threshold", "sense", "hint", "status", "measured", "case", "message", "seconds")
    return CheckResult(
        **{key: entry[key] for key in same}, points=entry["max_score"], score=Fraction(entry["fraction"])
    )
