"""`nbgrader validate` in a student's folder: the checks that fail, the questions left unanswered, and nothing else."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from tiny_course import UNANSWERED, nbgrader, submit

from tests.command import run

RIGHT = "def double(x):\n    return 2 * x\n"
SUCCESS = "Success! Your notebook passes all the tests.\n"
TRAINING = "open('ran.txt', 'w').close()\nraise RuntimeError('a cell of the notebook was run')"

MODEL_CHECK = '''

@graded(points=1, cases=[case("the file", 1)], hint="Train it.")
def test_model(student, case):
    """The saved model holds a weight."""
    case.require("w" in case.saved("tiny.pth"), "there is no w in it")
'''


@pytest.fixture(scope="module", autouse=True)
def kernels_without_ports(tmp_path_factory):
    """Have kernels talk through files: Jupyter lets go of the ports that it has chosen, and others may take them."""
    folder = tmp_path_factory.mktemp("jupyter")
    (folder / "jupyter_config.json").write_text(json.dumps({"KernelManager": {"transport": "ipc"}}))
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("JUPYTER_CONFIG_PATH", str(folder))
        yield


@pytest.fixture
def folder(released, tmp_path):
    """Return a student's folder, with a cell that nobody runs in its notebook; everything is done and answered."""
    folder = tmp_path / "work"
    shutil.copytree(released.release / "tiny", folder)
    (folder / "tiny.py").write_text(RIGHT)
    change(folder, lambda cells: cells.insert(1, new_code_cell(TRAINING)))
    answer(folder, "Because.")
    return folder


def change(folder, edit):
    notebook = nbformat.read(folder / "tiny.ipynb", as_version=4)
    edit(notebook.cells)
    nbformat.write(notebook, folder / "tiny.ipynb")


def answer(folder, text):
    change(folder, lambda cells: cells[-1].update(source=text))


