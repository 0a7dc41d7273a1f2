"""The author's gate lets every assignment through: here with one mutant of each kind, `make verify` tries all."""

import re
import shutil
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.course import init_course, open_course
from autograder.verify import verify

COURSE = open_course(Path(__file__).resolve().parents[2])
NAMES = sorted(path.parent.name for path in COURSE.assignments.glob("*/assignment.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_passes_its_authors_gate(tmp_path, name):
    course = init_course(tmp_path / "course", like=COURSE, assignments=[name]).course
    shutil.copytree(COURSE.release / name, course.release / name)
    path = course.assignments / name / "mutants.toml"
    blocks = re.split(r"(?m)^(?=\[\[)", path.read_text(encoding="utf-8"))
    listed = {kind: [block for block in blocks if block.startswith(f"[[{kind}")] for kind in ("mistake", "right")}
    left_out = [block for some in listed.values() for block in some[1:]]
    assert all(listed.values()) and left_out
    kept = [block for block in blocks if block not in left_out]
    path.write_text("".join(kept), encoding="utf-8")
    found = list(verify(course, load_assignment(course, name), "standin", sample=1))
    tallies = [one.tally for one in found if one.tally]
    assert [one.text for one in found if not one.passed and "automatic mutants of a sample" not in one.text] == []
    assert [where for tally in tallies for *where, reason in tally.survivors if not reason] == []
    assert len(tallies) == 2 and all(tally.kinds for tally in tallies)
