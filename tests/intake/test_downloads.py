"""What a download holds: whose it is, which upload counts, and who is on the roster."""

import os

import pytest
from tiny_course import tree
from zips import GOOD, Item, zip_of

from autograder.errors import UserError
from autograder.intake import folder
from autograder.intake.collect import collect
from autograder.intake.download import open_download
from autograder.intake.roster import load_roster

WORK = zip_of(Item(b"tiny.py", GOOD), Item(b"tiny.pth", b"model"))
OLD = b"old = 1\n"
NOBODY = 65534


def lay_out(place, files, zipped):
    """Write files by their paths, into a folder or into a zip beside it; return which."""
    if zipped:
        target = place.with_suffix(".zip")
        target.write_bytes(zip_of(*(Item(path.encode(), content, flags=0x800) for path, content in files.items())))
        return target
    for path, content in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)
    return place


CANVAS = {
    "lastfirst_340934_208490284_Work.zip": WORK,
    "namesecond_LATE_340935_208490285_tiny.py": OLD,
    "namesecond_LATE_340935_208490286_tiny-2.py": GOOD,
    "namesecond_LATE_340935_208490287_tiny-1.py": OLD,
    "namesecond_LATE_340935_208490288_my_model.pth": b"x",
    "samename_340936_208490289_work.zip": zip_of(Item(b"tiny.py", OLD)),
    "samename_340936_208490290_work-10.zip": WORK,
    "samename_340936_208490291_work-9.zip": b"not looked at",
}
CANVAS_GIVES = {
    "340934/tiny/tiny.py": GOOD,
    "340934/tiny/tiny.pth": b"model",
    "340935/tiny/tiny.py": GOOD,
    "340936/tiny/tiny.py": GOOD,
    "340936/tiny/tiny.pth": b"model",
}
MOODLE_FOLDERS = {
    "First Last_1327627_assignsubmission_file_/work.zip": WORK,
    "Second_Middle Name_1327628_assignsubmission_file_/tiny.py": GOOD,
    "Second_Middle Name_1327628_assignsubmission_file_/more/tiny.py": OLD,
    "Second_Middle Name_1327628_assignsubmission_onlinetext_/onlinetext.html": b"<p>",
    "Participant_77_assignsubmission_file_/tiny.py": GOOD,
}
MOODLE_FILES = {
    "First Last_1327627_assignsubmission_file_work.zip": WORK,
    "Second_Middle Name_1327628_assignsubmission_file_tiny.py": GOOD,
    "Second_Middle Name_1327628_assignsubmission_onlinetext_onlinetext.html": b"<p>",
    "Participant_77_assignsubmission_file_tiny.py": GOOD,
}
MOODLE_GIVES = {
    "1327627/tiny/tiny.py": GOOD,
    "1327627/tiny/tiny.pth": b"model",
    "1327628/tiny/tiny.py": GOOD,
    "77/tiny/tiny.py": GOOD,
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "unpacked"])
@pytest.mark.parametrize(
    ("files", "gives", "kind"),
    [
        (CANVAS, CANVAS_GIVES, "a Canvas download"),
        (MOODLE_FOLDERS, MOODLE_GIVES, "a Moodle download"),
        (MOODLE_FILES, MOODLE_GIVES, "a Moodle download"),
    ],
    ids=["Canvas", "Moodle folders", "Moodle files"],
)
def test_the_platform_s_number_becomes_the_id(intake, files, gives, kind, zipped):
    source = lay_out(intake.source, files, zipped)
    with open_download(source, intake.course, intake.assignment) as download:
        assert download.kind == kind and not download.others
    outcomes = intake.run(source)
    assert {one.status for one in outcomes.values()} == {"new"}
    assert intake.submitted() == gives


@pytest.mark.parametrize("files", [CANVAS, MOODLE_FOLDERS, MOODLE_FILES])
def test_a_name_that_the_platform_did_not_write_is_refused_alone(intake, files):
    outcomes = intake.run(lay_out(intake.source, {**files, "stray.zip": WORK}, True))
    assert [name for name, one in outcomes.items() if one.status == "refused"] == ["stray.zip"]


def test_folders_and_zips_of_students_are_collected(intake):
    files = {
        "alice/tiny.py": GOOD,
        "alice/notes.txt": b"",
        "bob/tiny/tiny.py": GOOD,
        "bob/tiny/timestamp.txt": b"2001-01-01 00:00:00 UTC",
        "bob/other/tiny.py": OLD,
        "carol.zip": WORK,
        "dave/tiny.zip": WORK,
        "erin/other/tiny.py": OLD,
        "tiny.zip": WORK,  # somebody's work as `toolbox submit` names it: nobody knows whose
    }
    outcomes = intake.run(lay_out(intake.source, files, False))
    assert {name for name, one in outcomes.items() if one.status == "refused"} == {"erin", "tiny.zip"}
    assert "named by the student's id" in outcomes["tiny.zip"].problems[0]
    assert outcomes["alice"].left_out == ("notes.txt",) and outcomes["erin"].left_out == ("other/",)
    assert intake.submitted() == {
        "alice/tiny/tiny.py": GOOD,
        "bob/tiny/tiny.py": GOOD,
        "carol/tiny/tiny.py": GOOD,
        "carol/tiny/tiny.pth": b"model",
        "dave/tiny/tiny.py": GOOD,
        "dave/tiny/tiny.pth": b"model",
    }


