"""Running checks: scores are exact, a mistake costs its check and what needs it, and nothing else."""

from fractions import Fraction
from textwrap import dedent

import numpy as np
import pytest
import torch

from toolbox.checks import ChecksBroken, LocalBackend, Setting, StudentError, load_checks, run_checks
from toolbox.data import DataMissing

CHECKS = '''
import torch
from toolbox.checks import case, graded

@graded(points=4, tolerance=1e-9, hint="Multiply by two.",
        cases=[case("vectors", 2, n=3), case("matrices", 2, n=2), case("long", 1, edge=True, n=5)])
def test_double(student, case):
    """`double` doubles."""
    x = case.randn(case.n)
    case.compare("out", student.double(x), 2 * x)

@graded(points=2, tolerance=1e-9, needs=["double"], hint="Use double.", cases=[case("vectors", 1)])
def test_quadruple(student, case):
    """`quadruple` doubles twice."""
    x = case.randn(3)
    case.compare("out", student.quadruple(x), 4 * x)

@graded(points=1, hint="Return one.", cases=[case("always", 1)])
def test_one(student, case):
    """`one` is one."""
    case.require(case.number("one", student.one()) == 1, "one is not 1")
'''
RIGHT = """
def double(x):
    return 2 * x
def quadruple(x):
    return double(double(x))
def one():
    return 1
"""


def run(tmp_path, module=RIGHT, checks=CHECKS, ids=(), **setting):
    (tmp_path / "checks").mkdir(exist_ok=True)
    (tmp_path / "checks" / "test_all.py").write_text(dedent(checks))
    (tmp_path / "work.py").write_text(dedent(module))
    values = {"backend": LocalBackend(tmp_path, ["work.py"]), "data": lambda: None, "thresholds": {}} | setting
    return {result.id: result for result in run_checks(tmp_path / "checks", Setting(**values), ids)}


def test_right_code_scores_everything(tmp_path):
    results = run(tmp_path)
    assert [(r.status, r.score) for r in results.values()] == [("passed", 4), ("passed", 2), ("passed", 1)]
    assert results["double"].measured == 0.0


def test_a_run_can_stop_at_the_first_check_that_is_lost(tmp_path):
    results = run(tmp_path, RIGHT.replace("double(double(x))", "double(x)"), until_lost=True)
    assert [(r.status, r.score) for r in results.values()] == [("passed", 4), ("failed", 0), ("not run", 0)]
    assert [r.status for r in run(tmp_path, until_lost=True).values()] == ["passed"] * 3


def test_a_case_that_fails_costs_exactly_its_weight(tmp_path):
    results = run(tmp_path, RIGHT.replace("return 2 * x", "return 2 * x if len(x) != 2 else x"))
    assert results["double"].score == Fraction(4 * 3, 5)
    assert results["double"].case == "matrices" and "off by a relative error" in results["double"].message
    assert results["quadruple"].status == results["one"].status == "passed"


def test_what_needs_a_failed_check_names_it(tmp_path):
    results = run(tmp_path, RIGHT.replace("return 2 * x", "return 3 * x"))
    assert results["double"].status == "failed" and results["double"].score == 0
    assert results["quadruple"].status == "blocked"
    assert results["quadruple"].message.startswith("First mend `double`")
    assert results["one"].status == "passed"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("return None", "failed", "None, where a tensor"),
        ("return x[:1]", "failed", "has shape (1,)"),
        ("return (2 * x).float()", "failed", "torch.float32"),
        ("return x / 0", "failed", "NaN or infinite"),
        ("return 'two'", "failed", "a str, where a tensor"),
        (
            "raise NotImplementedError('double is not written yet')",
            "failed",
            "double is not written yet (work.py, line 3)",
        ),
        ("raise ValueError('no')", "error", "`double` raised ValueError (work.py, line 3): no"),
    ],
)
def test_answers_that_are_none_are_described(tmp_path, body, status, words):
    result = run(tmp_path, RIGHT.replace("return 2 * x", body), ids=["double"])["double"]
    assert result.status == status and words in result.message and result.score == 0


