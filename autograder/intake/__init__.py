"""Intake: what students handed in comes into the course through here, and through nothing else.

entry     one file of a folder or an archive, read piece by piece up to a limit
folder    the files below a folder, never through a link
archive   the files in a zip, whatever it claims about itself
download  who handed in what: folders or zips of students, downloads from Canvas and Moodle
roster    who the students are, and by which other names downloads know them
content   the files of one submission that count, and why others do not
place     putting a submission into the course, whole or not at all
collect   a class
"""
