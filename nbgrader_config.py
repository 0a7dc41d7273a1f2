"""What nbgrader and its formgrader read when they work on this course."""

import sys
from pathlib import Path

try:
    from autograder.nbgrader.config import configure
except ImportError as error:  # nbgrader would go on without these settings, and run what students handed in
    sys.exit(f"{__file__}: {error}. Start nbgrader and Jupyter from the environment in which the kit is installed.")

c = get_config()  # noqa: F821  nbgrader puts it here

# Sets the course's folder, lets `nbgrader generate_assignment` build the whole release, and lets
# `nbgrader autograde` and the formgrader's buttons use the kit's grader. See `configure` for the
# list. Your own settings go below it and win. After a change, see whether `autograder release NAME` still
# works: where this file raises, nbgrader only says so, and goes on with settings that run students' notebooks.
configure(c, Path(__file__).parent)
