"""What an author lists in `assignments/<name>/mutants.toml`, and the modules that its entries make.

    [[mistake]]                 # the check named must fail, and only checks that need it may fail with it
    name = "bias forgotten"
    kind = "missing term"
    fails = "linear_forward"
    change = ["@ w + b", "@ w"]

    [[right]]                   # another right way of writing it: must score everything
    name = "the product by einsum"
    change = ["x @ w", "torch.einsum('nd,dm->nm', x, w)"]

    [[survivor]]                # automatic mutants that score everything, and why they may
    where = "Layer.forward"
    was = "torch.rand(x.shape, device=x.device)"
    became = "torch.rand(x.shape)"
    reason = "Grading runs without a GPU."

    [[choice]]                  # a solution that is one choice of many: it gets no automatic mutants
    where = "learning_rate"
    reason = "Any number that trains the network will do."

`change` is a list of pairs: a text that occurs exactly once in the assignment's modules, and what takes its
place. `where` names a task as the release does; a survivor without `was` or `became` covers every one there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from autograder.errors import UserError
from autograder.verify.automatic import Mutant
from toolbox.manifest import ManifestError, Table

FILE = "mutants.toml"


@dataclass(frozen=True)
class Mistake:
    """A mistake that students make: the modules with it, and the check that it fails."""

    name: str
    kind: str
    fails: str
    sources: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"{FILE}: the mistake {self.name!r}"


@dataclass(frozen=True)
class Right:
    """Another right way of writing a solution."""

    name: str
    sources: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"{FILE}: the right variant {self.name!r}"


@dataclass(frozen=True)
class Survivor:
    """Why automatic mutants of a task may score everything; no `was` or `became` stands for any."""

    where: str
    was: str
    became: str
    reason: str

    def __str__(self) -> str:
        change = f" {self.was or '…'} → {self.became or '…'}" if self.was or self.became else ""
        return f"the survivor of {self.where}{change}"

    def covers(self, mutant: Mutant) -> bool:
        """Tell whether a mutant is one of those that the reason is for."""
        return self.where == mutant.where and self.was in ("", mutant.was) and self.became in ("", mutant.became)


@dataclass(frozen=True)
class Choice:
    """Why a task gets no automatic mutants."""

    where: str
    reason: str


@dataclass(frozen=True)
class Listed:
    """Everything that a `mutants.toml` says."""

    mistakes: Sequence[Mistake]
    right: Sequence[Right]
    survivors: Sequence[Survivor]
    choices: Sequence[Choice]


def read_listed(folder: Path, sources: Mapping[str, str], checks: Collection[str], tasks: Collection[str]) -> Listed:
    """Read the `mutants.toml` of an assignment's folder.

    Args:
        folder: the author's side of the assignment.
        sources: the text of each module, by its file name.
        checks: the ids of the assignment's checks.
        tasks: the tasks that its solutions solve.

    Raises:
        UserError: it is missing or holds something that is not allowed; the text says what to do.
    """
    path = folder / FILE
    try:
        top = Table.read(path)
        listed = Listed(
            [_mistake(entry, sources, checks) for entry in top.tables("mistake", "name")],
            [_right(entry, sources) for entry in top.tables("right", "name")],
            [_survivor(entry, tasks) for entry in top.tables("survivor", "where")],
            [_choice(entry, tasks) for entry in top.tables("choice", "where")],
        )
        top.nothing_else()
    except FileNotFoundError:
        raise UserError(
            f"{path}: there is no such file. Write one: it lists mistakes that the checks must catch and right "
            "variants that they must let pass (see autograder/verify/listed.py)."
        ) from None
    except ManifestError as error:
        raise UserError(str(error)) from None
    if not listed.mistakes:
        raise UserError(f"{path}: no mistake is listed. Write those that students make, each as a [[mistake]].")
    for entries in (listed.mistakes, listed.right):
        names = [entry.name for entry in entries]
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"{path}: two entries are named {name!r}. Rename one.")
    return listed


def _mistake(entry: Table, sources: Mapping[str, str], checks: Collection[str]) -> Mistake:
    name, kind = entry.text("name"), entry.text("kind")
    fails = entry.choice("fails", tuple(checks), "")
    return Mistake(name, kind, fails, _changed(entry, sources))


def _right(entry: Table, sources: Mapping[str, str]) -> Right:
    return Right(entry.text("name"), _changed(entry, sources))


def _survivor(entry: Table, tasks: Collection[str]) -> Survivor:
    where = entry.choice("where", tuple(tasks), "")
    optional = {key: entry.text(key) if key in entry.content else "" for key in ("was", "became")}
    reason = entry.text("reason")
    entry.nothing_else()
    return Survivor(where, optional["was"], optional["became"], reason)


def _choice(entry: Table, tasks: Collection[str]) -> Choice:
    choice = Choice(entry.choice("where", tuple(tasks), ""), entry.text("reason"))
    entry.nothing_else()
    return choice


def _changed(entry: Table, sources: Mapping[str, str]) -> dict[str, str]:
    """Return the modules with an entry's changes made; each is looked up in the modules as they are."""
    change = entry.texts("change")
    entry.nothing_else()
    if not change or len(change) % 2:
        entry.wrong("change", change, 'pairs of texts, ["old", "new"] or ["old", "new", "old2", "new2"]')
    places: list[tuple[str, int, int, str]] = []
    for old, new in zip(change[::2], change[1::2], strict=True):
        found = {name: source.count(old) for name, source in sources.items() if old and old in source}
        if sum(found.values()) != 1:
            where = "nowhere" if not found else f"{sum(found.values())} times"
            entry.wrong("change", old, f"a text that occurs exactly once in {', '.join(sources)}; it is there {where}")
        name = next(iter(found))
        start = sources[name].index(old)
        places.append((name, start, start + len(old), new))
    places.sort()
    for (name, _, end, _), (other, start, _, _) in pairwise(places):
        if name == other and start < end:
            entry.wrong("change", sources[name][start:end], "texts that do not overlap; make one pair of the two")
    changed = dict(sources)
    for name, start, end, new in reversed(places):
        changed[name] = changed[name][:start] + new + changed[name][end:]
    _demand_a_program(entry, change, sources, changed)
    return changed


def _demand_a_program(entry: Table, change: list[str], sources: Mapping[str, str], changed: Mapping[str, str]) -> None:
    if changed == sources:
        entry.wrong("change", change, "a change")
    for name, source in changed.items():
        try:
            compile(source, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            entry.wrong("change", change, f"what leaves {name} valid Python; now it is not: {error}")
