"""Automatic mutants: what each operator makes of a small function, and what counts once."""

import ast

import pytest

from autograder.verify.automatic import mutants


def module(statement, indent="    "):
    """Return a module whose only solution is a statement in a function."""
    lines = [indent + line for line in statement.split("\n")]
    return "\n".join(
        [
            "import torch",
            "",
            "",
            "def f(x, y, items):",
            f"{indent}### BEGIN SOLUTION",
            *lines,
            f"{indent}### END SOLUTION",
            "",
        ]
    )


def made(statement, kind=None):
    """Return what the statement becomes in every mutant, of one kind or of all."""
    found = []
    for mutant in mutants({"m.py": module(statement)}):
        if kind in (None, mutant.kind):
            body = ast.parse(mutant.sources["m.py"]).body[-1].body
            found.append("\n".join(ast.unparse(line) for line in body))
    return found


@pytest.mark.parametrize(
    ("statement", "kind", "wanted"),
    [
        ("z = x + y", "arithmetic", ["z = x - y"]),
        ("z = x - y", "arithmetic", ["z = x + y"]),
        ("z = x * y", "arithmetic", ["z = x / y"]),
        ("z = x / y", "arithmetic", ["z = x * y"]),
        ("z = x ** y", "arithmetic", ["z = x * y"]),
        ("z = x @ y", "operand dropped", ["z = x", "z = y"]),
        ("z = x @ y", "operands swapped", ["z = y @ x"]),
        ("z = x + y", "operands swapped", []),
        ("z = -x", "sign", ["z = x"]),
        ("z = x > y", "boundary", ["z = x >= y"]),
        ("z = x <= y", "boundary", ["z = x < y"]),
        ("z = x > y", "comparison negated", ["z = x <= y"]),
        ("z = x == y", "comparison negated", ["z = x != y"]),
        ("z = x is None", "comparison negated", ["z = x is not None"]),
        ("if x:\n    z = y", "condition", ["if not x:\n    z = y"]),
        ("if x > y:\n    z = y", "condition", []),
        ("z = x if y else 1", "condition", ["z = x if not y else 1"]),
        ("z = x and y", "condition", ["z = x or y"]),
        ("z = [i for i in items if i]", "condition", ["z = [i for i in items if not i]"]),
        ("z = 3", "constant", ["z = 4", "z = 0"]),
        ("z = 0", "constant", ["z = 1"]),
        ("z = True", "constant", ["z = False"]),
        ("z = items['a']", "constant", ["z = items['a_']"]),
        ("z = items[f'a{x}']", "constant", ["z = items[f'a_{x}']"]),
        ("z = x\nreturn z", "statement removed", ["pass\nreturn z", "z = x\npass"]),
        ("x += y", "augmented assignment", ["x = y", "x -= y"]),
        ("z = x.sqrt()", "call dropped", ["z = x"]),
        ("z = torch.sqrt(x)", "call dropped", ["z = x"]),
        ("z = len(x)", "call dropped", ["z = x"]),
        ("z = x.sum(dim=1)", "keyword dropped", ["z = x.sum()"]),
        ("z = x.view(y, items)", "arguments swapped", ["z = x.view(items, y)"]),
        ("z = x.view(*y, items)", "arguments swapped", []),
        ("z = x.sum()", "function exchanged", ["z = x.mean()"]),
        ("z = x.clamp(min=y)", "function exchanged", ["z = x.clamp(max=y)"]),
        ("z = torch.rand(x)", "function exchanged", ["z = torch.randn(x)"]),
        ("a, b, c = x", "targets swapped", ["b, a, c = x", "a, c, b = x"]),
        ("for i in range(x):\n    y += i", "loop shortened", ["for i in range(0 + 1, x):\n    y += i", "for i in range(0, x - 1):\n    y += i"]),
        ("for i in range(x, 0, -1):\n    y += i", "loop shortened", ["for i in range(x + -1, 0, -1):\n    y += i", "for i in range(x, 0 - -1, -1):\n    y += i"]),
        ("for i in ('a', 'b'):\n    y += i", "loop shortened", ["for i in ('b',):\n    y += i", "for i in ('a',):\n    y += i"]),
        ("for i in x:\n    break", "break and continue", ["for i in x:\n    continue"]),
    ],
)  # fmt: skip
def test_an_operator_makes_what_a_slip_would(statement, kind, wanted):
    assert made(statement, kind) == wanted


def test_only_solutions_are_changed_and_nothing_around_them():
    source = "def f(x):\n    y = x + 1\n    ### BEGIN SOLUTION\n    z = y  # ünïcode\n    ### END SOLUTION\n    return z + 1\n"
    (only,) = mutants({"m.py": source})
    assert (only.where, only.kind, only.was, only.became) == ("f", "statement removed", "z = y", "pass")
    assert only.sources["m.py"] == source.replace("z = y", "pass")


def test_no_mutant_comes_twice_and_each_compiles():
    found = made("for i in range(x - 1):\n    y += 1 if i > 0 else -x")
    assert len(found) == len(set(found)) > 10


def test_a_condition_with_elif_keeps_its_form():
    found = made("if x > 1:\n    y = 1\nelif x < 0:\n    y = 2\nelse:\n    y = 3", "boundary")
    assert [text.count("elif") for text in found] == [1, 1] and "elif x <= 0" in found[1]


def test_a_mutant_is_shown_with_what_is_around_the_change():
    changes = {(m.was, m.became) for m in mutants({"m.py": module("z = x.reshape(len(x), -1) @ y")})}
    assert ("x.reshape(len(x), -1)", "x.reshape(len(x), 1)") in changes
    long = module(f"z = g({', '.join(f'name_{i}={i}' for i in range(5, 30))})")
    assert any(m.change.startswith("…") and len(m.change) < 220 for m in mutants({"m.py": long}))


def test_other_modules_come_along():
    (first, *_) = mutants({"a.py": "x = 1\n", "m.py": module("return x")})
    assert first.sources["a.py"] == "x = 1\n"
