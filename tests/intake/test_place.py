"""A submission comes into the course whole or not at all, and never through a link."""

import os
import signal
import subprocess
import sys
import traceback

import pytest
from tiny_course import tree
from zips import GOOD, Item, zip_of

from autograder.errors import UserError
from autograder.intake import place

OLD = {"tiny.py": b"old = 1\n", "tiny.pth": b"old model"}
NEW = {"tiny.py": GOOD, "tiny.pth": b"new model"}


def zipped(files):
    return zip_of(*(Item(name.encode(), content) for name, content in files.items()))


@pytest.fixture
def standing(intake):
    """Give the folder of a submission that stands in the course; a new one lies in the source."""
    folder = intake.course.submitted / "alice" / "tiny"
    stand(folder)
    (intake.source / "alice.zip").write_bytes(zipped(NEW))
    return folder


def stand(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**OLD, "timestamp.txt": b"2031-02-03 04:05:06 UTC"}.items():
        (folder / name).write_bytes(content)


def times(folder):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in [folder, *folder.iterdir()]}


def test_a_submission_is_replaced_as_a_whole(intake, standing):
    assert intake.run()["alice"].status == "replaced"
    assert intake.submitted() == {f"alice/tiny/{name}": content for name, content in NEW.items()}


def test_the_same_files_again_change_nothing(intake, standing):
    before = times(standing)
    (intake.source / "alice.zip").write_bytes(zipped(OLD))
    assert intake.run()["alice"].status == "unchanged"
    assert times(standing) == before and "timestamp.txt" in before


def test_a_dry_run_says_the_same_and_writes_nothing(intake, standing):
    before = times(standing)
    (intake.source / "bob.zip").write_bytes(zipped(NEW))
    said = intake.run(dry_run=True)
    assert {one.student: one.status for one in said.values()} == {"alice": "replaced", "bob": "new"}
    assert times(standing) == before and os.listdir(intake.course.submitted) == ["alice"]
    assert intake.run() == said


def test_a_dry_run_makes_no_folder(intake):
    (intake.source / "alice.zip").write_bytes(zipped(NEW))
    assert intake.run(dry_run=True)["alice"].status == "new"
    assert not intake.course.submitted.exists()


def test_what_is_not_whole_does_not_replace_what_is_there(intake, standing):
    before = tree(standing)
    (intake.source / "alice.zip").write_bytes(zip_of(Item(b"tiny.py", GOOD), Item(b"tiny.pth", b"x", crc=1)))
    outcome = intake.run()["alice"]
    assert outcome.status == "refused"
    assert outcome.problems == ("tiny.pth is damaged or incomplete", "what was collected before stays")
    assert tree(standing) == before


@pytest.mark.parametrize("part", ["student", "assignment", "file", "desk"])
def test_nothing_is_written_through_a_link(intake, part):
    away = intake.root / "away"
    away.mkdir()
    submitted = intake.course.submitted
    (submitted / "alice").mkdir(parents=True)
    if part == "student":
        (submitted / "alice").rmdir()
        (submitted / "alice").symlink_to(away)
    elif part == "assignment":
        (submitted / "alice" / "tiny").symlink_to(away)
    elif part == "file":
        (submitted / "alice" / "tiny").write_bytes(b"")
    else:
        (submitted / place.DESK).symlink_to(away)
    for student in ("alice", "bob"):
        (intake.source / f"{student}.zip").write_bytes(zipped(NEW))
    if part == "desk":
        with pytest.raises(UserError, match="cannot be written"):
            intake.run()
    else:
        outcomes = intake.run()
        assert (outcomes["alice"].status, outcomes["bob"].status) == ("refused", "new")
        assert "submitted/alice/tiny cannot be written" in outcomes["alice"].problems[0]
    assert os.listdir(away) == []


def test_two_processes_do_not_collect_at_once(intake, standing):
    with place.open_desk(intake.course, False), pytest.raises(UserError, match="another `autograder collect`"):
        intake.run()
    assert tree(standing)["tiny.py"] == OLD["tiny.py"]
    assert intake.run()["alice"].status == "replaced"


STEPS = {(place.__file__, name) for name in ("clear", "same", "place", "_exchange")}


def killed_at(number, work):
    """Do some work in a child that is killed after so many steps of `place`; return whether it was.

    A step is a call or a return in the functions that change what stands in the course, `same` because it
    comes right before. Writing the new files aside is left out: the kill before and the one after stand for it.
    """
    pid = os.fork()
    if pid == 0:
        steps = 0

        def step(frame, event, argument):
            nonlocal steps
            if (frame.f_code.co_filename, frame.f_code.co_name) in STEPS:
                steps += 1
                if steps == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            sys.setprofile(step)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no exchange"])
def test_a_kill_at_any_step_leaves_the_old_or_the_new(intake, standing, monkeypatch, exchange):
    if not exchange:  # as on a file system that cannot
        monkeypatch.setattr(place, "EXCHANGE", 1 << 20)
    before = tree(standing)
    seen = []
    number = 1
    while killed_at(number, intake.run):
        aside = standing.with_name(".tiny.old")
        there = standing if standing.exists() else aside
        assert exchange <= (there == standing)
        seen.append(tree(there))
        assert seen[-1] in (before, NEW)
        if aside.exists():
            place.shutil.rmtree(aside)
        stand(standing)
        number += 1
    assert tree(standing) == NEW
    assert before in seen and NEW in seen and number > 20
    assert os.listdir(intake.course.submitted) == ["alice"] and os.listdir(standing.parent) == ["tiny"]


def test_a_kill_before_the_first_submission_is_in_place_leaves_none_or_all(intake):
    (intake.source / "alice.zip").write_bytes(zipped(NEW))
    folder = intake.course.submitted / "alice" / "tiny"
    number, seen = 1, set()
    while killed_at(number, intake.run):
        seen.add(folder.exists())
        assert not folder.exists() or tree(folder) == NEW
        if folder.exists():
            place.shutil.rmtree(folder)
        number += 3
    assert seen == {True, False} and tree(folder) == NEW


def test_what_cannot_be_written_stops_with_a_sentence(intake):
    (intake.source / "alice.zip").write_bytes(zipped(NEW))
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "from autograder.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "collect", "tiny", str(intake.source), "--course", str(intake.course.root)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{intake.course.submitted}: this cannot be written: File too large." in done.stderr
    assert intake.submitted() == {}
