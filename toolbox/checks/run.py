"""Running checks: one pytest session over a folder of checks, and one result for each check."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.config import _prepareconfig  # pytest has no public name for a session in parts

from toolbox.checks.case import PUBLIC_SEED, Case, Failed
from toolbox.checks.declare import CaseKind, Check, DeclarationError
from toolbox.checks.student import Backend, Proxy, StudentError
from toolbox.data.errors import DataError
from toolbox.results import OWN, CheckResult, Why

if TYPE_CHECKING:
    from toolbox.data import Data

UNUSABLE = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, OverflowError)
"""What a check's own lines raise when the student's answer is not the kind of thing they expect."""


USED_UP = 0.05
"""Seconds: so little left of the time for all checks is nothing, whatever the rounding."""


class ChecksBroken(Exception):
    """The checks themselves cannot be run: the author's to mend, never the student's."""


@dataclass
class Setting:
    """What a run of checks is about.

    Attributes:
        backend: where the student's code is.
        data: gives the data set when a check asks for it.
        thresholds: by check id, for this data set; by "id/case" where a case has its own.
        seed: what the random numbers of the cases are drawn from.
        check_seconds: how long one check may keep the student's code busy.
        after_timeout_seconds: how long all checks together may, once one has timed out.
        until_lost: whether to stop at the first check that is not passed; the others are "not run" then.
        kept: results of checks that need not be run again.
    """

    backend: Backend
    data: Callable[[], Data]
    thresholds: dict[str, float]
    seed: bytes = PUBLIC_SEED
    check_seconds: float = float("inf")
    after_timeout_seconds: float = float("inf")
    until_lost: bool = False
    kept: Sequence[CheckResult] = ()


def load_checks(folder: Path) -> list[Check]:
    """Import the checks of a folder, `test_*.py` in the order of their names, and return them in order.

    Raises:
        ChecksBroken: a file cannot be imported, an id occurs twice, or a check needs one that there
            is not or that comes after it.
    """
    _forget_other_checks(folder)
    files = sorted(folder.glob("test_*.py"))
    if not files:
        raise ChecksBroken(f"{folder}: no checks here (test_*.py)")
    checks: list[Check] = []
    with _first_on_path(folder):
        for file in files:
            try:
                module = importlib.import_module(file.stem)
            except DeclarationError as error:
                raise ChecksBroken(str(error)) from None
            except Exception as error:
                raise ChecksBroken(f"{file}: cannot be imported: {type(error).__name__}: {error}") from error
            checks += [test.check for test in vars(module).values() if hasattr(test, "check")]
    known: set[str] = set()
    for check in checks:
        if check.id in known:
            raise ChecksBroken(f"{folder}: there are two checks named {check.id}")
        for need in check.needs:
            if need not in known:
                raise ChecksBroken(f"{folder}: {check.id} needs {need}, which is not a check before it")
        known.add(check.id)
    return checks


class Collection:
    """The checks of a folder, collected by pytest once and run as often as there are submissions.

    Collecting costs more than running most checks, so that examiners are forked after it.

    Attributes:
        checks: in their order.
        files: the name of the file that a check stands in, by the check's id.

    Raises:
        ChecksBroken: the checks cannot be collected.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checks = load_checks(folder)
        self._plugin = _Plugin()
        with _nothing_else(folder) as said:
            try:
                self._config = _prepareconfig([*_options(folder), str(folder)], [self._plugin])
                self._items = self._collect()
            except (pytest.UsageError, pytest.Session.Failed) as error:
                raise ChecksBroken(f"{folder}: {self._plugin.broken or said.getvalue() or error}") from None
        self.files = {name: item.path.name for name, item in self._items.items()}

    def _collect(self) -> dict[str, pytest.Item]:
        """Return what pytest collects, by the id of the check; leave nothing set up if that cannot be used."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            self._config._do_configure()
            session = pytest.Session.from_config(self._config)
            self._config.hook.pytest_sessionstart(session=session)
            self._config.hook.pytest_collection(session=session)
            if self._plugin.broken:
                raise ChecksBroken(f"{self.folder}: {self._plugin.broken}")
            items = {item.name.removeprefix("test_"): item for item in session.items}
            missing = [check.id for check in self.checks if check.id not in items]
            if missing:
                raise ChecksBroken(f"{self.folder}: pytest does not collect the check {missing[0]}")
            stack.pop_all()
            return items

    def run(
        self,
        setting: Setting,
        ids: Sequence[str] = (),
        on_result: Callable[[CheckResult], None] = lambda result: None,
    ) -> list[CheckResult]:
        """Run the checks on a student's code, see `run_checks`."""
        by_id = {check.id: check for check in self.checks}
        unknown = [name for name in ids if name not in by_id]
        if unknown:
            raise ChecksBroken(f"There is no check named {unknown[0]}. There are: {', '.join(by_id)}.")
        wanted = set(ids) or set(by_id)
        everything = wanted.union(*(everything_needed(by_id, name) for name in wanted))
        run = self._plugin.run = _Run([c for c in self.checks if c.id in everything], setting, on_result)
        with _nothing_else(self.folder):
            while (name := run.next()) and not self._plugin.broken:
                self._config.hook.pytest_runtest_protocol(item=self._items[name], nextitem=None)
        if self._plugin.broken:
            raise ChecksBroken(f"{self.folder}: {self._plugin.broken}") from self._plugin.cause
        return [r for r in run.finish() if r.id in wanted or r.status != "passed"]

    def close(self) -> None:
        """Undo what pytest has set up in this process."""
        self._config._ensure_unconfigure()


