"""A further assignment, made by `autograder new`: it goes the whole way as it is, and nothing half-made is left."""

import itertools
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from tiny_course import tree
from typer.testing import CliRunner

from autograder.assignment import assignment_names, load_assignment
from autograder.cli import app
from autograder.course import init_course
from autograder.errors import UserError
from autograder.new import create, create_assignment
from autograder.release.strip import solution_regions

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "smooth_rectifiers"
STABLE = "x.clip(min=0) + np.log1p(np.exp(-np.abs(x)))"
pytestmark = pytest.mark.xdist_group("new")


def kit(folder, *arguments):
    """Run the kit's command in a folder, as an author would."""
    modules = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "autograder", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": modules}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def engine():
    """Return the sources of the engine and the toolbox."""
    folders = [REPOSITORY / "autograder", REPOSITORY / "toolbox"]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".j2")]
    return {path: path.read_bytes() for path in paths}


@pytest.fixture
def course(tmp_path):
    """Make an empty course."""
    return init_course(tmp_path / "course").course


def inside(course):
    """Return the path of everything in a course."""
    return sorted(path.relative_to(course.root).as_posix() for path in course.root.rglob("*"))


# the whole way


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Take a new assignment from its making to the pages of a class of three; give the folder and what was printed."""
    root = tmp_path_factory.mktemp("new") / "course"
    before = engine()
    said = {}

    def command(*arguments):
        done = kit(root if root.exists() else root.parent, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        said[arguments[0]] = done.stdout

    command("init", "course")
    (root / "course.toml").write_text('title = "Test"\n[grading]\ndata = "standin"\nminimum = "process"\n')
    command("new", NAME, "--title", "Smooth rectifiers")
    command("release", NAME)
    command("verify", NAME)
    solution = (root / "assignments" / NAME / f"{NAME}.py").read_text()
    starter = (root / "release" / NAME / f"{NAME}.py").read_text()
    mistaken = solution.replace(STABLE, "np.log(1 + np.exp(x))")
    for student, module in {"solved": solution, "untouched": starter, "mistaken": mistaken}.items():
        folder = root / "submitted" / student / NAME
        folder.mkdir(parents=True)
        (folder / f"{NAME}.py").write_text(module)
        (folder / f"{NAME}.ipynb").write_bytes((root / "release" / NAME / f"{NAME}.ipynb").read_bytes())
    command("grade", NAME)
    command("feedback", NAME)
    assert engine() == before
    return root, said


def test_it_is_fit_for_release_as_it_is(graded):
    _, said = graded
    findings = [line for line in said["verify"].splitlines() if line[:1] in ("✓", "✗")]
    assert len(findings) == 9 and all(line.startswith("✓") for line in findings)
    assert "agree: 10 points" in findings[0]


def test_the_command_names_what_it_wrote_and_what_is_next(graded):
    root, said = graded
    wrote = [line.removeprefix("wrote ") for line in said["new"].splitlines() if line.startswith("wrote ")]
    assert wrote == [
        f"assignments/{NAME}/assignment.toml",
        f"assignments/{NAME}/{NAME}.py",
        f"assignments/{NAME}/checks/test_1_softplus.py",
        f"assignments/{NAME}/mutants.toml",
        f"source/{NAME}/{NAME}.ipynb",
    ]
    assert all((root / path).is_file() for path in wrote)
    assert f"  autograder release {NAME} " in said["new"] and f"  autograder verify {NAME} " in said["new"]


def test_each_of_the_class_gets_what_it_earned(graded):
    root, said = graded
    records = {path.stem: json.loads(path.read_text()) for path in (root / "results" / NAME).glob("*.json")}
    assert {student: record["score"] for student, record in records.items()} == {
        "solved": 10, "untouched": 0, "mistaken": 6,
    }  # fmt: skip
    (check,) = records["mistaken"]["checks"]
    assert check["case"] == "large numbers of both signs"
    assert "numbers far below zero" in check["message"] and "zero, zero" not in check["message"]
    (check,) = records["untouched"]["checks"]
    assert "softplus is not written yet" in check["message"]
    assert all(student in said["grade"] for student in records)


def test_each_of_the_class_gets_a_page(graded):
    root, _ = graded
    pages = {path.parts[-3]: path.read_text() for path in root.glob(f"feedback/*/{NAME}/{NAME}.html")}
    assert set(pages) == {"solved", "untouched", "mistaken"}
    assert all("Smooth rectifiers" in page and "Question 1" in page for page in pages.values())
    assert "large numbers of both signs" in pages["mistaken"] and "large numbers" not in pages["solved"]


# what it makes


def test_names_and_titles_stand_where_they_belong(course):
    title = r'Grün & "rot" \ {{ name }} <1>'
    made = create_assignment(course, "colours", title)
    assert made.title == title and inside(course) == sorted(
        {*made.written, *(str(parent) for path in made.written for parent in Path(path).parents if parent.name)}
        | {".gitignore", "course.toml", "nbgrader_config.py"}
    )
    assert tomllib.loads((course.assignments / "colours" / "assignment.toml").read_text())["title"] == title
    assignment = load_assignment(course, "colours")
    assert assignment.title == title and assignment.files.modules == ("colours.py",)
    notebook = nbformat.read(course.source / "colours" / "colours.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith(f"# {title}\n\n")
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "from colours import softplus" in code
    module = (course.assignments / "colours" / "colours.py").read_text()
    assert [region.task for region in solution_regions(module, "colours.py")] == ["softplus"]


@pytest.mark.parametrize(
    ("name", "title"), [("deep_q_networks", "Deep q networks"), ("A1", "A1"), ("_x_", "X"), ("_", "_")]
)
def test_a_title_is_made_from_the_name(course, name, title):
    assert create_assignment(course, name).title == title


def test_a_second_one_leaves_the_first_alone(course):
    create_assignment(course, "one")
    before = tree(course.root)
    create_assignment(course, "two")
    assert assignment_names(course) == ["one", "two"]
    assert {path: content for path, content in tree(course.root).items() if "two" not in path} == before


def test_folders_that_git_did_not_keep_are_made(course):
    course.assignments.rmdir()
    course.source.rmdir()
    create_assignment(course, "one")
    assert assignment_names(course) == ["one"] and (course.source / "one" / "one.ipynb").is_file()


def test_every_template_is_used_and_goes_into_the_package():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    folder = Path(create.__file__).parent
    patterns = project["tool"]["setuptools"]["package-data"]["autograder.new"]
    packed = {path.name for pattern in patterns for path in folder.glob(pattern)}
    assert packed == {path.name for path in (folder / "templates").iterdir()} == set(create.FILES.values())


def test_the_help_lists_it_between_the_course_and_the_release():
    runner = CliRunner()
    listed = [line.split()[0] for line in runner.invoke(app, ["--help"]).output.splitlines() if line.startswith("  ")]
    place = listed.index("new")
    assert listed[place - 1 : place + 2] == ["init", "new", "release"]
    text = runner.invoke(app, ["new", "--help"]).output
    for part in ["NAME", "--course", "--title", "assignment.toml", "mutants.toml", "docs/AUTHORING.md", "Example:"]:
        assert part in text


# what it refuses


@pytest.mark.parametrize(
    "name", ["", "a b", "../a", "a/b", "a.py", "1a", "a-b", "é", "class", "random", "torch", "toolbox", "checks",
             "reference", "nbgrader_config", "__main__"],
)  # fmt: skip
def test_what_is_no_name_is_refused(course, name):
    before = inside(course)
    with pytest.raises(UserError, match=r"is no name of an assignment|cannot name an assignment") as error:
        create_assignment(course, name)
    assert repr(name) in str(error.value)
    assert inside(course) == before


@pytest.mark.parametrize("title", ["two\nlines", "a\x07bell", "\u202ereversed", "long" * 40])
def test_what_is_no_title_is_refused(course, title):
    before = inside(course)
    with pytest.raises(UserError, match="is no title"):
        create_assignment(course, "one", title)
    assert inside(course) == before


def test_an_assignment_that_is_there_stays_as_it_is(course):
    create_assignment(course, "one")
    module = course.assignments / "one" / "one.py"
    module.write_text("mine = True\n")
    before = tree(course.root)
    done = kit(course.root, "new", "one", "--title", "Another")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"{module.parent}: there is an assignment of this name already. Choose another name.\n"
    assert tree(course.root) == before


@pytest.mark.parametrize("place", ["assignments", "source", "release"])
@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_in_the_way_is_named_and_left_alone(course, place, kind):
    path = course.root / place / "one"
    path.parent.mkdir(exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    before = inside(course)
    with pytest.raises(UserError) as error:
        create_assignment(course, "one")
    assert str(error.value) == f"{path}: this is in the way. Move it elsewhere, or choose another name."
    assert inside(course) == before


def test_outside_a_course_the_next_step_is_named(tmp_path):
    done = kit(tmp_path, "new", "one")
    assert done.returncode == 1 and list(tmp_path.iterdir()) == []
    assert "autograder init DIR" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("folder", ["assignments", "source"])
def test_a_folder_that_cannot_be_written_leaves_nothing(course, folder):
    (course.root / folder).rmdir()
    (course.root / folder).write_text("no folder")
    before = inside(course)
    done = kit(course.root, "new", "one")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"{course.root / folder}: this cannot be written: File exists.\n"
    assert inside(course) == before


def test_ctrl_c_at_any_step_leaves_nothing(course, monkeypatch):
    before = inside(course)
    steps = {name: getattr(Path, name) for name in ("mkdir", "write_text", "rename")}
    left = 0

    def interrupted(name):
        def step(*args, **kwargs):
            nonlocal left
            result = steps[name](*args, **kwargs)
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return result

        return step

    for name in steps:
        monkeypatch.setattr(Path, name, interrupted(name))
    for steps_done in itertools.count(1):
        left = steps_done
        try:
            create_assignment(course, "one")
            break
        except KeyboardInterrupt:
            assert inside(course) == before
    assert steps_done > len(create.FILES) + 2 and left > 0
    assert assignment_names(course) == ["one"] and (course.source / "one" / "one.ipynb").is_file()
