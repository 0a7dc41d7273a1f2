"""Grading a class from the command line: scores, records, rows, and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbgrader.apps.api import NbGraderAPI

from autograder.assignment import load_assignment
from autograder.course import init_course, open_course
from autograder.gradebook import rows
from autograder.grading import records
from autograder.nbgrader.run import load_config
from autograder.release.build import generate
from examples.fully_connected_class import CLASS, MODULE, NAME, write_class
from tests.command import run

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("grading")


def autograder(*arguments, course=None, **environment):
    where = ["--course", course.root] if course else []
    return run("autograder", *arguments, *where, environment={**os.environ, **environment})


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Make a course on the stand-in, released, its example class handed in and graded."""
    made = init_course(tmp_path_factory.mktemp("class") / "course", like=open_course(REPOSITORY)).course
    made.toml.write_text(made.toml.read_text().replace('"cifar10"', '"standin"'))
    generate(made, NAME)
    write_class(made.root, "standin")
    done = autograder("grade", NAME, course=made)
    assert done.returncode == 0, done.stderr
    return open_course(made.root)


@pytest.fixture
def record(course):
    return lambda student: records.read(course, NAME, student)


def lost(record):
    return {check["id"]: check for check in record["checks"] if check["status"] != "passed"}


def test_every_submission_has_its_record(course):
    assert {path.stem for path in (course.results / NAME).glob("*.json")} == set(CLASS)


def test_the_complete_submission_scores_everything_and_the_starter_nothing(record):
    assert record("complete")["score"] == 100
    assert record("starter")["score"] == 0


def test_one_mistake_costs_its_function_and_what_needs_it(record):
    failed = lost(record("regularised_once"))
    assert set(failed) == {"two_layer_loss", "two_layer_gradients"}
    assert failed["two_layer_loss"]["status"] == "failed"
    assert failed["two_layer_gradients"]["message"].startswith("First mend `two_layer_loss`")


def test_a_function_that_is_not_written_says_so(record):
    failed = lost(record("no_dropout_yet"))
    assert failed["dropout_forward"]["message"].startswith("Dropout.forward is not written yet")
    assert set(failed) == {"dropout_forward", "dropout_backward", "dropout_network"}


def test_an_endless_loop_costs_its_function_and_what_needs_it(record):
    failed = lost(record("endless_loop"))
    assert set(failed) == {"dropout_forward", "dropout_backward", "dropout_network"}
    assert failed["dropout_forward"]["status"] == "timeout"


def test_a_syntax_error_names_its_line(record):
    source = (REPOSITORY / "assignments" / NAME / MODULE).read_text().splitlines()
    line = next(n for n, text in enumerate(source, start=1) if text.startswith("def sgd_momentum"))
    assert all(f"{MODULE}, line {line}" in check["message"] for check in record("syntax_error")["checks"])


def test_cuda_runs_on_the_processor_and_is_reported(record):
    assert record("gpu_habit")["score"] == 100
    assert any("GPU" in notice for notice in record("gpu_habit")["notices"])


def test_a_missing_file_is_named(record):
    assert f"`{MODULE}` is missing." in record("no_module")["notices"]
    assert record("no_module")["score"] == 0


def test_forbidden_calls_are_reported_with_their_line(course, record):
    folder = course.submitted / "shortcut" / NAME
    write_class(course.root, "standin", ["complete"])
    folder.parent.mkdir()
    (course.submitted / "complete" / NAME).rename(folder)
    write_class(course.root, "standin", ["complete"])
    source = (folder / MODULE).read_text().replace("out = x.clamp(min=0)", "out = torch.nn.functional.relu(x)")
    (folder / MODULE).write_text(source)
    line = next(n for n, text in enumerate(source.splitlines(), start=1) if "functional.relu" in text)
    toml = course.assignments / NAME / "assignment.toml"
    before = toml.read_text()
    try:
        toml.write_text(before.replace('policy = "warn"', 'policy = "zero"'))
        assert autograder("grade", NAME, "--student", "shortcut", course=course).returncode == 0
        assert record("shortcut")["score"] == 0
    finally:
        toml.write_text(before)
    assert autograder("grade", NAME, "--student", "shortcut", course=course).returncode == 0
    assert any(f"line {line}: uses torch.nn" in notice for notice in record("shortcut")["notices"])
    assert record("shortcut")["score"] == 100


def test_the_gradebook_holds_the_same_scores(course, record):
    for student, cells in rows(course, NAME).items():
        total = sum(auto for auto, *_ in cells.values() if auto is not None)
        assert total == pytest.approx(record(student)["score"], abs=0.01)


def test_nbgrader_leaves_the_same_rows(course):
    before = rows(course, NAME)
    run("nbgrader", "autograde", NAME, "--force", cwd=course.root)
    assert rows(course, NAME) == before
    assert {path.parent.parent.name for path in course.autograded.glob(f"*/{NAME}/*.ipynb")} == set(before) - {
        "no_notebook"
    }


