"""What may be wrong with a notebook that is handed in; it is read as JSON, which it is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from toolbox.handin.files import CONFLICT
from toolbox.manifest import MOST

STUB = "YOUR ANSWER HERE"
"""What nbgrader writes where an answer is to stand."""


def look_at_notebook(content: bytes, checks: Sequence[str], written: int) -> tuple[str, tuple[str, ...]]:
    """Return why grading cannot read a notebook ("" if it can), and what else there is to look at.

    Args:
        content: the file.
        checks: ids of the checks; the released notebook has a grade cell for each.
        written: what the released notebook's written questions add up to.
    """
    if not content.strip():
        return "is empty", ()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cannot be read as a notebook: it is not UTF-8 text; open it in Jupyter and save it again", ()
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        if conflict := CONFLICT.search(text):
            line = text.count("\n", 0, conflict.start()) + 1
            return f"still has a merge conflict, line {line}; keep one of the two versions", ()
        return f"cannot be read as a notebook: {error}", ()
    cells = _cells(notebook)
    if cells is None:
        return "cannot be read as a notebook: it is JSON without cells", ()
    return "", tuple(_remarks(cells, checks, written))


def answers_gone(content: bytes, written: int) -> str:
    """Return that cells for written answers are gone from a notebook, "" if none is or it cannot be read."""
    try:
        cells = _cells(json.loads(content.decode("utf-8-sig")))
    except (ValueError, RecursionError):  # no UTF-8, no JSON
        return ""
    return _gone(cells, written) if cells is not None else ""


def _cells(notebook: Any) -> list[dict[str, Any]] | None:
    """Return the cells of a notebook, those in the worksheets of old formats too."""
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):
        sheets = [sheet.get("cells") for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        return None
    return cells


def _remarks(cells: list[dict[str, Any]], checks: Sequence[str], written: int) -> list[str]:
    marked = [(_about(cell), _source(cell)) for cell in cells]
    graded = [(about, source) for about, source in marked if about.get("grade") or about.get("task")]
    ids = Counter(str(about.get("grade_id")) for about, _ in graded)
    questions = [(about, source) for about, source in graded if about.get("solution") or about.get("task")]
    answered_by_hand = [(about, source) for about, source in questions if not about.get("task")]
    remarks = []
    if any(len(CONFLICT.findall(source)) > 1 for _, source in marked):
        remarks.append("a cell still has a merge conflict (<<<<<<<); keep one of the two versions")
    if lacking := [name for name in checks if name not in ids]:
        remarks.append(f"the grade cells {_list(lacking)} are gone; take them from the released notebook")
    if gone := _gone(cells, written):
        remarks.append(f"{gone}; take it from the released notebook")
    if twice := [name for name, count in ids.items() if count > 1]:
        remarks.append(f"there are copies of the cells {_list(twice)}; delete those that are not meant")
    open_ = [str(a.get("grade_id")) for a, source in answered_by_hand if STUB in source or not source.strip()]
    if open_:
        remarks.append(f"not answered yet: {_list(open_)}")
    return remarks


def _gone(cells: list[dict[str, Any]], written: int) -> str:
    """Return that a cell for a written answer is gone, or ""."""
    marks = [about for about in map(_about, cells) if about.get("grade") or about.get("task")]
    there = sum(_points(about) for about in marks if about.get("solution") or about.get("task"))
    if there >= written:
        return ""
    return f"a cell for a written answer is gone: those that are left make up {there:g} of {written} points"


def _about(cell: dict[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return about if isinstance(about, dict) else {}


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _points(about: dict[str, Any]) -> float:
    points = about.get("points", 0)
    return points if isinstance(points, int | float) and 0 <= points <= MOST else 0


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f"`{name}`" for name in names[:5]) + more
