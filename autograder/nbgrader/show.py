"""Results in a notebook: what nbgrader reads as a score, and what a person reads below a check's cell."""

from __future__ import annotations

import re
from fractions import Fraction
from html import escape
from typing import Any

from nbformat.v4 import new_markdown_cell, new_output

from autograder.errors import UserError
from autograder.nbgrader.clean import clean_markdown
from toolbox.results import HINTED

STYLE = """\
<style>
#notebook img { max-width: 100%; height: auto; border: 0 }
#notebook .text_cell_render { overflow-wrap: anywhere }
#notebook th, #notebook td { padding: 0 1em 0.2em 0; text-align: left; vertical-align: top }
</style>
"""
"""For formgrader's page of a submission: pictures and long words stay within it, pictures have no red frame."""


def show_results(nb: Any, record: dict[str, Any]) -> Any:
    """Put exactly one output into every check's cell: its score, which nbgrader reads, and a table.

    Raises:
        UserError: the record and the notebook disagree about what a check is worth.
    """
    checks = {check["id"]: check for check in record["checks"]}
    style = STYLE  # with the first table, once
    for cell in nb.cells:
        meta = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or not meta.get("grade") or meta.get("solution"):
            continue
        check = checks.get(meta["grade_id"])
        score = score_of(check, float(meta["points"])) if check else 0.0
        table = _table(check) if check else "<p>This check was not run.</p>"
        data = {"text/plain": repr(score), "text/html": style + table}
        style = ""
        cell["outputs"] = [new_output("execute_result", data=data, execution_count=None)]
        cell["execution_count"] = None
    _add_notices(nb, record.get("notices", []))
    return nb


def score_of(check: dict[str, Any], points: float) -> float:
    """Return what a check's result earns, for a cell or row that is worth `points`.

    Raises:
        UserError: the check is worth something else.
    """
    if float(check["max_score"]) != points:
        raise UserError(
            f"The check {check['id']!r} was graded for {check['max_score']:g} points, but its cell "
            f"is worth {points:g}. Make them the same, run `autograder release` and grade again."
        )
    return float(Fraction(check["fraction"]))


def _add_notices(nb: Any, notices: list[str]) -> None:
    if notices:
        lines = "\n".join(f"- {clean_markdown(' '.join(notice.split()), set())}" for notice in notices)
        cell = new_markdown_cell(f"**Notes from the grader**\n\n{lines}")
        cell["id"] = "notes-from-the-grader"
        nb.cells.insert(0, cell)


def _table(check: dict[str, Any]) -> str:
    score = f"{check['score']:g} of {check['max_score']:g} points"
    rows = [
        ("Check", check["sentence"]),
        ("Result", f"{check['status']}, {score}"),
        ("Measured", _figures(check)),
        ("Case", check.get("case")),
        ("Message", check.get("message")),
        ("Hint", check.get("hint") if check["status"] in HINTED else ""),
    ]
    row = "<tr><th>{}</th><td style='text-align: left'>{}</td></tr>"
    return f"<table>{''.join(row.format(name, _with_code(str(text))) for name, text in rows if text)}</table>"


def _with_code(text: str) -> str:
    """Return text, escaped, with `names` between backticks set as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(text))


def _figures(check: dict[str, Any]) -> str:
    measured, threshold = check.get("measured"), check.get("threshold")
    if measured is None:
        return ""
    if threshold is None:
        return f"{measured:.3g}"
    return f"{measured:.3g}, {check.get('sense', 'threshold')} {threshold:.3g}"
