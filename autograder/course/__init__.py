"""A course: its folder and settings, its secret seed, and how a new one is made."""

from autograder.course.create import Created, init_course
from autograder.course.folder import Course, Grading, Level, find_course, open_course
from autograder.course.seed import secret_seed

__all__ = [
    "Course",
    "Created",
    "Grading",
    "Level",
    "find_course",
    "init_course",
    "open_course",
    "secret_seed",
]
