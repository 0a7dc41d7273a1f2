"""A release holds what the assignment names and nothing else, the same every time."""

import json
import shutil

import nbformat
import pytest
from tiny_course import make_course, nbgrader, tree

from autograder.errors import UserError
from autograder.release.build import generate, stale


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Return a course whose assignment is released; tests that change it put it back."""
    course = make_course(tmp_path_factory.mktemp("course"))
    generate(course, "tiny")
    return course


def test_a_release_holds_exactly_what_students_need(released):
    files = tree(released.release / "tiny")
    assert {name for name in files if not name.startswith("toolbox/")} == {
        "README.md",
        "checks/assignment.toml",
        "checks/test_tiny.py",
        "nbgrader_config.py",
        "tiny.ipynb",
        "tiny.py",
    }
    assert "toolbox/checks/declare.py" in files
    assert all(name.endswith(".py") for name in files if name.startswith("toolbox/"))


def test_no_solution_is_in_a_release(released):
    files = tree(released.release / "tiny")
    module = files["tiny.py"].decode()
    assert 'raise NotImplementedError("double is not written yet")' in module
    assert "2 * x" not in module
    assert b"Because." not in files["tiny.ipynb"]
    assert not any(
        b"BEGIN SOLUTION" in text for name, text in files.items() if not name.startswith("toolbox/")
    )


def test_the_readme_says_what_to_write_how_to_check_and_what_to_hand_in(released):
    text = (released.release / "tiny" / "README.md").read_text()
    for part in ["# Tiny", "`tiny.py`: `double`", "python -m toolbox check", "- `tiny.pth`", "pip install"]:
        assert part in text


def test_nbgraders_own_command_gives_the_same_release_byte_for_byte(released):
    before = tree(released.release / "tiny")
    done = nbgrader(released, "generate_assignment", "tiny", "--force")
    assert done.returncode == 0, done.stderr
    assert tree(released.release / "tiny") == before


def test_cells_without_an_id_get_the_same_one_every_time(tmp_path):
    course = make_course(tmp_path)
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(notebook.cells[0].copy())
    for cell in notebook.cells:
        del cell["id"]
    path.write_text(json.dumps({**notebook, "nbformat_minor": 4}))
    generate(course, "tiny")
    first = (course.release / "tiny" / "tiny.ipynb").read_bytes()
    generate(course, "tiny")
    assert (course.release / "tiny" / "tiny.ipynb").read_bytes() == first
    ids = [cell.id for cell in nbformat.reads(first.decode(), as_version=4).cells]
    assert len(set(ids)) == len(ids) == 4


def test_stray_files_do_not_survive(released):
    (released.source / "tiny" / "notes.txt").write_text("answers")
    (released.release / "tiny" / "old.py").write_text("x = 1")
    (released.release / "tiny" / "checks" / "old").mkdir()
    try:
        assert stale(released, "tiny") == ["old.py"]
        generate(released, "tiny")
        files = tree(released.release / "tiny")
        assert not {"notes.txt", "old.py"} & files.keys()
    finally:
        (released.source / "tiny" / "notes.txt").unlink()


def test_stale_names_what_a_fresh_build_would_change(released):
    folder = released.release / "tiny"
    before = tree(folder)
    gradebook = (released.root / "gradebook.db").read_bytes()
    assert stale(released, "tiny") == []
    (folder / "tiny.py").write_text("x = 1\n")
    (folder / "README.md").unlink()
    (folder / "toolbox" / "checks" / "declare.py").write_text("the copy of the toolbox does not count")
    assert stale(released, "tiny") == ["README.md", "tiny.py"]
    assert (released.root / "gradebook.db").read_bytes() == gradebook
    generate(released, "tiny")
    assert tree(folder) == before


def test_support_and_extra_files_come_along(released, tmp_path):
    course = make_course(tmp_path)
    folder = course.assignments / "tiny"
    toml = folder / "assignment.toml"
    toml.write_text(toml.read_text() + 'support = ["helper.py"]\nextra = ["figures/*.png"]\n')
    (folder / "helper.py").write_text("HELP = 1\n")
    (folder / "figures").mkdir()
    (folder / "figures" / "a.png").write_bytes(b"png")
    generate(course, "tiny")
    files = tree(course.release / "tiny")
    assert files["helper.py"] == b"HELP = 1\n" and files["figures/a.png"] == b"png"


def edit(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def fail_marker(course):
    edit(course.assignments / "tiny" / "tiny.py", "### END", "### EDN")


def fail_points(course):
    edit(course.source / "tiny" / "tiny.ipynb", '"points": 4', '"points": 5')


def fail_sum(course):
    edit(course.assignments / "tiny" / "assignment.toml", "points = 4", "points = 5")


def fail_written(course):
    edit(course.assignments / "tiny" / "assignment.toml", "written = 2", "written = 3")


def fail_threshold(course):
    path = course.assignments / "tiny" / "assignment.toml"
    path.write_text(path.read_text() + "[thresholds.standin]\ntwice = 1.0\n")


def fail_unknown_cell(course):
    edit(course.source / "tiny" / "tiny.ipynb", '"grade_id": "double"', '"grade_id": "triple"')


def fail_missing_cell(course):
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    del notebook.cells[1]
    nbformat.write(notebook, path)


def fail_duplicate_cell(course):
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    copied = notebook.cells[2].copy()
    copied["id"] = "other"
    notebook.cells.append(copied)
    nbformat.write(notebook, path)


def fail_second_notebook(course):
    shutil.copy(course.source / "tiny" / "tiny.ipynb", course.source / "tiny" / "zweites.ipynb")


def fail_no_notebook(course):
    (course.source / "tiny" / "tiny.ipynb").unlink()


def fail_support_with_solution(course):
    edit(course.assignments / "tiny" / "assignment.toml", "models", 'support = ["helper.py"]\nmodels')
    (course.assignments / "tiny" / "helper.py").write_text("### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n")


def fail_extra_with_solution(course):
    edit(course.assignments / "tiny" / "assignment.toml", "models", 'extra = ["*.py"]\nmodels')


def fail_config(course):
    course.nbgrader_config.write_text("c = get_config()\n")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (fail_marker, ["tiny.py:", "no marker"]),
        (fail_points, ["tiny.ipynb", "'double' is worth 5 points", "test_tiny.py:12", "Make them the same"]),
        (fail_sum, ["assignment.toml", "points is 5", "add up to 4"]),
        (fail_written, ["tiny.ipynb", "a person grades are worth 2 points", "written = 3"]),
        (fail_threshold, ["assignment.toml", "[thresholds.standin] twice", "no such check"]),
        (fail_unknown_cell, ["tiny.ipynb", "'triple' names no check"]),
        (fail_missing_cell, ["tiny.ipynb", "'double'", "has no grade cell"]),
        (fail_duplicate_cell, ["source/tiny", "Duplicate grade id: why"]),
        (fail_second_notebook, ["zweites.ipynb", "names another notebook, tiny.ipynb"]),
        (fail_no_notebook, ["tiny.ipynb", "there is no such notebook"]),
        (fail_support_with_solution, ["helper.py:1", "List the file under modules"]),
        (fail_extra_with_solution, ["assignment.toml", "'tiny.py' is in the release already"]),
        (fail_config, ["nbgrader_config.py", "does not call `configure"]),
    ],
)
def test_an_assignment_that_is_not_fit_is_refused_and_the_last_release_stays(
    released, tmp_path, spoil, named
):
    shutil.copytree(released.root, tmp_path / "course")
    course = type(released)(tmp_path / "course")
    before = tree(course.release)
    spoil(course)
    with pytest.raises(UserError) as error:
        generate(course, "tiny")
    for part in named:
        assert part in str(error.value)
    assert tree(course.release) == before


def test_nbgraders_own_command_leaves_no_half_made_release(released, tmp_path):
    shutil.copytree(released.root, tmp_path / "course")
    course = type(released)(tmp_path / "course")
    fail_points(course)
    done = nbgrader(course, "generate_assignment", "tiny", "--force")
    assert done.returncode == 1 and "Make them the same" in done.stderr
    assert not (course.release / "tiny").exists()


def test_a_module_that_students_bring_along_is_not_in_the_release(tmp_path):
    course = make_course(tmp_path)
    folder = course.assignments / "tiny"
    toml = folder / "assignment.toml"
    toml.write_text(
        toml.read_text().replace('modules = ["tiny.py"]', 'modules = ["first.py", "tiny.py"]\nbrought = ["first.py"]')
    )
    (folder / "first.py").write_text("### BEGIN SOLUTION\nANSWER = 42\n### END SOLUTION\n")
    generate(course, "tiny")
    files = tree(course.release / "tiny")
    assert "first.py" not in files and "tiny.py" in files
    readme = files["README.md"].decode()
    assert "copy your own `first.py`" in readme and "- `first.py`" in readme.split("## Hand in")[1]
