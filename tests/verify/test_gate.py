"""The author's gate lets a fit assignment through and refuses every other, saying what to mend."""

import os
from pathlib import Path

import nbformat
import pytest
from tiny_course import CHECK, MODULE, cell_metadata, make_course
from typer.testing import CliRunner

from autograder.assignment import load_assignment
from autograder.cli import app
from autograder.course import init_course
from autograder.errors import UserError
from autograder.release.build import generate
from autograder.verify import verify
from tests.command import kit

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("verify")


def tiny(root):
    """Make a course of which the gate looks at as little data as possible."""
    course = make_course(root)
    edit(course.assignments / "tiny" / "assignment.toml", "[files]", '[images]\nparts = ["val"]\n[files]')
    return course


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refused(course, **options):
    """Return what the gate finds wrong."""
    found = verify(course, load_assignment(course, "tiny"), "standin", **options)
    return [finding.text for finding in found if not finding.passed]


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    """Return a course whose assignment is fit for release."""
    course = tiny(tmp_path_factory.mktemp("fit"))
    generate(course, "tiny")
    return course


@pytest.fixture
def course(fit, tmp_path):
    """Return a copy of that course, to be spoilt."""
    return init_course(tmp_path / "course", like=fit).course


def command(course, *options):
    return kit(course, "verify", "tiny", *options, environment={**os.environ, "TOOLBOX_DATA": "standin"})


def test_a_fit_assignment_passes_with_figures_for_each_kind(fit):
    done = command(fit)
    assert done.returncode == 0, done.stdout + done.stderr
    findings = [line for line in done.stdout.splitlines() if line[:1] in "✓✗" and line]
    assert len(findings) == 9 and all(line.startswith("✓") for line in findings)
    assert "solution scores 100 % on standin" in done.stdout and "the starter scores 0 %" in done.stdout
    assert "6 of 6 automatic mutants are killed (100.0%" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["missing", "term", "1", "1"] in rows and ["constant", "2", "2"] in rows and ["together", "6", "6"] in rows
    said = [line.split(": ")[1] for line in done.stderr.splitlines() if line.startswith("tried: ")]
    assert said == [f"{number} of 10" for number in range(11)]  # where stderr is no terminal; solution, starter, 2 and 6
    assert "\n\n" not in done.stderr.strip()
    assert not (fit.root / "submitted").exists() and not (fit.root / "results").exists()


def test_the_help_teaches_what_is_refused():
    text = CliRunner().invoke(app, ["verify", "--help"]).output
    for part in ["mutants.toml", "[[mistake]]", "[[right]]", "[[survivor]]", "[[choice]]", "95 %", "--sample"]:
        assert part in text


TWO = (
    CHECK
    + '''

@graded(points=2, tolerance=1e-7, cases=[case("a vector", 1, n=5)], hint="Add.")
def test_triple(student, case):
    """`triple` gives three times its input."""
    x = case.randn(case.n)
    case.compare("triple(x)", student.triple(x), 3 * x)


@graded(points=1, cases=[case("a vector", 1, n=5)], hint="Look at its shape.")
def test_shape(student, case):
    """`shaped` keeps the shape."""
    x = case.randn(case.n)
    case.tensor("shaped(x)", student.shaped(x), (case.n,))
'''
)
MORE = '''

def triple(x):
    """Return three times x."""
    ### BEGIN SOLUTION
    y = double(x)
    return y + x
    ### END SOLUTION


def shaped(x):
    """Return anything of the shape of x."""
    ### BEGIN SOLUTION
    return x - 1 + 7
    ### END SOLUTION
'''
MUTANTS = """
[[mistake]]
name = "also fails what needs nothing"
kind = "scale"
fails = "double"
change = ["return 2 * x", "return 3 * x"]

[[mistake]]
name = "aimed at the wrong check"
kind = "scale"
fails = "double"
change = ["return y + x", "return y"]

[[mistake]]
name = "killed by nothing"
kind = "scale"
fails = "shape"
change = ["x - 1 + 7", "x - 1 + 8"]

[[mistake]]
name = "for what it is"
kind = "missing term"
fails = "triple"
change = ["return y + x", "return y - x"]

[[right]]
name = "the other way round"
change = ["return y + x", "return x + y"]

[[right]]
name = "wrong after all"
change = ["return y + x", "return y + 2 * x"]

[[survivor]]
where = "shaped"
was = "return x - 1 + 7"
became = "return x + 1 + 7"
reason = "Any number will do."

[[survivor]]
where = "double"
reason = "There is none."
"""


