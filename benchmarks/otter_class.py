"""Grade a class with otter-grader, in its own environment.

    python -m benchmarks.otter_class AUTOGRADER_ZIP PROCESSES

grades submitted/*.zip, so many at a time, and writes the points of each to scores.json.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from otter.api import grade_submission


def score(autograder: str, submission: Path) -> float:
    """Return the points of one submission."""
    return float(grade_submission(str(submission), autograder, quiet=True).total)


def main(autograder: str, processes: int) -> None:
    """Grade all submissions."""
    submissions = sorted(Path("submitted").glob("*.zip"))
    with ProcessPoolExecutor(processes) as pool:
        points = list(pool.map(partial(score, autograder), submissions))
    scores = {submission.stem: earned for submission, earned in zip(submissions, points, strict=True)}
    Path("scores.json").write_text(json.dumps(scores))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
