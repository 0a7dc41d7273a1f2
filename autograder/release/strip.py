"""Taking the solutions out of a module, leaving a task in the place of each.

A solution stands between two comment lines of its own:

    ### BEGIN SOLUTION
    out = x @ w + b
    ### END SOLUTION

Inside a function the student finds a comment and a `NotImplementedError` there, which name the task.
In the body of a module or a class only the comment is left: an error there would keep the whole
module from being imported, and with it every other task.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass

from autograder.errors import UserError

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
LOOKS_LIKE_MARKER = re.compile(r"#+\s*(BEGIN|END)\b|#.*\b(?i:begin|end)[\s_-]*(?i:solution)|##+.*\bSOLUTION")


@dataclass(frozen=True)
class Region:
    """One solution: the lines of its markers, counted from 1, and what it is a solution of."""

    begin: int
    end: int
    task: str
    indent: str
    raises: bool

    def stub(self) -> list[str]:
        """Return the lines that stand in its place."""
        lines = [f"{self.indent}# TODO: write {self.task}\n"]
        if self.raises:
            lines.append(f'{self.indent}raise NotImplementedError("{self.task} is not written yet")\n')
        elif self.indent:
            lines.append(f"{self.indent}pass\n")
        return lines


def strip_module(source: str, filename: str) -> str:
    """Return a module without its solutions.

    Raises:
        UserError: the module does not compile, or a marker is misspelt, misplaced or without its other half.
    """
    lines = source.splitlines(keepends=True)
    regions = solution_regions(source, filename)
    for region in reversed(regions):
        lines[region.begin - 1 : region.end] = region.stub()
    stripped = "".join(lines)
    try:
        compile(stripped, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = next((r.begin for r in reversed(regions) if r.begin <= (error.lineno or 0)), error.lineno)
        raise UserError(
            f"{filename}:{line}: without its solutions the module does not compile ({error.msg}). "
            "Let the markers enclose whole statements of one block."
        ) from None
    return stripped


def solution_regions(source: str, filename: str) -> list[Region]:
    """Return the solutions of a module from top to bottom.

    Raises:
        UserError: as `strip_module`.
    """
    try:
        tree = ast.parse(source, filename)
        pairs = _pairs(source, filename)
    except SyntaxError as error:
        raise UserError(f"{filename}:{error.lineno}: this is not valid Python: {error.msg}.") from None
    lines = source.splitlines(keepends=True)
    return [_region(tree, lines, begin, end, filename) for begin, end in pairs]


def _pairs(source: str, filename: str) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    begin: int | None = None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not LOOKS_LIKE_MARKER.search(token.string):
            continue
        line, marker = token.start[0], token.string.rstrip()
        if marker not in (BEGIN, END):
            raise UserError(f"{filename}:{line}: {marker!r} is no marker. Write {BEGIN!r} or {END!r}.")
        if token.line[: token.start[1]].strip():
            raise UserError(f"{filename}:{line}: a marker must stand on a line of its own.")
        if marker == BEGIN and begin is not None:
            raise UserError(
                f"{filename}:{line}: a solution begins inside the one that began on line {begin}. "
                f"Add {END!r} before it, or take this marker away."
            )
        if marker == END and begin is None:
            raise UserError(f"{filename}:{line}: no solution begins before this end. Add {BEGIN!r} above it.")
        if marker == BEGIN:
            begin = line
        elif begin is not None:
            pairs.append((begin, line))
            begin = None
    if begin is not None:
        raise UserError(f"{filename}:{begin}: this solution has no end. Add {END!r} below it.")
    return pairs


def _region(tree: ast.Module, lines: list[str], begin: int, end: int, filename: str) -> Region:
    found = _outermost_inside(tree, begin, end, ())
    if not found:
        raise UserError(f"{filename}:{begin}: there is no statement between the markers. Take them away.")
    statements = [place.statement for place in found]
    covered = {line for statement in statements for line in _lines_of(statement)}
    code = {n for n in range(begin + 1, end) if lines[n - 1].strip()[:1] not in ("", "#")}
    if len({place.block for place in found}) > 1 or code - covered or max(covered) >= end:
        raise UserError(
            f"{filename}:{begin}: the solution that begins here ends on line {end} in another block. "
            "Let the markers enclose whole statements of one block."
        )
    text = lines[statements[0].lineno - 1]
    indent = text[: len(text) - len(text.lstrip())]
    scopes = found[0].scopes
    names = [scope.name for scope in scopes]
    if scopes and not isinstance(scopes[-1], ast.ClassDef):
        return Region(begin, end, ".".join(names), indent, raises=True)
    bound = ", ".join(".".join([*names, name]) for name in _bound(statements))
    return Region(begin, end, bound or ".".join(names) or "this part", indent, raises=False)


Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Place:
    """A statement, the functions and classes around it, and the block that it is part of."""

    statement: ast.stmt
    scopes: tuple[Scope, ...]
    block: tuple[int, str]


def _outermost_inside(node: ast.AST, begin: int, end: int, scopes: tuple[Scope, ...]) -> list[Place]:
    """Return the statements that start between two lines, without those inside one of them."""
    found: list[Place] = []
    inner = (*scopes, node) if isinstance(node, Scope) else scopes
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.stmt) and begin < child.lineno < end:
                found.append(Place(child, inner, (id(node), name)))
            elif isinstance(child, ast.AST):
                found.extend(_outermost_inside(child, begin, end, inner))
    return found


def _lines_of(statement: ast.stmt) -> range:
    decorators = statement.decorator_list if isinstance(statement, Scope) else []
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return range(first, (statement.end_lineno or first) + 1)


def _bound(statements: list[ast.stmt]) -> list[str]:
    """Return the names that statements define or assign, in order."""
    names: list[str] = []
    for statement in statements:
        if isinstance(statement, Scope):
            names.append(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names.extend(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
    return list(dict.fromkeys(names))
