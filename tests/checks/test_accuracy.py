"""Accuracy on a sample where that is enough, on all images where it is not."""

import pytest
import torch

from autograder.grading.workplace import _in_secret_order
from toolbox import data
from toolbox.checks import accuracy
from toolbox.checks.accuracy import MARGIN, SAMPLE


def images(right, wrong):
    """Return images that are scores themselves, so many classified correctly and so many not, in this order."""
    y = torch.zeros(right + wrong, dtype=torch.int64)
    X = torch.zeros(right + wrong, 10)
    X[:right, 0] = 1
    X[right:, 1] = 1
    return X, y


@pytest.mark.parametrize("enough", [None, 0.5])
def test_it_is_the_fraction_of_images_whose_largest_score_is_that_of_the_label(enough):
    X, y = images(300, 100)
    assert accuracy(lambda some: some, X, y, at_once=7, enough=enough) == 0.75


def test_the_first_images_decide_where_they_exceed_the_threshold_by_three_points():
    X, y = images(SAMPLE, 2 * SAMPLE)
    seen = []
    assert accuracy(lambda some: seen.append(len(some)) or some, X, y, enough=1 - MARGIN) == 1.0
    assert sum(seen) == SAMPLE
    assert accuracy(lambda some: some, X, y) == pytest.approx(1 / 3)


@pytest.mark.parametrize("enough", [1 - MARGIN + 0.001, 2.0])
def test_all_images_count_where_a_sample_does_not_decide(enough):
    X, y = images(SAMPLE, SAMPLE)
    assert accuracy(lambda some: some, X, y, enough=enough) == 0.5


def test_nobody_fails_by_the_sample():
    X, y = images(SAMPLE // 2, SAMPLE // 2)
    later, labels = images(3 * SAMPLE, 0)
    X, y = torch.cat([X, later]), torch.cat([y, labels])
    assert accuracy(lambda some: some, X, y, enough=0.6) == 0.875


def test_the_order_of_images_is_drawn_from_the_secret_seed():
    loaded = data.load("standin", parts=("train", "val", "test"), num_train=50)
    first, again, other = (_in_secret_order(loaded, seed * 32) for seed in (b"a", b"a", b"b"))
    for name in ("val", "test"):
        parts = [one.parts[name] for one in (loaded, first, again, other)]
        assert torch.equal(parts[1].X, parts[2].X) and torch.equal(parts[1].y, parts[2].y)
        assert not torch.equal(parts[0].y, parts[1].y) and not torch.equal(parts[1].y, parts[3].y)
        place = int((parts[1].X[7] == parts[0].X).flatten(1).all(dim=1).nonzero()[0, 0])
        assert parts[0].y[place] == parts[1].y[7]
        assert torch.equal(parts[0].y.bincount(), parts[3].y.bincount())
    assert torch.equal(first.X_train, loaded.X_train)