def run_checks(
    folder: Path,
    setting: Setting,
    ids: Sequence[str] = (),
    on_result: Callable[[CheckResult], None] = lambda result: None,
) -> list[CheckResult]:
    """Run the checks of a folder on a student's code and return a result for each, in order.

    Args:
        folder: where the files `test_*.py` lie.
        setting: the student's code, the data, the seed and the limits.
        ids: the checks to run; all if empty. Checks that they need are run too, and reported only
            where they fail.
        on_result: called with each result as it comes.

    Raises:
        ChecksBroken: the checks cannot be run; its cause is what the check or the backend raised.
    """
    with contextlib.closing(Collection(folder)) as collection:
        return collection.run(setting, ids, on_result)


class _Plugin:
    """What pytest asks the kit while it collects and runs checks."""

    def __init__(self) -> None:
        self.run: _Run | None = None
        self.broken = ""
        self.cause: BaseException | None = None  # what was raised, where the checks are broken

    @pytest.fixture
    def perform(self) -> Callable[[Check], None]:
        """Give a check's test function what carries it out."""
        assert self.run is not None
        return self.run.perform

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:  # nothing that a student does gets here
            self.broken = f"{report.nodeid}: {report.longreprtext}"

    def pytest_exception_interact(self, call: pytest.CallInfo[None]) -> None:
        self.cause = call.excinfo.value if call.excinfo else None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken = f"{report.nodeid}: {report.longreprtext}"


