"""What `nbgrader validate` does in the folder of an assignment: the public checks, in the place of the notebook.

nbgrader finds the cells that it reports by what they printed. It starts a kernel, calls the hook `show_checks`, and
then has nothing left to run: whatever a check has to say stands below its cell already.
"""

from __future__ import annotations

import logging
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from toolbox.console import printable

SKIP = "skip-execution"
"""The tag of a cell that is not run."""

WIDTH = 80
"""nbgrader cuts a line that is longer than this and its own indent."""

FAILED = re.compile(r"fatal error while trying to validate '(.*)'$", re.DOTALL)


def configure(c: Any, hook: Callable[[Any], None] | None = None) -> None:
    """Let `nbgrader validate` do something else than run the cells of a notebook.

    Args:
        c: nbgrader's configuration, as `get_config()` gives it.
        hook: called with the notebook; by default `show_checks`.
    """
    c.Validator.Execute.on_notebook_start = hook or show_checks
    c.Validator.Execute.kernel_name = "python3"  # there with every ipykernel, whatever the notebook was saved with
    c.Validator.Execute.extra_arguments = ["--IPKernelApp.log_level=CRITICAL"]  # no word about the kernel
    c.ValidateApp.logging_config = {
        "filters": {"sentences": {"()": Sentences}},
        "handlers": {"console": {"filters": ["sentences"]}},
    }


def show_checks(notebook: Any) -> None:
    """Write what the checks of this folder say below their cells, and leave nothing in the notebook to be run.

    Checks that pass say nothing. A check that does not pass and has lost its cell gets one.
    """
    from toolbox.handin.files import find_manifest

    tests = skip_all(notebook)
    folder = Path.cwd()
    try:
        manifest = find_manifest(folder)
        failures = _failures(folder, manifest, tests)
        _show_unanswered(notebook, manifest.written)
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except Exception as error:  # nothing here may end in nbgrader's traceback
        known = type(error).__name__ in ("NoChecksHere", "ManifestError")
        text = str(error) if known else f"The checks cannot be run: {type(error).__name__}: {error}"
        failures = dict.fromkeys(tests, (text,))
    for name, paragraphs in failures.items():
        cell = tests.get(name) or _new_cell(notebook, f'check("{name}")')
        show_failure(notebook, cell, paragraphs)


def skip_all(notebook: Any) -> dict[str, Any]:
    """Keep every cell of a notebook from being run, and return those of the checks by id."""
    for cell in notebook.cells:
        cell.metadata["tags"] = [SKIP]
    return {
        about["grade_id"]: cell
        for cell, about in _graded(notebook)
        if cell.cell_type == "code" and not about["solution"]
    }


def show_failure(notebook: Any, cell: Any, paragraphs: Iterable[str]) -> None:
    """Make nbgrader report a cell as failing, with these paragraphs as the error."""
    lines = [line for text in paragraphs for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False)]
    lines = [printable(line, sys.stdout.encoding) for line in lines]
    output = _node(notebook, output_type="error", ename="NotPassed", evalue=lines[0], traceback=lines)
    cell["outputs"] = [output]


def _failures(folder: Path, manifest: Any, ids: Iterable[str]) -> dict[str, Sequence[str]]:
    """Run the checks on what would be handed in; return what there is to say of each that does not pass."""
    from toolbox.handin.files import check_ids, module_problem, read_files
    from toolbox.handin.watched import run_alone
    from toolbox.results_table import remarks, row

    files, problems = read_files(folder, manifest)
    for name in manifest.files.modules[-1:]:  # without the others, checks that do not use them go on
        problem = problems.get(name) or module_problem(name, files[name])
        if problem:
            text = problem if problem.startswith(name) else f"{name} {problem}"
            return dict.fromkeys([*ids, *check_ids(folder / "checks")], (f"{text}.",))
    outcome = run_alone(folder, manifest, files)
    if outcome.problem:
        return dict.fromkeys(ids, (outcome.problem,))
    unusable = {file: f"{file} {why}." for file, why in problems.items() if not why.startswith("is missing")}
    failures: dict[str, Sequence[str]] = {}
    for result in outcome.results:
        if result.status != "passed":
            _, name, measured, allowed, points = row(result)
            figures = f", measured {measured}, allowed {allowed}" if measured and allowed else ""
            files_named = [text for file, text in unusable.items() if file in result.message]
            failures[name] = (f"{name}: {points} points{figures}", *remarks(result), *files_named)
    return failures


def _show_unanswered(notebook: Any, written: int) -> None:
    """Make nbgrader report the written questions that are not answered; by itself it sees only those left untouched."""
    from toolbox.handin.notebook import STUB

    questions = [(cell, about) for cell, about in _graded(notebook) if about["solution"] or about.get("task")]
    for cell, about in questions:
        if about["solution"] and not cell.source.replace(STUB, "").strip():
            cell["cell_type"], about["solution"] = "code", False  # nbgrader reports what a code cell printed
            about.pop("checksum", None)
            show_failure(notebook, cell, [f"The question `{about['grade_id']}` is not answered."])
    left = sum(about.get("points", 0) for _, about in questions)
    if left < written:
        text = f"The cell of a written answer is gone: those that are left make up {left:g} of {written} points."
        show_failure(notebook, _new_cell(notebook, "(gone)"), [f"{text} Take it from the released notebook."])


def _graded(notebook: Any) -> list[tuple[Any, Any]]:
    """Return the cells that points are given for, each with what nbgrader knows of it."""
    marked = [(cell, cell.metadata["nbgrader"]) for cell in notebook.cells if "nbgrader" in cell.metadata]
    return [(cell, about) for cell, about in marked if about["grade"] or about.get("task")]


def _new_cell(notebook: Any, source: str) -> Any:
    """Add a cell that nbgrader reports on, in the place of one that is gone."""
    about = {"grade": True, "solution": False, "locked": False, "grade_id": source, "points": 1}
    metadata = {"nbgrader": about, "tags": [SKIP]}
    cell = _node(notebook, cell_type="code", source=source, metadata=metadata, outputs=[], execution_count=None)
    notebook.cells.append(cell)
    return cell


def _node(notebook: Any, **content: Any) -> Any:
    """Return a part of a notebook, of nbformat's own class."""
    node = type(notebook)()
    node.update(content)
    return node


class Sentences(logging.Filter):
    """Lets one sentence into nbgrader's log where it would print a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop a traceback, and say of a notebook that cannot be validated what is wrong with it."""
        text = record.getMessage()
        if text.startswith("Traceback (most recent call last)"):
            return False
        if found := FAILED.search(text):
            record.msg, record.args = _what_is_wrong(Path(found[1]), sys.exc_info()[1]), ()
        return True


def _what_is_wrong(path: Path, error: BaseException | None) -> str:
    from toolbox.handin.notebook import look_at_notebook

    try:
        problem, _ = look_at_notebook(path.read_bytes(), (), 0)
    except OSError as reason:
        problem = f"cannot be read ({reason.strerror or reason})"
    while error is not None and error.__context__ is not None:
        error = error.__context__
    return f"{path} {problem or f'cannot be validated: {error}'}."
