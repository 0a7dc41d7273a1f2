"""Hostile zips: each costs what is wrong with it, nobody else anything, and writes nowhere but in its place."""

import io
import os
import struct
import zipfile

import pytest
from zips import BZIP2, DEVICE, FOLDER, GOOD, LINK, LZMA, PIPE, SETUID, STORED, UNKNOWN, Item, zip_of

from autograder.intake import archive, content
from autograder.intake.entry import CHUNK, chunks
from autograder.plain_file import Unreadable

PY = b"tiny.py"
MB = 1024**2
good = Item(PY, GOOD)


def nested(depth):
    content = zip_of(good)
    for _ in range(depth):
        content = zip_of(Item(b"inner.zip", content))
    return content


def overlapping():
    """Three entries in a row, each of which says that it reaches over all that follow."""
    kernel = bytes(30_000)
    return zip_of(*(Item(name, kernel, STORED, packed=90_000) for name in (b"tiny.py", b"tiny.pth", b"x")))


def in_one_zip(*names):
    return zip_of(*(Item(name.encode(), GOOD, flags=0x800) for name in names))


REFUSED = {
    # what is handed in → words of the sentence
    "goes up": (in_one_zip("../tiny.py"), "none of the files"),
    "goes up far": (in_one_zip("../../../../tmp/tiny.py"), "none of the files"),
    "goes up within a folder": (in_one_zip("a/../tiny.py"), "none of the files"),
    "is absolute": (in_one_zip("/tiny.py"), "none of the files"),
    "goes up with backslashes": (in_one_zip("..\\tiny.py", "C:\\tiny.py"), "none of the files"),
    "has names of slashes only": (in_one_zip("/", "//", "///"), "none of the files"),
    "has no names": (zip_of(Item(b""), Item(b"\0")), "none of the files"),
    "hides a name behind a zero": (zip_of(Item(b"tiny.py\0.txt", GOOD)), "none of the files"),
    "is another student's path": (in_one_zip("bob/tiny/tiny.py"), "none of the files"),
    "has a very long name": (in_one_zip("x" * 60_000), "none of the files"),
    "has control characters": (in_one_zip("\x1b[31m\u202etiny.py\r"), "none of the files"),
    "is another computer's only": (in_one_zip("__MACOSX/tiny.py", ".tiny.py", ".git/tiny.py"), "none of the files"),
    "has a reserved name": (in_one_zip("con", "nul.py", "aux.txt"), "none of the files"),
    "is a link": (zip_of(Item(PY, b"/etc/passwd", STORED, LINK)), "tiny.py is a link"),
    "is a device": (zip_of(Item(PY, b"", STORED, DEVICE)), "tiny.py is not a plain file"),
    "is a pipe": (zip_of(Item(PY, b"", STORED, PIPE)), "tiny.py is not a plain file"),
    "is a folder": (zip_of(Item(PY, b"", STORED, FOLDER)), "none of the files"),
    "is a link, then written through": (zip_of(Item(PY, b"/tmp", STORED, LINK), good), "more than once"),
    "has a name twice": (zip_of(good, good), "tiny.py is there more than once"),
    "has a name in two cases": (in_one_zip("tiny.py", "TINY.py"), "tiny.py is there more than once"),
    "has a name in two unicode forms": (in_one_zip("tiny.py", "\uff54iny.py"), "tiny.py is there more than once"),
    "has two folders": (in_one_zip("a/tiny.py", "b/tiny.py"), "in more than one folder"),
    "is encrypted": (zip_of(Item(PY, GOOD, flags=1)), "tiny.py is encrypted"),
    "is strongly encrypted": (zip_of(Item(PY, GOOD, flags=0x40)), "tiny.py is damaged"),
    "is a patch": (zip_of(Item(PY, GOOD, flags=0x20)), "tiny.py is damaged"),
    "is packed by bzip2": (zip_of(Item(PY, GOOD, BZIP2)), "compressed in an unusual way"),
    "is packed by lzma": (zip_of(Item(PY, GOOD, LZMA)), "compressed in an unusual way"),
    "is packed by nothing known": (zip_of(Item(PY, GOOD, UNKNOWN)), "compressed in an unusual way"),
    "has a wrong checksum": (zip_of(Item(PY, GOOD, crc=1)), "tiny.py is damaged"),
    "says a smaller size": (zip_of(Item(PY, GOOD, size=3)), "tiny.py is damaged"),
    "says a smaller packed size": (zip_of(Item(PY, GOOD, packed=3)), "tiny.py is damaged"),
    "has another name inside": (zip_of(Item(PY, GOOD, local_name=b"x.py")), "tiny.py is damaged"),
    "is packed wrongly": (zip_of(Item(PY, b"\xff" * 9, STORED)).replace(b"\x14\0\0\0\0\0", b"\x14\0\0\0\x08\0"), "damaged"),
    "has lost its last bytes": (zip_of(good)[:-3], "no zip file"),
    "points outside of itself": (zip_of(Item(PY, GOOD, offset=2**31)), "its entries overlap"),
    "is of zip64 that lies": (
        zip_of(Item(PY, GOOD, size=2**32 - 1, offset=2**32 - 1, extra=struct.pack("<HHQQ", 1, 16, 2**63, 2**63))),
        "its entries overlap",
    ),
    "is of zip64 cut short": (zip_of(Item(PY, GOOD, size=2**32 - 1, extra=struct.pack("<HHH", 1, 2, 0))), "no zip"),
    "overlaps": (overlapping(), "its entries overlap"),
    "has one entry for all": (zip_of(*[Item(name, GOOD, STORED, offset=0) for name in (PY, b"x")]), "overlap"),
    "is larger than allowed": (zip_of(Item(PY, bytes(9 * 1024))), "larger than the 0.00781 MB allowed"),
    "is larger and says it is not": (zip_of(Item(PY, bytes(9 * 1024), size=10)), "tiny.py is damaged"),
    "is a bomb": (zip_of(Item(b"tiny.pth", bytes(40 * MB))), "tiny.pth is larger than the 1 MB allowed"),
    "is a bomb in a zip in a zip": (zip_of(Item(b"inner.zip", zip_of(Item(PY, bytes(MB))))), "none of the files"),
    "is a zip in a zip": (nested(1), "none of the files"),
    "is fifty zips deep": (nested(50), "none of the files"),
    "is empty": (b"", "is no zip file"),
    "is an empty zip": (zip_of(), "none of the files"),
    "is text": (b"def double(x): ...", "is no zip file"),
    "is another format": (b"Rar!\x1a\x07\x00" + bytes(100), "is no zip file"),
    "is cut in the middle": (zip_of(good, Item(b"tiny.pth", b"x"))[:60], "is no zip file"),
    "has lost its directory": (zip_of(good)[-22:], "is no zip file"),
    "says a directory of 4 GB": (zip_of(good, directory_size=2**32 - 1), "is no zip file"),
    "says a directory of nothing": (zip_of(good, directory_size=0), "none of the files"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_hostile_zip_is_refused_in_words_and_its_neighbours_are_collected(intake, what):
    zipped, words = REFUSED[what]
    for student, handed in (("alice", zip_of(good)), ("bob", zipped), ("carol", zip_of(Item(b"tiny/tiny.py", GOOD)))):
        (intake.source / f"{student}.zip").write_bytes(handed)
    outcomes = intake.run()
    assert {student: one.status for student, one in outcomes.items()} == {
        "alice": "new", "bob": "refused", "carol": "new",
    }  # fmt: skip
    sentence = "; ".join(outcomes["bob"].problems)
    assert words in sentence
    assert all(text.isprintable() for text in (sentence, *outcomes["bob"].left_out))
    assert intake.submitted() == {"alice/tiny/tiny.py": GOOD, "carol/tiny/tiny.py": GOOD}
    assert sorted(os.listdir(intake.root)) == ["course", "source"]


TAKEN = {
    # what is handed in → what is left out
    "lies in a folder": (in_one_zip("my work/tiny.py"), ()),
    "lies in a folder, with more": (in_one_zip("a/tiny.py", "a/data/x.bin", "b.txt"), ("a/", "b.txt")),
    "is a Mac's": (in_one_zip("tiny/tiny.py", "__MACOSX/tiny/._tiny.py", "tiny/.DS_Store"), ()),
    "lies beside a copy in a folder": (in_one_zip("tiny.py", "old/tiny.py"), ("old/",)),
    "lies beside a way up": (in_one_zip("tiny.py", "../tiny.py", "../../bob/tiny/tiny.py"), ("../", "../")),
    "lies beside a link": (zip_of(good, Item(b"x", b"/etc", STORED, LINK)), ("x (is a link; the file itself is wanted)",)),
    "has setuid": (zip_of(Item(PY, GOOD, mode=SETUID)), ()),
    "brings its time": (zip_of(good, Item(b"timestamp.txt", b"2001-01-01 00:00:00 UTC")), ("timestamp.txt",)),
    "is another way to write a name": (in_one_zip("tiny.py", "Tiny.pth"), ("Tiny.pth",)),
    "stands behind other bytes": (b"#!/bin/sh\n" * 20 + zip_of(good), ()),
    "has a comment": (zip_of(good, end=b"PK" * 100), ()),
    "says a larger size": (zip_of(Item(PY, GOOD, size=2**31)), ()),
    "says the wrong number of entries": (zip_of(good, entries=60_000), ()),
    "has a drive as its folder": (in_one_zip("C:/tiny.py"), ()),
}  # fmt: skip


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_clear_is_taken_and_everything_else_left_out(intake, what):
    zipped, left_out = TAKEN[what]
    (intake.source / "alice.zip").write_bytes(zipped)
    (outcome,) = intake.run().values()
    assert (outcome.status, outcome.problems, outcome.left_out) == ("new", (), left_out)
    assert intake.submitted() == {"alice/tiny/tiny.py": GOOD}
    path = intake.course.submitted / "alice" / "tiny" / "tiny.py"
    assert not path.stat().st_mode & 0o7111


def test_a_file_that_cannot_be_used_costs_that_file_alone(intake):
    (intake.source / "alice.zip").write_bytes(zip_of(good, Item(b"tiny.pth", bytes(2 * MB)), Item(b"tiny.ipynb", b"", crc=1)))
    (outcome,) = intake.run().values()
    assert outcome.status == "new"
    assert outcome.problems == (
        "tiny.ipynb is damaged or incomplete", "tiny.pth is larger than the 1 MB allowed",
    )  # fmt: skip
    assert intake.submitted() == {"alice/tiny/tiny.py": GOOD}


class Counting(io.BytesIO):
    """A file that counts the bytes read from it."""

    count = 0

    def read(self, size=-1):
        content = super().read(size)
        self.count += len(content)
        return content


def test_a_million_entries_are_never_listed():
    one = zip_of(Item(b"", b"", STORED))
    entry = one[30:-22]
    tail = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(entry) * 1_000_000, 30, 0)
    file = Counting(one[:30] + entry * 1_000_000 + tail)
    with pytest.raises(Unreadable, match="lists too many files"):
        archive.entries(file)
    assert file.count < archive.DIRECTORY_BYTES + 2**17


def test_a_bomb_is_read_no_further_than_its_limit():
    file = Counting(zip_of(Item(b"tiny.pth", bytes(64 * MB))))
    (entry,) = archive.entries(file)
    given = 0
    with pytest.raises(Unreadable, match="larger"):
        for chunk in chunks(entry, MB):
            given += len(chunk)
    assert given <= MB and file.count < 2 * CHUNK


def test_what_unfolds_too_far_is_a_bomb_below_its_limit_too():
    (entry,) = archive.entries(io.BytesIO(zip_of(Item(b"tiny.pth", bytes(20 * MB)))))
    given = 0
    with pytest.raises(Unreadable, match="unpacks to far more"):
        for chunk in chunks(entry, 100 * MB):
            given += len(chunk)
    assert given <= archive.RATIO_FROM


def test_zips_of_one_submission_share_their_room(intake, monkeypatch):
    monkeypatch.setattr("autograder.intake.content.ARCHIVE_BYTES", 1000)
    folder = intake.source / "alice"
    folder.mkdir()
    (folder / "1.zip").write_bytes(zip_of(good, end=b" " * 500))
    (folder / "2.zip").write_bytes(zip_of(Item(b"tiny.pth", b"x"), end=b" " * 500))
    (outcome,) = intake.run().values()
    assert outcome.problems[0].startswith("2.zip is larger")
    assert intake.submitted() == {"alice/tiny/tiny.py": GOOD}


def test_a_thousand_zips_of_one_student_stop_nobody(intake):
    folder = intake.source / "alice"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number:04}.zip").write_bytes(zip_of(good))
    (intake.source / "bob.zip").write_bytes(zip_of(good))
    outcomes = intake.run()
    assert outcomes["alice"].problems == ("tiny.py is there more than once",)
    assert len(outcomes["alice"].left_out) == 1000 - content.ARCHIVES
    assert intake.submitted() == {"bob/tiny/tiny.py": GOOD}


def test_python_s_own_zips_are_read(intake):
    with zipfile.ZipFile(intake.source / "alice.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("tiny.py", GOOD)
        with file.open("tiny.pth", "w", force_zip64=True) as model:
            model.write(b"model")
    intake.run()
    assert intake.submitted() == {"alice/tiny/tiny.py": GOOD, "alice/tiny/tiny.pth": b"model"}
