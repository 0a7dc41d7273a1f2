"""Finding a course, reading its settings, keeping its seed, and making a new one."""

import os
import sys

import pytest

from autograder.assignment import assignment_names, load_assignment
from autograder.course import find_course, init_course, open_course, secret_seed
from autograder.errors import UserError

MANIFEST = """\
title = "Layers"
points = 10
[files]
modules = ["layers.py"]
notebook = "layers.ipynb"
"""


def test_the_nearest_course_above_a_folder_is_found(tmp_path):
    init_course(tmp_path / "course")
    inside = tmp_path / "course" / "assignments" / "one"
    inside.mkdir()
    assert find_course(inside).root == tmp_path / "course"


def test_outside_a_course_the_next_step_is_named(tmp_path):
    with pytest.raises(UserError, match="autograder init DIR"):
        find_course(tmp_path)


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: there is no such folder\."):
        find_course(tmp_path / "nowhere")


def test_settings_are_read_and_have_defaults(tmp_path):
    (tmp_path / "course.toml").write_text('[grading]\ndata = "standin"\nminimum = "process"\n')
    course = open_course(tmp_path)
    assert course.title == tmp_path.name
    assert (course.grading.data, course.grading.isolation, course.grading.minimum) == (
        "standin",
        "best",
        "process",
    )
    (tmp_path / "course.toml").write_text("")
    expected = "landlock" if sys.platform == "linux" else "process"
    assert open_course(tmp_path).grading.minimum == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1\n", "colour is not known"),
        ("[grading]\ncolour = 1\n", "[grading] colour is not known"),
        ('[grading]\ndata = "mnist"\n', "[grading] data is 'mnist'"),
        ('[grading]\nminimum = "best"\n', "[grading] minimum is 'best'"),
        ("[grading\n", "cannot be read as TOML"),
    ],
)
def test_a_mistake_in_course_toml_names_file_and_key(tmp_path, text, named):
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(UserError) as error:
        open_course(tmp_path)
    assert "course.toml" in str(error.value) and named in str(error.value)


def test_the_seed_is_made_once_and_only_the_owner_can_read_it(tmp_path):
    course = init_course(tmp_path).course
    seed, new = secret_seed(course)
    assert new and len(seed) == 32
    assert secret_seed(course) == (seed, False)
    if os.name == "posix":
        assert course.secret_seed.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_seed_that_others_can_read_is_refused(tmp_path):
    course = init_course(tmp_path).course
    secret_seed(course)
    course.secret_seed.chmod(0o640)
    with pytest.raises(UserError, match="chmod 600"):
        secret_seed(course)


@pytest.mark.skipif(os.name != "posix", reason="links need no privilege there")
def test_a_seed_that_is_a_link_is_refused(tmp_path):
    course = init_course(tmp_path).course
    (tmp_path / "elsewhere").write_text("0" * 64)
    (tmp_path / "elsewhere").chmod(0o600)
    course.secret_seed.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="must not be a link"):
        secret_seed(course)


@pytest.mark.parametrize("text", ["x" * 64, "0" * 63, "0" * 66, "", "é"])
def test_a_damaged_seed_is_refused(tmp_path, text):
    course = init_course(tmp_path).course
    course.secret_seed.write_text(text)
    course.secret_seed.chmod(0o600)
    with pytest.raises(UserError, match="not a seed of 64 hexadecimal digits"):
        secret_seed(course)


def test_a_new_course_has_all_it_needs_and_nothing_else(tmp_path):
    created = init_course(tmp_path / "course")
    there = sorted(path.name for path in (tmp_path / "course").iterdir())
    assert there == [".gitignore", "assignments", "course.toml", "nbgrader_config.py", "source"]
    assert created.kept == ()
    assert open_course(tmp_path / "course") == created.course


def test_making_a_course_again_keeps_what_is_there_and_says_so(tmp_path):
    init_course(tmp_path)
    (tmp_path / "course.toml").write_text('title = "Mine"\n')
    created = init_course(tmp_path)
    assert created.course.title == "Mine"
    assert created.kept == ("course.toml", "nbgrader_config.py", ".gitignore")
    assert created.written == ()


def test_assignments_of_another_course_can_be_copied(tmp_path):
    old = init_course(tmp_path / "old").course
    for name in ("one", "two"):
        (old.assignments / name / "__pycache__").mkdir(parents=True)
        (old.assignments / name / "assignment.toml").write_text(MANIFEST)
        (old.source / name).mkdir(parents=True)
        (old.source / name / "layers.ipynb").write_text("{}")
    some = init_course(tmp_path / "some", like=old, assignments=["two"]).course
    assert assignment_names(some) == ["two"]
    assert (some.source / "two" / "layers.ipynb").is_file()
    assert not (some.assignments / "two" / "__pycache__").exists()
    assert assignment_names(init_course(tmp_path / "all", like=old).course) == ["one", "two"]
    with pytest.raises(UserError, match="There are: one, two"):
        init_course(tmp_path / "third", like=old, assignments=["three"])
    assert not (tmp_path / "third").exists()


def test_a_missing_assignment_is_named_with_those_there_are(tmp_path):
    course = init_course(tmp_path).course
    (course.assignments / "one").mkdir()
    (course.assignments / "one" / "assignment.toml").write_text(MANIFEST)
    assert load_assignment(course, "one").files.modules == ("layers.py",)
    with pytest.raises(UserError, match="The course has: one"):
        load_assignment(course, "two")
    with pytest.raises(UserError, match="letters, digits and underscores"):
        load_assignment(course, "../one")
