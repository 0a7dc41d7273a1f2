"""Grade a class with otter-grader, in its own environment: as many submissions at once as there are processors.

    python -m benchmarks.otter_class AUTOGRADER_ZIP FOLDER_OF_ZIPS SCORES_JSON

Its `grade_submission` is what it offers to those who grade without containers; `otter grade`, which needs them, works
on several submissions at once, too.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from otter.api import grade_submission  # type: ignore[import-not-found]


def score(submission: Path, autograder: str) -> float:
    """Return the points of one submission."""
    return grade_submission(str(submission), autograder, quiet=True).total


def main(autograder: str, folder: Path, scores: Path) -> None:
    """Grade every zip file of a folder and write the points by student."""
    submissions = sorted(folder.glob("*.zip"))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        points = pool.map(partial(score, autograder=autograder), submissions)
        scores.write_text(json.dumps(dict(zip([path.stem for path in submissions], points, strict=True))))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