def test_a_missing_function_is_named(tmp_path):
    result = run(tmp_path, RIGHT.replace("def one", "def wun"))["one"]
    assert result.status == "error" and "`one` was not found" in result.message


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("def double(x)\n    return x", "work.py, line 1"),
        ("import nothing_there", "nothing_there"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_module_that_cannot_be_imported_fails_every_check_with_the_reason(tmp_path, module, words):
    results = run(tmp_path, module)
    assert all(r.status in ("error", "blocked") and words in r.message for r in results.values())


def test_only_the_checks_asked_for_and_the_failures_below_them_are_reported(tmp_path):
    assert list(run(tmp_path, ids=["quadruple"])) == ["quadruple"]
    assert list(run(tmp_path, RIGHT.replace("2 * x", "x"), ids=["quadruple"])) == ["double", "quadruple"]


def test_an_unknown_check_is_refused_with_the_list(tmp_path):
    with pytest.raises(ChecksBroken, match=r"no check named treble. There are: double, quadruple, one"):
        run(tmp_path, ids=["treble"])


class Slow:
    """A backend whose `double` never answers: each call uses up all the time it is given."""

    def __init__(self):
        self.calls = []

    def get(self, target, path):
        raise AssertionError

    def call(self, target, path, args, kwargs):
        self.calls.append(path)
        if path == "one":
            return 1
        self.busy = self.seconds
        raise StudentError("timeout", "no answer")

    def begin(self, seconds):
        self.seconds, self.busy = seconds, 0.0

    def end(self):
        return self.busy

    def read_tensors(self, file):
        raise AssertionError


def test_after_a_time_out_what_needs_it_comes_last_and_shares_what_is_left(tmp_path):
    backend = Slow()
    checks = CHECKS.replace("def test_one", "def test_one").replace(
        "@graded(points=1,",
        '@graded(points=1, tolerance=1e-9, needs=["double"], hint="x", cases=[case("a", 1)])\n'
        'def test_also(student, case):\n    """Also."""\n    student.double(1)\n\n@graded(points=1,',
    )
    results = run(tmp_path, checks=checks, backend=backend, check_seconds=10, after_timeout_seconds=10)
    assert list(dict.fromkeys(backend.calls)) == ["double", "one", "quadruple"]
    assert results["double"].status == "timeout" and results["one"].status == "passed"
    assert results["quadruple"].status == "blocked"
    assert results["also"].status == "not run" and "`double` timed out" in results["also"].message


def test_the_seed_decides_the_numbers(tmp_path):
    seen = """
    seen = []
    def double(x):
        seen.append(x.tolist()); return 2 * x
    def numbers():
        return seen
    def quadruple(x): return 4 * x
    def one(): return 1
    """
    drawn = []
    for seed in (b"a", b"a", b"b"):
        backend = LocalBackend(tmp_path, ["work.py"])
        run(tmp_path, seen, seed=seed, backend=backend)
        drawn.append(backend.call(0, "numbers", (), {}))
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_missing_data_set_costs_its_check_only_and_says_so(tmp_path):
    def no_data():
        raise DataMissing("CIFAR-10 is not here.")

    checks = CHECKS.replace("x = case.randn(3)", "x = case.data")
    results = run(tmp_path, checks=checks, data=no_data)
    assert results["quadruple"].status == "not run" and "CIFAR-10 is not here" in results["quadruple"].message
    assert results["one"].status == "passed"


@pytest.mark.parametrize(
    ("checks", "problem"),
    [
        ("import nothing_there", "cannot be imported"),
        (CHECKS + "\n" + CHECKS[CHECKS.index("@graded(points=1") :].replace("def test_one", "def test_three"), None),
        (CHECKS.replace('needs=["double"]', 'needs=["one"]'), "not a check before it"),
    ],
)
def test_broken_checks_are_the_authors_to_mend(tmp_path, checks, problem):
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_all.py").write_text(checks)
    if problem is None:
        assert len(load_checks(tmp_path / "checks")) == 4
        return
    with pytest.raises(ChecksBroken, match=problem):
        load_checks(tmp_path / "checks")


def test_a_configuration_beside_the_checks_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "conftest.py").write_text("raise RuntimeError('not to be imported')")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    assert all(result.status == "passed" for result in run(tmp_path).values())


def test_what_is_done_to_an_argument_does_not_reach_the_check(tmp_path):
    zeroing = RIGHT.replace("return 2 * x", "x.zero_(); return x")
    result = run(tmp_path, zeroing, ids=["double"])["double"]
    assert result.score == 0 and result.status == "failed"
    harmless = RIGHT.replace("return 2 * x", "y = 2 * x; x.zero_(); return y")
    assert run(tmp_path, harmless, ids=["double"])["double"].status == "passed"


