"""Zips that are made up: whatever the bytes, there are files or there is a sentence, and never more than allowed."""

import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_course import make_course, tree

from autograder.assignment import load_assignment
from autograder.grading.submission import limits
from autograder.intake import archive
from autograder.intake.collect import collect
from autograder.intake.download import open_download
from autograder.intake.entry import chunks
from autograder.plain_file import Unreadable
from tests.intake.zips import GOOD, Item, archives, zip_of

LIMIT = 5_000
DEAR = settings(max_examples=settings().max_examples // 3)
"""A property that makes a course for each example is tried on fewer."""


def read_everything(content):
    """Read what a zip lists, as far as it can be read; return how many entries that were."""
    try:
        entries = archive.entries(io.BytesIO(content))
    except Unreadable:
        return 0
    whole = 0
    for entry in entries:
        total = 0
        try:
            for chunk in chunks(entry, LIMIT):
                total += len(chunk)
            whole += 1
        except Unreadable:
            pass
        assert total <= LIMIT
    return whole


def test_any_bytes_give_files_or_a_sentence():
    read = []

    @given(archives)
    def look(content):
        read.append(read_everything(content))

    look()
    assert len(read) / 10 < sum(map(bool, read)) < len(read) * 9 / 10  # neither all broken nor all whole


@DEAR
@given(content=archives, inside=st.booleans())
def test_any_zip_leaves_the_rest_of_the_course_alone(content, inside):
    with tempfile.TemporaryDirectory() as root:
        course = make_course(Path(root) / "course")
        before = tree(course.root)
        source = Path(root) / "source"
        source.mkdir()
        (source / "bob.zip").write_bytes(zip_of(Item(b"tiny.py", GOOD)))
        (source / "alice.zip").write_bytes(content)
        if inside:
            parts = {b"a_1_2_w.zip": content, b"b_3_4_tiny.py": GOOD}
            source = Path(root) / "download.zip"
            source.write_bytes(zip_of(*(Item(name, part) for name, part in parts.items())))
        assignment = load_assignment(course, "tiny")
        with open_download(source, course, assignment) as download:
            outcomes = list(collect(course, assignment, download, None))
        after = tree(course.root)
        honest, other = ("3", "1") if inside else ("bob", "alice")
        assert after.pop(f"submitted/{honest}/tiny/tiny.py") == GOOD
        for name, limit in limits(assignment).items():
            assert len(after.pop(f"submitted/{other}/tiny/{name}", b"")) <= limit
        assert after == before and len(outcomes) == 2
        assert sorted(path.name for path in Path(root).iterdir()) == sorted({"course", "source", source.name})
