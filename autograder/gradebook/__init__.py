"""The kit's results in nbgrader's gradebook: the same rows that `nbgrader autograde` leaves."""

from autograder.gradebook.read import rows, standings
from autograder.gradebook.rows import Mark, Standing
from autograder.gradebook.save import save

__all__ = ["Mark", "Standing", "rows", "save", "standings"]
