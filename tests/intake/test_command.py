"""`autograder collect`, from a download to a record."""

import json

from tiny_course import make_course, source_notebook, submit, tree
from zips import GOOD, LINK, Item, zip_of

from tests.command import kit as run_kit
from toolbox.handin.archive import pack


def kit(course, *arguments):
    """Run the kit's own command."""
    done = run_kit(course, *arguments)
    assert "Traceback" not in done.stderr
    return done


def test_what_is_collected_is_graded_as_what_is_put_there(tmp_path):
    course = make_course(tmp_path / "course")
    folder = submit(course, "alice", notebook=json.dumps(source_notebook()).encode())
    (folder / "tiny.py").write_text("def double(x):\n    return 2 * x if len(x) == 5 else x\n")
    files = {name: (folder / name).read_bytes() for name in ("tiny.py", "tiny.ipynb")}
    pack(tmp_path / "tiny.zip", files)
    download = tmp_path / "submissions.zip"
    work = (tmp_path / "tiny.zip").read_bytes()
    download.write_bytes(
        zip_of(Item(b"lastfirst_340934_208490284_tiny.zip", work), Item(b"x_1_2_tiny.py", b"/etc/passwd", 0, LINK))
    )
    done = kit(course, "collect", "tiny", str(download))
    assert f"{download}: a Canvas download." in done.stdout
    assert "2 submissions: 1 new, 0 replaced, 0 unchanged, 1 refused." in done.stdout
    assert "1: refused: tiny.py is a link" in done.stderr and done.returncode == 1
    assert tree(course.submitted / "340934") == {f"tiny/{name}": content for name, content in files.items()}

    graded = kit(course, "grade", "tiny", "--quiet")
    assert graded.returncode == 0, graded.stderr
    records = [json.loads((course.results / "tiny" / f"{student}.json").read_text()) for student in ("alice", "340934")]
    for record in records:
        del record["student"], record["cpu_seconds"]
        for check in record["checks"]:
            del check["seconds"]
    assert records[0] == records[1] and 0 < records[0]["score"] < 4


def test_the_command_says_who_is_missing_and_shows_names_in_plain_signs(tmp_path):
    course = make_course(tmp_path / "course")
    course.roster.write_text("id,name\nalice,Alice\nbob,Bob\ncarol,Carol\n")
    source = tmp_path / "source"
    (source / "Alice").mkdir(parents=True)
    (source / "Alice" / "tiny.py").write_bytes(GOOD)
    (source / "Alice" / "a\x1b[31m[bold]\u202eb").write_bytes(b"")
    (source / "\x1b[2Jeve.zip").write_bytes(b"")
    done = kit(course, "collect", "tiny", str(source), "--dry-run")
    assert "Nothing was written." in done.stdout and not course.submitted.exists()
    done = kit(course, "collect", "tiny", str(source))
    assert "2 of 3 on the roster handed in nothing: bob, carol." in done.stdout
    assert "?[2Jeve: refused: is not on the roster." in done.stderr
    assert "alice: left out: a?[31m[bold]?b." in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr and "\u202e" not in done.stdout + done.stderr
    assert tree(course.submitted) == {"alice/tiny/tiny.py": GOOD}
