"""The kit's own command, in these tests."""

import subprocess
import sys

from tiny_course import REPOSITORY


def command(course, *arguments):
    return [sys.executable, "-m", "autograder", *arguments, "--course", str(course.root)]


def kit(course, *arguments):
    return subprocess.run(command(course, *arguments), cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
