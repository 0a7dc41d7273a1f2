"""Leaving early, and lingering: the end of a process carries no credit, and nothing outlives its check."""

from tests.redteam.attack import EVERYTHING, TRUTH, Attack, changed, searching, with_code, with_linear


def raising(statement: str, definitions: str = "") -> str:
    """Return the solution with a `Linear.forward` that raises."""
    return f"{definitions}\n{with_linear(f'        {statement}')}"


ATTACKS = [
    Attack(
        "exits_at_import",
        "ends the process with status 0 before anything is asked",
        "import os\nos._exit(0)\n",
        EVERYTHING,
        "ended the process",
    ),
    Attack(
        "exits_at_the_end",
        "registers a handler that ends the process with status 0 when Python shuts down",
        with_code("import atexit, os\natexit.register(os._exit, 0)"),
    ),
    Attack(
        "exits_in_words",
        "leaves a layer through sys.exit(0), which a runner may take for success",
        raising("sys.exit(0)\n", "import sys"),
        {"linear_forward"},
        "SystemExit",
    ),
    Attack(
        "raises_keyboard_interrupt",
        "raises what stops a careless test runner",
        raising("raise KeyboardInterrupt\n"),
        {"linear_forward"},
        "KeyboardInterrupt",
    ),
    Attack(
        "raises_generator_exit",
        "raises what `except Exception` lets through",
        raising("raise GeneratorExit\n"),
        {"linear_forward"},
        "GeneratorExit",
    ),
    Attack(
        "raises_pytest_outcomes",
        "raises pytest's own outcomes: skipped, passed, the whole run over",
        raising(
            "import pytest\n        raise [pytest.skip.Exception('x'), pytest.xfail.Exception('x'), pytest.exit.Exception('x')][len(x) % 3]\n"
        ),
        {"linear_forward"},
        "raised ",
    ),
    Attack(
        "raises_an_error_that_lies",
        "raises an exception whose class name, text, arguments and cause are traps",
        with_code("""
class Trap(BaseException):
    args = property(lambda self: 1 / 0)
    __traceback__ = property(lambda self: 1 / 0)
    __class__ = property(lambda self: AssertionError)

    def __str__(self):
        return 7

    __repr__ = __getattribute__ = __str__


Trap.__name__ = 'passed'


def _raise(*args):
    error = Trap(object(), object())
    raise error from error


Linear.forward = staticmethod(_raise)
"""),
        {"linear_forward"},
        "`Linear.forward` raised passed",
    ),
    Attack(
        "raises_an_endless_text",
        "raises an exception whose text never ends, so that formatting it hangs",
        with_code("""
class Endless(BaseException):
    def __str__(self):
        while True:
            pass


def _raise(*args):
    raise Endless(1, 2)


rmsprop = _raise
"""),
        {"rmsprop"},
        "no answer within",
    ),
    Attack(
        "never_lets_go",
        "returns objects that never end being deleted, after each check",
        with_code("""
class Clinging:
    def __del__(self):
        while True:
            pass


_dropout_forward = Dropout.forward
Dropout.forward = staticmethod(lambda x, param: (_dropout_forward(x, param)[0], Clinging()))
"""),
        {"dropout_backward"},
        wrecks=True,
    ),
    Attack(
        "exits_when_deleted",
        "returns an object that ends the process when it is deleted, between two checks",
        with_code("""
import os


class Parting:
    def __del__(self):
        os._exit(0)


_rmsprop = rmsprop


def rmsprop(w, dw, config=None):
    next_w, config = _rmsprop(w, dw, config)
    return next_w, {**config, 'parting': Parting()}
"""),
    ),
    Attack(
        "loops_for_ever",
        "never answers, with every signal blocked, every alarm cancelled and every exception swallowed",
        with_code(
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nsignal.alarm(0)\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            changed(
                "        dx = dout * (x > 0)\n",
                "        while True:\n            try:\n                while True:\n                    pass\n"
                "            except BaseException:\n                pass\n",
            ),
        ),
        {"relu_backward"},
        "no answer within",
    ),
    Attack(
        "sleeps",
        "sleeps instead of computing: no processor time is used, the grader waits",
        with_code("import time\nadam = lambda *args: time.sleep(10**6)"),
        {"adam"},
        "no answer within",
    ),
    Attack(
        "dies_again_and_again",
        "ends its process in the layer that most checks go through, and is slow to be imported again",
        "import time\ntime.sleep(1)\n" + with_linear("        import os; os._exit(3)\n        out = x\n"),
        {"linear_forward"},
        "ended the process",
    ),
    Attack(
        "closes_its_connection",
        "closes every descriptor, the grader's among them",
        with_code("import os\nadam = lambda *args: os.closerange(3, 1000)"),
        {"adam"},
        "ended the process",
    ),
    Attack(
        "crashes",
        "reads memory that is not there",
        with_code("import ctypes\nadam = lambda *args: ctypes.string_at(8)"),
        {"adam"},
        "crashed",
    ),
    Attack(
        "leaves_threads_behind",
        "starts threads that would go on writing files after the check",
        with_code("""
import threading
import time


def _linger():
    while True:
        time.sleep(0.2)
        open('lingering', 'a').write('x')


for _daemon in (True, False):
    threading.Thread(target=_linger, daemon=_daemon).start()
"""),
    ),
    Attack(
        "leaves_processes_behind",
        "forks twice, starts a new session and a program, to outlive the grader",
        searching("""
import multiprocessing
import os
import subprocess
import sys


def _fork():
    if os.fork() == 0:
        os.setsid()
        os._exit(0)
    return 'forked'


for _start in (
    _fork,
    lambda: os.forkpty(),
    lambda: os.setsid(),
    lambda: os.posix_spawn(sys.executable, [sys.executable, '-c', ''], {}),
    lambda: subprocess.Popen([sys.executable, '-c', ''], start_new_session=True),
    lambda: multiprocessing.get_context('fork').Process(target=int).start(),
    lambda: os.execv(sys.executable, [sys.executable, '-c', '']),
):
    try:
        FOUND.append(_start())
    except OSError:
        pass
"""),
    ),
    Attack(
        "falls_over_at_the_end",
        "raises at the end of the module, when everything is defined",
        with_code("1 / 0"),
        tells="stopped half-way",
    ),
    Attack(
        "falls_over_in_the_middle",
        "raises in the middle of the module: what comes after is not there",
        changed("def rmsprop(", "1 / 0\n\n\ndef rmsprop("),
        {"rmsprop", "adam"},
        "stopped half-way",
    ),
    Attack(
        "imports_what_is_not_here",
        "imports packages that are nowhere",
        "import cv2_not_here\nfrom sklearn_not_here.linear_model import Ridge\n" + TRUTH,
        tells="is not installed",
    ),
]
