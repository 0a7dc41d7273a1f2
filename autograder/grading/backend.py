"""The student's code behind a jail, as checks see it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from autograder.assignment import Assignment
from autograder.grading.profile import Meter
from autograder.grading.submission import Submission
from autograder.sandbox import (
    BadFile,
    BadModel,
    BadReply,
    Died,
    Jail,
    Ref,
    SandboxError,
    StudentRaised,
    TimedOut,
    inspect_archive,
)
from toolbox.checks import Proxy, Shared, StudentError, because_of, explain, own_arguments, stopped_half_way

T = TypeVar("T")
READ_SECONDS = 20.0
"""How long the kit's own reading of one submitted file in the jail may take."""
CUDA = "The code asks for a GPU (`cuda`); it was graded on the CPU."
SEEN = (Shared, dict)
"""Arguments of a call in which the check sees what the call has changed."""
MAX_ENTRIES = 1000
"""How many entries the archive of a saved model may have."""


class JailBackend:
    """The student's module in a jail; implements `toolbox.checks.Backend`.

    One jail serves a submission. Before the student's code runs in it, the kit reads the saved
    models and looks through the modules there. A jail that died or timed out is replaced when the
    next check asks for it; a module that cannot be imported is not tried again.

    Attributes:
        notices: sentences for the student and the instructor about the submission as a whole.
        forbidden: where the modules use names that the assignment forbids.
        cpu_seconds: processor time of all jails that have been closed.
        meter: counts what processor time goes to, if anybody wants to know.
    """

    def __init__(self, start: Callable[[Mapping[str, bytes]], Jail], assignment: Assignment, submission: Submission):
        self.notices: list[str] = []
        self.forbidden: list[str] = []
        self.cpu_seconds = 0.0
        self.meter: Meter | None = None
        self._start = start
        self._assignment = assignment
        self._submission = submission
        self._jail: Jail | None = None
        self._looked = self._imported = False
        self._models: dict[str, Any] = {}
        self._problem: StudentError | None = None
        self._stopped = ""
        self._others: dict[str, str] = {}  # modules before the last that could not be imported whole, and why
        self._left_out: set[str] = set()  # those of them that keep every import waiting, or end the process
        self._unread: list[str] = []
        self._imports = 0
        self._import_seconds = self._again_seconds = 0.0
        self._allowed = self._limit = 0.0
        self._busy = 0.0
        self._objects: set[tuple[int, str]] = set()
        self._handed_out = False

    # what checks use

    def get(self, target: int, path: str) -> Any:
        """Return an attribute; one that was a function or an object once is not asked for again in a check."""
        if (target, path) in self._objects:
            return Proxy(self, target, path)
        found = self._ask(path, lambda jail, seconds: jail.get(target, path, seconds=seconds))
        if type(found) is Ref and (found.target, found.path) == (target, path):
            self._objects.add((target, path))
        return self._proxies(found)

    def set(self, target: int, path: str, value: Any) -> None:
        """Set an attribute."""
        value = _refs(value)
        self._ask(path, lambda jail, seconds: jail.set(target, path, value, seconds=seconds))

    def call(self, target: int, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call an attribute; dictionaries and what is shared among the arguments show what was done to them."""
        seen = _holds(args, SEEN) or _holds(tuple(kwargs.values()), SEEN)  # otherwise what the jail gets is copy enough
        if seen:
            args, kwargs = own_arguments(args, kwargs)
        arguments, named = _refs(args), {name: _refs(value) for name, value in kwargs.items()}
        result = self._ask(
            path, lambda jail, seconds: jail.call(target, path, arguments, named, restore=seen, seconds=seconds)
        )
        return self._proxies(result)

    def read_tensors(self, file: str) -> Any:
        """Return what a saved model holds; it was read before the student's code could run."""
        self._look_once()
        if file not in self._models:
            raise StudentError("missing", f"`{file}` is not a model of this assignment.")
        if isinstance(self._models[file], StudentError):
            raise self._models[file]
        return self._models[file]

    def begin(self, seconds: float) -> None:
        """Start a check."""
        self._allowed = self._limit = seconds
        self._busy = 0.0

    def end(self) -> float:
        """End a check: forget its objects, and return how long the student's code kept it waiting."""
        self._objects.clear()
        if self._handed_out and self._jail is not None:
            self._handed_out = False
            jail, before = self._jail, self._jail.busy_seconds
            try:
                jail.release(seconds=self._assignment.limits.check_seconds)
            except SandboxError:  # deleting an object may run its code
                self._again_seconds += jail.busy_seconds - before
                self._drop()
        return self._busy

    def close(self) -> None:
        """End the jail."""
        self._drop()

    def used(self) -> float:
        """Return the processor time of all jails so far."""
        return self.cpu_seconds + (self._jail.used() if self._jail is not None else 0.0)

    # the jail

    def _ask(self, path: str, question: Callable[[Jail, float], T]) -> T:
        """Put a question to the jail within what the check has left, and say what went wrong in words."""
        jail = self._ready()
        before = jail.busy_seconds
        try:
            with self.meter.messages() if self.meter else contextlib.nullcontext():
                return question(jail, max(self._allowed - self._busy, 0.001))
        except StudentRaised as error:
            problem = explain(error.kind, error.message, error.where, path)
            if self._stopped and error.kind == "AttributeError" and not error.where:
                problem = StudentError("missing", f"{problem} {self._stopped}")
            raise because_of(self._others, problem) from None
        except TimedOut:
            raise StudentError("timeout", f"`{path}` gave no answer within {self._time_in_words()}.") from None
        except Died as error:
            raise StudentError("died", f"`{path}` ended the process that it ran in: {error.reason}.") from None
        except BadReply as error:
            raise StudentError("died", f"`{path}` gave an answer that cannot be used: {error.reason}.") from None
        finally:
            self._busy += jail.busy_seconds - before
            self._after_answer()

    def _time_in_words(self) -> str:
        if self._limit < self._assignment.limits.check_seconds:
            return "what was left of the time for all checks"  # how much that was differs from run to run
        return f"the {self._limit:g} seconds of processor time that this check had"

    def _ready(self) -> Jail:
        """Return a jail in which the module is imported, or raise why it cannot be."""
        self._look_once()
        if not self._imported and self._problem is None:
            with self._stage("import of the modules"):
                self._import()
        if self._problem is not None:
            raise self._problem
        assert self._jail is not None
        return self._jail

    def _new_jail(self) -> Jail:
        support = {name: (self._assignment.folder / name).read_bytes() for name in self._assignment.files.support}
        not_needed = {self._assignment.files.notebook, *self._left_out}
        files = {name: content for name, content in self._submission.files.items() if name not in not_needed}
        return self._start({**files, **support})

    def _stage(self, name: str) -> contextlib.AbstractContextManager[None]:
        return self.meter.stage(name) if self.meter else contextlib.nullcontext()

    def _drop(self) -> None:
        if self._jail is not None:
            self.cpu_seconds += self._jail.close().cpu_seconds
            self._jail = None
            self._imported = False

    def _look_once(self) -> None:
        """Let the kit's own code look at the submitted files in a jail, before the student's code is there."""
        if self._looked:
            return
        self._looked = True
        with self._stage("forbidden names"):
            for name in self._assignment.files.modules:
                if name in self._submission.files:
                    self._scan(name)
        with self._stage("saved models"):
            for name in self._assignment.files.models:
                self._models[name] = self._read_model(name)
        main = self._assignment.files.modules[-1]
        if main in self._submission.problems:
            self._problem = StudentError("missing", self._submission.problems[main])

    def _scan(self, name: str) -> None:
        beside = [module.removesuffix(".py") for module in self._assignment.files.modules]
        try:
            found = self._living().scan(name, self._assignment.forbidden.names, beside, seconds=READ_SECONDS)
        except SandboxError:
            self._unread.append(name)  # if it cannot be parsed, importing it says so better
            return
        for line, used in found.uses:
            self.forbidden.append(f"{name}, line {line}: uses {used}, which this assignment does not allow.")

    def _read_model(self, name: str) -> Any:
        if name in self._submission.problems:
            return StudentError("missing", self._submission.problems[name])
        try:
            content = self._submission.files[name]
            inspect_archive(name, content, self._assignment.limits.model_mb * 1024**2, MAX_ENTRIES)
            return self._living().read_tensors(name, seconds=READ_SECONDS)
        except (BadModel, BadFile, StudentRaised) as error:
            sentence = error.message if isinstance(error, StudentRaised) else str(error)
            return StudentError("missing", f"`{name}` cannot be read as a saved model: {sentence.rstrip('.')}.")
        except SandboxError as error:
            self._drop()
            return StudentError("missing", f"`{name}` cannot be read as a saved model: {error}.")

    def _living(self) -> Jail:
        if self._jail is None or not self._jail.alive:
            self._drop()
            with self._stage("start of the jail"):
                self._jail = self._new_jail()
        return self._jail

    def _import(self) -> None:
        """Import the student's modules; if that cannot be done once with the last, no check asks for it again.

        A module that raises half-way keeps what it had defined by then: each mistake costs what it
        breaks. Importing it anew after the code has ended its process is paid from what the assignment
        leaves after a time-out.
        """
        limit = self._assignment.limits.import_seconds
        main = self._assignment.files.modules[-1]
        again = self._imports > 0
        self._imports += 1
        self._import_seconds = 0.0
        for name in self._assignment.files.modules[:-1]:
            self._import_other(name)
        try:
            self._import_in_jail(main)
            self._imported = True
        except StudentRaised as error:
            problem = str(explain(error.kind, error.message, error.where, ""))
            if error.kind in ("SyntaxError", "IndentationError", "TabError"):
                self._problem = StudentError("missing", problem)
            else:
                self._imported = True
                self._stopped = stopped_half_way(main, problem)
                self._notice(self._stopped)
        except TimedOut:
            self._problem = StudentError("missing", f"`{main}` was not imported within {limit:g} seconds.")
        except Died as error:
            self._problem = StudentError("missing", f"importing `{main}` ended the process: {error.reason}.")
        except BadReply as error:
            self._problem = StudentError("missing", f"importing `{main}` gave no usable answer: {error.reason}.")
        if again:
            self._again_seconds += self._import_seconds
            if self._again_seconds > self._assignment.limits.after_timeout_seconds:
                self._problem = StudentError("died", "the code ended its process too often to go on.")
        elif self._imported:
            for name in self._unread:
                self.forbidden.append(f"{name}: could not be searched for names that are not allowed.")
        self._after_answer()

    def _import_other(self, name: str) -> None:
        """Import a module before the last, which finds as much of it as there is: nothing, where it is missing."""
        limit = self._assignment.limits.import_seconds
        try:
            self._import_in_jail(name)
            return
        except StudentRaised as error:
            problem = str(explain(error.kind, error.message, error.where, ""))
            sentence = stopped_half_way(name, problem)
        except TimedOut:
            sentence = f"`{name}` was not imported within {limit:g} seconds."
            self._left_out.add(name)
        except SandboxError as error:
            sentence = f"Importing `{name}` ended the process: {error}."
            self._left_out.add(name)
        if name in self._others:
            return
        self._others[name] = self._submission.problems.get(name, sentence)
        if name not in self._submission.problems:  # whose sentences the record has already
            self._notice(sentence)
        if name in self._left_out:
            self._drop()
            self._import_other(name)  # which leaves an empty module in its place

    def _import_in_jail(self, name: str) -> None:
        limit = self._assignment.limits.import_seconds
        jail = self._living()
        before = jail.busy_seconds
        try:
            absent = jail.import_module(name.removesuffix(".py"), seconds=limit)
        finally:
            self._import_seconds += jail.busy_seconds - before
        for package in absent:
            self._notice(f"`{package}`, which the code imports, is not installed where it is graded.")

    def _after_answer(self) -> None:
        """Take note of what the student's code asked for, and let go of a jail that it has ended."""
        if self._jail is not None:
            if "cuda" in self._jail.notices:
                self._notice(CUDA)
            if not self._jail.alive:
                self._drop()

    def _notice(self, sentence: str) -> None:
        if sentence not in self.notices:
            self.notices.append(sentence)

    def _proxies(self, value: Any) -> Any:
        """Replace references to objects in the jail by proxies, at any depth."""
        if type(value) is Ref:
            self._handed_out = True
            return Proxy(self, value.target, value.path)
        if type(value) in (list, tuple) and _holds(value, (Ref,)):
            return type(value)(map(self._proxies, value))
        if type(value) is dict and _holds(value, (Ref,)):
            return {name: self._proxies(entry) for name, entry in value.items()}
        return value


def _refs(value: Any) -> Any:
    """Replace proxies by references that the jail resolves, at any depth of lists, tuples and dictionaries.

    Containers without a proxy stay the same objects, so that they can be restored in place.
    """
    if type(value) is Proxy:
        return Ref(value._target, value._path)
    if type(value) in (list, tuple) and _holds(value, (Proxy,)):
        return type(value)(map(_refs, value))
    if type(value) is dict and _holds(value, (Proxy,)):
        return {name: _refs(entry) for name, entry in value.items()}
    return value


def _holds(value: Any, kinds: tuple[type, ...]) -> bool:
    """Tell whether there is a value of some kinds in lists, tuples and dictionaries at any depth."""
    if type(value) in kinds:
        return True
    if type(value) in (list, tuple):
        return any(_holds(entry, kinds) for entry in value)
    return type(value) is dict and any(_holds(entry, kinds) for entry in value.values())
