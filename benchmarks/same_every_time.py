"""The same submission gets the same record, however busy the machine is.

    python -m benchmarks.same_every_time [--times 50]

Grades five submissions of the fully connected assignment 50 times on an idle machine (as idle as it is), and 50
times while twice as many processes as there are cores do nothing but count. They are the complete one and
four that a limit or a mistake decides about. Nothing of a record may differ but the seconds it names.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from autograder.course import Course, init_course, open_course
from autograder.release.build import generate
from examples.example_class import swap, unchanged
from examples.fully_connected_class import CLASS, EXAMPLES, NAME

REPOSITORY = Path(__file__).resolve().parent.parent
LINEAR = "        out = x.reshape(x.shape[0], -1) @ w + b\n"
SUBMISSIONS = replace(
    EXAMPLES,
    students={
        "complete": unchanged,
        "mistake": CLASS["forgot_bias"],
        "endless_loop": CLASS["endless_loop"],
        "sleeps": swap(LINEAR, f"        import time\n        time.sleep(3600)\n{LINEAR}"),
        "fills_memory": swap(LINEAR, f"        hoard = [torch.empty(1 << 26) for _ in range(16)]\n{LINEAR}"),
    },
)
LIMITS = {"check_seconds = 10 ": "check_seconds = 2 ", "after_timeout_seconds = 20 ": "after_timeout_seconds = 3 "}
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
TIMES = ("seconds", "cpu_seconds")


def main(times: int) -> int:
    """Grade and print the table; return 0 if every submission had one record."""
    seen: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        course = _course(Path(folder))
        for when, load in (("idle", contextlib.nullcontext), ("busy", busy)):
            with load():
                for _ in track(range(times), f"grading, {when}", console=Console(stderr=True)):
                    for record in _grade(course):
                        seen[record["student"]][_without_times(record)].append(when)
    print("| submission | graded idle | graded busy | score | different records |\n|---|--:|--:|--:|--:|")
    for student in SUBMISSIONS.students:
        runs = [when for times_seen in seen[student].values() for when in times_seen]
        scores = " or ".join(sorted({f"{json.loads(record)['score']:g}" for record in seen[student]}))
        counts = f"{runs.count('idle')} | {runs.count('busy')} | {scores} | {len(seen[student])}"
        print(f"| {student} | {counts} |")
    differing = {student: records for student, records in seen.items() if len(records) > 1}
    for student, records in differing.items():
        print("\n".join(["", f"{student}:", *_differences(records)]))
    return 1 if differing or set(seen) != set(SUBMISSIONS.students) else 0


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Keep every core busy twice over; what does so ends with the block, or with this process."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _course(folder: Path) -> Course:
    course = init_course(folder / "course", like=open_course(REPOSITORY), assignments=[NAME]).course
    toml = course.assignments / NAME / "assignment.toml"
    text = toml.read_text(encoding="utf-8")
    for long, short in LIMITS.items():
        assert long in text, f"{toml} no longer says {long!r}"
        text = text.replace(long, short)
    toml.write_text(text, encoding="utf-8")
    generate(course, NAME)
    SUBMISSIONS.write(course.root, "standin")
    return course


def _grade(course: Course) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "autograder", "grade", NAME, "--course", str(course.root)]
    command += ["--data", "standin", "--json", "--force"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _without_times(value: dict[str, Any]) -> str:
    checks = [{name: entry for name, entry in check.items() if name not in TIMES} for check in value["checks"]]
    record = {name: entry for name, entry in value.items() if name not in TIMES}
    return json.dumps({**record, "checks": checks}, sort_keys=True)


def _differences(seen: dict[str, list[str]]) -> Iterator[str]:
    """Say which entries the records of one submission differ in, and how often each was seen."""
    entries: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for text, runs in seen.items():
        record = json.loads(text)
        checks = record.pop("checks")
        for name, entry in {**record, **{f"{one['id']}.{key}": one[key] for one in checks for key in one}}.items():
            entries[name][json.dumps(entry)] += runs
    for name, found in entries.items():
        if len(found) > 1:
            for entry, runs in found.items():
                yield f"  {name}, {runs.count('idle')} idle, {runs.count('busy')} busy: {entry}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_every_time", description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=50)
    sys.exit(main(parser.parse_args().times))
