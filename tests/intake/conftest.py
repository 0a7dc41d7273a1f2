"""A small course with small limits, and ways to hand in to it."""

from types import SimpleNamespace

import pytest
from tiny_course import make_course, tree

from autograder.assignment import load_assignment
from autograder.intake.collect import collect
from autograder.intake.download import open_download
from autograder.intake.roster import load_roster

LIMITS = "[limits]\nmodule_kb = 8\nnotebook_mb = 1\nmodel_mb = 1\n"


@pytest.fixture
def intake(tmp_path):
    """Give a course, an empty folder `source`, and `run`, which collects from it."""
    course = make_course(tmp_path / "course")
    toml = course.assignments / "tiny" / "assignment.toml"
    toml.write_text(toml.read_text() + LIMITS)
    source = tmp_path / "source"
    source.mkdir()
    assignment = load_assignment(course, "tiny")

    def run(place=source, dry_run=False):
        """Return the outcomes by student."""
        with open_download(place, course, assignment) as download:
            outcomes = list(collect(course, assignment, download, load_roster(course.roster), dry_run=dry_run))
        assert len({one.student for one in outcomes}) == len(outcomes)
        return {one.student: one for one in outcomes}

    def submitted():
        """Return every file below `submitted/`, hidden ones too; nothing else in the course has changed."""
        assert {path for path in tree(course.root) if not path.startswith("submitted/")} == before
        return tree(course.submitted)

    before = set(tree(course.root))
    return SimpleNamespace(
        course=course, assignment=assignment, source=source, run=run, submitted=submitted, root=tmp_path
    )
