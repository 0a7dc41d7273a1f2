"""What mutants.toml may say, and what an author is told when it says something else."""

import pytest
from tiny_course import MODULE, MUTANTS

from autograder.errors import UserError
from autograder.verify.listed import read_listed


def read(tmp_path, text, module=MODULE):
    if text is not None:
        (tmp_path / "mutants.toml").write_text(text)
    return read_listed(tmp_path, {"tiny.py": module}, ["double", "triple"], ["double"])


def test_entries_become_modules(tmp_path):
    listed = read(tmp_path, MUTANTS + '[[survivor]]\nwhere = "double"\nwas = "2"\nreason = "Even."\n')
    (mistake,), (right,), (survivor,) = listed.mistakes, listed.right, listed.survivors
    assert (mistake.name, mistake.kind, mistake.fails) == ("once too few", "missing term", "double")
    assert mistake.sources == {"tiny.py": MODULE.replace("2 * x", "1 * x")}
    assert right.sources == {"tiny.py": MODULE.replace("2 * x", "x + x")}
    assert (survivor.was, survivor.became, survivor.reason) == ("2", "", "Even.")


def test_several_changes_are_looked_up_in_the_module_as_it_is(tmp_path):
    text = MUTANTS.replace('["2 * x", "x + x"]', '["def double(x)", "def double(n)", "2 * x", "2 * n"]')
    assert "def double(n)" in read(tmp_path, text).right[0].sources["tiny.py"]
    assert "return 2 * n" in read(tmp_path, text).right[0].sources["tiny.py"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (MUTANTS, None, ["mutants.toml: there is no such file", "Write one"]),
        (MUTANTS, "[[mistake]", ["mutants.toml", "cannot be read as TOML"]),
        (MUTANTS, "", ["mutants.toml", "no mistake is listed"]),
        ("[[right]]", "[[wright]]", ["wright is not known here; known are mistake, right, survivor, choice"]),
        ("[[right]]", "[right]", ["right is", "[[right]]"]),
        ('kind = "missing term"\n', "", ["[mistake 1, 'once too few'] kind is missing; add it"]),
        ('kind = "missing term"', 'sort = "missing term"', ["'once too few'] kind is missing"]),
        ("kind", 'extra = "a"\nkind', ["'once too few'] extra is not known here"]),
        ('fails = "double"', 'fails = "duoble"', ["fails is 'duoble'", '"double" or "triple"']),
        ('["2 * x", "1 * x"]', '["2 * x"]', ["change is ['2 * x']", "pairs of texts"]),
        ('["2 * x", "1 * x"]', '"2 * x"', ["change is '2 * x'", "list of texts"]),
        ('["2 * x", "1 * x"]', '["3 * x", "1 * x"]', ["'3 * x'", "exactly once in tiny.py", "nowhere"]),
        ('["2 * x", "1 * x"]', '["x", "y"]', ["'x'", "exactly once in tiny.py", "times"]),
        ('["2 * x", "1 * x"]', '["2 * x", "1 * x", "* x", "/ x"]', ["'* x'", "overlap"]),
        ('["2 * x", "1 * x"]', '["2 * x", "2 *"]', ["valid Python"]),
        ('["2 * x", "1 * x"]', '["2 * x", "2 * x"]', ["a change"]),
        ("[[right]]", '[[survivor]]\nwhere = "triple"\nreason = "a"\n[[right]]', ["where is 'triple'", '"double"']),
        ("[[right]]", '[[choice]]\nwhere = "double"\n[[right]]', ["[choice 1, 'double'] reason is missing"]),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_entry_and_what_is_allowed(tmp_path, old, new, named):
    with pytest.raises(UserError) as error:
        read(tmp_path, None if new is None else MUTANTS.replace(old, new))
    for part in [*named, "mutants.toml"]:
        assert part in str(error.value)


def test_two_entries_of_one_name_are_refused(tmp_path):
    with pytest.raises(UserError, match="two entries are named 'the sum'"):
        read(tmp_path, MUTANTS + MUTANTS[MUTANTS.index("[[right]]") :])
