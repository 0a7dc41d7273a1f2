"""What hostile submissions earn: no more than their honest parts, and nobody else less.

The class is graded as root and as an ordinary user, and again without namespaces.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autograder.course import init_course, open_course
from autograder.release.build import generate
from examples.fully_connected_class import MODULE, NAME, write_class
from tests.grading import ordinary_user
from tests.grading.hostile import EVERYTHING, attacks
from toolbox.checks import load_checks
from toolbox.checks.run import everything_needed
from toolbox.data import load

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 420
ATTACKS = attacks(Path("/course/assignments/name/module.py"), Path("/marker"), Path("/secret"))
CHECKS = {check.id: check for check in load_checks(REPOSITORY / "assignments" / NAME / "checks")}
MODES = ["best as root", "best as an ordinary user", "without namespaces"]


@dataclass
class Graded:
    """A class after grading: the records by student, and where it all lies."""

    records: dict[str, dict[str, Any]]
    marker: Path
    processes_left: list[str]


@pytest.fixture(scope="module", params=[pytest.param(mode, marks=pytest.mark.xdist_group(mode)) for mode in MODES])
def graded(request) -> Iterator[Graded]:
    mode = request.param
    if mode == "best as root" and os.getuid() != 0:
        pytest.skip("these tests do not run as root")
    load("standin", parts=("val",))  # so that the cache holds it
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        top = Path(name)
        yield _grade(top, mode)


def _grade(top: Path, mode: str) -> Graded:
    course = init_course(top / "course", like=open_course(REPOSITORY), assignments=[NAME]).course
    settings = course.toml.read_text().replace('data = "cifar10"', 'data = "standin"')
    course.toml.write_text(settings)
    manifest = course.assignments / NAME / "assignment.toml"
    limits = manifest.read_text().replace("check_seconds = 10 ", "check_seconds = 3 ")
    manifest.write_text(limits.replace("after_timeout_seconds = 20", "after_timeout_seconds = 4"))
    generate(course, NAME)
    solution = course.assignments / NAME / MODULE
    found = attacks(solution, top / "marker", course.secret_seed)
    for name, attack in found.items():
        _hand_in(course.root, name, attack)
    write_class(course.root, "standin", ["complete"])
    shutil.copytree(course.submitted / "complete", course.submitted / "zz_last")  # graded after all the others
    shutil.copytree(_cache(), top / "cache" / "coursekit", dirs_exist_ok=True)
    command = [
        sys.executable, "-m", "autograder", "grade", NAME, "--course", str(course.root), "--json",
        "--isolation", "landlock" if mode == "without namespaces" else "best",
    ]  # fmt: skip
    if mode == "best as an ordinary user":
        try:
            command = ordinary_user.prefix([REPOSITORY, top]) + command
        except OSError as error:
            pytest.skip(str(error))
        if os.getuid() == 0:
            for path in (top, *top.rglob("*")):
                if not path.is_symlink():
                    os.chown(path, ordinary_user.NOBODY, ordinary_user.NOBODY)
    environment = {**os.environ, "XDG_CACHE_HOME": str(top / "cache"), "HOME": str(top), "MARK": str(top)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-400:]
    records = {record["student"]: record for record in map(json.loads, done.stdout.splitlines())}
    return Graded(records, top / "marker", _processes_of(top))


def _hand_in(course: Path, name: str, attack: Any) -> None:
    write_class(course, "standin", ["complete"])
    folder = course / "submitted" / name / NAME
    folder.parent.mkdir()
    shutil.move(course / "submitted" / "complete" / NAME, folder)
    (folder / MODULE).unlink()
    if callable(attack.module):
        attack.module(folder)
    else:
        (folder / MODULE).write_text(attack.module, encoding="utf-8")
    attack.models(folder)


def _cache() -> Path:
    from toolbox.data.cache import cache_folder

    return cache_folder()


def _processes_of(top: Path) -> list[str]:
    """Return the processes that this grading started and that still run."""
    left = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARK={top}".encode() in (folder / "environ").read_bytes():
                left.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return left


def test_honest_neighbours_score_everything_before_and_after(graded):
    assert graded.records["complete"]["score"] == graded.records["zz_last"]["score"] == 100
    assert set(graded.records) == {*ATTACKS, "complete", "zz_last"}


def test_nothing_is_left_running_and_no_command_ran(graded):
    assert graded.processes_left == []
    assert not graded.marker.exists()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_earns_what_its_honest_parts_earn(graded, name):
    attack, record = ATTACKS[name], graded.records[name]
    checks = {check["id"]: check for check in record["checks"]}
    if attack.loses == EVERYTHING:
        assert record["score"] == 0
    else:
        for lost in attack.loses:
            assert checks[lost]["score"] < checks[lost]["max_score"], f"{lost} scores in full"
        for check in checks.values():
            if check["id"] not in attack.loses and not everything_needed(CHECKS, check["id"]) & attack.loses:
                assert check["status"] == "passed", f"{check['id']}: {check['message']}"
    said = " ".join([check["message"] for check in checks.values()] + record["notices"])
    assert attack.tells in said
