"""The conditions of a release, top to bottom.

Checks are held against code whose worth is known: the solution and other right programs must score
everything, the starter nothing, and every mutant, listed or automatic, must lose something. What share of
the automatic mutants is killed says how much the checks see (mutation testing; Y. Jia, M. Harman, An
analysis and survey of the development of mutation testing, IEEE Transactions on Software Engineering 37, 2011).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import nbformat

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.errors import UserError
from autograder.release.agree import check_cells
from autograder.release.build import differing, fresh_release
from autograder.release.strip import solution_regions, strip_module
from autograder.verify.automatic import Mutant, mutants
from autograder.verify.leaks import find_leaks
from autograder.verify.listed import FILE, Listed, Mistake, Right, read_listed
from autograder.verify.trial import Attempt, Verdict, Watch, try_each
from toolbox.checks import ChecksBroken, load_checks
from toolbox.checks.declare import Check
from toolbox.checks.run import everything_needed

T = TypeVar("T")
KILLED = 0.95
"""The share of the automatic mutants that must score less than everything."""
SHOWN = 20
"""How many leaks are shown."""


@dataclass(frozen=True)
class Tally:
    """How many mutants of each kind there are and how many of them are killed, and who survives.

    Attributes:
        title: what sort of mutants.
        kinds: by kind, how many and how many killed.
        survivors: where a survivor is, what was changed, and the author's reason.
    """

    title: str
    kinds: Mapping[str, tuple[int, int]]
    survivors: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True)
class Finding:
    """One condition, and whether it holds; with it the figures that say so, where there are any."""

    passed: bool
    text: str
    tally: Tally | None = None


def verify(
    course: Course,
    assignment: Assignment,
    dataset: str,
    *,
    sample: int | None = None,
    watch: Watch = lambda done, total: None,
) -> Iterator[Finding]:
    """Hold an assignment against every condition of a release, and give each finding as it comes.

    The saved models that go with the solution lie in `assignments/<name>/models/<data set>/`.

    Args:
        course: the course folder.
        assignment: what to look at.
        dataset: "cifar10" or "standin".
        sample: how many automatic mutants to try, spread evenly; all by default.
        watch: told how far the trial of solution, starter and mutants is.
    """
    try:
        yield from _verify(course, assignment, dataset, sample, watch)
    except UserError as error:
        yield Finding(False, str(error))


def _verify(
    course: Course, assignment: Assignment, dataset: str, sample: int | None, watch: Watch
) -> Iterator[Finding]:
    agree = _agree(course, assignment)
    yield agree
    checks = _declared(assignment)
    each = f"each of the {len(checks)} checks" if len(checks) > 1 else "the one check"
    yield Finding(True, f"{each} has a sentence and a hint")
    sources = {name: _text(assignment.folder / name) for name in assignment.files.modules}
    if agree.passed:
        yield from _release(course, assignment, sources)
    own = {name: source for name, source in sources.items() if name not in assignment.files.brought}
    listed = read_listed(assignment.folder, sources, list(checks), _tasks(own))
    for choice in listed.choices:
        yield Finding(True, f"{choice.where} gets no automatic mutants: {choice.reason}")
    mistakes, right = _numbered("mistake", listed.mistakes), _numbered("right", listed.right)
    automatic = _numbered("automatic", _automatic(sources, own, listed, sample))
    everything: dict[str, Mistake | Right | Mutant] = {**mistakes, **right, **automatic}
    attempts = [Attempt(student, one.sources, until_lost=student in automatic) for student, one in everything.items()]
    ends = _solution_and_starter(assignment, sources)
    names = [end.student for end in ends]
    verdicts: dict[str, Verdict] = {}
    with closing(try_each(course, assignment, dataset, [*ends, *(attempts if agree.passed else ())], watch)) as trial:
        for student, verdict in trial:
            verdicts[student] = verdict
            if student in names and verdicts.keys() >= {*names}:
                both = [_end(name, verdicts[name], dataset) for name in names]
                yield from both
                if not (agree.passed and all(finding.passed for finding in both)):
                    raise UserError(
                        f"the mutants of {FILE} and the automatic ones are tried once what is above is mended"
                    )
    for student, one in everything.items():
        if verdicts[student].trouble:
            yield Finding(False, f"{one} was not graded: {verdicts[student].trouble}")
    yield from _mistakes(_graded(mistakes, verdicts), checks)
    yield from _right(_graded(right, verdicts))
    yield from _killed(_graded(automatic, verdicts), listed, complete=sample is None)


def _agree(course: Course, assignment: Assignment) -> Finding:
    path = course.source / assignment.name / assignment.files.notebook
    try:
        notebook = nbformat.read(path, as_version=4)
        check_cells(assignment, path, notebook.cells)
    except (OSError, ValueError) as error:
        return Finding(False, f"{path}: the notebook cannot be read: {error}")
    except UserError as error:
        return Finding(False, str(error))
    return Finding(True, f"checks, grade cells and {assignment.toml.name} agree: {assignment.points} points")


def _declared(assignment: Assignment) -> dict[str, Check]:
    """Return the checks by id; one without a sentence or a hint cannot be declared."""
    try:
        return {check.id: check for check in load_checks(assignment.checks)}
    except ChecksBroken as error:
        raise UserError(
            f"the checks cannot be run: {error} Mend it; every check is a `@graded(points=…, cases=…, hint=…)` "
            "function whose docstring begins with the sentence that students read"
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this module cannot be read: {error}. Put it there, as UTF-8 text") from None


def _release(course: Course, assignment: Assignment, sources: Mapping[str, str]) -> Iterator[Finding]:
    there = course.release / assignment.name
    with fresh_release(course, assignment.name) as fresh:
        leaks = list(dict.fromkeys(find_leaks(sources, fresh) + find_leaks(sources, there)))
        old = differing(fresh, there)
    for leak in leaks[:SHOWN]:
        yield Finding(False, f"release/{assignment.name}: {leak}")
    if len(leaks) > SHOWN:
        yield Finding(False, f"release/{assignment.name}: {len(leaks) - SHOWN} more places give a solution away")
    if not leaks:
        yield Finding(True, "no solution stands anywhere in the release")
    names = ", ".join(old[:5])
    yield Finding(
        not old,
        f"release/{assignment.name} is "
        + ("up to date" if not old else f"out of date ({names}): autograder release {assignment.name}"),
    )


def _solution_and_starter(assignment: Assignment, sources: Mapping[str, str]) -> list[Attempt]:
    brought = assignment.files.brought
    stripped = {name: source if name in brought else strip_module(source, name) for name, source in sources.items()}
    return [Attempt("solution", sources), Attempt("starter", stripped, with_models=False)]


def _end(student: str, verdict: Verdict, dataset: str) -> Finding:
    """Return whether the solution scores everything, or the starter nothing."""
    if verdict.trouble:
        return Finding(False, f"the {student} was not graded: {verdict.trouble}")
    if student == "solution":
        return Finding(not verdict.lost, f"the solution scores {_all_but(verdict)} on {dataset}")
    earned = "0 %" if not verdict.earned else f"points, which is to score nothing: {', '.join(verdict.earned)}"
    return Finding(not verdict.earned, f"the starter scores {earned}")


def _all_but(verdict: Verdict) -> str:
    if not verdict.lost:
        return "100 %"
    name, message = next(iter(verdict.lost.items()))
    more = f" (and {len(verdict.lost) - 1} more)" if len(verdict.lost) > 1 else ""
    return f"less than 100 %: {name}{more}: {message}"


def _tasks(sources: Mapping[str, str]) -> list[str]:
    regions = [region for name, source in sources.items() for region in solution_regions(source, name)]
    return list(dict.fromkeys(region.task for region in regions))


def _automatic(
    sources: Mapping[str, str], modules: Collection[str], listed: Listed, sample: int | None
) -> list[Mutant]:
    chosen = {choice.where for choice in listed.choices}
    found = [mutant for mutant in mutants(sources, modules) if mutant.where not in chosen]
    if sample is None or sample >= len(found):
        return found
    return [found[number * len(found) // sample] for number in range(sample)]


def _numbered(kind: str, items: Sequence[T]) -> dict[str, T]:
    return {f"{kind}-{number:04}": item for number, item in enumerate(items, start=1)}


def _graded(items: Mapping[str, T], verdicts: Mapping[str, Verdict]) -> list[tuple[T, Verdict]]:
    return [(item, verdicts[student]) for student, item in items.items() if not verdicts[student].trouble]


def _mistakes(tried: Sequence[tuple[Mistake, Verdict]], checks: dict[str, Check]) -> Iterator[Finding]:
    wrong = [text for mistake, verdict in tried if (text := _missed(mistake, verdict, checks))]
    tally = _tally("listed mistakes", [(mistake.kind, mistake.fails in verdict.lost) for mistake, verdict in tried])
    for text in wrong:
        yield Finding(False, text)
    told = f"{len(tried) - len(wrong)} of {len(tried)} listed mistakes fail their check, and only what needs it with it"
    yield Finding(not wrong, told, tally)


def _missed(mistake: Mistake, verdict: Verdict, checks: dict[str, Check]) -> str:
    """Return what is wrong with the checks that a mistake fails, "" if nothing is."""
    if mistake.fails not in verdict.lost:
        instead = f"but {', '.join(verdict.lost)}" if verdict.lost else "nor any other"
        return f"{mistake} does not fail {mistake.fails}, {instead}: give that check a case that catches it"
    for other in verdict.lost:
        if other != mistake.fails and mistake.fails not in everything_needed(checks, other):
            return (
                f"{mistake} also fails {other}, which does not need {mistake.fails} ({verdict.lost[other]}): "
                f"add {mistake.fails!r} to its needs, or aim the mistake at what both of them need"
            )
    return ""


def _right(tried: Sequence[tuple[Right, Verdict]]) -> Iterator[Finding]:
    wrong = [(right, verdict) for right, verdict in tried if verdict.lost]
    for right, verdict in wrong:
        yield Finding(False, f"{right} scores {_all_but(verdict)}")
    yield Finding(not wrong, f"{len(tried) - len(wrong)} of {len(tried)} listed right variants score 100 %")


def _killed(tried: Sequence[tuple[Mutant, Verdict]], listed: Listed, complete: bool) -> Iterator[Finding]:
    survivors = [mutant for mutant, verdict in tried if not verdict.lost]
    reasons = [_reason(mutant, listed) for mutant in survivors]
    for mutant, reason in zip(survivors, reasons, strict=True):
        if not reason:
            yield Finding(
                False, f"{mutant} survives: give a check a case that kills it, or a reason as a [[survivor]] of {FILE}"
            )
    for entry in listed.survivors if complete else ():
        if not any(entry.covers(mutant) for mutant in survivors):
            yield Finding(False, f"{FILE}: {entry}: no such mutant survives; take it out")
    killed = len(tried) - len(survivors)
    share = killed / len(tried) if tried else 1.0
    yield Finding(
        share >= KILLED,
        f"{killed} of {len(tried)} automatic mutants{'' if complete else ' of a sample'} are killed "
        f"({share:.1%}, at least {KILLED:.0%} are to be)",
        _tally(
            "automatic mutants",
            [(mutant.kind, bool(verdict.lost)) for mutant, verdict in tried],
            [(mutant.where, mutant.change, reason) for mutant, reason in zip(survivors, reasons, strict=True)],
        ),
    )


def _reason(mutant: Mutant, listed: Listed) -> str:
    return next((entry.reason for entry in listed.survivors if entry.covers(mutant)), "")


def _tally(title: str, results: Sequence[tuple[str, bool]], survivors: Sequence[tuple[str, str, str]] = ()) -> Tally:
    kinds: dict[str, tuple[int, int]] = {}
    for kind, killed in results:
        there, dead = kinds.get(kind, (0, 0))
        kinds[kind] = there + 1, dead + killed
    return Tally(title, kinds, survivors)
