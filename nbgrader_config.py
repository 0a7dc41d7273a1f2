"""What nbgrader and its formgrader read when they work on this course."""

from pathlib import Path

from autograder.nbgrader.config import configure

c = get_config()  # noqa: F821  nbgrader puts it here

# Sets the course's folder, lets `nbgrader generate_assignment` build the whole release, and lets
# `nbgrader autograde` and the formgrader's buttons use the kit's grader. See `configure` for the
# list. Your own settings go below it and win.
configure(c, Path(__file__).parent)
