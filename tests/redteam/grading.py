"""A class of attackers, handed in between two honest neighbours, graded in one of four modes, and what became of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import LocalCluster

from autograder.course import Course, init_course, open_course, secret_seed
from autograder.release.build import generate
from examples.fully_connected_class import MODULE, NAME, NOTEBOOK, write_class
from tests.redteam import ordinary_user
from tests.redteam.attack import Attack
from tests.redteam.catalogue import ATTACKS, CLASSES
from toolbox.data.cache import cache_folder

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 900
ON_A_CLUSTER = "on a cluster"
MODES = ["best as root", "best as an ordinary user", "without namespaces", ON_A_CLUSTER]
HONEST = ["complete", "zz_last"]
"""Who is graded before, and who after all others."""
NOBODY = [
    "-rf",
    "a b",
    "+complete",
    "complete\n",
    "\u0441omplete",
    "\x1b[31mcomplete",
    "\u202etelpmoc",
    "[red]x",
    "x" * 120,
]
"""Names of folders that are no student ids, one of them with a letter that only looks like a `c`."""
CANARY = "a-word-that-stands-nowhere-else"
LIMITS = {"check_seconds": 3, "after_timeout_seconds": 4, "import_seconds": 10}


@dataclass
class Graded:
    """A class after grading.

    Attributes:
        mode: one of `MODES`.
        records: by student.
        said: all that the commands have printed.
        pages: the page that each student reads.
        table: the grades as CSV.
        changed: files that are not as they were before.
        processes_left: what the grading started and still runs.
        secrets: texts that nobody may read anywhere.
    """

    mode: str
    records: dict[str, dict[str, Any]]
    said: str
    pages: dict[str, str]
    table: str
    changed: set[str]
    processes_left: list[str]
    secrets: list[str]


def tried(mode: str) -> list[str]:
    """Return the attacks that are tried in a mode: all in one, of each class one in the others; REDTEAM=whole: all."""
    whole = MODES[0] if os.getuid() == 0 else MODES[1]
    if mode != whole and os.environ.get("REDTEAM") != "whole":
        return [attacks[0].name for attacks in CLASSES.values()]
    return list(ATTACKS)


def grade_class(top: Path, mode: str) -> Graded:
    """Make a course in the empty folder `top`, hand the attacks in and grade them."""
    course = _make_course(top)
    for name in tried(mode):
        _hand_in(course, ATTACKS[name])
    shutil.copytree(cache_folder(), top / "cache" / "coursekit")
    prefix = []
    if mode == "best as an ordinary user":
        prefix = ordinary_user.prefix([REPOSITORY, top])
        if prefix:
            for path in (top, *top.rglob("*")):
                os.chown(path, ordinary_user.NOBODY, ordinary_user.NOBODY, follow_symlinks=False)
    level = "landlock" if mode == "without namespaces" else "best"
    before = _look_at(course)
    command = [*prefix, sys.executable, "-m", "autograder", "grade", NAME, "--feedback", "--isolation", level]
    with _cluster(top) if mode == ON_A_CLUSTER else nullcontext() as cluster:
        said = _run(top, [*command, "--scheduler", cluster.scheduler_address] if cluster else command)
        left = _processes_of(top)
    written = [*course.feedback.glob(f"*/{NAME}/{NAME}.html")]
    expected = {str(path) for page in written for path in (page, *page.parents)}
    changed = {path for path, _ in before ^ _look_at(course)} - expected
    table = _run(top, [*prefix, sys.executable, "-m", "autograder", "export", NAME])
    records = {path.stem: json.loads(path.read_text()) for path in (course.results / NAME).glob("*.json")}
    pages = {page.parts[-3]: page.read_text() for page in course.feedback.glob(f"*/{NAME}/*.html")}
    secrets = [CANARY, course.secret_seed.read_text().strip()]
    return Graded(mode, records, said, pages, table, changed, left, secrets)


def _make_course(top: Path) -> Course:
    """Make a course on the stand-in, with short limits, and words in it that must not get out."""
    course = init_course(top / "course", like=open_course(REPOSITORY), assignments=[NAME]).course
    course.toml.write_text(course.toml.read_text().replace('data = "cifar10"', 'data = "standin"'))
    manifest = course.assignments / NAME / "assignment.toml"
    text = manifest.read_text()
    for name, seconds in LIMITS.items():
        text = re.sub(rf"(?m)^{name} *= *\d+", f"{name} = {seconds}", text)
    manifest.write_text(text)
    generate(course, NAME)
    with (course.assignments / NAME / "checks" / "reference.py").open("a") as file:
        file.write(f"\nCANARY = {CANARY!r}\n")
    secret_seed(course)
    (top / "canary").mkdir()
    (top / "canary" / "canary").write_text(CANARY)
    write_class(course.root, "standin", ["complete"])
    for name in ("zz_last", *NOBODY):
        shutil.copytree(course.submitted / "complete", course.submitted / name)
    (course.submitted / "a_link").symlink_to("complete")
    return course


def _hand_in(course: Course, attack: Attack) -> None:
    folder = course.submitted / attack.name / NAME
    shutil.copytree(course.submitted / "complete" / NAME, folder)
    places = {"@course@": str(course.root), "@canary@": str(course.root.parent / "canary")}
    module = attack.module
    for word, path in places.items():
        module = module.replace(word, path)
    (folder / MODULE).write_text(module, encoding="utf-8")
    if attack.notebook is not None:
        notebook = json.loads((folder / NOTEBOOK).read_text())
        attack.notebook(notebook)
        (folder / NOTEBOOK).write_text(json.dumps(notebook))
    if attack.files is not None:
        attack.files(folder)


def _environment(top: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(top / "cache"), "HOME": str(top), "MARK": str(top)}


def _cluster(top: Path) -> LocalCluster:
    """Return a cluster of two workers, whose stations are marked as the command's processes are."""
    return LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", env=_environment(top)
    )


def _run(top: Path, command: list[str]) -> str:
    done = subprocess.run(
        [*command, "--course", str(top / "course")], cwd=REPOSITORY, env=_environment(top), capture_output=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said[-2000:]
    return said


def _look_at(course: Course) -> set[tuple[str, tuple[int, ...]]]:
    """Return every file of the course and beside it, as it is now; results are to change."""
    ignored = {course.results, course.root / "gradebook.db", course.root.parent / "cache"}
    found = set()
    for path in course.root.parent.rglob("*"):
        if not ignored & {path, *path.parents}:
            state = path.lstat()
            changes = (state.st_size, state.st_mtime_ns, state.st_ctime_ns) if not path.is_dir() else ()
            found.add((str(path), (state.st_mode, state.st_uid, *changes)))
    return found


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
