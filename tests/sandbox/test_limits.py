"""What student code uses up costs its own jail and nothing else, and nothing of it outlives the jail."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from autograder.sandbox import Died, Jail, Limits, Preloaded, StudentRaised, TimedOut, tree

Start = Callable[..., Jail]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="macOS has no /proc and no limit on address space")


def left_behind(preloaded: Preloaded) -> list[int]:
    """Return the processes below a preloaded process that are no part of it."""
    parents = tree.parents()
    doomed = {preloaded._process.pid}
    while more := {p for p, parent in parents.items() if parent in doomed} - doomed:
        doomed |= more
    # With a PID namespace, the process that was started waits for the first one of the namespace.
    return sorted(doomed)[2 if "pid namespace" in preloaded.layers else 1 :]


def folders_of(preloaded: Preloaded) -> list[str]:
    """Return the private folders that lie on the host's file system."""
    return os.listdir(preloaded._folder) if os.path.exists(preloaded._folder) else []


@pytest.mark.parametrize(
    "body, says",
    [
        ("os._exit(0)", r"exit status 0"),
        ("os._exit(3)", r"exit status 3"),
        ("os.kill(os.getpid(), 11)", r"signal|socket"),
        ("os.abort()", r"signal"),
        ("ctypes.string_at(0)", r"signal 11"),
        ("os.closerange(0, 100)", r"exit status|closed"),
    ],
)
def test_a_jail_that_leaves_early_is_dead_and_says_how(
    preloaded: Preloaded, jail_with: Start, body: str, says: str
) -> None:
    jail = jail_with(preloaded, f"import os, ctypes, signal\ndef f():\n    {body}\n    return 1")
    if body.startswith("os.kill") and "pid namespace" in preloaded.layers:
        assert jail.call(0, "f", seconds=10) == 1  # the first process of a namespace ignores signals from within
        return
    with pytest.raises(Died, match=says):
        jail.call(0, "f", seconds=10)
    assert not jail.alive and jail.close().cpu_seconds >= 0


@pytest.mark.parametrize(
    "source", ["import os; os._exit(0)", "raise SystemExit(0)", "import atexit, os; atexit.register(os._exit, 0)"]
)
def test_leaving_during_import_never_looks_like_success(preloaded: Preloaded, source: str) -> None:
    with preloaded.start({"layers.py": source.encode()}) as jail, pytest.raises((Died, StudentRaised)):
        jail.import_module("layers", seconds=10)
        jail.call(0, "f", seconds=10)


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "time.sleep(1000)",
        "signal.alarm(0); [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 14, 15)]; time.sleep(1000)",
        "\n    while True:\n        try: time.sleep(1000)\n        except BaseException: pass",
        "\n    class E(Exception):\n        def __str__(self):\n            while True: pass\n    raise E(1)",
        "[iter(lambda: 0, 1) and sum(iter(lambda: 0, 1))]",
    ],
)
@linux_only
def test_an_endless_call_ends_at_the_deadline_and_leaves_nothing(
    preloaded: Preloaded, jail_with: Start, body: str
) -> None:
    jail = jail_with(preloaded, f"import time, signal\ndef f():\n    {body}")
    start = time.monotonic()
    with pytest.raises(TimedOut):
        jail.call(0, "f", seconds=0.3)
    assert time.monotonic() - start < 3
    assert not jail.alive
    assert left_behind(preloaded) == []


@linux_only
def test_processor_time_decides_so_that_a_process_that_has_to_wait_answers_all_the_same(
    preloaded: Preloaded, jail_with: Start
) -> None:
    jail = jail_with(
        preloaded,
        """
import time
def f(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return 1
""",
    )
    process = jail._process
    assert process is not None
    for number, seconds in ((signal.SIGSTOP, 0.1), (signal.SIGCONT, 0.9)):
        threading.Timer(seconds, os.kill, (process, number)).start()
    start = time.monotonic()
    assert jail.call(0, "f", (0.3,), seconds=0.5) == 1
    assert time.monotonic() - start > 0.9
    assert 0.29 < jail.busy_seconds < 0.5


