"""nbgrader's autograde uses the kit's results, from its command line and from formgrader's buttons."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from tiny_course import cell_metadata, nbgrader, press, record, submit, tree, write_record

from autograder import gradebook
from autograder.grading import records
from autograder.release.build import generate
from tests.command import kit

FRACTIONS = {"alice": "4", "bob": "8/3", "carol": "0", "dave": "1", "eve": "1/3"}


def hand_in(course) -> list[dict]:
    """Let five students hand in: a full answer, none, and three files that are no notebooks."""
    submit(course, "alice", answer="Because.")
    submit(course, "bob")
    submit(course, "carol", notebook=b"not json")
    submit(course, "dave", notebook=b"[" * 100_000)
    link = submit(course, "eve") / "tiny.ipynb"
    link.unlink()
    link.symlink_to(course.root / "course.toml")
    found = [record(student, fraction) for student, fraction in FRACTIONS.items()]
    for one in found:
        write_record(course, one)
    return found


def comments(course) -> dict:
    """Return every comment and every computed figure that nbgrader keeps of a class."""
    with Gradebook(course.db_url) as gb:
        return {
            s.student.id: (
                s.timestamp, s.score, s.max_score, s.needs_manual_grade,
                [(n.failed_tests, n.late_submission_penalty, [(c.name, c.auto_comment) for c in n.comments])
                 for n in s.notebooks],
            )
            for s in gb.assignment_submissions("tiny")
        }  # fmt: skip


def test_nbgrader_does_nothing_where_the_kit_is_not_installed(course, tmp_path):
    """nbgrader goes on with its own settings where those of the course cannot be read: it would run the notebook."""
    mark = tmp_path / "ran"
    path = submit(course, "alice") / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_code_cell(f"open({str(mark)!r}, 'w')"))
    nbformat.write(notebook, path)
    (tmp_path / "autograder.py").write_text("")  # stands in the kit's way
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", "tiny"],
        cwd=course.root, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Start nbgrader and Jupyter from the environment in which the kit is installed." in done.stderr
    assert "Traceback" not in done.stderr
    assert not mark.exists() and not (course.root / "autograded").exists()


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_nbgrader_and_the_kit_leave_the_same_rows(course, tmp_path):
    found = hand_in(course)
    done = nbgrader(course, "autograde", "tiny")
    assert done.returncode == 0, done.stderr
    theirs = gradebook.rows(course, "tiny"), comments(course)
    assert theirs[0]["alice"] == {"double": (4.0, None, False, 4.0), "why": (None, None, True, 2.0)}
    assert theirs[0]["bob"] == {"double": (8 / 3, None, False, 4.0), "why": (0.0, None, False, 2.0)}
    assert theirs[0]["carol"] == {"double": (0.0, None, False, 4.0), "why": (0.0, None, False, 2.0)}

    (course.root / "gradebook.db").unlink()
    gradebook.save(course, "tiny", found)
    assert (gradebook.rows(course, "tiny"), comments(course)) == theirs

    (course.root / "gradebook.db").unlink()
    gradebook.save(course, "tiny", [])
    for student in FRACTIONS:
        answer = press(course, "autograde", student)
        assert answer["success"], answer
    assert (gradebook.rows(course, "tiny"), comments(course)) == theirs


def test_every_kind_of_cell_gets_the_row_that_nbgrader_gives_it(course):
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    plain = cell_metadata("plain", grade=False, solution=True)
    code = cell_metadata("code", grade=True, solution=True, points=3)
    task = cell_metadata("task", grade=False, solution=False, points=5)
    task["nbgrader"]["task"] = True
    read = cell_metadata("read", grade=False, solution=False)
    notebook.cells += [
        new_code_cell("x = 1", metadata=plain),
        new_code_cell("y = 1", metadata=code),
        new_markdown_cell("Do this.\n### BEGIN MARK SCHEME\nfive points\n### END MARK SCHEME", metadata=task),
        new_markdown_cell("Read this.", metadata=read),
    ]
    nbformat.write(notebook, path)
    toml = course.assignments / "tiny" / "assignment.toml"
    toml.write_text(toml.read_text().replace("written = 2", "written = 10"))
    generate(course, "tiny")
    for student in ("alice", "bob"):
        folder = submit(course, student)
    submitted = nbformat.read(folder / "tiny.ipynb", as_version=4)
    for cell in submitted.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") in ("plain", "code", "task", "why"):
            cell.source += "\nmore"
    nbformat.write(submitted, folder / "tiny.ipynb")
    for student in ("alice", "bob"):
        write_record(course, record(student))

    for student in ("alice", "bob"):
        assert press(course, "autograde", student)["success"]
    theirs = gradebook.rows(course, "tiny"), comments(course)
    assert theirs[0]["alice"]["code"][:1] == (0.0,) and theirs[0]["bob"]["code"][:1] == (None,)
    (course.root / "gradebook.db").unlink()
    gradebook.save(course, "tiny", [record("alice"), record("bob")])
    assert (gradebook.rows(course, "tiny"), comments(course)) == theirs


def test_a_check_cell_holds_one_result_with_its_table(course):
    submit(course, "alice")
    message = "out is off by 0.1 & <b>more</b>"
    write_record(course, record("alice", "8/3", message=message) | {"notices": ["CUDA was used: <script>"]})
    assert press(course, "autograde", "alice")["success"]
    notebook = nbformat.read(course.autograded / "alice" / "tiny" / "tiny.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "double"]
    (output,) = cell.outputs
    assert output.data["text/plain"] == repr(8 / 3)
    assert "out is off by 0.1 &amp; &lt;b&gt;more&lt;/b&gt;" in output.data["text/html"]
    assert "Multiply." in output.data["text/html"]
    assert "CUDA was used: < script>" in notebook.cells[0].source
    assert press(course, "generate_feedback", "alice")["success"]
    page = (course.feedback / "alice" / "tiny" / "tiny.html").read_text()
    assert "out is off by 0.1 &amp; &lt;b&gt;more" in page


def test_code_in_a_submitted_notebook_is_not_run(course):
    folder = submit(course, "alice")
    notebook = nbformat.read(folder / "tiny.ipynb", as_version=4)
    code = f"open({str(course.root / 'ran')!r}, 'w')"
    forged = nbformat.v4.new_output("execute_result", data={"text/plain": "4.0"}, execution_count=1)
    notebook.cells[1].outputs = [forged]
    notebook.cells.insert(0, new_code_cell(code))
    nbformat.write(notebook, folder / "tiny.ipynb")
    write_record(course, record("alice", "0"))
    assert press(course, "autograde", "alice")["success"]
    assert not (course.root / "ran").exists()
    assert gradebook.rows(course, "tiny")["alice"]["double"][0] == 0.0


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_only_plain_files_that_the_assignment_names_reach_autograded_and_feedback(course):
    folder = submit(course, "alice")
    (course.root / "private").write_text("private")
    (folder / "tiny.pth").symlink_to(course.root / "private")
    (folder / "link.txt").symlink_to(course.root / "private")
    (folder / "more.py").write_text("x = 1")
    (folder / "below" / "deeper").mkdir(parents=True)
    (folder / "below" / "deeper" / "tiny.py").write_text("x = 1")
    (course.source / "tiny" / "notes.txt").write_text("the author's")
    write_record(course, record("alice"))
    assert nbgrader(course, "autograde", "tiny").returncode == 0
    assert press(course, "generate_feedback", "alice")["success"]
    graded = course.autograded / "alice" / "tiny"
    assert sorted(p.name for p in graded.rglob("*")) == ["timestamp.txt", "tiny.ipynb", "tiny.py"]
    assert set(tree(course.feedback / "alice" / "tiny")) == {"tiny.html"}


def test_a_submission_that_cannot_be_graded_ends_with_the_reason_and_status_1(course):
    submit(course, "alice")
    (course.assignments / "tiny" / "checks" / "test_tiny.py").write_text("raise RuntimeError('spoilt checks')\n")
    done = nbgrader(course, "autograde", "tiny")
    assert done.returncode == 1
    assert "autograder.errors.UserError: " in done.stderr
    assert not (course.autograded / "alice" / "tiny").exists()


def test_a_folder_that_is_no_students_stops_nobody_and_gets_no_row(course):
    for name in ("alice", "carl cox", "-rf"):
        submit(course, name)
    write_record(course, record("alice"))
    (course.submitted / "linked").symlink_to("alice")
    done = nbgrader(course, "autograde", "tiny")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert set(gradebook.rows(course, "tiny")) == {"alice"}


def test_a_check_worth_other_points_than_its_cell_is_not_silently_scaled(course):
    submit(course, "alice")
    write_record(course, record("alice", max_score=5))
    answer = press(course, "autograde", "alice")
    assert not answer["success"] and "was graded for 5 points, but its cell is worth 4" in answer["log"]


def test_pending_submissions_are_graded_once_for_the_whole_class(course):
    pytest.importorskip("autograder.grading.grade", exc_type=ImportError)
    for student in ("alice", "bob"):
        submit(course, student)
    done = nbgrader(course, "autograde", "tiny")
    assert done.returncode == 0, done.stderr
    for student in ("alice", "bob"):
        assert records.is_current(course, "tiny", student)
        assert gradebook.rows(course, "tiny")[student]["double"] == (4.0, None, False, 4.0)
    before = gradebook.rows(course, "tiny"), comments(course)
    assert kit(course, "grade", "tiny", "--quiet").returncode == 0
    assert (gradebook.rows(course, "tiny"), comments(course)) == before
