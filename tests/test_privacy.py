"""What grading writes holds a student's id and nothing else of the person, and no secret of the course.

Markers are planted in everything that is private or secret. A class is graded, with one among them that
searches all files and all memory it can reach. Then every byte of every output is searched.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell
from nbgrader.api import Gradebook
from tiny_course import CHECK, MANIFEST, MODULE, MUTANTS, cell_metadata, make_course, nbgrader, submit, tree

from autograder.assignment import load_assignment
from autograder.course import Course, open_course
from toolbox import data
from toolbox.checks import Case, load_checks

pytestmark = pytest.mark.xdist_group("privacy")

REPOSITORY = Path(__file__).resolve().parents[1]
SEED = hashlib.sha256(b"planted").digest()
PERSON = {"first_name": "FirstName-5b1d", "last_name": "LastName-5b1d", "email": "mail-5b1d@example.org"}
IN_NOTEBOOK = "NotebookAuthor-5b1d"
IN_MODULE = "ModuleAuthor-5b1d"
SECRETS = {
    "solution": "Solution-5b1d",
    "mistake": "Mistake-5b1d",
    "mark scheme": "MarkScheme-5b1d",
    "environment": "Environment-5b1d",
}
CANARY = "Canary-5b1d"
STUDENTS = ("crashing", "failing", "prying", "right")

HIDING_CHECK = CHECK.replace(
    '    case.compare("double(x)", student.double(x), 2 * x)',
    """\
    hidden = case.randn(case.n)
    case.require(len(case.data.y_val) > 100, "there are labels")
    case.compare("double(x)", student.double(x) + hidden, 2 * x + hidden)""",
)
SAY_EVERYTHING = f"""\
# {IN_MODULE}
import sys
for stream in (sys.stdout, sys.stderr):
    print(open(__file__).read(), file=stream, flush=True)
"""
MODULES = {
    "right": "def double(x):\n    return 2 * x\n",
    "failing": "def double(x):\n    return 3 * x\n",
    "crashing": "import os\ndef double(x):\n    os._exit(3)\n",
}
PRYING = '''
"""Canary-5b1d: this text is in the module's file and in its memory."""

import os

import numpy as np

WANTED = {wanted}  # no byte of it is what it stands for, so that it is not found here
KEPT = __doc__


def places(there):
    """Return the names of what is wanted and found in some bytes."""
    found = set()
    for name, wanted in WANTED.items():
        at = np.flatnonzero(there[: len(there) - len(wanted) + 1] == wanted[0] ^ 90)
        for number, byte in enumerate(wanted):
            at = at[there[at + number] == byte ^ 90]
        if len(at):
            found.add(name)
    return found


def search_memory():
    """Return what is found in the memory that this process may write to, and how many megabytes that are."""
    found, size = set(), 0
    try:
        lines = open("/proc/self/maps").read().splitlines()
        memory = open("/proc/self/mem", "rb", buffering=0)
    except OSError:
        return found, size
    for line in lines:
        bounds, rights = line.split()[:2]
        start, end = (int(bound, 16) for bound in bounds.split("-"))
        if not rights.startswith("rw"):
            continue
        for at in range(start, end, 1 << 24):
            try:
                there = os.pread(memory.fileno(), min(end - at, (1 << 24) + 4096), at)
            except OSError:
                continue
            found |= places(np.frombuffer(there, np.uint8))
            size += len(there)
    return found, size >> 20


def search_files():
    """Return what is found in all files that can be opened, the installed ones left out, and how many they are."""
    found, count = set(), 0
    for top in ("/", os.getcwd(), {course!r}, "/proc/self", "/dev/fd", os.path.expanduser("~"), os.path.expandvars("$TMPDIR")):
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if name not in ("usr", "lib", "lib64", "sys", "dev", "site-packages")][:100]
            for name in names[:100]:
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        there = np.frombuffer((os.path.join(folder, name) + "\\n").encode() + file.read(1 << 22), np.uint8)
                except (OSError, ValueError):
                    continue
                found |= places(there)
                count += 1
    return found, count


