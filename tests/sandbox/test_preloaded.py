"""The preloaded process: concurrent examiners, its end and everyone's else, and what it costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.sandbox import BadFile, Died, Interrupted, Jail, Preloaded, StudentRaised, tree

Start = Callable[..., Jail]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
ECHO = b"def f(x): return x\ndef loop():\n  while True: pass"


def in_a_fork(action: Callable[[], object]) -> int:
    """Start a forked process that does something; its exit status is 0 if that worked."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def test_forked_examiners_work_at_the_same_time_and_get_their_own_replies(preloaded: Preloaded) -> None:
    def examine(number: int) -> None:
        for turn in range(3):
            with preloaded.start({"m.py": ECHO}) as jail:
                jail.import_module("m", seconds=30)
                for n in range(20):
                    assert jail.call(0, "f", (f"{number} {turn} {n}",), seconds=30) == f"{number} {turn} {n}"

    examine(0)  # so that the forked ones inherit a connection in use
    pids = [in_a_fork(lambda n=n: examine(n)) for n in range(4)]  # type: ignore[misc]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    examine(5)


def test_threads_have_jails_of_their_own(preloaded: Preloaded) -> None:
    problems: list[BaseException] = []

    def examine(number: int) -> None:
        try:
            with preloaded.start({"m.py": ECHO}) as jail:
                jail.import_module("m", seconds=30)
                for n in range(30):
                    assert jail.call(0, "f", ((number, n),), seconds=30) == (number, n)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=examine, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_two_jails_of_one_examiner_are_told_apart(preloaded: Preloaded, jail_with: Start) -> None:
    first, second, third = (jail_with(preloaded, f"import os\nn = {n}\ndef die(): os._exit(n)") for n in range(3))
    assert [jail.get(0, "n", seconds=10) for jail in (third, first, second)] == [2, 0, 1]
    with pytest.raises(Died, match="status 2"):
        third.call(0, "die", seconds=10)
    with pytest.raises(Died, match="status 1"):
        second.call(0, "die", seconds=10)
    assert first.get(0, "n", seconds=10) == 0


def wait_until_gone(pids: set[int], seconds: float = 10) -> set[int]:
    end = time.monotonic() + seconds
    while time.monotonic() < end and pids & set(tree.parents()):
        time.sleep(0.02)
    return pids & set(tree.parents())


def below(root: int) -> set[int]:
    parents = tree.parents()
    found = {root}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@linux_only
def test_an_examiner_that_ends_takes_its_jails_with_it(preloaded: Preloaded) -> None:
    before = below(preloaded._process.pid)

    def examine() -> None:
        jail = preloaded.start({"m.py": ECHO})
        jail.import_module("m", seconds=30)
        jail.call(0, "loop", seconds=600)

    pid = in_a_fork(examine)
    end = time.monotonic() + 20
    while not (jails := below(preloaded._process.pid) - before) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert jails and wait_until_gone(jails) == set()


@linux_only
@pytest.mark.parametrize("level", ["namespaces", "process"])
def test_when_the_coordinator_is_killed_everything_ends(level: str, tmp_path: Path) -> None:
    script = f"""
import sys
from autograder.sandbox import IsolationUnavailable, Preloaded
try: p = Preloaded({level!r})
except IsolationUnavailable: sys.exit(print("missing", flush=True))
j = p.start({{"m.py": b"def loop():\\n  while True: pass"}})
j.import_module("m", seconds=30)
print(p._process.pid, flush=True)
j.call(0, "loop", seconds=600)
"""
    root = str(Path(__file__).parents[2])
    coordinator = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root)
    assert coordinator.stdout is not None
    said = coordinator.stdout.readline().strip()
    if said == "missing":
        pytest.skip("the host lacks this level")
    time.sleep(0.1)
    family = below(int(said))
    assert len(family) >= 2
    coordinator.kill()
    coordinator.wait()
    coordinator.stdout.close()
    assert wait_until_gone(family) == set()


@linux_only
def test_closing_ends_every_jail_and_leaves_no_file() -> None:
    preloaded = Preloaded("process")
    jail = preloaded.start({"m.py": ECHO})
    jail.import_module("m", seconds=30)
    family = below(preloaded._process.pid)
    preloaded.close()
    assert wait_until_gone(family) == set()
    assert not os.path.exists(preloaded._folder)
    with pytest.raises(Interrupted):
        jail.call(0, "f", (1,), seconds=10)
    with pytest.raises(Interrupted):
        preloaded.start({"m.py": ECHO})


@linux_only
@pytest.mark.parametrize("level", ["best", "process"])
def test_a_preloaded_process_that_is_killed_is_not_taken_for_the_code_s_doing(level: str, jail_with: Start) -> None:
    with Preloaded(level) as preloaded:
        jail = jail_with(preloaded, "def f(): return 1")
        assert preloaded.alive
        os.kill(preloaded._process.pid, signal.SIGKILL)
        while preloaded.alive:
            time.sleep(0.01)
        with pytest.raises(Interrupted, match="preloaded process has ended"):
            jail.call(0, "f", seconds=10)
        with pytest.raises(Interrupted):
            preloaded.start({"m.py": ECHO})


