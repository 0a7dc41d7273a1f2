"""`python -m toolbox submit`: what is packed, what the student is told, and what it costs when something is wrong."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from handin_folder import CHECKS, DATA_CHECK, MANIFEST, MODULE, cell, make_folder, notebook_cells, write_notebook

from toolbox.checks.local import NoChecksHere
from toolbox.handin import archive
from toolbox.submit import submit

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = ["tiny.ipynb", "tiny.pth", "tiny.py"]


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "work")


def hand_in(folder, **options):
    """Submit without running the checks, unless told otherwise; return the status and what was said."""
    lines = []
    status = submit(folder, say=lines.append, **{"checks": False, **options})
    return status, "\n".join(lines)


def sentence(text):
    """Return what was said without its line breaks."""
    return " ".join(text.split())


def command(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "toolbox", "submit", "--folder", str(folder), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
    )


# what is packed


def test_whole_work_is_packed_checked_and_ready(folder):
    (folder / "diary.txt").write_text("mine")
    status, said = hand_in(folder, checks=True)
    assert status == 0
    assert zipfile.ZipFile(folder / "tiny.zip").namelist() == NAMES
    for line in ["✓  tiny.py", "✓  double  4/4", "✓  triple  2/2", "2 of 2 checks passed, 6 of 6 points."]:
        assert line in said
    assert "tiny.zip: 3 files" in said and "SHA-256" in said
    assert said.endswith(f"Hand in this file: {folder / 'tiny.zip'}")


def test_the_same_work_gives_the_same_bytes(folder):
    hand_in(folder)
    first = (folder / "tiny.zip").read_bytes()
    os.utime(folder / "tiny.py", (0, 10**9))
    hand_in(folder)
    assert (folder / "tiny.zip").read_bytes() == first
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_what_is_packed_is_what_lies_in_the_folder(folder):
    hand_in(folder)
    with zipfile.ZipFile(folder / "tiny.zip") as packed:
        assert all(packed.read(name) == (folder / name).read_bytes() for name in NAMES)


def test_incomplete_work_is_packed_too(folder):
    (folder / "tiny.pth").unlink()
    status, said = hand_in(folder)
    assert status == 1 and zipfile.ZipFile(folder / "tiny.zip").namelist() == ["tiny.ipynb", "tiny.py"]
    assert "✗  tiny.pth" in said and "is missing; train the model and save it under this name" in sentence(said)
    assert f"1 thing to look at before you hand in {folder / 'tiny.zip'}: tiny.pth." in said


def test_nothing_is_packed_where_there_is_nothing(folder):
    for name in NAMES:
        (folder / name).unlink()
    status, said = hand_in(folder)
    assert status == 1 and "nothing to hand in" in said and not (folder / "tiny.zip").exists()


def test_the_author_s_folder_works_like_a_release(folder):
    (folder / "checks" / "assignment.toml").rename(folder / "assignment.toml")
    assert hand_in(folder, checks=True)[0] == 0


def test_a_folder_of_something_else_is_named(tmp_path):
    with pytest.raises(NoChecksHere, match="Go to the folder of the assignment"):
        submit(tmp_path)
    run = command(tmp_path)
    assert run.returncode == 2 and b"Go to the folder" in run.stderr and b"Traceback" not in run.stderr


# where the zip goes


def test_a_foreign_file_is_never_overwritten(folder):
    foreign = folder / "tiny.zip"
    with zipfile.ZipFile(foreign, "w") as packed:
        packed.writestr("thesis.txt", "years of work")
    before = foreign.read_bytes()
    status, said = hand_in(folder)
    assert status == 1 and "not made by this command" in said and "--out" in said
    assert foreign.read_bytes() == before


def test_out_names_the_file_or_its_folder(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert hand_in(folder, out=elsewhere)[0] == 0
    assert hand_in(folder, out=elsewhere / "me.zip")[0] == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == ["me.zip", "tiny.zip"]


def test_the_zip_takes_no_name_of_a_file_that_is_handed_in(folder):
    (folder / "tiny.pth").unlink()
    status, said = hand_in(folder, out=folder / "tiny.pth")
    assert status == 1 and "another name" in said and not (folder / "tiny.pth").exists()


def test_a_folder_that_is_not_there_is_a_sentence(folder, tmp_path):
    status, said = hand_in(folder, out=tmp_path / "no" / "such" / "x.zip")
    assert status == 1 and "x.zip cannot be written: No such file" in said


def test_a_full_disk_leaves_the_old_zip_and_nothing_half_written(folder, monkeypatch):
    hand_in(folder)
    before = (folder / "tiny.zip").read_bytes()
    (folder / "tiny.py").write_text(MODULE + "\n# more\n")
    real = archive._write

    def full(path, files):
        real(path, files)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "_write", full)
    status, said = hand_in(folder)
    assert status == 1 and "cannot be written: No space left on device." in said
    assert (folder / "tiny.zip").read_bytes() == before and not list(folder.glob("*.part")) + list(folder.glob(".*"))


# what is wrong with a file


def spoil_link(folder):
    (folder / "tiny.py").rename(folder / "real.py")
    (folder / "tiny.py").symlink_to("real.py")


def spoil_folder(folder):
    (folder / "tiny.pth").unlink()
    (folder / "tiny.pth").mkdir()


def spoil_unreadable(folder):
    (folder / "tiny.pth").unlink()
    os.mkfifo(folder / "tiny.pth")


def notebook_text(text):
    return lambda folder: (folder / "tiny.ipynb").write_text(text)


def module_bytes(content):
    return lambda folder: (folder / "tiny.py").write_bytes(content)


PROBLEMS = {
    "missing": (lambda folder: (folder / "tiny.py").unlink(), "tiny.py is missing"),
    "a link": (spoil_link, "tiny.py is a link; put the file itself here"),
    "a folder": (spoil_folder, "tiny.pth is a folder"),
    "a pipe": (spoil_unreadable, "tiny.pth is not a plain file"),
    "too large": (module_bytes(b"#" * 4097), "is larger than the 4 KB allowed; it is left out"),
    "an empty module": (module_bytes(b" \n"), "is empty"),
    "not UTF-8": (module_bytes(b"x = 1\ny = '\xff'\n"), "tiny.py, line 2: this is not UTF-8 text; save the file as UTF-8"),
    "not Python": (module_bytes(b"x = 1\ndef f(:\n"), "tiny.py, line 2: invalid syntax"),
    "a stray return": (module_bytes(b"return 3\n"), "tiny.py, line 1: 'return' outside function"),
    "a null byte": (module_bytes(b"x = 1\0\n"), "null bytes"),
    "a merged module": (module_bytes(b"x = 1\n<<<<<<< HEAD\n"), "tiny.py, line 2: a merge conflict is left here"),
    "an empty notebook": (notebook_text(""), "is empty"),
    "half a notebook": (notebook_text('{"cells": ['), "cannot be read as a notebook: "),
    "another JSON file": (notebook_text('{"a": 1}'), "it is JSON without cells"),
    "a merged notebook": (notebook_text('{"cells": [\n<<<<<<< HEAD\n'), "still has a merge conflict, line 2"),
}  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_file_that_grading_cannot_use_is_named_with_the_reason(folder, name):
    spoil, expected = PROBLEMS[name]
    spoil(folder)
    status, said = hand_in(folder)
    assert status == 1 and expected in sentence(said)
    assert (folder / "tiny.zip").is_file()


def test_a_module_with_a_byte_order_mark_is_fine(folder):
    (folder / "tiny.py").write_text(MODULE, encoding="utf-8-sig")
    assert hand_in(folder)[0] == 0


def without(grade_id):
    return [c for c in notebook_cells() if c["metadata"].get("nbgrader", {}).get("grade_id") != grade_id]


REMARKS = {
    "stub": (notebook_cells("YOUR ANSWER HERE"), "not answered yet: `why`"),
    "nothing": (notebook_cells([" \n"]), "not answered yet: `why`"),
    "no check cell": (without("double"), "the grade cells `double` are gone"),
    "no written cell": (without("why"), "those that are left make up 0 of 3 points"),
    "a copy": (notebook_cells() + notebook_cells()[1:2], "there are copies of the cells `double`"),
    "merged by nbdime": (
        [*notebook_cells(), cell("code", "<<<<<<< local\na\n=======\nb\n>>>>>>> remote\n")],
        "a cell still has a merge conflict",
    ),
}


@pytest.mark.parametrize("name", REMARKS)
def test_what_to_look_at_in_a_readable_notebook_does_not_change_the_status(folder, name):
    cells, expected = REMARKS[name]
    write_notebook(folder, cells)
    status, said = hand_in(folder)
    assert status == 0 and "–  tiny.ipynb" in said and expected in sentence(said)
    assert "1 thing to look at" in said


def test_a_notebook_of_odd_json_is_no_traceback(folder):
    cells = [{"metadata": {"nbgrader": 3}}, {"metadata": 5, "source": 7}, {"source": [1, 2], "metadata": {}}]
    cells.append(cell("markdown", 9, grade=True, solution=True, grade_id=["x"], points="many"))
    write_notebook(folder, cells)
    assert hand_in(folder)[0] == 0
    (folder / "tiny.ipynb").write_text(json.dumps({"cells": [1, 2]}))
    assert hand_in(folder)[0] == 1
    (folder / "tiny.ipynb").write_text("[" * 100_000)
    assert hand_in(folder)[0] == 1


class Net(torch.nn.Module):
    pass


def save_legacy(path):
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)


def save_compressed(path):
    torch.save({"w": torch.ones(2)}, path)
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in files.items():
            new.writestr(name, content)


def save_half(path):
    torch.save({"w": torch.ones(200)}, path)
    path.write_bytes(path.read_bytes()[:700])


MODELS = {
    "legacy": (save_legacy, "is in torch's old format or a plain pickle, which grading does not read; save it with the network's `save`"),
    "a whole network": (lambda path: torch.save(Net(), path), "holds a pickled `test_submit.Net`, not just tensors and numbers; save it with the network's `save`"),
    "compressed": (save_compressed, "is a compressed archive"),
    "half": (save_half, "is damaged and cannot be read"),
    "text": (lambda path: path.write_text("weights"), "is not a saved model; save it with the network's `save`"),
    "empty": (lambda path: path.write_bytes(b""), "is empty; save it with the network's `save`"),
    "sparse": (lambda path: torch.save({"w": torch.eye(2).to_sparse()}, path), "it['w'] is a sparse tensor"),
    "expanded": (lambda path: torch.save([torch.ones(1).expand(9)], path), "it[0] is an expanded tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_grading_cannot_read_is_told_how_to_save(folder, name):
    save, expected = MODELS[name]
    save(folder / "tiny.pth")
    status, said = hand_in(folder)
    assert status == 1 and expected in sentence(said)


def test_numpy_numbers_in_a_model_are_fine(folder):
    torch.save({"reg": np.float64(0.1), "w": np.ones(3), "dtype": torch.float32}, folder / "tiny.pth")
    assert hand_in(folder)[0] == 0


# the checks


def test_failing_checks_are_shown_and_do_not_change_the_status(folder):
    (folder / "tiny.py").write_text(MODULE.replace("3 * x", "4 * x"))
    status, said = hand_in(folder, checks=True)
    assert status == 0 and "✗  triple  0/2" in said and "triple(x) is off" in said
    assert "1 of 2 checks passed" in said and "1 thing to look at" in said and "1 check that did not pass" in said


def test_a_helper_that_is_not_handed_in_is_not_there_in_the_checks(folder, monkeypatch):
    (folder / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    (folder / "tiny.py").write_text("import given\nimport helper\n" + MODULE)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    status, said = hand_in(folder, checks=True)
    assert status == 0 and "No module named 'helper'" in sentence(said) and "0 of 2 checks passed" in said


def test_further_files_that_were_given_are_there_in_the_checks(folder):
    manifest = folder / "checks" / "assignment.toml"
    given = 'support = ["given.py"]'
    manifest.write_text(MANIFEST.replace(given, given + '\nextra = ["tables/*.txt"]'))
    checks = folder / "checks" / "test_tiny.py"
    reads = "from pathlib import Path\n\nNUMBER = float((Path(__file__).parents[1] / 'tables' / 'two.txt').read_text())\n"
    checks.write_text(checks.read_text().replace("from toolbox", reads + "from toolbox", 1).replace("2 * x)", "NUMBER * x)"))
    (folder / "tables").mkdir()
    (folder / "tables" / "two.txt").write_text("2")
    assert "2 of 2 checks passed" in hand_in(folder, checks=True)[1]


def test_what_the_module_prints_or_asks_for_is_not_in_the_way(folder):
    (folder / "tiny.py").write_text(MODULE + "print('{\"done\": true}')\nprint('✓' * 100_000)\n")
    assert "2 of 2 checks passed" in hand_in(folder, checks=True)[1]
    (folder / "tiny.py").write_text(MODULE + "input('name? ')\n")
    assert "2 of 2 checks passed" in hand_in(folder, checks=True)[1]


def test_an_endless_loop_is_ended_and_named(folder):
    (folder / "tiny.py").write_text("def double(x):\n    while True:\n        pass\n")
    started = time.monotonic()
    status, said = hand_in(folder, checks=True)
    assert status == 0 and time.monotonic() - started < 60
    assert "✗  double  0/4" in said
    assert "No answer within 4.5 s. It was at tiny.py, line" in sentence(said) and "in `double`" in sentence(said)
    assert "Not run: `double` did not come to an end." in sentence(said)
    assert (folder / "tiny.zip").is_file()


def test_a_module_that_ends_the_process_is_named(folder):
    (folder / "tiny.py").write_text(MODULE.replace("return 3 * x", "import os; os._exit(7)"))
    status, said = hand_in(folder, checks=True)
    assert status == 0 and "✓  double" in said and "Your code ended the process (exit status 7)" in sentence(said)


def test_without_the_data_set_the_other_checks_run(folder, monkeypatch):
    (folder / "checks" / "test_tiny.py").write_text(CHECKS + DATA_CHECK)
    monkeypatch.setenv("CIFAR10_DIR", str(folder / "nowhere"))
    status, said = hand_in(folder, checks=True)
    assert status == 0 and "✓  double" in said and "–  image  0/1" in said and "Not run: CIFAR10_DIR names" in said


def test_a_data_set_that_does_not_exist_is_a_sentence(folder, monkeypatch):
    monkeypatch.setenv("TOOLBOX_DATA", "mnist")
    status, said = hand_in(folder, checks=True)
    assert status == 0 and "there is no data set 'mnist'" in said and "checks that could not be run" in said


def test_broken_checks_are_a_sentence(folder):
    (folder / "checks" / "test_tiny.py").write_text("import nowhere_to_be_found\n")
    status, said = hand_in(folder, checks=True)
    assert status == 0 and "cannot be imported" in said and (folder / "tiny.zip").is_file()


# the command


def test_the_command_prints_its_result_and_gives_its_status(folder):
    run = command(folder, "--no-checks", PYTHONIOENCODING="utf-8")
    assert run.returncode == 0 and "✓  tiny.py" in run.stdout.decode() and run.stderr == b""
    (folder / "tiny.pth").unlink()
    assert command(folder, "--no-checks").returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_a_console_without_the_signs_gets_plain_ones(folder, encoding):
    (folder / "tiny.pth").unlink()
    run = command(folder, "--no-checks", PYTHONIOENCODING=encoding)
    text = run.stdout.decode(encoding)
    assert run.returncode == 1 and "+  tiny.py" in text and "x  tiny.pth" in text and run.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_leaves_no_half_written_zip_and_no_process(folder):
    (folder / "tiny.py").write_text(
        "import os\nopen(os.environ['MARK'], 'w').write(str(os.getpid()))\nwhile True: pass\n"
    )
    mark = folder / "running"
    process = subprocess.Popen(
        [sys.executable, "-m", "toolbox", "submit", "--folder", str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, "MARK": str(mark)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (mark.is_file() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and errors == "Stopped.\n" and "holds your files all the same" in said
    assert zipfile.ZipFile(folder / "tiny.zip").testzip() is None and not list(folder.glob(".*"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
