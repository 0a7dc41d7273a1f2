"""How an author declares a check: one decorated function, made of weighted cases."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class CaseKind:
    """One kind of case of a check: its name, its weight, and what sets it apart.

    `edge` marks what lies off the core of the task (a batch of one, a non-contiguous input); edges
    together may weigh at most a fifth of a check. `given` are the author's own parameters, which
    the check reads as attributes of its case.
    """

    name: str
    weight: int
    edge: bool = False
    given: dict[str, Any] = field(default_factory=dict)


def case(name: str, weight: int, *, edge: bool = False, **given: Any) -> CaseKind:
    """Declare a kind of case: `case("a batch of one", 1, edge=True, n=1)`."""
    return CaseKind(name, weight, edge, given)


@dataclass(frozen=True)
class Check:
    """A check as its author declared it."""

    id: str
    sentence: str
    points: int
    cases: tuple[CaseKind, ...]
    function: Callable[..., None]
    tolerance: float | None
    needs: tuple[str, ...]
    hint: str
    trials: int

    @property
    def weight(self) -> int:
        """The weights of all cases together."""
        return sum(kind.weight for kind in self.cases)


class DeclarationError(Exception):
    """A check is declared in a way that cannot be meant."""


def graded(
    *,
    points: int,
    cases: Sequence[CaseKind],
    hint: str,
    tolerance: float | None = None,
    needs: Sequence[str] = (),
    trials: int = 2,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function `test_<id>(student, case)` the check `<id>`.

    The first line of its docstring is the sentence that students read. It is called once for each
    case and trial, with a case that carries its own random numbers; it passes a case by returning.
    The score is points · (weight of the cases passed) / (weight of all cases).

    Args:
        points: what the check is worth, a whole number.
        cases: its kinds of case, the core first and the edges last.
        hint: one or two sentences that help without giving the solution away.
        tolerance: the largest relative error that `case.compare` lets pass.
        needs: ids of the checks whose code this one runs through.
        trials: how many draws of random numbers each case is tried on.

    Raises:
        DeclarationError: the declaration cannot be meant (no sentence, weights that are not
            positive, edges that outweigh the core, …).
    """

    def _mistyped() -> dict[str, bool]:
        return {
            "is worth points that are not a whole number": type(points) is not int,
            "has a hint that is not a text": not isinstance(hint, str),
            "has cases that were not made by case(…)": not all(isinstance(kind, CaseKind) for kind in cases),
            "has a case whose weight is not a positive whole number": any(
                isinstance(kind, CaseKind) and type(kind.weight) is not int for kind in cases
            ),
            "has a tolerance that is not a number above zero": type(tolerance) not in (int, float, type(None)),
            "has trials that are not a whole number": type(trials) is not int,
        }

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        name = function.__name__
        where = f"{inspect.getsourcefile(function)}: {name}"
        for problem, found in _mistyped().items():
            if found:
                raise DeclarationError(f"{where} {problem}.")
        sentence = (inspect.getdoc(function) or "").split("\n")[0].strip()
        edges = sum(kind.weight for kind in cases if kind.edge)
        everything = sum(kind.weight for kind in cases)
        wrong = {
            "is not named test_<id>": not name.startswith("test_") or name == "test_",
            "has no sentence as the first line of its docstring": not sentence,
            "has no hint": not hint.strip(),
            "is worth no points": points < 1,
            "has a tolerance that is not a number above zero": tolerance is not None and not 0 < tolerance < math.inf,
            "has no cases": not cases,
            "has a case whose weight is not a positive whole number": any(k.weight < 1 for k in cases),
            "has two cases of one name": len({k.name for k in cases}) != len(cases),
            "gives its edges more than a fifth of the weight": 5 * edges > everything,
            "has no trials": trials < 1,
        }
        for problem, found in wrong.items():
            if found:
                raise DeclarationError(f"{where} {problem}.")
        check = Check(
            name.removeprefix("test_"),
            sentence,
            points,
            tuple(cases),
            function,
            tolerance,
            tuple(needs),
            hint.strip(),
            trials,
        )

        def test(perform: Callable[[Check], None]) -> None:
            perform(check)

        test.__name__ = name
        test.__doc__ = function.__doc__
        test.check = check  # type: ignore[attr-defined]
        return test

    return decorate