def test_a_folder_that_holds_a_file_and_a_zip_of_it_is_in_doubt(intake):
    outcomes = intake.run(lay_out(intake.source, {"alice/tiny.py": GOOD, "alice/work.zip": WORK}, False))
    assert outcomes["alice"].problems == ("tiny.py is there more than once",)
    assert intake.submitted() == {"alice/tiny/tiny.pth": b"model"}


@pytest.mark.parametrize("student", ["a+b", "-rf", "a b", "\u0430lice", "\uff41lice", "a\u202eb", "x" * 101, "a\nb"])
def test_what_is_no_student_id_is_refused_in_plain_signs(intake, student):
    outcomes = intake.run(lay_out(intake.source, {f"{student}/tiny.py": OLD, "bob/tiny.py": GOOD}, False))
    (refused,) = (one for name, one in outcomes.items() if name != "bob")
    assert refused.status == "refused" and "no student id" in refused.problems[0] and refused.student.isprintable()
    assert intake.submitted() == {"bob/tiny/tiny.py": GOOD}


@pytest.mark.parametrize("who", ["../x_1", "/etc_1", "._1", ".._1"])
def test_a_path_in_a_zip_never_becomes_a_student(intake, who):
    files = {f"{who}_assignsubmission_file_/tiny.py": OLD, "Bob_2_assignsubmission_file_/tiny.py": GOOD}
    intake.run(lay_out(intake.source, files, True))
    assert set(intake.submitted()) <= {"1/tiny/tiny.py", "2/tiny/tiny.py"}


def test_two_submissions_of_one_student_are_both_refused(intake):
    files = {"alice/tiny.py": GOOD, "Alice.zip": WORK, "bob/tiny.py": GOOD, "bob.zip": WORK, "carol/tiny.py": GOOD}
    with open_download(lay_out(intake.source, files, False), intake.course, intake.assignment) as download:
        outcomes = list(collect(intake.course, intake.assignment, download, None))
    refused = [one for one in outcomes if one.status == "refused"]
    assert [one.student for one in refused] == ["Alice", "alice", "bob", "bob"]
    assert all("one of 2 submissions of" in one.problems[0] for one in refused)
    assert intake.submitted() == {"carol/tiny/tiny.py": GOOD}


@pytest.mark.parametrize("kind", ["link", "zero", "pipe", "folder", "large", "linked folder", "linked zip", "empty"])
def test_what_is_no_plain_file_is_refused_and_never_waited_for(intake, kind):
    lay_out(intake.source, {"bob/tiny.py": GOOD}, False)
    secret = intake.root / "course" / "course.toml"
    alice = intake.source / "alice"
    if kind == "linked folder":
        alice.symlink_to(intake.source / "bob")
    elif kind == "linked zip":
        alice.with_suffix(".zip").symlink_to("/dev/zero")
    else:
        alice.mkdir()
    path = alice / "tiny.py"
    if kind in ("link", "zero"):
        path.symlink_to(secret if kind == "link" else "/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        (path / "x").mkdir(parents=True)
    elif kind == "large":
        path.write_bytes(b"")
        os.truncate(path, 1 << 40)
    outcome = intake.run()["alice"]
    assert outcome.status == "refused" and len(outcome.problems) == 1
    assert intake.submitted() == {"bob/tiny/tiny.py": GOOD}


def test_a_folder_without_permission_is_an_entry_with_a_problem(tmp_path):
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "tiny.py").write_bytes(GOOD)
    (tmp_path / "alice").chmod(0)
    top = os.open(tmp_path, os.O_RDONLY)
    tmp_path.chmod(0o755)
    me = os.geteuid()
    try:
        os.seteuid(NOBODY if me == 0 else me)
        (entry,) = folder.entries(top)
    finally:
        os.seteuid(me)
        (tmp_path / "alice").chmod(0o755)
        os.close(top)
    assert entry.path == ("alice",) and entry.problem == "cannot be opened (Permission denied)"


def test_a_source_that_is_written_to_is_refused(intake):
    inside = intake.course.submitted / "alice"
    inside.mkdir(parents=True)
    for source in (intake.course.root, intake.course.submitted, inside):
        with pytest.raises(UserError, match="outside"):
            intake.run(source)


