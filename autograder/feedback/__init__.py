"""Feedback: one page for each student, made from the record, the gradebook and the notebook."""

from autograder.feedback.write import Pages, graded_students, write_pages

__all__ = ["Pages", "graded_students", "write_pages"]