@linux_only
def test_a_jail_that_is_killed_from_outside_is_interrupted_not_dead(preloaded: Preloaded, jail_with: Start) -> None:
    before = below(preloaded._process.pid)
    jail = jail_with(preloaded, "import time\ndef f(): time.sleep(30)")
    (process,) = below(preloaded._process.pid) - before
    threading.Timer(0.2, lambda: os.kill(process, signal.SIGKILL)).start()
    with pytest.raises(Interrupted, match="killed from outside"):
        jail.call(0, "f", seconds=20)
    assert preloaded.alive


@linux_only
def test_behind_the_filter_code_cannot_kill_itself_as_the_host_would(walled: Preloaded, jail_with: Start) -> None:
    source = "import os, signal, threading\n"
    source += "def f(): os.kill(os.getpid(), 9)\ndef g(): signal.pthread_kill(threading.get_ident(), 9)"
    jail = jail_with(walled, source)
    for function in ("f", "g"):
        with pytest.raises(StudentRaised, match="PermissionError"):
            jail.call(0, function, seconds=10)


@linux_only
def test_a_coordinator_that_is_killed_early_leaves_no_folder(tmp_path: Path) -> None:
    for level in ("best", "process"):
        script = f"from autograder.sandbox import Preloaded; Preloaded({level!r})"
        started = subprocess.Popen(
            [sys.executable, "-c", script], cwd=Path(__file__).parents[2], env={**os.environ, "TMPDIR": str(tmp_path)}
        )
        end = time.monotonic() + 30
        while not (family := below(started.pid) - {started.pid}) or not list(tmp_path.glob("sandbox-*")):
            assert time.monotonic() < end
            time.sleep(0.005)
        started.kill()
        started.wait()
        assert wait_until_gone(family, 60) == set()
        assert list(tmp_path.iterdir()) == []


def test_only_regular_files_enter(best: Preloaded, tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("x = 1")
    (tmp_path / "link.py").symlink_to(tmp_path / "real.py")
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "fifo.py")
    with best.start({"real.py": tmp_path / "real.py"}) as jail:
        jail.import_module("real", seconds=10)
        assert jail.get(0, "x", seconds=10) == 1
    for name, says in (("link.py", "link"), ("folder.py", "regular"), ("fifo.py", "regular"), ("none.py", "missing")):
        with pytest.raises(BadFile, match=f"{name} .*{says}"):
            best.start({name: tmp_path / name})
    with pytest.raises(BadFile):
        best.start({"zero.py": Path("/dev/zero")})
    for name in ("../x.py", "/x.py", "a/b.py", "", ".", "..", "x\0.py", "y" * 300):
        with pytest.raises(BadFile, match="file name"):
            best.start({name: b""})


def test_files_that_are_too_large_are_refused(best: Preloaded, tmp_path: Path) -> None:
    from autograder.sandbox import Limits

    with (tmp_path / "hole.pth").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadFile, match="2 MB"):
        best.start({"hole.pth": tmp_path / "hole.pth"}, Limits(files_mb=2))


def test_a_jail_starts_quickly(best: Preloaded) -> None:
    times = []
    for _ in range(15):
        start = time.perf_counter()
        with best.start({"m.py": b"x = 1"}) as jail:
            jail.import_module("m", seconds=10)
            times.append(time.perf_counter() - start)
    assert sorted(times)[7] < 0.2  # a tenth of that on an idle machine; this only catches accidents


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("level", ["namespaces", "landlock", "process"])
def test_an_ordinary_user_has_jails_too(level: str, tmp_path: Path) -> None:
    script = f"""
import sys
from autograder.sandbox import IsolationUnavailable, Preloaded
try: p = Preloaded({level!r})
except IsolationUnavailable: sys.exit(print("missing"))
with p, p.start({{"m.py": b"import os\\ndef f(x): return x, os.getuid()"}}) as j:
    j.import_module("m", seconds=30)
    assert j.call(0, "f", (5,), seconds=30) == (5, 65534)
print(p.level)
"""
    if subprocess.run(["test", "-x", sys.executable], user=65534, group=65534, extra_groups=[]).returncode:
        pytest.skip("an ordinary user cannot run this Python")
    done = subprocess.run(
        [sys.executable, "-c", script], user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
        cwd=str(Path(__file__).parents[2]), timeout=60,
    )  # fmt: skip
    if done.returncode and ("No module named" in done.stderr or "Permission denied" in done.stderr):
        pytest.skip("an ordinary user cannot read this Python or this checkout")
    if done.stdout.strip() == "missing":
        pytest.skip("the host lacks this level")
    assert done.stdout.strip() == level, done.stderr