def start_anew(course):
    """Take away records and gradebook, so that nothing is graded."""
    for path in (course.results / NAME).glob("*.json"):
        path.unlink()
    (course.root / "gradebook.db").unlink()
    generate(course, NAME)


def test_nbgrader_alone_grades_the_class_too(course):
    """With neither records nor rows, `nbgrader autograde` does the whole work."""
    before = rows(course, NAME)
    start_anew(course)
    run("nbgrader", "autograde", NAME, "--force", cwd=course.root)
    assert rows(course, NAME) == before


def test_formgraders_button_leaves_the_same_rows(course):
    students = ["complete", "endless_loop", "no_notebook", "syntax_error"]
    before = rows(course, NAME)
    start_anew(course)
    api = NbGraderAPI(config=load_config(course))
    answers = {student: api.autograde(NAME, student)["success"] for student in students}
    assert answers == {student: student != "no_notebook" for student in students}
    assert {student: rows(course, NAME)[student] for student in students} == {s: before[s] for s in students}


def test_what_has_not_changed_is_not_graded_again(course):
    path = records.path(course, NAME, "complete")
    before = path.stat().st_mtime_ns
    done = autograder("grade", NAME, "--student", "complete", course=course)
    assert "1 unchanged" in done.stdout and path.stat().st_mtime_ns == before
    autograder("grade", NAME, "--student", "complete", "--force", course=course)
    assert path.stat().st_mtime_ns > before


def test_a_missing_data_set_refuses_to_start_and_changes_nothing(course, tmp_path):
    path = records.path(course, NAME, "complete")
    before = path.read_bytes()
    done = autograder(
        "grade", NAME, "--force", "--data", "cifar10", course=course, CIFAR10_DIR=str(tmp_path / "nowhere")
    )
    assert done.returncode == 1 and "nothing is graded" in done.stderr and "Traceback" not in done.stderr
    assert path.read_bytes() == before


def test_json_prints_one_record_a_line(course):
    done = autograder("grade", NAME, "--student", "complete", "--student", "starter", "--json", course=course)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["student"], one["score"]) for one in printed] == [("complete", 100), ("starter", 0)]


def test_a_submission_that_is_not_there_is_named(course):
    done = autograder("grade", NAME, "--student", "nobody_here", course=course)
    assert done.returncode == 1 and "nobody_here" in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_keeps_what_is_done_and_leaves_nothing_running(course):
    for path in (course.results / NAME).glob("*.json"):
        path.unlink()
    running = subprocess.Popen(
        [sys.executable, "-m", "autograder", "grade", NAME, "--course", str(course.root), "--workers", "1"],
        cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "MARK": str(course.root)},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((course.results / NAME).glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 130 and "Traceback" not in said
    kept = [records.read(course, NAME, path.stem) for path in (course.results / NAME).glob("*.json")]
    assert kept and all(kept)
    left = [p for p in Path("/proc").glob("[0-9]*/environ") if _holds(p, f"MARK={course.root}")]
    assert left == []
    assert autograder("grade", NAME, course=course).returncode == 0


def test_ctrl_c_while_an_examiner_is_forked_is_not_dropped(course):
    """Python drops exceptions raised in what it calls around a fork; this Ctrl-C comes exactly there."""
    program = (
        "import os, signal; "
        "os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT)); "
        "from autograder.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "grade", NAME, "--force", "--course", str(course.root)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 130 and done.stderr.strip().splitlines()[-1].startswith("Stopped: 0 of ")


def test_an_interrupt_inside_of_a_librarys_exec_ends_with_our_status(course):
    """Python ends a module that is run by the signal then, although the interrupt was dealt with."""
    interrupted = "import autograder.cli, sys, runpy; sys.argv[1:] = ['grade', 'x']\n"
    interrupted += "def main():\n    try: exec('raise KeyboardInterrupt')\n    except KeyboardInterrupt: sys.exit(130)\n"
    interrupted += "autograder.cli.main = main; runpy.run_module('autograder', run_name='__main__')"
    (course.root / "interrupted.py").write_text(interrupted)
    done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=course.root, timeout=60, check=False)
    assert done.returncode == 130


def _holds(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False


@pytest.mark.cifar10
def test_the_solution_scores_everything_on_cifar10_under_secret_seeds(tmp_path, cifar10_dir):
    course = init_course(tmp_path / "course", like=open_course(REPOSITORY)).course
    generate(course, NAME)
    write_class(course.root, "cifar10", ["complete", "starter"])
    for _ in range(3):
        course.secret_seed.unlink(missing_ok=True)
        done = autograder("grade", NAME, "--force", course=course, CIFAR10_DIR=str(cifar10_dir))
        assert done.returncode == 0, done.stderr
        assert records.read(course, NAME, "complete")["score"] == 100
        assert records.read(course, NAME, "starter")["score"] == 0
    assert load_assignment(course, NAME).points == 100
