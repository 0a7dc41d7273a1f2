"""What can go wrong between an examiner and a jail, one exception for each kind."""

from __future__ import annotations


class SandboxError(Exception):
    """Something in the sandbox did not work; the message is a sentence a person can act on."""


class IsolationUnavailable(SandboxError):
    """This host cannot give the isolation that was asked for."""


class BadFile(SandboxError):
    """A file cannot enter the jail: it is missing, a link, a device, or too large."""


class BadModel(SandboxError):
    """A saved model cannot be read; the message is a sentence for the student."""


class StudentRaised(SandboxError):
    """The student's code raised an exception; its kind, message and place came from the jail as text."""

    def __init__(self, kind: str, message: str, where: str = "") -> None:
        self.kind, self.message, self.where = kind, message, where
        text = f"{kind}: {message}" if message else kind
        super().__init__(f"{text} ({where})" if where else text)


class TimedOut(SandboxError):
    """The jail gave no answer within the processor time it had, and was ended."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"no answer within {seconds:g} seconds")


class Died(SandboxError):
    """The jail ended without answering; `reason` says how, as far as the parent can tell."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Interrupted(Exception):
    """The host ended a jail or could not start one, which says nothing about the code in it; `reason` says how.

    It is no SandboxError, so that whoever answers for what the student's code did does not take it for that:
    what was asked is to be asked again, from the start, in a new jail.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class BadReply(SandboxError):
    """The jail sent bytes that are no answer: malformed, not asked for, or over a cap."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
