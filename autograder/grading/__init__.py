"""Grading: submissions in, records out.

submission  what a student handed in, read without following links
backend     the student's code behind a jail, as checks see it
examiner    one submission → one record
grade       a class, one examiner process per submission
records     the records on disk
"""
