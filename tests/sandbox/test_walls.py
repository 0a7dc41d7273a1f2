"""Each wall of the jail, tried from inside by code that knows what it is looking for."""

from __future__ import annotations

import ctypes.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autograder.sandbox import Jail, Preloaded, linux, seccomp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these walls are Linux's")

Start = Callable[..., Jail]

# Runs a snippet and returns what it leaves in `out`, or the name of the exception and its errno.
RUN = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)

def run(source):
    space = {"os": os, "sys": sys, "ctypes": ctypes, "libc": libc, "out": "done"}
    try:
        exec(source, space)
    except OSError as error:
        return f"{type(error).__name__} {error.errno}"
    except Exception as error:
        return type(error).__name__
    return space["out"]

def syscall(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*(ctypes.c_long(a) for a in arguments))
    return result, ctypes.get_errno()
"""
EPERM, EACCES, ENOENT, ENOSYS = 1, 13, 2, 38


@pytest.fixture
def inside(walled: Preloaded, jail_with: Start) -> Callable[[str], object]:
    jail = jail_with(walled, RUN)
    return lambda source: jail.call(0, "run", (source,), seconds=20)


@pytest.fixture
def refused(walled: Preloaded, jail_with: Start) -> Callable[..., bool]:
    jail = jail_with(walled, RUN)
    return lambda *call: jail.call(0, "syscall", call, seconds=20) == (-1, EPERM)


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"])
def test_no_socket_of_any_family(inside: Callable, family: str) -> None:
    assert inside(f"import socket; socket.socket(socket.{family}, socket.SOCK_STREAM)") == f"PermissionError {EPERM}"
    assert inside("import socket; socket.socketpair()") == f"PermissionError {EPERM}"


@pytest.mark.parametrize(
    "source",
    [
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import subprocess; subprocess.run(['/bin/true'], close_fds=False)",
        "import multiprocessing as m; p = m.get_context('fork').Process(target=print); p.start()",
        "os.memfd_create('x')",
        "os.kill(os.getppid() or 2, 0)",
        "os.kill(-1, 0)",
        "os.kill(0, 0)",
        "os.setpriority(0, 0, -5)",
        "import fcntl; fcntl.flock(os.open('x', os.O_CREAT), fcntl.LOCK_EX)",
        "import fcntl; fcntl.lockf(os.open('x', os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)",
        "os.symlink('/etc/passwd', 'link')",
        "os.mkfifo('fifo')",
        "os.mknod('node')",
        "os.setuid(0)",
        "os.chroot('.')",
        "os.unshare(0x10000000)" if hasattr(os, "unshare") else "os.chroot('/')",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "import resource; resource.prlimit(os.getppid() or 2, resource.RLIMIT_CPU)",
    ],
)
def test_no_way_to_start_reach_or_become_another_process(inside: Callable, source: str) -> None:
    assert str(inside(source)).startswith(("PermissionError", "ProcessLookupError", "ValueError")), inside(source)


def test_forbidden_system_calls_fail_with_eperm(refused: Callable) -> None:
    if linux.machine() != "x86_64":
        pytest.skip("the numbers are those of x86-64")
    calls = {
        "ptrace": (101, 0), "process_vm_readv": (310, 1), "process_vm_writev": (311, 1), "memfd_create": (319, 0, 0),
        "memfd_secret": (447, 0), "userfaultfd": (323, 0), "io_uring_setup": (425, 1, 0), "bpf": (321, 0),
        "perf_event_open": (298, 0), "keyctl": (250, 0), "add_key": (248, 0), "request_key": (249, 0),
        "unshare": (272, 0x10000000), "setns": (308, 0, 0), "mount": (165, 0), "umount2": (166, 0),
        "pivot_root": (155, 0), "chroot": (161, 0), "vfork": (58,), "fork": (57,), "execve": (59, 0),
        "execveat": (322, 0), "shmget": (29, 0, 4096, 0o1600), "msgget": (68, 0, 0o1600), "semget": (64, 0, 1, 0o1600),
        "mq_open": (240, 0), "personality": (135, 0x40000), "kexec_load": (246, 0), "init_module": (175, 0),
        "sendmsg": (46, 3, 0, 0), "recvmsg": (47, 3, 0, 0), "sendto": (44, 3, 0, 0), "pidfd_open": (434, 1, 0),
        "pidfd_getfd": (438, 3, 0, 0), "name_to_handle_at": (303, 0), "open_by_handle_at": (304, 0),
        "fanotify_init": (300, 0), "inotify_init1": (294, 0), "setxattr": (188, 0), "link": (86, 0), "quotactl": (179, 0),
        "seccomp": (317, 1, 0, 0), "landlock_create_ruleset": (444, 0, 0, 1), "clone without a thread": (56, 17, 0),
        "clone a namespace": (56, 0x10010000, 0), "prctl": (157, 38, 1), "dumpable": (157, 4, 1), "TIOCSTI": (16, 0, 0x5412),
        "tkill": (200, 1, 0), "rt_sigqueueinfo": (129, 1, 0), "x32 getpid": (0x40000000 + 39,), "nothing": (9999,),
        "acct": (163, 0), "ioperm": (173, 0), "modify_ldt": (154, 0), "mlockall": (151, 1), "setrlimit": (160, 7, 0),
        "chmod": (90, 0, 0), "truncate": (76, 0, 0), "openat2": (437, 0, 0, 0, 0), "utimensat": (280, 0, 0, 0, 0),
    }  # fmt: skip
    assert [name for name, call in calls.items() if not refused(*call)] == []


def test_clone3_is_missing_so_that_threads_fall_back_on_clone(walled: Preloaded, jail_with: Start) -> None:
    jail = jail_with(walled, RUN)
    assert jail.call(0, "syscall", (435, 0, 0), seconds=20) == (-1, ENOSYS)
    source = (
        "import threading; t = threading.Thread(target=lambda: done.append(1)); t.start(); t.join(); out = len(done)"
    )
    assert jail.call(0, "run", (f"done = []; {source}",), seconds=20) == 1


def test_calls_of_another_architecture_kill(walled: Preloaded) -> None:
    program = seccomp.program(linux.machine(), 1)
    assert program[8:16] and len(program) % 8 == 0
    other = "aarch64" if linux.machine() == "x86_64" else "x86_64"
    assert seccomp.program(other, 1)[8:16] != program[8:16]


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/shadow", "/proc/1/environ", "/proc/self/environ", "/proc/self/maps", "/proc/cpuinfo", "/root",
     "/home", "/tmp", "/var", "/sys", "/dev/shm", "/", "/bin/sh", "/run", __file__, str(Path(__file__).parents[2]),
     str(Path(__file__).parents[2] / "autograder" / "__init__.py")],
)  # fmt: skip
def test_no_file_of_the_host_and_none_of_the_course(inside: Callable, path: str) -> None:
    assert str(inside(f"os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}).read()")) in (
        f"PermissionError {EACCES}",
        f"FileNotFoundError {ENOENT}",
    )


def test_the_jail_reads_what_python_needs(inside: Callable) -> None:
    assert inside("import this, sqlite3, http.client, xml.dom.minidom, torch.utils.data, numpy.fft") == "done"
    assert inside("open('/dev/null', 'w').write('x'); out = len(open('/dev/urandom', 'rb').read(8))") == 8


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm", "/var/tmp", os.path.dirname(__file__), sys.prefix])
def test_nothing_is_written_outside_the_private_folder(inside: Callable, folder: str) -> None:
    assert str(inside(f"open({folder!r} + '/planted', 'w')")).startswith(("PermissionError", "OSError", "FileNotFound"))
    assert not os.path.exists(folder + "/planted")


def test_installed_packages_cannot_be_changed(inside: Callable) -> None:
    assert str(inside("import torch; open(torch.__file__, 'a')")).startswith(("PermissionError", "OSError 30"))
    assert str(inside("import torch; os.open(torch.__file__, os.O_RDONLY | os.O_TRUNC)")).startswith("PermissionError")
    assert os.path.getsize(torch.__file__) > 0
    assert str(inside("import torch; os.utime(torch.__file__, (0, 0))")).startswith(("PermissionError", "OSError 30"))
    assert str(inside("import torch; os.chmod(torch.__file__, 0o777)")).startswith(("PermissionError", "OSError 30"))


def test_the_private_folder_is_empty_but_for_the_files_and_writable(inside: Callable) -> None:
    assert inside("out = os.listdir('.')") == ["layers.py"]
    assert (
        inside("import tempfile; open('x', 'w').write('y'); os.mkdir('d'); out = tempfile.TemporaryFile().name") != ""
    )
    assert inside("out = os.path.realpath('.') == os.path.dirname(sys.modules['layers'].__file__)") is True


def test_one_jail_does_not_see_the_folder_of_another(walled: Preloaded, jail_with: Start) -> None:
    first, second = jail_with(walled, RUN), jail_with(walled, RUN)
    first.call(0, "run", ("open('secret', 'w').write('x')",), seconds=20)
    folder = first.call(0, "run", ("out = os.getcwd()",), seconds=20)
    answer = second.call(0, "run", (f"out = os.listdir({folder!r})",), seconds=20)
    assert answer == ["layers.py"] or answer == f"PermissionError {EACCES}"


def test_the_environment_and_the_descriptors_are_bare(inside: Callable) -> None:
    os.environ["SECRET_OF_THE_EXAMINER"] = "x"
    environment = inside("out = dict(os.environ)")
    assert isinstance(environment, dict)
    assert not [name for name in environment if "SECRET" in name or name in ("PATH", "USER", "PWD")]
    assert environment["HOME"] == inside("out = os.getcwd()")
    opened = "out = []\nfor n in range(200):\n  try: os.fstat(n); out.append(n)\n  except OSError: pass"
    assert len(inside(opened)) == 4
    assert inside("out = sys.argv") == [""]
    assert inside("import __main__; out = sorted(n for n in vars(__main__) if not n.startswith('__'))") == []


def test_no_capability_and_no_way_to_gain_rights(inside: Callable) -> None:
    read = (
        "class H(ctypes.Structure): _fields_ = (('v', ctypes.c_uint32), ('p', ctypes.c_int))\n"
        "d = (ctypes.c_uint32 * 6)(); h = H(0x20080522, 0)\n"
        "assert libc.capget(ctypes.byref(h), d) == 0; out = list(d)"
    )
    assert inside(read) == [0] * 6


def test_limits_are_set(inside: Callable) -> None:
    names = ["CORE", "FSIZE", "NOFILE", "MEMLOCK", "CPU", "STACK"]
    got = inside(f"import resource; out = [resource.getrlimit(getattr(resource, 'RLIMIT_' + n)) for n in {names}]")
    assert got[0] == (0, 0) and got[1] == (64 << 20, 64 << 20) and got[2] == (64, 64) and got[4] == (120, 120)


def test_with_namespaces_the_jail_is_alone_and_nobody(walled: Preloaded, inside: Callable) -> None:
    if "pid namespace" not in walled.layers:
        pytest.skip("without namespaces")
    assert inside("out = (os.getpid(), os.getppid(), os.getuid() != 0)") == (1, 0, True)
    assert inside("out = os.getcwd()") == "/submission"


def test_a_native_library_in_the_private_folder_is_of_no_use(walled: Preloaded, jail_with: Start) -> None:
    if "mount namespace" not in walled.layers:
        pytest.skip("without a mount namespace the private folder lies on the host's file system")
    library = Path(ctypes.util.find_library("c") or "libc.so.6")
    jail = jail_with(walled, RUN)
    copy = f"import glob; p = next(iter(glob.glob('/lib/*/{library.name}') + glob.glob('/usr/lib*/{library.name}')))\n"
    assert jail.call(
        0, "run", (copy + "open('own.so', 'wb').write(open(p, 'rb').read()); ctypes.CDLL('./own.so')",), seconds=20
    ) in ("OSError None", "OSError 0")
