"""The same submission gets the same record, however busy the machine is.

    python -m benchmarks.same_every_time [--times 50]

Grades 50 copies of each of five submissions of the fully connected assignment on an idle machine (as idle as it
is), and again while twice as many processes as there are cores do nothing but count. They are the complete one
and four that a limit or a mistake decides about. Nothing of a record may differ but the seconds it names.
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

from autograder.course import Course, init_course, open_course
from autograder.release.build import generate
from examples.example_class import swap, unchanged
from examples.fully_connected_class import CLASS, EXAMPLES, NAME

REPOSITORY = Path(__file__).resolve().parent.parent
LINEAR = "        out = x.reshape(x.shape[0], -1) @ w + b\n"
KINDS = {
    "complete": unchanged,
    "mistake": CLASS["forgot_bias"],
    "endless_loop": CLASS["endless_loop"],
    "sleeps": swap(LINEAR, f"        import time\n        time.sleep(3600)\n{LINEAR}"),
    "fills_memory": swap(LINEAR, f"        hoard = [torch.empty(1 << 26) for _ in range(16)]\n{LINEAR}"),
}
LIMITS = {"check_seconds = 10 ": "check_seconds = 1 ", "after_timeout_seconds = 20 ": "after_timeout_seconds = 1.5 "}
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
OF_THE_COPY = ("seconds", "cpu_seconds", "student", "key")


def main(times: int) -> int:
    """Grade and print the table; return 0 if every submission had one record."""
    seen: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        course = _course(Path(folder), times)
        for when, load in (("idle", contextlib.nullcontext), ("busy", busy)):
            with load():
                print(f"grading, {when}:", file=sys.stderr)
                for record in _grade(course):
                    kind, _, _ = record["student"].rpartition("_")
                    seen[kind][_comparable(record)].append(when)
    differing = {}
    print("| submission | graded idle | graded busy | score | different records |\n|---|--:|--:|--:|--:|")
    for kind in KINDS:
        runs = [when for times_seen in seen[kind].values() for when in times_seen]
        scores = " or ".join(sorted({f"{json.loads(record)['score']:g}" for record in seen[kind]}))
        print(f"| {kind} | {runs.count('idle')} | {runs.count('busy')} | {scores} | {len(seen[kind])} |")
        if len(seen[kind]) > 1:
            differing[kind] = seen[kind]
    for kind, records in differing.items():
        print("\n".join(["", f"{kind}:", *_differences(records)]))
    return 1 if differing else 0


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


def _course(folder: Path, times: int) -> Course:
    course = init_course(folder / "course", like=open_course(REPOSITORY), assignments=[NAME]).course
    toml = course.assignments / NAME / "assignment.toml"
    text = toml.read_text(encoding="utf-8")
    for long, short in LIMITS.items():
        assert long in text, f"{toml} no longer says {long!r}"
        text = text.replace(long, short)
    toml.write_text(text, encoding="utf-8")
    generate(course, NAME)
    copies = {f"{kind}_{number}": change for kind, change in KINDS.items() for number in range(times)}
    replace(EXAMPLES, students=copies).write(course.root, "standin")
    return course


def _grade(course: Course) -> list[dict[str, Any]]:
    """Grade everything by the command, which shows how far it is."""
    command = [sys.executable, "-m", "autograder", "grade", NAME, "--course", str(course.root)]
    command += ["--data", "standin", "--json", "--force"]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _comparable(value: dict[str, Any]) -> str:
    """Return what must not differ between copies."""
    checks = [{name: entry for name, entry in check.items() if name not in OF_THE_COPY} for check in value["checks"]]
    record = {name: entry for name, entry in value.items() if name not in OF_THE_COPY}
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
