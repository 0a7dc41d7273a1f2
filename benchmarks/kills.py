"""What killing the grader's processes at random moments costs: time, and nothing else.

    python -m benchmarks.kills [--size 100] [--kills 60] [--seed N]

Grades a class of made-up submissions of the first assignment on the stand-in data, undisturbed. Then
it grades the same class anew while coordinator, examiners, answerers and the preloaded process get SIGKILL, spread
over the whole batch; whenever the coordinator has ended without being done, the same command is run again.
In the end, records (but for their times) and gradebook rows have to equal those of the undisturbed run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from autograder.course import Course, init_course, open_course, secret_seed
from autograder.gradebook import rows
from autograder.release.build import generate
from autograder.sandbox import tree
from examples.fully_connected_class import EXAMPLES

REPOSITORY = Path(__file__).resolve().parent.parent
COORDINATOR, STARTING = "coordinator", "coordinator, starting"
PRELOADED, EXAMINER, ANSWERER = "preloaded process", "examiner", "answerer"
MIX = [COORDINATOR, EXAMINER, ANSWERER, PRELOADED, STARTING, EXAMINER, ANSWERER, PRELOADED]
START_SECONDS = 4
"""Within how long of its start a coordinator is killed that is killed while it starts."""
PAUSE = 0.01
LEAVE_SECONDS = 20


@dataclass
class Tally:
    """What happened while a class was graded under fire."""

    killed: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    examinations: set[tuple[int, str]] = field(default_factory=set)
    rewritten: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


class Grading:
    """One run of `autograder grade` and the processes below it, known by their place in the tree."""

    def __init__(self, course: Course, name: str, temporary: Path, *more: str) -> None:
        command = [sys.executable, "-m", "autograder", "grade", name, "--quiet", "--course", str(course.root), *more]
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, "TMPDIR": str(temporary)}, stderr=subprocess.PIPE, text=True
        )

    def family(self) -> dict[str, list[int]]:
        """Return its processes by what they are."""
        parents = tree.parents()

        def below(*roots: int) -> list[int]:
            return sorted(child for child, parent in parents.items() if parent in roots)

        family: dict[str, list[int]] = {COORDINATOR: [self.process.pid], PRELOADED: [], EXAMINER: [], ANSWERER: []}
        for child in below(self.process.pid):
            family[PRELOADED if b"autograder.sandbox.server" in _read(child, "cmdline") else EXAMINER].append(child)
        for child in below(*family[PRELOADED]):
            # with a PID namespace, the preloaded process is two: one that waits, and the first of the namespace
            family[PRELOADED if _depth(child) == 2 else ANSWERER].append(child)
        family[ANSWERER] += below(*(child for child in family[PRELOADED] if _depth(child) == 2))
        return family


def _read(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""


def _depth(process: int) -> int:
    """Return in how many PID namespaces below ours, ours included, a process is."""
    ours = len(_ids(os.getpid()))
    return len(_ids(process)) - ours + 1


def _ids(process: int) -> list[bytes]:
    return next((line.split()[1:] for line in _read(process, "status").splitlines() if line[:6] == b"NSpid:"), [])


def _born(process: int) -> str:
    """Return when a process started, "" if there is none; its number may be used again."""
    fields = _read(process, "stat").rpartition(b")")[2].split()
    return fields[19].decode() if len(fields) > 19 and fields[0] != b"Z" else ""


def _kill(process: int) -> bool:
    """Kill a process, and tell whether it was still there."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def disturb(course: Course, name: str, size: int, kills: int, seed: int, temporary: Path) -> Tally:
    """Grade a class of some size to the end, killing processes at random moments on the way."""
    rng = random.Random(seed)
    plan = (MIX * (kills // len(MIX) + 1))[:kills]
    rng.shuffle(plan)
    tally, seen, written = Tally(), set(), {}
    there = set(temporary.iterdir())
    while True:
        grading = Grading(course, name, temporary)
        tally.runs += 1
        if tally.runs > 1 and STARTING in plan:
            time.sleep(rng.uniform(0, START_SECONDS))
            plan.remove(STARTING)
            tally.killed[STARTING] += 1
            grading.process.kill()
        while grading.process.poll() is None:
            family = grading.family()
            seen |= {(process, _born(process)) for processes in family.values() for process in processes}
            tally.examinations |= {(process, _born(process)) for process in family[EXAMINER]}
            for path in (course.results / name).glob("*.json"):
                changed = path.stat().st_mtime_ns
                if written.setdefault(path.stem, changed) != changed:
                    tally.rewritten.add(path.stem)
            due = len(written) >= size * (kills - len(plan)) / (kills + 1)
            wanted = [kind for kind in plan if kind != STARTING]
            if due and wanted and family[EXAMINER]:
                time.sleep(rng.uniform(0, 0.5))
                victims = grading.family()[wanted[0]]
                if victims and _kill(rng.choice(victims)):
                    plan.remove(wanted[0])
                    tally.killed[wanted[0]] += 1
            time.sleep(PAUSE)
        said = grading.process.communicate()[1].strip()
        if grading.process.returncode == 0:
            break
        if grading.process.returncode > 0:
            tally.said.append(said.splitlines()[-1] if said else f"status {grading.process.returncode}")
    end = time.monotonic() + LEAVE_SECONDS
    while time.monotonic() < end and any(born and _born(process) == born for process, born in seen):
        time.sleep(0.1)
    tally.left = [f"process {process}" for process, born in seen if born and _born(process) == born]
    tally.left += [str(path) for path in sorted(set(temporary.iterdir()) - there)]
    return tally


def outcome(course: Course, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the records of a class, without times, and its gradebook rows."""
    records = {}
    for path in sorted((course.results / name).glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        del record["cpu_seconds"]
        for check in record["checks"]:
            del check["seconds"]
        records[path.stem] = record
    return records, rows(course, name)


def _make_class(root: Path, size: int) -> Course:
    course = init_course(root, like=open_course(REPOSITORY), assignments=[EXAMPLES.name]).course
    course.toml.write_text(course.toml.read_text().replace('"cifar10"', '"standin"'))
    generate(course, EXAMPLES.name)
    kinds = [student for student in EXAMPLES.students if student != "endless_loop"]  # it costs its time-outs each time
    EXAMPLES.write(course.root, "standin", kinds)
    for number in range(size):
        kind = kinds[number % len(kinds)]
        shutil.copytree(course.submitted / kind, course.submitted / f"{number:03d}_{kind}")
    for kind in kinds:
        shutil.rmtree(course.submitted / kind)
    secret_seed(course)
    return open_course(root)


def main(size: int, kills: int, seed: int) -> bool:
    """Grade undisturbed and disturbed, print the figures, and tell whether both came out the same."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        course = _make_class(Path(folder) / "course", size)
        undisturbed = Path(shutil.copytree(course.root, Path(folder) / "undisturbed"))
        temporary = Path(folder) / "temporary"
        temporary.mkdir()
        console.print(f"{size} submissions of {EXAMPLES.name} on the stand-in, {kills} kills, seed {seed}")
        started = time.monotonic()
        disturb(open_course(undisturbed), EXAMPLES.name, size, 0, seed, temporary)
        between = time.monotonic()
        tally = disturb(course, EXAMPLES.name, size, kills, seed, temporary)
        ended = time.monotonic()
        before, after = (outcome(open_course(root), EXAMPLES.name) for root in (undisturbed, course.root))
    table = Table(box=None, pad_edge=False, show_header=False)
    for kind in dict.fromkeys(MIX):
        table.add_row(f"killed: {kind}", str(tally.killed[kind]))
    table.add_row("killed, together", str(sum(tally.killed.values())))
    table.add_row("runs of the same command", str(tally.runs))
    table.add_row("runs that ended with a message", str(len(tally.said)))
    table.add_row("examinations begun", str(len(tally.examinations)))
    table.add_row("records", f"{len(after[0])} of {size}")
    table.add_row("records that differ from the undisturbed run's", str(_different(before[0], after[0])))
    table.add_row("records written twice", str(len(tally.rewritten)))
    table.add_row("students whose gradebook rows differ", str(_different(before[1], after[1])))
    table.add_row("processes and temporary folders left", str(len(tally.left)))
    table.add_row("seconds undisturbed, disturbed", f"{between - started:.0f}, {ended - between:.0f}")
    console.print(table)
    for line in [*tally.said, *tally.left]:
        console.print(line, markup=False)
    passed = before == after and len(after[0]) == size and not tally.rewritten and not tally.left
    console.print("Nothing is lost, nothing is counted twice." if passed else "Something is not as it should be.")
    return passed


def _different(one: dict[str, Any], other: dict[str, Any]) -> int:
    return sum(one.get(student) != other.get(student) for student in one.keys() | other.keys())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    sys.exit(not main(options.size, options.kills, options.seed))
