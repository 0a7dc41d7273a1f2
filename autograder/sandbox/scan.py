"""Finds forbidden names in a source file, by reading it as text; the file is not run.

A clear message for an honest student, not a wall: whoever wants to hide a use from it can.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from autograder.sandbox.wire import clean

MAX_SOURCE = 1 << 20
MAX_USES = 200
TOOLBOX = "toolbox"
MAX_DOTS = 50
"""No name that could be forbidden has more parts."""


def scan(file: str, forbidden: Sequence[str], beside: Sequence[str] = ()) -> tuple[list[tuple[int, str]], bool]:
    """Return the (line, name) of each forbidden use, in order, and whether the source mentions cuda.

    forbidden: dotted names. "torch.nn" forbids `torch.nn` and everything in it, under whatever name it was
        imported. A leading dot, as in ".backward", forbids the attribute of that name on any value, except
        on classes that the file defines, or imports from a file beside it or from the toolbox.
    beside: names of modules that belong beside the file, whether they are there or not.
    Raises SyntaxError, and ValueError if the file is too large.
    """
    path = Path(file)
    source = path.read_bytes()
    if len(source) > MAX_SOURCE:
        raise ValueError(f"the file is larger than {MAX_SOURCE >> 20} MB")
    tree = ast.parse(source, filename=file)
    siblings = {*beside, *(other.stem for other in path.parent.glob("*.py"))}
    nodes = [node for node in _all_nodes(tree) if type(node) in TELLING]
    names = _Names(nodes, siblings)
    attributes = {name for name in forbidden if name.startswith(".")}
    dotted = tuple(name + "." for name in forbidden if not name.startswith("."))
    uses: set[tuple[int, str]] = set()
    for node in nodes:
        for line, used, attribute in names.used_by(node):
            if attribute in attributes:
                uses.add((line, attribute))
            if used and (used + ".").startswith(dotted):
                uses.add((line, clean(used, 120)))
    return sorted(uses)[:MAX_USES], any(map(_mentions_cuda, nodes))


TELLING = (ast.Attribute, ast.Call, ast.ClassDef, ast.Constant, ast.Import, ast.ImportFrom, ast.Name)


def _all_nodes(tree: ast.AST) -> list[ast.AST]:
    """Return a tree and everything in it, as ast.walk does in three times the time."""
    nodes = [tree]
    for node in nodes:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                nodes.append(value)
            elif type(value) is list:
                nodes += [item for item in value if isinstance(item, ast.AST)]
    return nodes


def _mentions_cuda(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value.startswith("cuda")
    return isinstance(node, ast.Attribute) and node.attr == "cuda"


class _Names:
    """What the names of one module stand for: `nn` for `torch.nn`, `Layer` for a class of its own."""

    def __init__(self, nodes: Sequence[ast.AST], siblings: set[str]) -> None:
        self.modules: dict[str, str] = {}  # name in the file: dotted name of what was imported
        self.own: set[str] = set()  # classes and modules of the student's and of the toolbox
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                self.own.add(node.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.split(".")[0]
                    if top in siblings or top == TOOLBOX:
                        self.own.add(alias.asname or top)
                    if top not in siblings:
                        self.modules[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                for alias in node.names:
                    name = alias.asname or alias.name
                    beside = bool(node.level) or module.split(".")[0] in siblings
                    if beside or module.split(".")[0] == TOOLBOX:
                        self.own.add(name)
                    if not beside:
                        self.modules[name] = f"{module}.{alias.name}"

    def used_by(self, node: ast.AST) -> list[tuple[int, str, str]]:
        """Return (line, dotted name, ".attribute") of what a node uses; what does not apply is empty."""
        if isinstance(node, ast.Import):
            return [(node.lineno, alias.name, "") for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            return [(node.lineno, f"{node.module or ''}.{alias.name}", "") for alias in node.names]
        if isinstance(node, ast.Name):
            return [(node.lineno, self.modules.get(node.id, ""), "")]
        attribute = _attribute(node)
        if attribute is None:
            return []
        value, name = attribute
        own = self.root(value) in self.own
        return [(node.lineno, self.dotted(node), "" if own else "." + name)]  # type: ignore[attr-defined]

    def dotted(self, node: ast.AST) -> str:
        """Return the dotted name that an expression stands for, or nothing."""
        names: list[str] = []
        while (attribute := _attribute(node)) is not None and len(names) < MAX_DOTS:
            node = attribute[0]
            names.append(attribute[1])
        owner = self.modules.get(node.id, "") if isinstance(node, ast.Name) else ""
        return ".".join([owner, *reversed(names)]) if owner else ""

    def root(self, node: ast.AST) -> str:
        """Return the name that a chain of attributes begins with."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return node.id if isinstance(node, ast.Name) else ""


def _attribute(node: ast.AST) -> tuple[ast.expr, str] | None:
    """Return (value, name) of `value.name` and of `getattr(value, "name")`."""
    if isinstance(node, ast.Attribute):
        return node.value, node.attr
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and len(node.args) >= 2
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[1].value, str)
    ):
        return node.args[0], node.args[1].value
    return None