@pytest.fixture(scope="module")
def crooked(tmp_path_factory):
    """Return a released course whose checks see too little, or too much, of some mutants."""
    course = tiny(tmp_path_factory.mktemp("crooked"))
    folder = course.assignments / "tiny"
    edit(folder / "assignment.toml", "points = 4", "points = 7")
    (folder / "tiny.py").write_text(MODULE + MORE)
    (folder / "checks" / "test_tiny.py").write_text(TWO)
    (folder / "mutants.toml").write_text(MUTANTS)
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for name, points in {"triple": 2, "shape": 1}.items():
        metadata = cell_metadata(name, grade=True, solution=False, points=points)
        notebook.cells.append(nbformat.v4.new_code_cell(f'check("{name}")', metadata=metadata))
    nbformat.write(notebook, path)
    generate(course, "tiny")
    return course


@pytest.fixture(scope="module")
def crooked_findings(crooked):
    return refused(crooked)


def one(findings, part):
    (found,) = [text for text in findings if part in text]
    return found


def test_a_mistake_that_its_check_does_not_see_is_refused(crooked_findings):
    assert "does not fail shape, nor any other: give that check a case" in one(crooked_findings, "'killed by nothing'")
    assert "does not fail double, but triple" in one(crooked_findings, "'aimed at the wrong check'")


def test_a_mistake_that_fails_a_check_apart_is_refused(crooked_findings):
    text = one(crooked_findings, "'also fails what needs nothing'")
    assert "also fails triple, which does not need double" in text and "add 'double' to its needs" in text


def test_a_right_variant_that_loses_points_is_refused(crooked_findings):
    assert "less than 100 %: triple: " in one(crooked_findings, "'wrong after all'")
    assert not any("'the other way round'" in text or "'for what it is'" in text for text in crooked_findings)


def test_a_survivor_needs_a_reason_and_a_reason_a_survivor(crooked_findings):
    survivors = [text for text in crooked_findings if "survives: give a check a case" in text]
    assert any("shaped: the automatic mutant return x - 1 + 7 → return x + 7 " in text for text in survivors)
    assert not any("→ return x + 1 + 7 " in text for text in survivors)
    assert "the survivor of double: no such mutant survives; take it out" in one(crooked_findings, "survivor of double")


def test_too_few_mutants_killed_is_refused(crooked_findings):
    assert "at least 95% are to be" in one(crooked_findings, "automatic mutants are killed")


def test_a_sample_says_nothing_of_reasons_without_a_survivor(crooked):
    found = refused(crooked, sample=3)
    assert not any("take it out" in text for text in found)
    all_of_it = verify(crooked, load_assignment(crooked, "tiny"), "standin", sample=3)
    assert any("of 3 automatic mutants of a sample" in finding.text for finding in all_of_it)


def test_the_command_ends_with_status_one_and_counts(crooked):
    done = command(crooked, "--sample", "3")
    assert done.returncode == 1
    count = done.stdout.count("✗")
    assert f"tiny is not fit for release: {count} of the conditions above are not met" in done.stderr


def test_a_choice_gets_no_mutants_and_is_said(course):
    with open(course.assignments / "tiny" / "mutants.toml", "a") as file:
        file.write('[[choice]]\nwhere = "double"\nreason = "Any."\n')
    generate(course, "tiny")
    texts = [f.text for f in verify(course, load_assignment(course, "tiny"), "standin")]
    assert "double gets no automatic mutants: Any." in texts and any("0 of 0 automatic" in text for text in texts)


