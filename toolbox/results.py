"""What a run of checks found, as plain data that any renderer can show."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

Status = Literal["passed", "failed", "error", "timeout", "blocked", "not run"]
"""How a check ended.

passed   every case met its threshold
failed   the answers of at least one case did not
error    the student's code raised, died or answered with something unusable
timeout  the student's code did not answer within the check's limit
blocked  it failed, and so did a check that it needs: that one is to be mended first
not run  the time that the assignment leaves after a time-out was used up
"""

HINTED = ("failed", "error", "timeout")
"""Ends of a check that its hint speaks of: where another is to be mended first, or none was run, it misleads."""

LONGEST = 1500
"""Characters of a message that a record keeps."""
Why = Literal["", "failed", "raised", "unwritten", "missing", "timeout", "died", "not run"]
"""What a check came to an end by; "" if it passed, or was not begun."""

OWN: dict[Why, Status] = {
    "": "passed", "failed": "failed", "unwritten": "failed", "raised": "error", "missing": "error", "died": "error",
    "timeout": "timeout", "not run": "not run",
}  # fmt: skip
"""How a check ends that fails in some way, if no other check is to be mended first."""
OTHER_CASES = re.compile(r" \(Cases not passed: [^\n]*\.\)$")
KEPT = (
    "id", "sentence", "threshold", "sense", "hint", "status", "measured", "case", "message", "why", "mend_first",
    "flagged", "seconds",
)  # fmt: skip
"""Fields that stand in a record as they are."""


@dataclass
class CheckResult:
    """One check of one submission: what was asked, what was measured, what it earns.

    Attributes:
        message: what a student reads: what to mend first, then what went wrong.
        why: what kind of thing went wrong first.
        mend_first: a check that this one needs and that failed too, "" if there is none; it is blocked then.
    """

    id: str
    sentence: str
    points: int
    threshold: float | None = None
    sense: Literal["at most", "at least"] = "at most"
    hint: str = ""
    status: Status = "not run"
    score: Fraction = field(default_factory=Fraction)
    measured: float | None = None
    case: str = ""
    message: str = ""
    why: Why = ""
    mend_first: str = ""
    flagged: str = ""
    seconds: float = 0.0

    def block(self, mend_first: str) -> None:
        """Name a check to mend first, or none ("") where one was named."""
        self.message = self.message.removeprefix(_first(self.mend_first))
        if self.mend_first and not mend_first:
            self.status = OWN[self.why]
        elif mend_first:
            self.status = "blocked"
        self.mend_first = mend_first
        self.message = _first(mend_first) + self.message

    @property
    def cause(self) -> str:
        """What went wrong first, in words, without what stands around it."""
        return OTHER_CASES.sub("", self.message.removeprefix(_first(self.mend_first)))

    def name_other_cases(self, names: list[str]) -> None:
        """Say which cases were not passed, the first of which the message is about."""
        self.message += f" (Cases not passed: {'; '.join(names)}.)"

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values; the exact score stands in `fraction`."""
        return {
            "id": self.id,
            "sentence": self.sentence,
            "status": self.status,
            "score": rounded(self.score),
            "fraction": str(self.score),
            "max_score": self.points,
            "measured": self.measured,
            "threshold": self.threshold,
            "sense": self.sense,
            "case": self.case,
            "message": self.message[:LONGEST],
            "why": self.why,
            "mend_first": self.mend_first,
            "flagged": self.flagged[:LONGEST],
            "hint": self.hint,
            "seconds": round(self.seconds, 3),
        }


def _first(name: str) -> str:
    return f"First mend `{name}`, which this check needs. " if name else ""


def from_json(record: dict[str, Any]) -> CheckResult:
    """Return the result that `as_json` gave these values for.

    Raises:
        KeyError, TypeError, ValueError: they are none of its.
    """
    kept = {name: record[name] for name in KEPT}
    result = CheckResult(points=record["max_score"], score=Fraction(record["fraction"]), **kept)
    if result.why not in OWN or (result.mend_first and not result.message.startswith(_first(result.mend_first))):
        raise ValueError("not a result of a check")
    return result


def total(results: list[CheckResult]) -> Fraction:
    """Return the exact sum of the scores."""
    return sum((result.score for result in results), Fraction(0))


def rounded(score: Fraction | float) -> float:
    """Return a score rounded to 0.01, half of it up as formgrader does, which happens once, where it is shown.

    A float counts as the simple fraction that it stands for: a gradebook's sum of thirds that lies a last bit below
    33.925 shows as 33.93, like the record's exact one.
    """
    exact = score if isinstance(score, Fraction) else Fraction(score).limit_denominator(10**6)
    return math.floor(exact * 100 + Fraction(1, 2)) / 100