def test_a_shared_argument_and_a_dictionary_show_what_was_done_to_them(tmp_path):
    checks = '''
    from toolbox.checks import Shared, case, graded

    @graded(points=1, hint="-", cases=[case("a", 1)])
    def test_state(student, case):
        """It keeps state."""
        x, config = case.randn(3), {"t": 0}
        student.step(Shared(x), config)
        case.require(config["t"] == 1 and not x.any(), "nothing was changed")
    '''
    module = "def step(x, config):\n    x.zero_()\n    config['t'] += 1\n"
    assert run(tmp_path, module, checks=checks)["state"].status == "passed"


def test_a_dictionary_of_another_kind_is_a_dictionary(tmp_path):
    checks = '''
    from toolbox.checks import case, graded

    @graded(points=1, hint="-", cases=[case("a", 1)])
    def test_kinds(student, case):
        """It returns dictionaries."""
        for name, got in [("params", student.Net().params), ("grads", student.loss()[1]), ("config", student.step())]:
            case.require(type(case.dictionary(name, got, {"w": 0})) is dict, "it is none")
    '''
    module = """
    from collections import OrderedDict, defaultdict
    class Net:
        params = OrderedDict(w=1)
    def loss():
        return 0.0, OrderedDict(w=1)
    def step():
        return defaultdict(int, w=1)
    """
    assert run(tmp_path, module, checks=checks)["kinds"].message == ""


def test_a_module_that_stops_half_way_keeps_what_it_had_defined(tmp_path):
    results = run(tmp_path, RIGHT.replace("def one", "1 / 0\ndef one"))
    assert results["double"].status == results["quadruple"].status == "passed"
    assert "`one` was not found" in results["one"].message and "stopped half-way" in results["one"].message


def test_what_is_not_written_or_missing_blames_no_other_check(tmp_path):
    module = RIGHT.replace("2 * x", "x").replace("return double(double(x))", "raise NotImplementedError('not written')")
    assert run(tmp_path, module)["quadruple"].message.startswith("not written")


def test_a_check_cell_raises_under_nbgrader_alone(tmp_path, monkeypatch):
    from toolbox.checks.local import NotPassed, check

    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_all.py").write_text(dedent(CHECKS))
    (tmp_path / "checks" / "assignment.toml").write_text(
        'title = "T"\npoints = 7\n[files]\nmodules = ["work.py"]\nnotebook = "t.ipynb"\n'
    )
    (tmp_path / "work.py").write_text(dedent(RIGHT).replace("return 1", "return 2"))
    monkeypatch.chdir(tmp_path)
    assert "one is not 1" in repr(check("one"))
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    assert "1 of 1" in repr(check("double"))
    with pytest.raises(NotPassed, match="one is not 1"):
        check("one")


def test_what_fails_at_the_same_unwritten_function_names_its_check(tmp_path):
    module = RIGHT.replace("return 2 * x", "raise NotImplementedError('double is not written yet')")
    results = run(tmp_path, module)
    assert results["quadruple"].status == "blocked"
    assert results["quadruple"].message.startswith("First mend `double`, which this check needs. double is not")


READS_A_MODEL = '''
from toolbox.checks import case, graded

@graded(points=1, hint="Save it.", cases=[case("the file", 1)])
def test_saved(student, case):
    """The saved model is read."""
    saved, loaded = case.saved("net.pth"), student.load("net.pth")
    case.require(saved["reg"] == loaded["reg"] == 0.5 and len(saved["w"]) == 3, "it holds something else")
'''
LOADS = """
import torch
def load(path):
    return torch.load(path)
"""


def test_numpy_numbers_in_a_saved_model_are_read_as_in_grading(tmp_path):
    torch.save({"reg": np.float64(0.5), "w": np.ones(3, np.float32)}, tmp_path / "net.pth")
    result = run(tmp_path, LOADS, READS_A_MODEL)["saved"]
    assert result.status == "passed", result.message


def test_what_has_to_be_unpickled_is_not_read(tmp_path):
    torch.save({"reg": Fraction(1, 2)}, tmp_path / "net.pth")
    result = run(tmp_path, LOADS, READS_A_MODEL)["saved"]
    assert result.status == "error" and "cannot be read as a saved model" in result.message