class _Run:
    """One run of checks: what is to come, what is known, in an order that it decides."""

    def __init__(self, checks: list[Check], setting: Setting, on_result: Callable[[CheckResult], None]):
        self.checks = {check.id: check for check in checks}
        self.setting = setting
        self.on_result = on_result
        kept = {result.id: result for result in setting.kept if result.id in self.checks}
        self.waiting = [name for name in self.checks if name not in kept]
        self.timed_out = [name for name, result in kept.items() if result.why == "timeout"]
        self.seconds_left = setting.after_timeout_seconds
        self.results = {
            c.id: CheckResult(c.id, c.sentence, c.points, self._threshold(c), self._sense(c), c.hint) for c in checks
        } | kept
        self.lost = False

    def next(self) -> str:
        """Return the check to run now, "" if there is none: after a time-out or a death, the least like it first."""
        if not self.waiting or (self.setting.until_lost and self.lost):
            return ""
        name = min(self.waiting, key=self._risk)
        self.waiting.remove(name)
        return name

    def _threshold(self, check: Check) -> float | None:
        return self.setting.thresholds.get(check.id, check.tolerance)

    def _at_least(self, check: Check, kind: CaseKind) -> float | None:
        """Return the threshold of a case: its own, else that of its check."""
        return self.setting.thresholds.get(f"{check.id}/{kind.name}", self.setting.thresholds.get(check.id))

    def _sense(self, check: Check) -> Any:
        return "at least" if check.id in self.setting.thresholds else "at most"

    def _needed(self, name: str) -> set[str]:
        return everything_needed(self.checks, name)

    def _risk(self, name: str) -> tuple[bool, int]:
        """Say how likely a check is to be costly too: whether it needs one that was, how much it shares with them."""
        needed = self._needed(name)
        costly = {one for one, result in self.results.items() if result.why in ("timeout", "died")}
        shared = set().union(*(self._needed(one) for one in costly))
        return bool(needed & costly), len(needed & shared)

    def perform(self, check: Check) -> None:
        """Run one check and take in its result."""
        result = self.results[check.id]
        seconds = min(self.setting.check_seconds, self.seconds_left)
        started = time.monotonic()
        if seconds < USED_UP:
            result.why = "not run"
            result.message = f"Not run: the time that is left after `{self.timed_out[0]}` timed out is used up."
        else:
            self.setting.backend.begin(seconds)
            try:
                self._run_cases(check, result)
            finally:
                busy = self.setting.backend.end()
            if self.timed_out:
                self.seconds_left -= busy
        if result.why == "timeout":
            self.timed_out.append(check.id)
        self._name_prerequisite(check, result)
        self.lost = self.lost or result.status != "passed"
        result.seconds = time.monotonic() - started
        self.on_result(result)

    def finish(self) -> list[CheckResult]:
        """Return the results; what a kept one is to wait for may have been mended, or broken."""
        for result in self.setting.kept:
            if result.id in self.checks:
                self._name_prerequisite(self.checks[result.id], result)
        return [self.results[name] for name in self.checks]

    def _run_cases(self, check: Check, result: CheckResult) -> None:
        """Try every case, stop early only where the student's code no longer answers."""
        student = Proxy(self.setting.backend)
        weight_passed = 0
        failed: list[str] = []
        for kind in check.cases:
            why: Why = ""
            message, measured = "", None
            for trial in range(check.trials):
                case = Case(
                    check,
                    kind,
                    self.setting.seed,
                    trial,
                    data=self.setting.data,
                    threshold=self._at_least(check, kind),
                    saved=self.setting.backend.read_tensors,
                )
                why, message = self._try(check, student, case)
                result.flagged = result.flagged or case.flagged
                if case.measured is not None:
                    measured = _worse(result.sense, measured, case.measured)
                if why:
                    measured = case.measured
                    break
            if not why:
                weight_passed += kind.weight
                if not failed:
                    result.measured = _worse(result.sense, result.measured, measured)
                continue
            if not failed:
                result.why, result.message, result.measured = why, message, measured
                result.case = kind.name
                result.threshold = case.threshold
            failed.append(kind.name)
            if why in ("timeout", "died"):
                failed += [k.name for k in check.cases[check.cases.index(kind) + 1 :]]
                break
        result.score = Fraction(check.points * weight_passed, check.weight)
        result.status = OWN[result.why]
        if len(failed) > 1 and len(failed) < len(check.cases):
            result.name_other_cases(failed)

    def _try(self, check: Check, student: Proxy, case: Case) -> tuple[Why, str]:
        try:
            check.function(student, case)
        except Failed as error:
            return "failed", f"{error}."
        except StudentError as error:
            return error.kind, str(error)
        except DataError as error:
            return "not run", f"Not run: {error}"
        except UNUSABLE as error:
            text = str(error).split("\n")[0][:200]
            return "raised", f"What your code returned could not be used ({type(error).__name__}: {text})."
        return "", ""

    def _name_prerequisite(self, check: Check, result: CheckResult) -> None:
        """Name the first check that this one needs and that failed, as what is to be mended first.

        A function that is not written is to blame itself, unless that is what the other check failed at too.
        """
        if result.why in ("", "not run", "missing"):
            return
        needed = self._needed(check.id)
        failed = [n for n in self.checks if n in needed and self.results[n].status not in ("passed", "not run")]
        if result.why == "unwritten":
            failed = [n for n in failed if self.results[n].cause == result.cause]
        result.block(failed[0] if failed else "")


def _worse(sense: str, a: float | None, b: float | None) -> float | None:
    """Return the figure that is further from passing."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b) if sense == "at least" else max(a, b)


def everything_needed(checks: dict[str, Check], name: str) -> set[str]:
    """Return all checks that a check needs, directly or through others."""
    needed: set[str] = set()
    todo = list(checks[name].needs)
    while todo:
        need = todo.pop()
        if need not in needed:
            needed.add(need)
            todo += checks[need].needs
    return needed


_PLUGINS_NOT_NEEDED = (
    "cacheprovider", "faulthandler", "junitxml", "logging", "pastebin", "nose", "stepwise",
    "doctest", "setuponly", "setupplan", "unraisableexception", "threadexception", "warnings",
    "terminal", "terminalprogress", "debugging", "capture", "legacypath", "recwarn", "monkeypatch", "tmpdir",
    "unittest", "skipping", "subtests", "reports_dummy",
)  # fmt: skip


def _options(folder: Path) -> list[str]:
    """Return options that keep pytest to one folder: no conftest, no ini file, no plugins."""
    options = ["-c", os.devnull, "--rootdir", str(folder), "--noconftest", "--import-mode=prepend"]
    for name in _PLUGINS_NOT_NEEDED:
        options += ["-p", f"no:{name}"]
    return options


@contextlib.contextmanager
def _nothing_else(folder: Path) -> Iterator[io.StringIO]:
    """Let pytest see nothing of its surroundings, and write no files; give what it says on stderr."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PYTEST_")}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    written = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), _first_on_path(folder):
            yield output
    finally:
        sys.dont_write_bytecode = written
        os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
        os.environ.update(before)


_loaded_from: list[Path] = []


def _forget_other_checks(folder: Path) -> None:
    """Drop check modules that another folder gave, since files of the same name may lie in both."""
    if _loaded_from and _loaded_from[0] != folder:
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and Path(file).parent == _loaded_from[0]:
                del sys.modules[name]
    _loaded_from[:] = [folder]


@contextlib.contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
