"""Holding the three places where a check is named against each other, before students see any.

A check has one id: the function `test_<id>`, the notebook's grade cell `<id>`, the gradebook's row
`<id>`. Points stand beside the check and again in the cell, where nbgrader reads them; they must be
the same, and add up to what `assignment.toml` promises; so must those of the written questions.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.assignment import Assignment
from autograder.errors import UserError


@dataclass(frozen=True)
class Declared:
    """A check as its file declares it; no points where they are not written out as a number."""

    id: str
    points: int | None
    path: Path
    line: int


def declared_checks(assignment: Assignment) -> dict[str, Declared]:
    """Return the checks of an assignment by id, read from their files without running them.

    Raises:
        UserError: there are none, a file is not valid Python, or an id occurs twice.
    """
    checks: dict[str, Declared] = {}
    for path in sorted(assignment.checks.glob("test_*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        except (SyntaxError, UnicodeDecodeError) as error:
            line = getattr(error, "lineno", None) or 1
            raise UserError(f"{path}:{line}: this is not valid Python: {error}.") from None
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                check = Declared(node.name.removeprefix("test_"), _points(node), path, node.lineno)
                if check.id in checks:
                    raise UserError(f"{path}:{node.lineno}: another check is named {check.id}. Rename one.")
                checks[check.id] = check
    if not checks:
        raise UserError(
            f"{assignment.checks}: there is no check. Write one as `def test_<id>` in a test_*.py."
        )
    return checks


def check_cells(assignment: Assignment, notebook: Path, cells: list[Any]) -> None:
    """Demand that the notebook's grade cells and the checks name the same things for the same points.

    Args:
        assignment: the assignment.
        notebook: the source notebook, for messages.
        cells: its cells.

    Raises:
        UserError: they do not; it names the cell or the check, and what to do.
    """
    checks = declared_checks(assignment)
    seen: set[str] = set()
    written: dict[str, float] = {}
    for cell in cells:
        meta = cell.get("metadata", {}).get("nbgrader", {})
        if meta.get("task") or (meta.get("grade") and meta.get("solution")):
            written[meta.get("grade_id", "")] = float(meta.get("points", 0))
            continue
        if not meta.get("grade"):
            continue
        name = meta.get("grade_id", "")
        if name not in checks:
            raise UserError(
                f"{notebook}: the grade cell {name!r} names no check, and grading does not run notebooks. "
                f"Write `test_{name}` in {assignment.checks}, or take the cell's points away."
            )
        check = checks[name]
        if check.points is not None and float(check.points) != float(meta.get("points", 0)):
            raise UserError(
                f"{notebook}: the grade cell {name!r} is worth {meta.get('points', 0):g} points, its check "
                f"{check.points} ({check.path}:{check.line}). Make them the same."
            )
        seen.add(name)
    for check in checks.values():
        if check.id not in seen:
            raise UserError(
                f"{notebook}: the check {check.id!r} ({check.path}:{check.line}) has no grade cell, so its "
                f'points would be lost. Add a locked one named {check.id!r} with `check("{check.id}")` in it.'
            )
    for data, thresholds in assignment.thresholds.items():
        for name in {key.split("/")[0] for key in thresholds} - checks.keys():
            raise UserError(
                f"{assignment.toml}: [thresholds.{data}] {name}: there is no such check. Rename it."
            )
    _check_sum(assignment, list(checks.values()))
    if sum(written.values()) != assignment.written:
        raise UserError(
            f"{notebook}: the cells that a person grades are worth {sum(written.values()):g} points, but {assignment.toml} says "
            f"written = {assignment.written}. Make them the same."
        )


def _check_sum(assignment: Assignment, checks: list[Declared]) -> None:
    points = [check.points for check in checks if check.points is not None]
    if len(points) == len(checks) and sum(points) != assignment.points:
        raise UserError(
            f"{assignment.toml}: points is {assignment.points}, but the checks add up to {sum(points)}. "
            "Make them the same."
        )


def _points(node: ast.FunctionDef) -> int | None:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            for keyword in decorator.keywords:
                if keyword.arg == "points" and isinstance(keyword.value, ast.Constant):
                    value = keyword.value.value
                    return value if type(value) is int else None
    return None
