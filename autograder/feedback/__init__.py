"""Feedback: one page for each student, made from the record, the gradebook and the notebook."""

from autograder.feedback.page import make_page
from autograder.feedback.write import graded_students, write_pages

__all__ = ["graded_students", "make_page", "write_pages"]
