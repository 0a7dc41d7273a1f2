"""The mutation operators: for one node of a syntax tree, what a slip of the pen could have put in its place.

The kinds are those of mutation testing (R. DeMillo, R. Lipton, F. Sayward, Hints on test data selection,
IEEE Computer 11, 1978), and some that a course in neural networks sees often: a mean for a sum, a loop
that is one short, two results in the wrong order.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)
Item = TypeVar("Item")
Changed = tuple[str, ast.AST]
"""The kind of a change, and the node that takes the old one's place."""

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
IN_ORDER = (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv, ast.Mod)
"""Operators whose operands may not be swapped."""
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
}
NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
PAIRS = ("sum mean", "min max", "amin amax", "argmin argmax", "rand randn", "zeros ones", "zeros_like ones_like",
         "any all", "floor ceil", "exp log", "square sqrt", "relu abs")  # fmt: skip
EXCHANGED = {a: b for pair in PAIRS for a, b in (pair.split(), reversed(pair.split()))}
"""Functions, and keywords, that are easily taken for each other."""


def changes(node: ast.AST, given: Collection[str]) -> Iterator[Changed]:
    """Give every change of one node.

    Args:
        node: a statement or a part of one.
        given: the names that the module imports or defines at its top; `torch.sqrt(x)` is a call on one
            of them, `x.sqrt()` is not.
    """
    for kind, operator in OPERATORS:
        for changed in operator(node, given):
            yield kind, changed


def _arithmetic(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and (other := ARITHMETIC.get(type(node.op))):
        yield ast.BinOp(node.left, other(), node.right)


def _operand_dropped(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right


def _operands_swapped(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, IN_ORDER):
        yield ast.BinOp(node.right, node.op, node.left)


def _sign(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand


def _boundary(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    yield from _compared(node, BOUNDARY)


def _negated(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    yield from _compared(node, NEGATED)


def _compared(node: ast.AST, table: dict[type[ast.cmpop], type[ast.cmpop]]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            if other := table.get(type(operator)):
                yield ast.Compare(node.left, _with(node.ops, index, other()), node.comparators)


def _condition(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    """Turn a condition round; where it is a single comparison, that is negated already."""
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not _one_comparison(node.test):
        yield _but(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.comprehension):
        for index, test in enumerate(node.ifs):
            if not _one_comparison(test):
                yield _but(node, ifs=_with(node.ifs, index, ast.UnaryOp(ast.Not(), test)))
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _one_comparison(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and len(test.ops) == 1


def _constant(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
        if value not in (0, -1):
            yield ast.Constant(0)
    elif isinstance(value, str):
        yield ast.Constant(f"{value}_")


def _statement_removed(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt) and not isinstance(node, ast.Pass | ast.Import | ast.ImportFrom):
        yield ast.Pass()


def _augmented(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.AugAssign):
        yield ast.Assign([node.target], node.value)
        if other := ARITHMETIC.get(type(node.op)):
            yield ast.AugAssign(node.target, other(), node.value)


def _call_dropped(node: ast.AST, given: Collection[str]) -> Iterator[ast.AST]:
    """Leave what a call is made on: x for `x.sqrt()`, for `torch.sqrt(x)` and for `sqrt(x)`."""
    if not isinstance(node, ast.Call):
        return
    if isinstance(node.func, ast.Attribute) and _root(node.func) not in given:
        yield node.func.value
    elif node.args and not isinstance(node.args[0], ast.Starred):
        yield node.args[0]


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _keyword_dropped(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call):
        for index in range(len(node.keywords)):
            yield _but(node, keywords=_without(node.keywords, index))


def _arguments_swapped(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call) and len(node.args) > 1:
        first, second, *others = node.args
        if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
            yield _but(node, args=[second, first, *others])


def _function_exchanged(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in EXCHANGED:
            yield _but(node, func=_but(node.func, attr=EXCHANGED[node.func.attr]))
        if isinstance(node.func, ast.Name) and node.func.id in EXCHANGED:
            yield _but(node, func=_but(node.func, id=EXCHANGED[node.func.id]))
    if isinstance(node, ast.keyword) and node.arg in EXCHANGED:
        yield _but(node, arg=EXCHANGED[node.arg])


def _targets_swapped(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    """Swap neighbours among the targets of one assignment or loop."""
    if isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Store):
        for index in range(len(node.elts) - 1):
            first, second = node.elts[index : index + 2]
            yield _but(node, elts=_with(_with(node.elts, index, second), index + 1, first))


def _loop_shortened(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    """Run a loop over a range, or over things that are written out, once less at either end."""
    if not isinstance(node, ast.For | ast.comprehension):
        return
    over = node.iter
    if isinstance(over, ast.Tuple | ast.List) and over.elts:
        yield _but(node, iter=_but(over, elts=over.elts[1:]))
        yield _but(node, iter=_but(over, elts=over.elts[:-1]))
    if isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id == "range":
        start, stop, *step = over.args if len(over.args) > 1 else [ast.Constant(0), *over.args]
        width = step[0] if step else ast.Constant(1)
        yield _but(node, iter=_but(over, args=[ast.BinOp(start, ast.Add(), width), stop, *step]))
        yield _but(node, iter=_but(over, args=[start, ast.BinOp(stop, ast.Sub(), width), *step]))


def _jump(node: ast.AST, _: Collection[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Break):
        yield ast.Continue()
    if isinstance(node, ast.Continue):
        yield ast.Break()


OPERATORS: tuple[tuple[str, Callable[[ast.AST, Collection[str]], Iterator[ast.AST]]], ...] = (
    ("statement removed", _statement_removed),
    ("arithmetic", _arithmetic),
    ("operand dropped", _operand_dropped),
    ("operands swapped", _operands_swapped),
    ("sign", _sign),
    ("boundary", _boundary),
    ("comparison negated", _negated),
    ("condition", _condition),
    ("constant", _constant),
    ("augmented assignment", _augmented),
    ("call dropped", _call_dropped),
    ("keyword dropped", _keyword_dropped),
    ("arguments swapped", _arguments_swapped),
    ("function exchanged", _function_exchanged),
    ("targets swapped", _targets_swapped),
    ("loop shortened", _loop_shortened),
    ("break and continue", _jump),
)


def _but(node: Node, **fields: object) -> Node:
    """Return a node like another, but for these fields."""
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})


def _with(items: Sequence[Item], index: int, item: Item) -> list[Item]:
    return [*items[:index], item, *items[index + 1 :]]


def _without(items: Sequence[Item], index: int) -> list[Item]:
    return [*items[:index], *items[index + 1 :]]
