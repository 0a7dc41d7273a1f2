"""Grading: submissions in, records out.

submission  what a student handed in, read without following links
backend     the student's code behind a jail, as checks see it
examiner    one submission → one record
workplace   what a process needs to have submissions examined
pool        processes forked from it, as many at once as there are processors
grade       a class
records     the records on disk
recall      what they say of a class
"""
