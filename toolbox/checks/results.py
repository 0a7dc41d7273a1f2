"""What a run of checks found, as plain data that any renderer can show."""

from __future__ import annotations

import math
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


LONGEST = 1500
"""Characters of a message that a record keeps."""


@dataclass
class CheckResult:
    """One check of one submission: what was asked, what was measured, what it earns."""

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
    flagged: str = ""
    seconds: float = 0.0

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
            "flagged": self.flagged[:LONGEST],
            "hint": self.hint,
            "seconds": round(self.seconds, 3),
        }


def total(results: list[CheckResult]) -> Fraction:
    """Return the exact sum of the scores."""
    return sum((result.score for result in results), Fraction(0))


def rounded(score: Fraction | float) -> float:
    """Return a score rounded to 0.01, half of it up as formgrader does, which happens once, where it is shown."""
    return math.floor(score * 100 + Fraction(1, 2)) / 100
