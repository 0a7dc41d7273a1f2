"""The table that students read."""

import itertools
import math
from fractions import Fraction

from toolbox.checks import CheckResult
from toolbox.results import rounded
from toolbox.results_table import as_html, as_text

PASSED = CheckResult("relu", "ReLU works.", 2, 1e-7, status="passed", score=Fraction(2), measured=0.0)
FAILED = CheckResult(
    "linear", "Linear works.", 4, 1e-7, hint="Mind <b>.", status="failed", score=Fraction(8, 3), measured=0.5,
    case="a batch of one", message="out is off.",
)  # fmt: skip


def test_the_text_shows_error_threshold_points_case_and_hint():
    text = as_text([PASSED, FAILED])
    assert "✓  relu     0.0e+00  ≤ 1.0e-07     2/2" in text
    assert "✗  linear   5.0e-01  ≤ 1.0e-07  2.67/4" in text
    assert "Case “a batch of one”: out is off." in text and "Hint: Mind <b>." in text
    assert text.endswith("1 of 2 checks passed, 4.67 of 6 points.")


def test_the_html_escapes_whatever_is_in_it():
    shown = as_html([FAILED])
    assert "<b>" not in shown and "Mind &lt;b&gt;." in shown


def test_a_gradebooks_sum_of_floats_shows_like_the_exact_score_of_a_record():
    parts = [Fraction(points * passed, cases) for points in (3, 5, 8) for cases in (3, 6, 7, 8) for passed in range(cases)]
    halves = 0
    for scores in itertools.combinations(parts, 3):
        exact = sum(scores, Fraction(0))
        halves += (exact * 200).denominator == 1 and exact * 200 % 2 == 1
        assert rounded(math.fsum(map(float, scores))) == rounded(exact)
    assert halves > 100
    assert rounded(33.925 - 1e-14) == rounded(Fraction(1357, 40)) == 33.93