def test_a_solution_that_loses_points_and_a_starter_that_earns_some_are_refused(course):
    folder = course.assignments / "tiny"
    (folder / "tiny.py").write_text(
        "def double(x):\n    if len(x) > 6:\n        return 2 * x\n"
        "    ### BEGIN SOLUTION\n    return 3 * x\n    ### END SOLUTION\n"
    )
    edit(folder / "mutants.toml", '["2 * x", "1 * x"]', '["3 * x", "1 * x"]')
    edit(folder / "mutants.toml", '["2 * x", "x + x"]', '["3 * x", "x + x"]')
    generate(course, "tiny")
    solution, starter, rest = refused(course)
    assert solution.startswith("the solution scores less than 100 %: double: double(x) is off")
    assert starter == "the starter scores points, which is to score nothing: double"
    assert rest == "the mutants of mutants.toml and the automatic ones are tried once what is above is mended"


def test_a_module_that_cannot_be_imported_is_refused(course):
    edit(course.assignments / "tiny" / "tiny.py", '"""Doubling."""', "raise ValueError('half-way')")
    generate(course, "tiny")
    assert any("the solution" in text and "half-way" in text for text in refused(course))


def spoil_cell(course):
    edit(course.source / "tiny" / "tiny.ipynb", '"grade_id": "double"', '"grade_id": "triple"')


def spoil_check(course):
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    del notebook.cells[1]
    nbformat.write(notebook, path)


def spoil_points(course):
    edit(course.source / "tiny" / "tiny.ipynb", '"points": 4', '"points": 5')


def spoil_sum(course):
    edit(course.assignments / "tiny" / "assignment.toml", "points = 4", "points = 5")


def spoil_notebook(course):
    (course.source / "tiny" / "tiny.ipynb").write_text("{")


def spoil_hint(course):
    edit(course.assignments / "tiny" / "checks" / "test_tiny.py", '"Multiply."', '" "')


def spoil_sentence(course):
    edit(course.assignments / "tiny" / "checks" / "test_tiny.py", '    """`double` gives twice its input."""\n', "")


def spoil_import(course):
    edit(course.assignments / "tiny" / "checks" / "test_tiny.py", "from toolbox.checks", "from toolbox.chekcs")


def spoil_marker(course):
    edit(course.assignments / "tiny" / "tiny.py", "### END", "### EDN")


def spoil_module(course):
    (course.assignments / "tiny" / "tiny.py").unlink()


def spoil_old(course):
    edit(course.assignments / "tiny" / "mutants.toml", '"2 * x", "1 * x"', '"4 * x", "1 * x"')


def spoil_toml(course):
    edit(course.assignments / "tiny" / "mutants.toml", "[[right]]", "[[right]")


def spoil_no_toml(course):
    (course.assignments / "tiny" / "mutants.toml").unlink()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_cell, ["tiny.ipynb", "'triple' names no check"]),
        (spoil_check, ["tiny.ipynb", "'double'", "has no grade cell"]),
        (spoil_points, ["tiny.ipynb", "is worth 5 points", "Make them the same"]),
        (spoil_sum, ["assignment.toml", "add up to 4"]),
        (spoil_notebook, ["tiny.ipynb", "cannot be read"]),
        (spoil_hint, ["test_tiny.py", "test_double has no hint", "Mend it"]),
        (spoil_sentence, ["test_tiny.py", "test_double has no sentence", "Mend it"]),
        (spoil_import, ["test_tiny.py", "cannot be imported", "chekcs", "Mend it"]),
        (spoil_marker, ["tiny.py", "no marker"]),
        (spoil_module, ["tiny.py", "cannot be read", "Put it there"]),
        (spoil_old, ["mutants.toml", "'once too few'", "'4 * x'", "nowhere"]),
        (spoil_toml, ["mutants.toml", "cannot be read as TOML"]),
        (spoil_no_toml, ["mutants.toml", "there is no such file", "Write one"]),
    ],
)
def test_what_is_broken_is_refused_with_its_file_and_what_to_do(course, monkeypatch, spoil, named):
    monkeypatch.setattr("autograder.verify.gate.try_each", none_lost)
    spoil(course)
    assert any(all(part in text for part in named) for text in refused(course))


