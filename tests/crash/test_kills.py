"""Killing the grader's processes costs time and nothing else; `make killtest` does it at length."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from autograder.course import open_course
from autograder.gradebook import rows
from benchmarks.kills import ANSWERER, EXAMINER, PRELOADED, Grading, disturb, outcome
from tests.crash.grading import grade, scores
from tests.tiny_course import submit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the grader's processes in /proc")
SLOW = "import time\n\ndef double(x):\n    time.sleep(0.3)\n    return {} * x\n"


def slow(course, student, factor=2, source=SLOW):
    (submit(course, student) / "tiny.py").write_text(source.format(factor))


def kill_when_there(grading, kind):
    """Kill a process of this kind, as soon as there is one."""
    end = time.monotonic() + 60
    while not (found := grading.family()[kind]) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(found[-1], signal.SIGKILL)  # all of them are slow


def processes(grading):
    """Return the processes of all examinations."""
    family = grading.family()
    return {*family[EXAMINER], *family[ANSWERER]}


def test_random_kills_change_neither_records_nor_gradebook(course, tmp_path):
    for number in range(5):
        slow(course, f"student{number}", factor=2 + number % 2)
    undisturbed = open_course(Path(shutil.copytree(course.root, tmp_path / "undisturbed")))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    disturb(undisturbed, "tiny", 8, 0, 0, temporary)
    tally = disturb(course, "tiny", 8, 5, 20310203, temporary)
    assert tally.runs > 2 and len(tally.killed) > 2
    assert outcome(course, "tiny") == outcome(undisturbed, "tiny")
    assert set(scores(course).values()) == {0, 4}
    assert tally.rewritten == set() and tally.left == []


@pytest.mark.parametrize("isolation", ["best", "process"])
def test_one_kill_of_each_kind_is_made_up_for_by_the_same_run(course, tmp_path, isolation):
    for student in ("slow1", "slow2", "slow3"):
        slow(course, student)
    grading = Grading(course, "tiny", tmp_path, "--isolation", isolation)
    while len(scores(course)) < 3 or not grading.family()[ANSWERER]:
        assert grading.process.poll() is None
        time.sleep(0.01)
    for kind in (ANSWERER, EXAMINER, PRELOADED):
        kill_when_there(grading, kind)
    assert grading.process.communicate(timeout=120) and grading.process.returncode == 0
    assert scores(course) == dict.fromkeys(("ann", "ben", "cleo", "slow1", "slow2", "slow3"), 4)
    assert {student: cells["double"][0] for student, cells in rows(course, "tiny").items()} == scores(course)


def test_whoever_is_killed_at_every_try_is_named_and_keeps_nobody_waiting(course, tmp_path):
    slow(course, "unlucky", source="import time\ntime.sleep(5)\ndef double(x): return {} * x\n")
    grading = Grading(course, "tiny", tmp_path)
    while len(scores(course)) < 3:
        assert grading.process.poll() is None
        time.sleep(0.01)
    for kind in (EXAMINER, ANSWERER, ANSWERER):
        while len(grading.family()[kind]) != 1:  # whoever graded the others may still be ending
            time.sleep(0.01)
        of_this_try = processes(grading)
        kill_when_there(grading, kind)
        while of_this_try & processes(grading):
            time.sleep(0.01)
    said = grading.process.communicate(timeout=120)[1]
    assert grading.process.returncode == 1 and "Traceback" not in said
    assert "unlucky: not graded: its examination was cut short 3 times" in said and "killed from outside" in said
    assert set(scores(course)) == {"ann", "ben", "cleo"}
    assert grade(course).returncode == 0
    assert scores(course)["unlucky"] == 4