def test_what_is_nothing_of_all_this_names_what_is_expected(intake):
    single = intake.root / "single.zip"
    single.write_bytes(zip_of(Item(b"tiny/tiny.py", GOOD)))
    lay_out(intake.source, {"tiny/tiny.py": GOOD, "readme.txt": b""}, False)
    for source in (single, intake.source, intake.source / "tiny"):
        with pytest.raises(UserError, match="one folder or one zip for each student"):
            intake.run(source)
    for source in (intake.root / "missing", "/dev/zero", intake.source / "readme.txt"):
        with pytest.raises(UserError, match=r"is missing|is not a plain file|is no zip"):
            intake.run(intake.root / source)


ROSTER = """\
id,name,sortable,canvas
bob,First Last,"Last, First",340934
ann,Second Middle Name,"Name, Second Middle",
kim,Name Same,"Same, Name",340936
kim2,Name Same,"Same, Name",340999
zed,Zed,,5
"""


def with_roster(intake, text=ROSTER):
    intake.course.roster.write_text(text, encoding="utf-8")


def test_a_roster_translates_numbers_and_names_into_ids(intake):
    with_roster(intake)
    files = {
        "lastfirst_340934_1_tiny.py": GOOD,
        "namesecondmiddle_340935_2_tiny.py": GOOD,  # by name: the number is not on the roster
        "samename_340936_3_tiny.py": GOOD,  # by number: there are two of the name
        "samename_1_4_tiny.py": GOOD,
        "lastfirst_5_5_tiny.py": GOOD,  # the name is one student's, the number another's
        "who_6_6_tiny.py": GOOD,
    }
    outcomes = intake.run(lay_out(intake.source, files, True))
    assert {name: one.problems[0] for name, one in outcomes.items() if one.status == "refused"} == {
        "samename (1)": "may be kim or kim2 by the roster",
        "lastfirst (5)": "may be bob or zed by the roster",
        "who (6)": "is not on the roster",
    }
    assert set(tree(intake.course.submitted)) == {f"{student}/tiny/tiny.py" for student in ("ann", "bob", "kim")}


def test_with_a_roster_nothing_but_its_ids_is_kept(intake):
    with_roster(intake)
    lay_out(intake.source, {"bob/tiny.py": GOOD, "Zed/tiny.py": GOOD, "B\u043eb/tiny.py": GOOD}, False)
    outcomes = intake.run()
    assert {name for name, one in outcomes.items() if one.status == "new"} == {"bob", "zed"}


def test_two_names_of_one_student_are_both_refused(intake):
    with_roster(intake)
    outcomes = intake.run(lay_out(intake.source, {"bob/tiny.py": GOOD, "First Last/tiny.py": GOOD}, False))
    assert {one.status for one in outcomes.values()} == {"refused"} and not intake.course.submitted.joinpath("bob").exists()


@pytest.mark.parametrize(
    ("content", "where", "words"),
    [
        (b"", 1, "must be named id"),
        (b"ID,name\nbob,Bob\n", 1, "must be named id"),
        (b"id;name\nbob;Bob\n", 1, "must be named id"),
        (b"id,id\nbob,Bob\n", 1, "must be named id"),
        (b"id\nbob\n\nbob\n", 4, "the id bob is there already"),
        (b"id\nbob\nBOB\n", 3, "the id BOB is there already"),
        (b'id,name\nbob,"First\nLast"\n../x,X\n', 4, "'../x' is no student id"),
        (b"name,id\nBob\n", 2, "'' is no student id"),
        (b"id,name\nbob,Bob\nann,\xff\n", 3, "not UTF-8"),
        (b'id,name\nbob,"Bob\n', 2, "cannot be read as CSV"),
        (b"id,name\nbob," + b"x" * 200_000, 2, "cannot be read as CSV"),
    ],
)
def test_a_mistake_in_the_roster_names_its_line(tmp_path, content, where, words):
    path = tmp_path / "roster.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_roster(path)
    assert f"{path}, line {where}: " in str(caught.value) and words in str(caught.value)


def test_a_roster_from_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_bytes("\ufeffname , id\r\nZoë,zoe\r\n,\r\n".encode())
    roster = load_roster(path)
    assert roster.ids == ("zoe",)
    assert roster.find("Zoe\u0308", "") == {"zoe"}


def test_another_course_is_no_download(intake, tmp_path):
    (tmp_path / "other" / "source").mkdir(parents=True)
    (tmp_path / "other" / "source" / "tiny.py").write_bytes(GOOD)
    (tmp_path / "other" / "course.toml").write_text("")
    with pytest.raises(UserError, match="is a course"), open_download(tmp_path / "other", intake.course, intake.assignment):
        pass
