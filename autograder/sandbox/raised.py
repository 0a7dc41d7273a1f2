"""Describes an exception of the student's code as three short texts: kind, message and place.

Nothing here trusts the exception: its class, its arguments and its `__str__` are the student's. Whatever
they do ends in some text or at the deadline.
"""

from __future__ import annotations

import os
from types import TracebackType

from autograder.sandbox.encode import type_name
from autograder.sandbox.wire import clean

MESSAGE_LENGTH = 300
MAX_FRAMES = 20_000

_arguments_of = BaseException.__dict__["args"].__get__
_traceback_of = BaseException.__dict__["__traceback__"].__get__


def describe(error: BaseException, folder: str) -> tuple[str, str, str]:
    """Return the exception's class name, its message, and the last line of a file in `folder` that it passed."""
    return (
        clean(type_name(error), 80),
        clean(_message(error), MESSAGE_LENGTH),
        clean(_place(error, folder), 200),
    )


def _message(error: BaseException) -> str:
    try:
        arguments = _arguments_of(error)
        if isinstance(error, SyntaxError):
            return str(error.msg)
        if len(arguments) == 1 and type(arguments[0]) is str:
            return repr(arguments[0]) if type(error) is KeyError else arguments[0]
        return str(error) if arguments else ""
    except BaseException:
        return ""


def _place(error: BaseException, folder: str) -> str:
    try:
        if isinstance(error, SyntaxError) and type(error.filename) is str and type(error.lineno) is int:
            return f"{os.path.basename(error.filename)}, line {error.lineno}"
        found = ""
        step: TracebackType | None = _traceback_of(error)
        for _ in range(MAX_FRAMES):
            if step is None:
                break
            code = step.tb_frame.f_code
            if code.co_filename.startswith(folder + os.sep):
                name = code.co_filename[len(folder) + 1 :]
                inside = "" if code.co_name == "<module>" else f", in {code.co_name}"
                found = f"{name}, line {step.tb_lineno}{inside}"
            step = step.tb_next
        return found
    except BaseException:
        return ""