def double(x):
    """Raise what was found."""
    in_memory, megabytes = search_memory()
    in_files, count = search_files() if not megabytes else (set(), 0)
    raise RuntimeError(f"{{megabytes}} MB: {{sorted(in_memory)}}; {{count}} files: {{sorted(in_files)}}")
'''


def drawn(course: Course) -> dict[str, list[bytes]]:
    """Return what the examiner alone knows, as it lies in memory and as it would be printed."""
    (check,) = load_checks(load_assignment(course, "tiny").checks)
    images = data.load("standin", parts=("val",))
    hidden = []
    for kind in check.cases:
        for trial in range(check.trials):
            case = Case(check, kind, SEED, trial, data=lambda: images)
            case.randn(case.n)
            hidden.append(case.randn(case.n))
    labels = images.y_val[int(images.y_val.nonzero()[0]) :][:60]
    return {
        "expected values": [values[:2].numpy().tobytes() for values in hidden]
        + [repr(value)[:12].encode() for values in hidden for value in values.tolist()],
        "labels": [labels.numpy().tobytes(), str(labels.tolist())[1:-1].encode(), labels.byte().numpy().tobytes()],
    }


def forms(course: Course) -> dict[str, list[bytes]]:
    """Return every marker with the bytes in which it could show."""
    return {
        "seed": [SEED, SEED.hex().encode(), str(list(SEED))[1:-1].encode(), repr(SEED)[2:-1].encode()],
        **{name: [text.encode()] for name, text in SECRETS.items()},
        **{name: [text.encode()] for name, text in PERSON.items()},
        "notebook's author": [IN_NOTEBOOK.encode()],
        "module's author": [IN_MODULE.encode()],
        **drawn(course),
    }


def plant(root: Path) -> Course:
    """Make a course with a secret in everything that stays with the author."""
    course = make_course(root)
    folder = course.assignments / "tiny"
    (folder / "assignment.toml").write_text(
        MANIFEST.replace("written = 2", "written = 7") + '[images]\nparts = ["val"]\n[limits]\ncheck_seconds = 120\n'
    )
    (folder / "tiny.py").write_text(MODULE.replace("    return 2", f"    # {SECRETS['solution']}\n    return 2"))
    (folder / "mutants.toml").write_text(MUTANTS.replace("once too few", SECRETS["mistake"]))
    (folder / "checks" / "test_tiny.py").write_text(HIDING_CHECK)
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    about = cell_metadata("task", grade=False, solution=False, points=5)
    about["nbgrader"]["task"] = True
    scheme = f"Draw.\n### BEGIN MARK SCHEME\n{SECRETS['mark scheme']}\n### END MARK SCHEME"
    notebook.cells.append(new_markdown_cell(scheme, metadata=about))
    nbformat.write(notebook, path)
    course.secret_seed.touch(mode=0o600)
    course.secret_seed.write_text(SEED.hex())
    return open_course(root)


def hand_in(course: Course) -> None:
    """Let a class hand in, with names in their files, and let the gradebook know who they are."""
    wanted = {
        f"{name} {number}": [byte ^ 90 for byte in one]
        for name, known in forms(course).items()
        if name not in ("module's author", "notebook's author")
        for number, one in enumerate(known)
    }
    wanted["canary"] = [byte ^ 90 for byte in CANARY.encode()]
    modules = {**MODULES, "prying": PRYING.format(wanted=wanted, course=str(course.root))}
    for student in STUDENTS:
        folder = submit(course, student, answer="Because.")
        (folder / "tiny.py").write_text(modules[student] + SAY_EVERYTHING)
        notebook = nbformat.read(folder / "tiny.ipynb", as_version=4)
        notebook.metadata["authors"] = [{"name": IN_NOTEBOOK}]
        nbformat.write(notebook, folder / "tiny.ipynb")
    with Gradebook(course.db_url) as gradebook:
        for student in STUDENTS:
            gradebook.update_or_create_student(student, **PERSON)


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> tuple[Course, dict[str, bytes]]:
    """Run the whole chain; return what each command printed, and every file that there is afterwards."""
    top = tmp_path_factory.mktemp("privacy")
    course = plant(top / "course")
    environment = {**os.environ, "PRIVATE": SECRETS["environment"], "TMPDIR": str(top / "temporary")}
    (top / "temporary").mkdir()
    outputs = {}

    def autograder(*arguments: str) -> None:
        command = [sys.executable, "-m", "autograder", *arguments, "--course", str(course.root)]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        outputs[" ".join(arguments)] = done.stdout + done.stderr

    autograder("release", "tiny")
    hand_in(course)
    autograder("grade", "tiny")
    records = tree(course.results / "tiny")
    autograder("feedback", "tiny")
    autograder("export", "tiny")
    pages = tree(course.feedback)
    for command in (["autograde", "tiny"], ["generate_feedback", "tiny", "--force"]):
        done = nbgrader(course, *command)
        assert done.returncode == 0, done.stderr
        outputs["nbgrader " + " ".join(command)] = (done.stdout + done.stderr).encode()
    autograder("grade", "tiny", "--json", "--force", "--student", "prying", "--isolation", "process")
    files = {f"course/{name}": content for name, content in tree(course.root).items()}
    files |= {f"temporary/{name}": content for name, content in tree(top / "temporary").items()}
    files |= {f"records/{name}": content for name, content in records.items()}
    files |= {f"pages/{name}": content for name, content in pages.items()}
    return course, {**outputs, **files}


@pytest.fixture(scope="module")
def said(chain) -> dict[str, bytes]:
    return chain[1]


@pytest.fixture(scope="module")
def found(chain) -> dict[str, set[str]]:
    """Return where each marker is, in any of its forms."""
    course, said = chain
    return {
        marker: {place for place, content in said.items() if any(one in content for one in shapes)}
        for marker, shapes in forms(course).items()
    }


def submitted(name: str) -> set[str]:
    return {f"course/submitted/{student}/tiny/{name}" for student in STUDENTS}


def autograded(name: str) -> set[str]:
    return {f"course/autograded/{student}/tiny/{name}" for student in STUDENTS}


def test_the_chain_has_written_what_is_searched(said):
    for student in STUDENTS:
        for place in (f"course/results/tiny/{student}.json", f"pages/{student}/tiny/tiny.html",
                      f"course/feedback/{student}/tiny/tiny.html", f"course/autograded/{student}/tiny/tiny.ipynb"):  # fmt: skip
            assert student.encode() in said[place] or "autograded" in place
    scores = {name: json.loads(said[f"records/{name}.json"])["score"] for name in STUDENTS}
    assert scores == {"crashing": 0, "failing": 0, "prying": 0, "right": 4}
    assert b"right,4" in said["export tiny"]


def test_nothing_of_a_person_but_the_id_leaves_the_gradebook_and_their_own_files(found):
    for name in PERSON:
        assert found[name] == {"course/gradebook.db"}
    assert found["notebook's author"] == submitted("tiny.ipynb")
    assert found["module's author"] == submitted("tiny.py") | autograded("tiny.py")


def test_secrets_stay_where_their_author_put_them(found):
    assert found["seed"] == {"course/secret_seed"}
    assert found["solution"] == {"course/assignments/tiny/tiny.py"}
    assert found["mistake"] == {"course/assignments/tiny/mutants.toml"}
    graders = {"course/gradebook.db"} | autograded("tiny.ipynb")  # nbgrader's, for whoever grades by hand
    assert found["mark scheme"] == {"course/source/tiny/tiny.ipynb"} | graders
    assert found["expected values"] == found["labels"] == found["environment"] == set()


@pytest.mark.parametrize("place", ["records/prying.json", "course/results/tiny/prying.json"])
def test_the_jail_holds_none_of_it(said, place):
    """In its memory nothing, which only a jail without walls can read; in its reach no file, behind the walls."""
    record = json.loads(said[place])
    message = record["checks"][0]["message"]
    match = re.search(r"(\d+) MB: (\[.*?\]); (\d+) files: (\[.*?\])", message)
    assert match, message
    megabytes, in_memory, count, in_files = match.groups()
    if record["level"] == "process":
        assert int(megabytes) > 20 and in_memory == "['canary']", message
    else:
        assert int(count) > 0 and in_files == "['canary']", message
