"""The student's side needs no call that only Linux or only Unix has."""

import json
import os
import subprocess
import sys
from pathlib import Path

from handin_folder import make_folder

from toolbox.handin.clean import make_clean_folder
from toolbox.handin.files import find_manifest

REPOSITORY = Path(__file__).resolve().parents[2]

ELSEWHERE = """
import sys, warnings
# What students install is not ours to test, and looks at the system when it is imported.
import IPython, matplotlib.pyplot, numpy, pytest, torch, tqdm.std
import ctypes, os, signal, time

for module in "fcntl resource pwd grp termios tty pty syslog crypt spwd nis readline".split():
    sys.modules[module] = None
for name in '''
    fork forkpty memfd_create getuid geteuid getgid getegid setuid setgid setsid setpgid getpgid killpg chown lchown
    fchown fchmod mkfifo mknod nice openpty pidfd_open pipe2 posix_spawn sched_getaffinity sched_setaffinity
    splice eventfd statvfs fstatvfs sync uname wait wait3 wait4 getloadavg getresuid unshare setns
    O_NOFOLLOW O_NONBLOCK O_DIRECTORY O_CLOEXEC
'''.split():
    if hasattr(os, name):
        delattr(os, name)
for name in "SIGALRM SIGHUP SIGUSR1 SIGUSR2 SIGCHLD alarm setitimer pthread_kill pthread_sigmask sigwait".split():
    if hasattr(signal, name):
        delattr(signal, name)
del time.tzset
real = ctypes.CDLL
def CDLL(name=None, *args, **kwargs):
    assert name is not None, "ctypes.CDLL(None) is the C library on Unix only"
    return real(name, *args, **kwargs)
ctypes.CDLL = CDLL
sys.platform = "win32"
# A Windows machine reads and writes text in its own code page unless it is told otherwise.
warnings.filterwarnings("error", category=EncodingWarning, module=r"toolbox(\\.|$)")
"""


def elsewhere(code, *arguments, cwd=REPOSITORY, path=REPOSITORY):
    """Run code after everything that other systems lack is gone; return what it printed."""
    run = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", ELSEWHERE + code, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(path), "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def test_every_module_of_the_toolbox_can_be_imported():
    code = """
import importlib, pkgutil, toolbox
for module in pkgutil.walk_packages(toolbox.__path__, "toolbox."):
    importlib.import_module(module.name)
    print(module.name)
"""
    assert {"toolbox.submit", "toolbox.handin.worker", "toolbox.plots"} <= set(elsewhere(code).split())


def test_a_check_runs_and_a_submission_is_packed(tmp_path):
    folder = make_folder(tmp_path / "work")
    code = """
from toolbox.__main__ import main
print(main(["check", "--folder", sys.argv[1]]), main(["submit", "--folder", sys.argv[1]]))
"""
    said = elsewhere(code, folder)
    assert said.count("2 of 2 checks passed") == 2 and "Hand in this file" in said and said.endswith("\n0 0\n")
    assert (folder / "tiny.zip").is_file()


def test_the_process_that_runs_the_checks_needs_no_unix(tmp_path):
    folder = make_folder(tmp_path / "work")
    clean = tmp_path / "clean"
    clean.mkdir()
    packed = {"tiny.py": (folder / "tiny.py").read_bytes()}
    make_clean_folder(clean, folder, find_manifest(folder).files, packed)
    code = """
from toolbox.handin.worker import main
main()
"""
    lines = [
        json.loads(line) for line in elsewhere(code, "", 30, tmp_path / "stuck", cwd=clean, path=clean).splitlines()
    ]
    assert [line["result"]["status"] for line in lines if "result" in line] == ["passed", "passed"]
    assert lines[-1] == {"done": True}


def test_the_data_set_and_the_solver_need_no_unix(tmp_path):
    code = """
from pathlib import Path
from toolbox.data import standin
standin.write_standin(Path(sys.argv[1]), images_per_file=20)
import os
os.environ["CIFAR10_DIR"] = sys.argv[1]
from toolbox import data
from toolbox.data import cifar10, layout
cifar10.SUMS = {name: layout.md5((Path(sys.argv[1]) / name).read_bytes()) for name in layout.ALL_FILES}
cifar10.IMAGES_PER_FILE = 20
print(tuple(data.load(num_train=10).as_dict()["X_train"].shape))
"""
    (tmp_path / "drawn").mkdir()
    assert elsewhere(code, tmp_path / "drawn").splitlines()[-1] == "(10, 3, 32, 32)"
