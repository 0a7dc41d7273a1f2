"""Declarations that cannot be meant are refused, with the file and the check named."""

import pytest

from toolbox.checks import DeclarationError, case, graded


def declare(**changes):
    declaration = {"points": 2, "cases": [case("core", 1)], "hint": "Think.", "tolerance": 1e-7} | changes

    @graded(**declaration)
    def test_something(student, case):
        """It does something."""

    return test_something


def test_a_check_carries_what_was_declared():
    check = declare(needs=["other"], cases=[case("core", 4), case("edge", 1, edge=True, n=1)]).check
    assert (check.id, check.sentence, check.points, check.needs) == ("something", "It does something.", 2, ("other",))
    assert check.weight == 5 and check.cases[1].given == {"n": 1}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"points": 0}, "worth no points"),
        ({"points": "2"}, "points that are not a whole number"),
        ({"points": 2.5}, "points that are not a whole number"),
        ({"tolerance": "a"}, "tolerance that is not a number above zero"),
        ({"tolerance": 0}, "tolerance that is not a number above zero"),
        ({"hint": 3}, "hint that is not a text"),
        ({"cases": ["core"]}, "not made by case"),
        ({"cases": [case("a", "four")]}, "weight"),
        ({"trials": None}, "trials that are not a whole number"),
        ({"cases": []}, "has no cases"),
        ({"hint": " "}, "has no hint"),
        ({"trials": 0}, "has no trials"),
        ({"cases": [case("a", 0)]}, "weight"),
        ({"cases": [case("a", 1), case("a", 1)]}, "two cases of one name"),
        ({"cases": [case("a", 3), case("b", 1, edge=True)]}, "more than a fifth"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, problem):
    with pytest.raises(DeclarationError, match=problem) as error:
        declare(**changes)
    assert "test_declare.py: test_something" in str(error.value)


def test_a_check_without_a_sentence_is_refused():
    with pytest.raises(DeclarationError, match="no sentence"):

        @graded(points=1, cases=[case("a", 1)], hint="Think.")
        def test_silent(student, case):
            pass
