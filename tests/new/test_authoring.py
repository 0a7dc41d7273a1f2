"""docs/AUTHORING.md, followed to the letter: what it has one write works, and what it says is printed is."""

import re
import shutil
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell
from tiny_course import cell_metadata

from autograder.assignment import load_assignment
from autograder.course import init_course
from autograder.errors import UserError
from autograder.new import create_assignment
from autograder.release.agree import check_cells
from autograder.verify.listed import read_listed
from toolbox.checks.local import check_folder

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = (REPOSITORY / "docs" / "AUTHORING.md").read_text(encoding="utf-8")
NAME = "smooth_units"
pytestmark = pytest.mark.xdist_group("new")


def blocks(kind, beginning=""):
    """Return the blocks of a kind in the guide that begin in some way; "" is what a command prints."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == kind and text.strip().startswith(beginning)]


@pytest.fixture
def course(tmp_path):
    """Make the course of the guide, with its second function; the notebook has no cell for that yet."""
    course = init_course(tmp_path / "my-course").course
    made = create_assignment(course, NAME, "Smooth units")
    (printed,) = blocks("", f"wrote assignments/{NAME}")
    assert [line for line in printed.splitlines() if line.startswith("wrote")] == [f"wrote {p}" for p in made.written]
    folder = course.assignments / NAME
    (function,) = blocks("python", "def mean_square")
    (check,) = blocks("python", '"""The mean square')
    (entries,) = blocks("toml", "[[mistake]]")
    with open(folder / f"{NAME}.py", "a") as module, open(folder / "mutants.toml", "a") as mutants:
        module.write(function)
        mutants.write("\n" + entries)
    (folder / "checks" / "test_2_mean_square.py").write_text(check)
    toml = folder / "assignment.toml"
    toml.write_text(toml.read_text().replace("points = 10 ", "points = 16 "))
    return course


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # some of the mistakes overflow
def test_the_checks_pass_on_the_solution_and_fail_on_each_mistake(course, tmp_path):
    folder = course.assignments / NAME
    assert [result.status for result in check_folder(folder=folder)] == ["passed", "passed"]
    sources = {f"{NAME}.py": (folder / f"{NAME}.py").read_text()}
    listed = read_listed(folder, sources, ["softplus", "mean_square"], ["softplus", "mean_square"])
    assert f"{len(listed.mistakes)} of {len(listed.mistakes)} listed mistakes" in GUIDE
    assert f"{len(listed.right)} of {len(listed.right)} listed right variants" in GUIDE
    for number, one in enumerate([*listed.mistakes, *listed.right]):
        tried = Path(shutil.copytree(folder, tmp_path / str(number)))
        (tried / f"{NAME}.py").write_text(one.sources[f"{NAME}.py"])
        lost = [result.id for result in check_folder(folder=tried) if result.status != "passed"]
        assert lost == ([one.fails] if one in listed.mistakes else []), one


def test_the_missing_cell_is_named_as_the_guide_says(course):
    assignment = load_assignment(course, NAME)
    notebook = course.source / NAME / assignment.files.notebook
    softplus, mean_square = (
        new_code_cell(metadata=cell_metadata(name, grade=True, solution=False, points=points))
        for name, points in (("softplus", 10), ("mean_square", 6))
    )
    question = new_code_cell(metadata=cell_metadata("question_slope", grade=True, solution=True, points=2))
    with pytest.raises(UserError) as error:
        check_cells(assignment, notebook, [softplus, question])
    (printed,) = blocks("", "/home/you/my-course/source")
    assert str(error.value) == printed.strip().replace("/home/you/my-course", str(course.root))
    check_cells(assignment, notebook, [softplus, mean_square, question])