def environment(**more):
    """Return a student's environment: the toolbox is found in their folder and nowhere else."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more


def validate(folder, **more):
    """Run `nbgrader validate` there and return what it printed and what it logged."""
    done = run("nbgrader", "validate", "tiny.ipynb", cwd=folder, environment=environment(**more))
    assert "Traceback" not in done.stdout + done.stderr and "\x1b" not in done.stdout
    assert not (folder / "ran.txt").exists()
    return done.stdout, done.stderr


def errors(said):
    """Return what nbgrader printed of each cell that failed: the cell, and the error as one line."""
    blocks = said.split("The following cell failed:")[1:]
    halves = [block.split("The error was:") for block in blocks]
    found = [(cell.strip(), " ".join(error.replace("=" * 90, "").split())) for cell, error in halves]
    assert f"VALIDATION FAILED ON {len(found)} CELL(S)!" in said
    return found


def test_all_done_and_answered_is_a_success(folder):
    said, logged = validate(folder)
    assert said == SUCCESS
    assert [line for line in logged.splitlines() if "Validating" not in line] == []


def test_the_starter_fails_each_check_and_question(folder, released):
    shutil.copyfile(released.release / "tiny" / "tiny.py", folder / "tiny.py")
    answer(folder, UNANSWERED)
    (check, why), (_, question) = errors(validate(folder)[0])
    assert check == 'check("double")'
    assert why.startswith("double: 0/4 points `double` gives twice its input. Case “a vector”: double is not written")
    assert why.endswith("Hint: Multiply.")
    assert question == "The question `why` is not answered."


def test_half_done_work_shows_figures_and_an_emptied_answer(folder):
    answer(folder, "  \n")
    (folder / "tiny.py").write_text("def double(x):\n    return 2 * x if len(x) == 5 else x\n")
    said, _ = validate(folder, PYTHONIOENCODING="ascii")
    (_, why), question = errors(said)
    assert question == ("", "The question `why` is not answered.")
    assert why == (
        "double: 3/4 points, measured 3.3e-01, allowed <= 1.0e-07 `double` gives twice its input. "
        'Case "another": double(x) is off by a relative error of 3.3e-01, allowed 1e-07. Hint: Multiply.'
    )
    assert max(map(len, said.splitlines())) <= 90 and "..." not in said


def test_a_missing_model_and_a_deleted_answer_are_seen_without_their_cells(folder):
    with (folder / "checks" / "test_tiny.py").open("a") as file:
        file.write(MODEL_CHECK)
    change(folder, lambda cells: cells.pop())
    (_, gone), (cell, why) = errors(validate(folder)[0])
    assert cell == 'check("model")' and "`tiny.pth` is missing: train the model" in why
    assert gone.startswith("The cell of a written answer is gone: those that are left make up 0 of 2 points.")


MODULES = {
    "syntax error": ("def double(x)\n    return 2 * x\n", "tiny.py, line 1: expected ':'."),
    "missing": (None, "tiny.py is missing."),
    "endless loop": ("def double(x):\n    while True:\n        pass\n", "Look for a loop that does not end."),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_that_cannot_be_used_is_explained_in_a_sentence(folder, name):
    text, expected = MODULES[name]
    (folder / "tiny.py").unlink()
    if text is not None:
        (folder / "tiny.py").write_text(text)
    with (folder / "checks" / "assignment.toml").open("a") as file:
        file.write("[limits]\ncheck_seconds = 0.5\nimport_seconds = 1\n")
    [(cell, why)] = errors(validate(folder)[0])
    assert cell == 'check("double")' and expected in why


def test_what_keeps_the_checks_from_running_is_said(folder):
    [(_, why)] = errors(validate(folder, TOOLBOX_DATA="nonsense")[0])
    assert "nonsense" in why and "standin" in why
    shutil.rmtree(folder / "checks")
    [(_, why)] = errors(validate(folder)[0])
    assert "there is no checks/assignment.toml here" in why


def copy_of_a_cell(content):
    notebook = json.loads(content)
    notebook["cells"] += [{**cell, "id": f"copy-{n}"} for n, cell in enumerate(notebook["cells"])]
    return json.dumps(notebook).encode()


NOTEBOOKS = {
    "cut off": (lambda content: content[:100], "tiny.ipynb cannot be read as a notebook: "),
    "not text": (lambda content: b"\xff" + content, "tiny.ipynb cannot be read as a notebook: it is not UTF-8 text"),
    "a copied cell": (copy_of_a_cell, "tiny.ipynb cannot be validated: Duplicate grade id: double."),
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_that_cannot_be_used_is_explained_in_a_sentence(folder, name):
    spoil, expected = NOTEBOOKS[name]
    path = folder / "tiny.ipynb"
    path.write_bytes(spoil(path.read_bytes()))
    said, logged = validate(folder)
    assert said == "" and expected in logged


def test_from_the_course_folder_nothing_is_run(course):
    folder = submit(course, "eve")
    change(folder, lambda cells: cells.insert(1, new_code_cell(TRAINING)))
    (folder / "tiny.py").write_text(TRAINING)
    done = nbgrader(course, "validate", "submitted/eve/tiny/tiny.ipynb")
    (_, why), _ = errors(done.stdout)
    assert why.startswith("From the course folder, `nbgrader validate` runs nothing.")
    assert not list(course.root.rglob("ran.txt"))


def test_the_button_of_jupyterlab_says_the_same(folder):
    (folder / "tiny.py").write_text(RIGHT.replace("2", "3"))
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    extensions = {"nbgrader.server_extensions.validate_assignment": True}
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--IdentityProvider.token=secret", f"--ServerApp.jpserver_extensions={extensions}"]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/assignments/validate",
        data=b"path=tiny.ipynb",
        headers={"Authorization": "token secret"},
    )
    with subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.DEVNULL) as server:
        try:
            found = json.loads(reply(request, server))
        finally:
            server.terminate()
    [failed] = found["value"]["failed"]
    assert failed["source"] == 'check("double")' and "Case “a vector”: double(x) is off" in failed["raw_error"]
    assert not (folder / "ran.txt").exists()


def reply(request, server):
    """Return the server's answer, once it listens."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read()
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server ended with status {server.returncode}")
