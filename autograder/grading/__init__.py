"""Grading: submissions in, records out.

submission  what a student handed in, read without following links
backend     the student's code behind a jail, as checks see it
examiner    one submission → one record
task        what passes between whoever wants submissions examined and whoever does it
workplace   what a process needs to examine submissions
pool        processes forked from it, as many at once as there are processors
station     a process with such a workplace, for another process that has threads
cluster     a Dask cluster, whose workers each keep a station
grade       a class
records     the records on disk
recall      what they say of a class
"""
