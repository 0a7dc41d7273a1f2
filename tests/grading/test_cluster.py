"""Grading on a Dask cluster: two worker processes of this machine, and what becomes of a run when they get lost."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time

import dask
import pytest
from distributed import Client, LocalCluster

from autograder.assignment import load_assignment
from autograder.course import open_course, secret_seed
from autograder.errors import UserError
from autograder.grading import cluster, records
from autograder.grading.grade import grade
from autograder.grading.pool import Pool
from autograder.release.build import generate
from autograder.sandbox import tree
from tests.command import command
from tests.crash.grading import grade as grade_here
from tests.crash.grading import scores
from tests.tiny_course import REPOSITORY, make_course, submit

pytestmark = [
    pytest.mark.xdist_group("cluster"),
    pytest.mark.skipif(sys.platform != "linux", reason="finds the workers' processes in /proc"),
]
SLOW = "import time\n\ndef double(x):\n    time.sleep(0.3)\n    return 2 * x\n"
CLASS = {
    "good": "def double(x):\n    return 2 * x\n",
    "wrong": "def double(x):\n    return 3 * x\n",
    "endless": "def double(x):\n    return sum(iter(lambda: 0, 1))\n",
    "broken": "def double(x:\n",
    "curious": """\
import os

def is_open(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False

def double(x):
    raise RuntimeError(sum(map(is_open, range(256))), sorted(os.environ)[:3])
""",
}
LIMITS = "\n[limits]\ncheck_seconds = 1\nafter_timeout_seconds = 1\n"


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    made = make_course(tmp_path_factory.mktemp("cluster") / "course")
    toml = made.assignments / "tiny" / "assignment.toml"
    toml.write_text(toml.read_text() + LIMITS)
    generate(made, "tiny")
    secret_seed(made)
    return made


@pytest.fixture
def course(released, tmp_path):
    return open_course(shutil.copytree(released.root, tmp_path / "course"))


@pytest.fixture(scope="module")
def two():
    with workers(2) as made:
        yield made


def workers(number):
    return LocalCluster(
        n_workers=number, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", silence_logs=logging.CRITICAL
    )


def hand_in(course, sources):
    for student, source in sources.items():
        (submit(course, student, answer="Because.") / "tiny.py").write_text(source)


def outcomes(course, students, **how):
    with Pool(2) as pool:
        yield from grade(course, load_assignment(course, "tiny"), list(students), pool, force=True, **how)


def recorded(course):
    """Return the records of a class, without times."""
    found = {path.stem: records.read(course, "tiny", path.stem) for path in (course.results / "tiny").glob("*.json")}
    for record in found.values():
        del record["cpu_seconds"]
        for check in record["checks"]:
            del check["seconds"]
    return found


def below(root):
    """Return the processes that descend from one."""
    parents = tree.parents()
    found = {root}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


def demand_gone(processes):
    end = time.monotonic() + 20
    while (left := processes & set(tree.parents())) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == set()


def test_the_records_are_those_of_the_local_pool(course, two):
    hand_in(course, CLASS)
    assert grade_here(course).returncode == 0
    here = recorded(course)
    found = list(outcomes(course, CLASS, scheduler=two.scheduler_address))
    assert {one.student for one in found if one.record} == set(CLASS)
    there = recorded(course)
    assert there == here
    assert {student: record["score"] for student, record in here.items()} == {**dict.fromkeys(CLASS, 0), "good": 4}
    message = here["curious"]["checks"][0]["message"]  # a jail has its standard streams, one line and few variables
    assert "(tiny.py, line 10, in double): (4, ['CUDA_VISIBLE_DEVICES', 'HOME', 'LC_CTYPE'])" in message
    assert [below(nanny.pid) for nanny in two.workers.values()] == [set(), set()]  # nothing stays beside the workers


def test_a_worker_that_is_killed_loses_nothing_and_counts_nothing_twice(course, two, monkeypatch):
    students = [f"student{number}" for number in range(4)]
    hand_in(course, dict.fromkeys(students, SLOW))
    written = []
    write = records.write
    monkeypatch.setattr(
        records, "write", lambda where, record: (written.append(record["student"]), write(where, record))
    )
    graded = outcomes(course, students, scheduler=two.scheduler_address)
    found = [next(graded)]
    victim = next(nanny.pid for nanny in two.workers.values() if below(nanny.pid))
    its_own = below(victim)
    os.kill(victim, signal.SIGKILL)
    found += graded
    assert sorted(written) == sorted(one.student for one in found) == students
    assert scores(course) == dict.fromkeys(students, 4)
    demand_gone(its_own)


def test_a_worker_that_lacks_something_is_left_out_and_named(course, two):
    students = ["ann", "ben", "cleo", "dora"]
    hand_in(course, dict.fromkeys(students, CLASS["good"]))
    told = []
    with Client(two.scheduler_address, set_as_default=False) as client:
        lacking, *_ = client.nthreads()
        client.run(lambda: os.environ.update(XDG_CACHE_HOME="/proc/nowhere"), workers=[lacking])
        found = list(outcomes(course, students, scheduler=two.scheduler_address, tell=told.append))
        client.run(lambda: os.environ.pop("XDG_CACHE_HOME"), workers=[lacking])
    assert [one.record["score"] for one in found] == [4] * 4
    assert len(told) == 1 and told[0].startswith(f"The worker {lacking} cannot be used: The data set is not there")


def test_workers_with_another_torch_are_named(course, two, monkeypatch):
    hand_in(course, {"good": CLASS["good"]})
    monkeypatch.setattr(records, "versions", lambda: {"coursekit": "0.1.0", "torch": "2.0"})
    with pytest.raises(UserError, match=r"worker tcp://\S+ cannot be used: it has torch .*, and here is 2.0. Install"):
        list(outcomes(course, ["good"], scheduler=two.scheduler_address))


def test_a_scheduler_that_is_not_there_is_named(course, monkeypatch):
    hand_in(course, {"good": CLASS["good"]})
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(UserError, match=r"tcp://127\.0\.0\.1:1: the scheduler cannot be reached"):
        list(outcomes(course, ["good"], scheduler="tcp://127.0.0.1:1"))
    with pytest.raises(UserError, match="nowhere: this is no address of a scheduler"):
        list(outcomes(course, ["good"], scheduler="nowhere"))


def graded_at(course, address):
    return subprocess.Popen(
        [*command(course, "grade", "tiny", "--quiet"), "--scheduler", address], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
    )


def wait_for_a_score(course, running):
    while not scores(course):
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)


def test_workers_may_come_later_and_ctrl_c_ends_what_they_do(course):
    hand_in(course, {"good": CLASS["good"], "slow": "import time\n\ndef double(x):\n    time.sleep(60)\n"})
    with workers(0) as later:
        running = graded_at(course, later.scheduler_address)
        assert "there are no workers. Waiting for some" in running.stderr.readline()
        later.scale(1)
        wait_for_a_score(course, running)
        (nanny,) = later.workers.values()
        its_own = below(nanny.pid)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=30)[1]
        assert running.returncode == 130 and said.splitlines()[-1].startswith("Stopped: 1 of 2 are graded and kept.")
        assert its_own
        demand_gone(its_own)


def test_a_station_that_is_killed_is_replaced_and_workers_may_read_the_submissions_themselves(
    course, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    students = ["ann", "ben", "cleo"]
    hand_in(course, dict.fromkeys(students, SLOW))
    with workers(1) as one:
        graded = outcomes(course, students, scheduler=one.scheduler_address, shared_files=True)
        found = [next(graded)]
        (nanny,) = one.workers.values()
        (station,) = (child for child, parent in tree.parents().items() if parent == nanny.pid)
        os.kill(station, signal.SIGKILL)
        found += graded
    assert {outcome.student: outcome.record["score"] for outcome in found} == dict.fromkeys(students, 4)
    assert list(tmp_path.glob("station-*")) == []


def test_a_submission_whose_workers_are_lost_is_named_and_keeps_nobody_waiting(course):
    hand_in(course, {"good": CLASS["good"], "unlucky": SLOW.replace("0.3", "20")})
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), workers(1) as one:
        graded = outcomes(course, ["good", "unlucky"], scheduler=one.scheduler_address)
        first = next(graded)
        (nanny,) = one.workers.values()
        os.kill(nanny.pid, signal.SIGKILL)
        (second,) = graded
    assert (first.student, first.record["score"]) == ("good", 4)
    assert (second.student, second.record) == ("unlucky", None)
    assert "each worker that examined it was lost" in second.trouble


def dask_process(*arguments):
    return subprocess.Popen([sys.executable, "-m", "dask", *arguments], stderr=subprocess.DEVNULL)


def test_a_scheduler_that_is_lost_costs_nothing_that_is_done(course, tmp_path):
    hand_in(course, {"a_slow_one": SLOW.replace("0.3", "60"), "good": CLASS["good"]})
    told = tmp_path / "scheduler.json"
    here = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", told]
    scheduler = dask_process("scheduler", "--port", "0", *here)
    worker = dask_process("worker", "--no-nanny", "--nthreads", "2", "--death-timeout", "5", *here)
    while not told.exists() or not told.read_text():
        time.sleep(0.05)
    running = graded_at(course, json.loads(told.read_text())["address"])
    wait_for_a_score(course, running)  # which a worker with two threads gives beside the slow one
    scheduler.kill()
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 1 and "Traceback" not in said
    assert "the connection to the scheduler is lost. 1 of 2 are graded and kept." in said.splitlines()[-1]
    scheduler.wait()
    worker.wait(60)