FLAGS = '''
from toolbox.checks import case, graded

@graded(points=2, hint="Reach it.", cases=[case("near", 1, at=0.5), case("far", 1, at=0.4)])
def test_reach(student, case):
    """`reach` is far enough."""
    case.flag("look at it")
    case.at_least("the reach", student.reach() * case.at)
'''


def test_a_case_may_have_a_threshold_of_its_own(tmp_path):
    module, thresholds = "def reach():\n    return 1.0", {"reach": 0.5, "reach/far": 0.4}
    result = run(tmp_path, module, FLAGS, thresholds=thresholds)["reach"]
    assert (result.status, result.score, result.sense) == ("passed", 2, "at least")
    result = run(tmp_path, module, FLAGS, thresholds={**thresholds, "reach/far": 0.45})["reach"]
    assert (result.status, result.score, result.threshold, result.measured) == ("failed", 1, 0.45, 0.4)
    assert run(tmp_path, module, FLAGS, thresholds={"reach": 0.5})["reach"].threshold == 0.5


def test_a_check_that_passes_can_ask_for_a_look(tmp_path):
    result = run(tmp_path, "def reach():\n    return 1.0", FLAGS, thresholds={"reach": 0.1})["reach"]
    assert (result.status, result.flagged) == ("passed", "look at it")
    assert result.as_json()["flagged"] == "look at it"


NUMPY = """
import numpy as np
from toolbox.checks import Shared, case, graded

@graded(points=1, tolerance=1e-9, hint="Multiply by two.", cases=[case("matrices", 1)])
def test_double(student, case):
    '''`double` doubles.'''
    x = case.normal(3, 2)
    before = x.copy()
    case.compare("out", student.double(Shared(x)), 2 * before)
    case.unchanged("x", x, before)

@graded(points=1, hint="Return the mean.", tolerance=1e-9, cases=[case("a number", 1)])
def test_mean(student, case):
    '''`mean` is the mean.'''
    x = case.normal(5)
    case.compare("mean", student.mean(x), x.mean())
    case.array("halves", student.halves(x), (5,))

@graded(points=1, hint="Save the weights.", cases=[case("the file", 1)])
def test_saved(student, case):
    '''`net.npz` holds the weights.'''
    case.compare("W", case.saved("net.npz")["W"], np.arange(4.0), tolerance=0)
"""
ARRAYS = """
import numpy as np
def double(x):
    return 2 * x
def mean(x):
    return float(np.mean(x))
def halves(x):
    return x / 2
"""


def numpy_results(tmp_path, old="", new=""):
    return run(tmp_path, ARRAYS.replace(old, new), checks=NUMPY)


def test_arrays_are_compared_as_tensors_are(tmp_path):
    np.savez(tmp_path / "net.npz", W=np.arange(4.0))
    assert [result.status for result in numpy_results(tmp_path).values()] == ["passed"] * 3


@pytest.mark.parametrize(
    ("old", "new", "check", "message"),
    [
        ("2 * x", "2.1 * x", "double", "out is off by a relative error of"),
        ("2 * x", "(2 * x).tolist()", "double", "out is a list of 3, where a NumPy array of shape (3, 2) is wanted"),
        ("2 * x", "(2 * x).T", "double", "out has shape (2, 3), where (3, 2) is wanted"),
        ("2 * x", "(2 * x).astype(np.float32)", "double", "out is of type float32, where float64 is wanted"),
        ("2 * x", "x * np.nan", "double", "out contains NaN or infinite numbers"),
        ("return 2 * x", "x *= 2; return x", "double", "x was changed in place"),
        ("return 2 * x", "y = 2 * x; x += 1; return y", "double", "x was changed in place"),
        ("float(np.mean(x))", "None", "mean", "mean is None, where a NumPy array of shape () is wanted"),
        ("x / 2", "x * np.inf", "mean", "halves contains NaN or infinite numbers"),
        ("", "", "saved", "`net.npz` is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_array_is_said(tmp_path, old, new, check, message):
    result = numpy_results(tmp_path, old, new)[check]
    assert result.status != "passed" and message in result.message


def test_an_npz_file_with_objects_in_it_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "net.npz", W=np.array([print], dtype=object))
    assert "`net.npz` cannot be read as a saved model" in numpy_results(tmp_path)["saved"].message
