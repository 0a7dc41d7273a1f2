"""The student's own check runner: in a notebook, and as `python -m toolbox check`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from toolbox import data
from toolbox.checks.run import Setting, run_checks
from toolbox.checks.student import LocalBackend
from toolbox.manifest import load_manifest
from toolbox.results import CheckResult
from toolbox.results_table import as_html, as_text


class NoChecksHere(Exception):
    """There is no assignment in this folder."""


def check_folder(
    ids: Sequence[str] = (),
    folder: Path | None = None,
    dataset: str | None = None,
    on_result: Callable[[CheckResult], None] = lambda result: None,
) -> list[CheckResult]:
    """Run public checks on the modules of an assignment folder and return their results.

    Args:
        ids: which checks; all if empty. What they need is run too and listed where it fails.
        folder: the assignment's folder, with the modules and `checks/` in it; this one by default.
        dataset: "cifar10" or "standin"; None for what `toolbox.data.use` or TOOLBOX_DATA chose.
        on_result: called with each result as it comes.

    Raises:
        NoChecksHere: the folder is not that of an assignment.
        ChecksBroken: there is no check of that id, or the checks were damaged.
        DataError: a check needs the data set and it is not to be had.
    """
    folder = (folder or Path.cwd()).resolve()
    checks = folder / "checks"
    manifest_file = next((f for f in (checks / "assignment.toml", folder / "assignment.toml") if f.is_file()), None)
    if manifest_file is None:
        raise NoChecksHere(f"{folder}: there is no checks/assignment.toml here. Go to the folder of the assignment.")
    manifest = load_manifest(manifest_file)
    try:
        name = dataset or data.current()
    except ValueError as error:  # TOOLBOX_DATA names none
        raise data.DataError(str(error)) from None
    setting = Setting(
        backend=LocalBackend(folder, manifest.files.modules),
        data=lambda: data.load(name, **asdict(manifest.images)),
        thresholds=dict(manifest.thresholds.get(name, {})),
    )
    return run_checks(checks, setting, ids, on_result)


@dataclass
class CheckTable:
    """Results of checks; a notebook shows them as a table, a terminal as text."""

    results: list[CheckResult]

    def __repr__(self) -> str:
        return as_text(self.results)

    def _repr_html_(self) -> str:
        return as_html(self.results)


class NotPassed(Exception):
    """A check did not pass; raised only under nbgrader, which looks for cells that raise."""


def check(*ids: str) -> CheckTable:
    """Run checks on the code of this folder: `check("linear_forward")`, or `check()` for all.

    The module is read from disk anew each time, so what you have just saved is what is checked.

    Raises:
        NotPassed: a check did not pass and `nbgrader validate` runs the notebook.
    """
    table = CheckTable(check_folder(ids))
    if os.environ.get("NBGRADER_EXECUTION") and any(result.status != "passed" for result in table.results):
        raise NotPassed(f"\n{table!r}")
    return table
