"""Forging results: they are written by the grader, from answers with a number that nobody could guess."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.fully_connected_class import MODULE, NAME, NOTEBOOK
from tests.redteam.attack import EVERYTHING, LOST_WITH_WRONG, WRONG, Attack, searching, with_code

FRAME = """
import os
import stat
import struct
import sys

import autograder.sandbox.encode as encode


def _is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


_SOCKET = next(filter(_is_socket, range(1000)))
_encoder = encode.Encoder()
for _value in ('value', (True, 'passed', 100.0), 0, ()):
    _encoder.add(_value)
_REPLY = b''.join(map(bytes, _encoder.buffers()))


def _forge(number, reply=_REPLY, size=len(_REPLY)):
    os.write(_SOCKET, struct.pack('<QQ', number, size) + reply)


def _number():
    frame = sys._getframe()
    while 'number' not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals['number']
"""
"""Code that writes a well-formed reply to the grader's socket."""


def in_place(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what puts something else in the place of the module."""

    def replace(folder: Path) -> None:
        (folder / MODULE).unlink()
        make(folder / MODULE)

    return replace


def cells(notebook: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    """Return the nbgrader metadata of a notebook's cells of some kinds (`grade`, `solution`, `locked`)."""
    found = [cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"]]
    return [about for about in found if any(about.get(kind) for kind in kinds)]


def raise_points(notebook: dict[str, Any]) -> None:
    for about in cells(notebook, "grade"):
        about["points"] = 1000


def rename_cells(notebook: dict[str, Any]) -> None:
    for about in cells(notebook, "grade", "solution", "locked"):
        about["grade_id"] = "linear_forward"


def unlock_cells(notebook: dict[str, Any]) -> None:
    for about in cells(notebook, "locked"):
        about |= {"locked": False, "grade": False, "solution": True, "task": True, "cell_type": "markdown"}


def double_cells(notebook: dict[str, Any]) -> None:
    notebook["cells"] = notebook["cells"] * 2


def delete_cells(notebook: dict[str, Any]) -> None:
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["metadata"].get("nbgrader")]


def fake_outputs(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [
                {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "100.0"}}
            ]
            cell["source"] = "raise SystemExit(0)"


def damage_cells(notebook: dict[str, Any]) -> None:
    notebook["cells"] += [None, 7, [], {"cell_type": "code"}, {"cell_type": "markdown", "source": 5, "metadata": {"nbgrader": []}}]
    notebook["metadata"] = {"kernelspec": {"name": "../../../bin/sh"}, "nbgrader": {"points": float("inf")}}
    notebook["nbformat"] = -4


def stamp(text: bytes) -> Callable[[Path], None]:
    """Return what writes a time of handing in."""

    def write(folder: Path) -> None:
        (folder / "timestamp.txt").write_bytes(text)

    return write


def huge_notebook(folder: Path) -> None:
    os.truncate(folder / NOTEBOOK, 10**10)  # a hole: it takes no space


def deep_notebook(folder: Path) -> None:
    (folder / NOTEBOOK).write_text("[" * 10**6)


ATTACKS = [
    Attack(
        "answers_before_it_is_asked",
        "writes a reply to the grader's socket while it is being imported",
        with_code(f"{FRAME}\n_forge(0)", WRONG),
        EVERYTHING,
        "wrote to the grader's socket",
    ),
    Attack(
        "answers_again_and_again",
        "writes replies with all the numbers it can think of from a thread of its own",
        with_code(f"""{FRAME}
import threading
import time


def _again():
    for number in range(10**6):
        time.sleep(0.05)
        _forge(number)


threading.Thread(target=_again, daemon=True).start()
""", WRONG),
        LOST_WITH_WRONG,
        wrecks=True,
    ),
    Attack(
        "answers_in_the_grader_s_place",
        "finds the number of the request in the frames of the grader's loop, and answers itself",
        with_code(f"""{FRAME}

def _answer(x):
    _forge(_number())
    os._exit(0)


ReLU.forward = staticmethod(_answer)
"""),
        {"relu_forward"},
        wrecks=True,
    ),
    Attack(
        "answers_two_at_once",
        "answers one request twice, so that the second answer is taken for the next request's",
        with_code(f"""{FRAME}

def _answer(w, dw, config=None):
    _forge(_number())
    return w, config


adam = _answer
"""),
        {"adam"},
        wrecks=True,
    ),
    Attack(
        "answers_too_much",
        "announces a reply of a million million bytes",
        with_code(f"""{FRAME}

def _answer(*args):
    _forge(_number(), b'', 10**12)
    os._exit(0)


adam = _answer
"""),
        {"adam"},
        "larger than the 256 MB",
    ),
    Attack(
        "answers_nonsense",
        "sends well-numbered replies full of lengths that do not fit, tags that are none, and references to nothing",
        with_code(f"""{FRAME}
import random


def _answer(*args):
    body = bytearray(_REPLY)
    for _ in range(1 + _RANDOM.randrange(4)):
        body[4 + _RANDOM.randrange(len(body) - 4)] = _RANDOM.randrange(256)
    _forge(_number(), body)
    os._exit(0)


_RANDOM = random.Random(7)
adam = rmsprop = sgd_momentum = _answer
"""),
        {"adam", "rmsprop", "sgd_momentum"},
        wrecks=True,
    ),
    Attack(
        "prints_results",
        "prints what a careless grader would read from its output as results",
        with_code("""
import os
import sys
for _text in ('{"score": 100, "tests": [{"score": 100, "max_score": 1}]}', '100 passed in 0.01s', '<score>100</score>',
              '::set-output name=points::100', '##teamcity[testFinished]'):
    print(_text, flush=True)
    print(_text, file=sys.stderr, flush=True)
    for _stream in (0, 1, 2):
        os.write(_stream, _text.encode())
""", WRONG),
        LOST_WITH_WRONG,
    ),
    Attack(
        "writes_results",
        "writes its record, the gradebook and the seed by their absolute paths, and puts links in their place",
        searching(f"""
import os
for path in ('results/{NAME}/writes_results.json', 'gradebook.db', 'secret_seed', 'assignments/{NAME}/assignment.toml',
             'submitted/complete/{NAME}/{MODULE}', '../canary/new', 'results.json'):
    path = os.path.join('@course@', path)
    for act in (lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), lambda: os.unlink(path),
                lambda: os.chmod(path, 0o666), lambda: os.rename(path, path + '2'), lambda: os.link(path, 'here'),
                lambda: os.symlink('/dev/null', path), lambda: os.mkdir(path), lambda: os.truncate(path, 0),
                lambda: os.utime(path), lambda: os.chown(path, -1, os.getgid()), lambda: os.mkfifo(path)):
        try:
            FOUND.append((path, act()))
        except OSError:
            pass
"""),
    ),
    Attack(
        "writes_results_beside_itself",
        "writes results under every name that a grader might pick up from its own folder",
        with_code("""
import os
for _name in ('results.json', 'record.json', 'gradebook.db', '../results.json', 'feedback.html', '.coverage', 'report.xml'):
    try:
        os.makedirs('results', exist_ok=True)
        open(_name, 'w').write('{"score": 100}')
    except OSError:
        pass
""", WRONG),
        LOST_WITH_WRONG,
    ),
    Attack(
        "exchanges_its_files",
        "exchanges its module and its saved models, once it is imported",
        with_code("""
import glob
import os
for _name in glob.glob('*'):
    try:
        os.unlink(_name)
        open(_name, 'w').write('# 100 points')
    except OSError:
        pass
"""),
        {"two_layer_accuracy", "saved_five_layer"},
    ),
    Attack("raises_its_points", "makes every cell of its notebook worth 1000 points", WRONG, LOST_WITH_WRONG,
           notebook=raise_points),
    Attack("renames_cells", "gives every cell of its notebook the id of the check that it passes", WRONG, LOST_WITH_WRONG,
           notebook=rename_cells),
    Attack("unlocks_cells", "makes every locked cell of its notebook one of its own answers", WRONG, LOST_WITH_WRONG,
           notebook=unlock_cells),
    Attack("doubles_cells", "hands in every cell of its notebook twice", WRONG, LOST_WITH_WRONG, notebook=double_cells),
    Attack("deletes_cells", "deletes the cells that cost it points", WRONG, LOST_WITH_WRONG, notebook=delete_cells),
    Attack("fakes_outputs", "pastes outputs that say 100 points, which nbgrader would count", WRONG, LOST_WITH_WRONG,
           notebook=fake_outputs),
    Attack("damages_its_notebook", "hands in a notebook whose cells are no cells", WRONG, LOST_WITH_WRONG,
           notebook=damage_cells),
    Attack("endless_notebook", "hands in a notebook of ten gigabytes, all of it a hole", loses=(), tells="is larger than",
           files=huge_notebook),
    Attack("bottomless_notebook", "hands in a notebook nested a million deep", tells="cannot be read as a notebook",
           files=deep_notebook),
    Attack("backdates", "hands in its own note of when it was handed in: long ago", WRONG, LOST_WITH_WRONG,
           files=stamp(b"1970-01-01 00:00:00 UTC")),
    Attack("misdates", "hands in a note of the time that is none", WRONG, LOST_WITH_WRONG,
           files=stamp(b"\x1b[31m9999-99-99 <script>\xff\0" * 1000)),
    Attack(
        "is_a_link",
        "hands in a link to the author's solution",
        loses=EVERYTHING,
        tells="is a link",
        files=in_place(lambda path: path.symlink_to(path.parents[3] / "assignments" / NAME / MODULE)),
    ),
    Attack(
        "is_a_link_to_zero",
        "hands in a link to a device that never ends",
        loses=EVERYTHING,
        tells="is a link",
        files=in_place(lambda path: path.symlink_to("/dev/zero")),
    ),
    Attack(
        "is_a_pipe",
        "hands in a named pipe that nobody writes to, so that opening it waits for ever",
        loses=EVERYTHING,
        tells="is not a plain file",
        files=in_place(os.mkfifo),
    ),
    Attack(
        "is_a_folder",
        "hands in a folder under the name of the module",
        loses=EVERYTHING,
        tells="is not a plain file",
        files=in_place(os.mkdir),
    ),
    Attack(
        "is_too_large",
        "hands in a module of ten gigabytes, all of it a hole",
        loses=EVERYTHING,
        tells="is larger than",
        files=lambda folder: os.truncate(folder / MODULE, 10**10),
    ),
    Attack(
        "forges_the_path_of_an_object",
        "patches the grader's own code to name objects after escapes, markup and handles that are not there",
        with_code("""
import sys
kit = next(module for name, module in sys.modules.items() if name.endswith('sandbox.answerer'))
kit.Answerer.handle_of = lambda self, value: kit.Ref(7, '\\x1b[31m<script>' * 1000, 'x')
Linear.forward = staticmethod(lambda x, w, b: (object(), None))
"""),
        {"linear_forward", "two_layer_init", "fully_connected_loss"},
        "attribute that cannot be one",
    ),
    Attack(
        "hands_back_the_module",
        "answers references to other objects of its process, the grader's among them",
        with_code("""
import autograder.sandbox.wire as wire
import sys


def _answer(x):
    return wire.Ref(0, 'TwoLayerNet'), wire.Ref(2**63, 'x'), sys.modules


ReLU.forward = staticmethod(lambda x: (wire.Ref(0, 'Linear.forward', 'Tensor'), x))
"""),
        {"relu_forward"},
        wrecks=True,
    ),
]  # fmt: skip
