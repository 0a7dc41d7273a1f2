"""Full disks, folders that cannot be written, gradebooks that cannot be used: one sentence, and the next run goes on."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from autograder import gradebook
from autograder.errors import UserError
from autograder.gradebook import connection, rows
from autograder.grading import records
from tests.command import command
from tests.crash.grading import grade, scores
from tests.tiny_course import REPOSITORY, record, submit, write_record

EVERYBODY = {"ann": 4, "ben": 4, "cleo": 4}


def entered(course):
    return {student: cells["double"][0] for student, cells in rows(course, "tiny").items()}


def refused(done, *says):
    """Demand a sentence, status 1 and no traceback."""
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    for text in says:
        assert text in done.stderr.splitlines()[-1]
    return True


def mounted(folder, options):
    """Return what to put before a command so that it alone finds a file system of this kind at a folder."""
    folder.mkdir()
    before = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    mount = f"mount -t tmpfs -o {options} tmpfs {shlex.quote(str(folder))}"
    if not shutil.which("unshare") or subprocess.run([*before, "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    keep = f"{folder}.kept"
    return [*before, "sh", "-c", f'{mount}; "$@"; status=$?; cp -r {folder} {keep}; exit $status', "sh"]


def test_a_full_disk_keeps_what_it_could_take(course):
    done = grade(course, *mounted(course.results, "size=8k"))  # room for the folder and two records
    assert refused(done, ".json: the record cannot be written: No space left", "2 of 3 are graded and kept.")
    kept = course.root / "results.kept"
    assert len(list((kept / "tiny").iterdir())) == 2
    course.results.rmdir()
    kept.rename(course.results)
    assert grade(course).returncode == 0
    assert scores(course) == entered(course) == EVERYBODY


def test_a_folder_that_cannot_be_written_is_named(course):
    done = grade(course, *mounted(course.results, "ro"))
    assert refused(done, str(course.results / "tiny"), "cannot be written: Read-only file system. Mend this")


def damage(path):
    path.write_bytes(b"no database " * 100)


def make_older(path):
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE grade DROP COLUMN extra_credit")


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil, says",
    [
        (damage, "the gradebook is damaged"),
        (make_older, "made by an older nbgrader"),
        (replace_by_folder, "unable to open database file. Mend this"),
    ],
)
def test_a_gradebook_that_cannot_be_used_costs_no_record(course, tmp_path, spoil, says, caplog):
    path = course.root / "gradebook.db"
    good = shutil.copyfile(path, tmp_path / "good.db")
    spoil(path)
    made = []

    def graded():
        for student in EVERYBODY:
            made.append(student)
            yield record(student)

    with pytest.raises(UserError, match=f"gradebook.db: .*{says}"):
        gradebook.save(course, "tiny", graded())
    assert made == list(EVERYBODY) and "Traceback" not in caplog.text
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copyfile(good, path)
    gradebook.save(course, "tiny", map(record, EVERYBODY))
    assert entered(course) == EVERYBODY


def test_a_locked_gradebook_is_waited_for_and_then_named(course, monkeypatch):
    monkeypatch.setattr(connection, "WAIT_SECONDS", 2)
    other = sqlite3.connect(course.root / "gradebook.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="another program is writing to the gradebook"):
        gradebook.save(course, "tiny", map(record, EVERYBODY))
    other.execute("ROLLBACK")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match="another program is writing"):
        gradebook.save(course, "tiny", map(record, EVERYBODY))
    other.execute("ROLLBACK")
    gradebook.save(course, "tiny", map(record, EVERYBODY))
    assert entered(course) == EVERYBODY


def test_scores_reach_the_gradebook_while_others_are_graded(course):
    """So a run that is killed, or stopped by Ctrl-C, has next to nothing left to enter."""
    seen = []

    def graded():
        for student in EVERYBODY:
            yield record(student)
            seen.append(set(entered(course)))

    gradebook.save(course, "tiny", graded())
    assert seen == [{"ann"}, {"ann", "ben"}, set(EVERYBODY)]


def test_records_without_rows_are_entered_by_the_next_run(course):
    for student in EVERYBODY:
        write_record(course, record(student))
    before = {path: path.stat().st_mtime_ns for path in (course.results / "tiny").iterdir()}
    assert grade(course).returncode == 0
    assert entered(course) == EVERYBODY
    assert before == {path: path.stat().st_mtime_ns for path in (course.results / "tiny").iterdir()}


def test_two_runs_at_once_lose_nothing(course):
    both = [subprocess.Popen(command(course, "grade", "tiny", "--quiet"), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=120)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert scores(course) == entered(course) == EVERYBODY
    assert not list((course.results / "tiny").glob(".*"))


@pytest.mark.parametrize("busy", ["the student's code", "the gradebook"])
def test_ctrl_c_does_not_wait_for_what_is_busy(course, busy):
    lock = sqlite3.connect(course.root / "gradebook.db", isolation_level=None)
    if busy == "the gradebook":
        lock.execute("BEGIN EXCLUSIVE")
    else:
        module = submit(course, "dora") / "tiny.py"
        module.write_text("def double(x):\n    return sum(iter(lambda: 0, 1))\n")  # never out of C
    running = subprocess.Popen(command(course, "grade", "tiny", "--quiet"), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    wanted = 1 if busy == "the gradebook" else 3
    while len(scores(course)) < wanted:
        assert running.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=120)[1]
    lock.close()
    assert running.returncode == 130 and "Traceback" not in said
    assert said.splitlines()[-1].startswith(f"Stopped: {len(scores(course))} of ")
    assert set(entered(course)) == (set() if busy == "the gradebook" else set(EVERYBODY))


def test_half_written_records_of_killed_runs_go_away(course):
    folder = course.results / "tiny"
    folder.mkdir(parents=True)
    for name, age in ((".old.tmp", 3600), (".new.tmp", 0)):
        (folder / name).write_text("{")
        os.utime(folder / name, (time.time() - age,) * 2)
    records.tidy(course, "tiny")
    assert [path.name for path in folder.iterdir()] == [".new.tmp"]
