"""Mutants of the solutions, made without an author: each is a module in which one statement is a little wrong."""

from __future__ import annotations

import ast
import itertools
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.release.strip import solution_regions
from autograder.verify.operators import changes

SHOWN = 12
"""What is shown of a change is the smallest expression around it of at least so many characters."""

AROUND = 40
"""How many characters of a long line are shown on either side of what changed."""


@dataclass(frozen=True)
class Mutant:
    """The modules with one change in one solution.

    Attributes:
        where: the task whose solution it is, as `solution_regions` names it.
        kind: what sort of change.
        was: the expression or the first line of the statement that was changed.
        became: what stands there now.
        sources: the text of every module, the changed one among them, by file name.
    """

    where: str
    kind: str
    was: str
    became: str
    sources: Mapping[str, str] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.where}: the automatic mutant {self.was} → {self.became}"

    @property
    def change(self) -> str:
        """What was changed into what; of long lines no more than is around the change."""
        before = _alike(self.was, self.became)
        after = _alike(self.was[before:][::-1], self.became[before:][::-1])
        return " → ".join(_around(text, before, len(text) - after) for text in (self.was, self.became))


def mutants(sources: Mapping[str, str], modules: Collection[str] = ()) -> list[Mutant]:
    """Return every mutant of the solutions of some modules, top to bottom, none twice.

    Args:
        sources: the text of each module, by its file name.
        modules: which of them to change; all if empty.

    Raises:
        UserError: as `solution_regions`.
    """
    return [mutant for module in modules or sources for mutant in _of_module(module, sources)]


def _of_module(module: str, sources: Mapping[str, str]) -> Iterator[Mutant]:
    source = sources[module]
    tree = ast.parse(source, module)
    given = set(_bound_at_top(tree))
    regions = solution_regions(source, module)
    lines = source.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    for statement in _statements(tree, source):
        where = next((r.task for r in regions if r.begin < statement.lineno < r.end), None)
        if where is None:
            continue
        seen = {ast.dump(statement)}
        for node, above in _own_nodes(statement):
            for kind, new in changes(node, given):
                changed = _exchanged(statement, node, new)
                key = ast.dump(changed)
                text = _put(source, starts, statement, ast.unparse(ast.fix_missing_locations(changed)))
                if key in seen or not _compiles(text, module):
                    continue
                seen.add(key)
                was = _shown(node, above)
                became = _exchanged(was, node, new)
                yield Mutant(where, kind, _line(was), _line(became), {**sources, module: text})


def _bound_at_top(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in statement.names)


def _statements(tree: ast.AST, source: str) -> Iterator[ast.stmt]:
    """Give every statement of a tree, top to bottom; an `elif` belongs to its `if`, a docstring is none."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt) and not _is_elif(node, source) and not _is_text(node):
            yield node
        yield from _statements(node, source)


def _is_elif(node: ast.stmt, source: str) -> bool:
    return isinstance(node, ast.If) and (ast.get_source_segment(source, node) or "").startswith("elif")


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _own_nodes(statement: ast.stmt) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """Give a statement and its parts, each with what is around it, but not the statements in its blocks."""
    todo: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(statement, ())]
    while todo:
        node, above = todo.pop(0)
        yield node, above
        inner = [(child, (node, *above)) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]
        todo = inner + todo
    if isinstance(statement, ast.If) and len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
        yield from ((node, (*above, statement)) for node, above in _own_nodes(statement.orelse[0]))


def _exchanged(value: Any, old: ast.AST, new: ast.AST) -> Any:
    """Return a copy of a tree in which another node stands in the place of one."""
    if value is old:
        return new
    if isinstance(value, list):
        return [_exchanged(item, old, new) for item in value]
    if isinstance(value, ast.AST):
        return type(value)(**{name: _exchanged(item, old, new) for name, item in ast.iter_fields(value)})
    return value


def _put(source: str, starts: list[int], statement: ast.stmt, text: str) -> str:
    """Return the source with other text in the place of a statement; columns count bytes."""
    content = source.encode()
    begin = starts[statement.lineno - 1] + statement.col_offset
    end = starts[(statement.end_lineno or 1) - 1] + (statement.end_col_offset or 0)
    indented = textwrap.indent(text, " " * statement.col_offset).lstrip(" ")
    return (content[:begin] + indented.encode() + content[end:]).decode()


def _compiles(source: str, module: str) -> bool:
    try:
        compile(source, module, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _shown(node: ast.AST, above: tuple[ast.AST, ...]) -> ast.AST:
    """Return the smallest expression or statement around a node that tells a reader where it is."""
    chain = (node, *above)
    texts = [index for index, one in enumerate(chain) if isinstance(one, ast.JoinedStr)]
    for candidate in chain[texts[-1] if texts else 0 :]:
        if isinstance(candidate, ast.stmt):
            return candidate
        if isinstance(candidate, ast.expr | ast.keyword) and len(ast.unparse(candidate)) >= SHOWN:
            return candidate
    return node


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with in common."""
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


def _around(text: str, begin: int, end: int) -> str:
    begin, end = max(begin - AROUND, 0), min(end + AROUND, len(text))
    return f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}"


def _line(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]