@linux_only
def test_processes_that_hide_do_not_outlive_the_jail(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(
        preloaded,
        """
import os, time
def f():
    made = 0
    for _ in range(3):
        try:
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.closerange(3, 100)
                    time.sleep(1000)
                os._exit(0)
            made += 1
        except PermissionError:
            pass
    return made
""",
    )
    made = jail.call(0, "f", seconds=20)
    assert made == (0 if "seccomp" in preloaded.layers else 3)
    jail.close()
    assert left_behind(preloaded) == []


@linux_only
def test_a_fork_bomb_is_bounded_and_ends_with_the_jail(preloaded: Preloaded) -> None:
    bomb = b"import os, time\nfor _ in range(8):\n    os.fork()\ntime.sleep(100)"
    with preloaded.start({"bomb.py": bomb}) as jail, pytest.raises((TimedOut, Died, StudentRaised)):
        jail.import_module("bomb", seconds=1.5)
    assert left_behind(preloaded) == []


@linux_only
@pytest.mark.parametrize(
    "body",
    [
        "x = [bytearray(1 << 20) for _ in range(10**6)]",
        "torch.zeros(1 << 33)",
        "numpy.ones(1 << 32)",
        "'x' * (1 << 34)",
        "import mmap; mmap.mmap(-1, 1 << 33)",
    ],
)
def test_filling_memory_is_an_exception_of_the_students(preloaded: Preloaded, jail_with: Start, body: str) -> None:
    jail = jail_with(preloaded, f"import torch, numpy\ndef f():\n    {body}\ndef g(): return 5", Limits(memory_mb=300))
    with pytest.raises(StudentRaised) as caught:
        jail.call(0, "f", seconds=30)
    assert "emory" in str(caught.value)
    assert jail.call(0, "g", seconds=10) == 5
    assert jail.close().max_rss_mb < 1000


@linux_only
def test_memory_that_is_kept_makes_the_next_calls_fail_and_nothing_worse(best: Preloaded, jail_with: Start) -> None:
    source = "kept = []\ndef f():\n    while True: kept.append(bytearray(4096))"
    jail = jail_with(best, source, Limits(memory_mb=200))
    for _ in range(2):
        with pytest.raises((StudentRaised, Died)):
            jail.call(0, "f", seconds=30)


@linux_only
def test_memory_that_several_processes_take_together_is_limited(preloaded: Preloaded, jail_with: Start) -> None:
    source = """
import os, time
def f():
    for _ in range(6):
        if os.fork() == 0:
            kept = b"x" * (100 << 20)
            time.sleep(100)
    time.sleep(100)
"""
    jail = jail_with(preloaded, source, Limits(memory_mb=400))
    with pytest.raises((Died, StudentRaised), match=r"than 400 MB of memory|PermissionError"):
        jail.call(0, "f", seconds=20)
    jail.close()
    assert left_behind(preloaded) == []


@linux_only
def test_filling_the_disk_stops_at_the_limit(preloaded: Preloaded, jail_with: Start) -> None:
    source = """
def one():
    with open("big", "wb") as file:
        while True: file.write(bytes(1 << 20))
def many():
    import time
    for n in range(10**6):
        with open(str(n), "wb") as file: file.write(bytes(1 << 20))
def entries():
    for n in range(10**6): open(str(n), "w").close()
    return n
"""
    for name in ("one", "many", "entries"):
        jail = jail_with(preloaded, source, Limits(scratch_mb=4))
        with pytest.raises((StudentRaised, Died)):
            jail.call(0, name, seconds=30)
        jail.close()
    assert folders_of(preloaded) == []


@linux_only
def test_a_deep_and_locked_folder_is_removed(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(
        preloaded,
        """
import os
def f():
    for n in range(1500):
        os.mkdir("d" * 20); os.chdir("d" * 20)
    os.mkdir("locked", 0)
""",
    )
    try:
        jail.call(0, "f", seconds=20)
    finally:
        jail.close()
    assert folders_of(preloaded) == []


@linux_only
def test_a_thread_bomb_is_bounded(preloaded: Preloaded, jail_with: Start) -> None:
    source = """
import threading, time
threading.stack_size(65536)
def f():
    count = 0
    try:
        while True:
            threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
            count += 1
    except RuntimeError:
        return count
"""
    jail = jail_with(preloaded, source, Limits(memory_mb=4096))
    try:
        assert jail.call(0, "f", seconds=30) < 5000
    except Died as died:
        assert "threads" in died.reason
    jail.close()
    assert left_behind(preloaded) == []


@linux_only
def test_processor_time_is_limited_whatever_the_clock_says(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(preloaded, "def f():\n  while True: pass", Limits(cpu_seconds=1))
    with pytest.raises(Died, match="processor time"):
        jail.call(0, "f", seconds=20)


def test_open_files_are_limited(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(preloaded, "def f(): return [open('/dev/null') for _ in range(500)]", Limits(open_files=32))
    with pytest.raises(StudentRaised, match="Too many open files"):
        jail.call(0, "f", seconds=10)


@linux_only
def test_signals_to_the_parent_do_not_arrive(walled: Preloaded, jail_with: Start) -> None:
    parents = [walled._process.pid, os.getpid()]
    jail = jail_with(
        walled,
        f"""
import os, ctypes
def f():
    refused = 0
    for pid in {parents} + [os.getppid(), -1]:
        try: os.kill(pid, 9)
        except OSError: refused += 1
    return refused
""",
    )
    assert jail.call(0, "f", seconds=10) == 4


def test_the_files_take_nothing_from_the_scratch_space(preloaded: Preloaded) -> None:
    source = b"open('more', 'wb').write(bytes(3 << 20))"
    with preloaded.start({"m.py": source, "net.pth": bytes(9 << 20)}, Limits(scratch_mb=4)) as jail:
        jail.import_module("m", seconds=10)


def test_usage_is_reported(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(preloaded, "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass")
    usage = jail.close()
    assert 0.25 < usage.cpu_seconds < 3 and 20 < usage.max_rss_mb < 4000
    assert jail.close() == usage
