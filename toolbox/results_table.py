"""Results of checks as a table: plain text for a terminal, HTML for a notebook."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

from toolbox.results import HINTED, CheckResult, rounded, total

MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "timeout": "✗", "blocked": "–", "not run": "–"}
GOOD, BAD, WAITING = "#2da44e", "#e5484d", "#b87a00"
"""Colours of marks; each stands out from a white page and from a black one."""
COLOURS = {"passed": GOOD, "blocked": WAITING, "not run": WAITING}
HEADINGS = ("", "check", "measured", "allowed", "points")


def row(result: CheckResult) -> tuple[str, str, str, str, str]:
    """Return a result as the cells of one row, in the order of HEADINGS."""
    sign = "≥ " if result.sense == "at least" else "≤ "
    return (
        MARKS[result.status],
        result.id,
        "" if result.measured is None else figure(result.measured, result.sense),
        "" if result.threshold is None else sign + figure(result.threshold, result.sense),
        f"{rounded(result.score):g}/{result.points}",
    )


def figure(value: float, sense: str) -> str:
    """Return an error as 1.2e-09, an accuracy as 52.30%."""
    return f"{value:.2%}" if sense == "at least" else f"{value:.1e}"


def remarks(result: CheckResult) -> list[str]:
    """Return what there is to say below a row: nothing if the check passed."""
    if result.status == "passed":
        return []
    case = f"Case “{result.case}”: " if result.case else ""
    hint = [f"Hint: {result.hint}"] if result.status in HINTED else []
    return [result.sentence, case + result.message, *hint]


def as_text(results: Sequence[CheckResult], width: int = 100) -> str:
    """Return a table for a terminal, with remarks below each check that did not pass."""
    rows = [HEADINGS, *(row(result) for result in results)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADINGS))]
    lines = [_line(HEADINGS, widths)]
    for result, cells in zip(results, rows[1:], strict=True):
        lines.append(_line(cells, widths))
        for remark in remarks(result):
            lines += textwrap.wrap(remark, width - 5, initial_indent="     ", subsequent_indent="     ")
    return "\n".join([*lines, summary(results)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = f"{cells[0]:<{widths[0]}}  {cells[1]:<{widths[1]}}"
    return "  ".join([left, *(f"{cell:>{width}}" for cell, width in zip(cells[2:], widths[2:], strict=True))]).rstrip()


def summary(results: Sequence[CheckResult]) -> str:
    """Return the sum of the points as a sentence."""
    passed = sum(result.status == "passed" for result in results)
    points = sum(result.points for result in results)
    return f"{passed} of {len(results)} checks passed, {rounded(total(list(results))):g} of {points} points."


def as_html(results: Sequence[CheckResult]) -> str:
    """Return a small table for a notebook; everything in it is escaped."""
    cell = "padding:2px 10px;text-align:"
    head = "".join(f'<th style="{cell}{"left" if i < 2 else "right"}">{name}</th>' for i, name in enumerate(HEADINGS))
    body = []
    for result in results:
        colour = COLOURS.get(result.status, BAD)
        cells = "".join(
            f'<td style="{cell}{"left" if i < 2 else "right"};{f"color:{colour};font-weight:bold" if i == 0 else ""}">'
            f"{html.escape(text)}</td>"
            for i, text in enumerate(row(result))
        )
        body.append(f"<tr>{cells}</tr>")
        for remark in remarks(result):
            body.append(
                f'<tr><td></td><td colspan="{len(HEADINGS) - 1}" style="{cell}left;white-space:normal;max-width:46em">'
                f"{html.escape(remark)}</td></tr>"
            )
    return (
        f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
        f"<p>{html.escape(summary(results))}</p>"
    )