def none_lost(course, assignment, dataset, attempts, watch=None):
    """Stand in for the trial where it is of no interest: nothing is lost, and nothing earned."""
    from autograder.verify.trial import Verdict

    return ((attempt.student, Verdict()) for attempt in attempts)


def test_a_stale_release_and_a_leak_are_refused(course, monkeypatch):
    monkeypatch.setattr("autograder.verify.gate.try_each", none_lost)
    generate(course, "tiny")
    (course.release / "tiny" / "README.md").write_text("return 2 * x\n")
    found = refused(course)
    assert "README.md:1: the solution of double (tiny.py:6) stands here: take it out" in one(found, "stands here")
    assert "release/tiny is out of date (README.md): autograder release tiny" in found


def test_a_leak_from_the_checks_is_found_in_the_fresh_release(course, monkeypatch):
    monkeypatch.setattr("autograder.verify.gate.try_each", none_lost)
    generate(course, "tiny")
    edit(course.assignments / "tiny" / "checks" / "test_tiny.py", '"Multiply."', '"Write `return 2 * x`."')
    assert "checks/test_tiny.py:10: the solution of double" in one(refused(course), "stands here")


def test_a_submission_without_a_record_is_refused_by_name(course, monkeypatch):
    from autograder.verify.trial import Verdict

    def without(course, assignment, dataset, attempts, watch=None):
        return ((a.student, Verdict(trouble="it ended early" * (a.student == "mistake-0001"))) for a in attempts)

    monkeypatch.setattr("autograder.verify.gate.try_each", without)
    assert "the mistake 'once too few' was not graded: it ended early" in one(refused(course), "not graded")


def test_the_list_of_mutants_comes_with_a_copied_assignment_and_never_into_a_release(course):
    assert (course.assignments / "tiny" / "mutants.toml").is_file()
    generate(course, "tiny")
    names = {path.name for path in (course.release / "tiny").rglob("*")}
    assert "mutants.toml" not in names
    edit(course.assignments / "tiny" / "assignment.toml", "models", 'extra = ["mutants.toml"]\nmodels')
    with pytest.raises(UserError, match=r"'mutants\.toml' is in the release already"):
        generate(course, "tiny")


def test_a_module_that_students_bring_along_is_neither_stripped_nor_mutated(course):
    folder = course.assignments / "tiny"
    edit(folder / "assignment.toml", 'modules = ["tiny.py"]', 'modules = ["first.py", "tiny.py"]\nbrought = ["first.py"]')
    edit(folder / "tiny.py", '"""Doubling."""', '"""Doubling."""\n\nimport first')
    edit(folder / "tiny.py", "return 2 * x", "return first.TWO * x")
    edit(folder / "mutants.toml", '"2 * x", "1 * x"', '"first.TWO * x", "1 * x"')
    edit(folder / "mutants.toml", '"2 * x", "x + x"', '"first.TWO * x", "x + x"')
    (folder / "first.py").write_text("### BEGIN SOLUTION\nTWO = 2 + 0\n### END SOLUTION\n")
    generate(course, "tiny")
    found = list(verify(course, load_assignment(course, "tiny"), "standin"))
    assert [finding.text for finding in found if not finding.passed] == []
    (automatic,) = [finding.tally for finding in found if finding.tally and "automatic" in finding.tally.title]
    assert sum(there for there, _ in automatic.kinds.values()) > 0
    assert not any("TWO = " in str(survivor) for survivor in automatic.survivors)
