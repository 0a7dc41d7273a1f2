"""The accuracy of a network on images, measured on no more of them than it takes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

SAMPLE = 2000
"""Images that may be enough; in grading they lie in an order drawn from the secret seed, so these are a sample."""
MARGIN = 0.03
"""By so much the sample has to exceed a threshold. Of 10,000 images, of which one in two is classified correctly,
the share in a sample of 2,000 has a standard deviation of √(¼/2000 · 8000/9999) = 1.0 %; elsewhere it is smaller."""


def accuracy(
    scores: Callable[[Tensor], Tensor], X: Tensor, y: Tensor, *, at_once: int = 1000, enough: float | None = None
) -> float:
    """Return the fraction of images whose largest score is that of their label.

    Args:
        scores: gives the scores (n, C) of images.
        X: the images, shape (N, …).
        y: their labels, shape (N,).
        at_once: how many images are scored together.
        enough: a threshold. If the accuracy on the first 2,000 images exceeds it by three points, it is
            returned, and the others are not looked at. Otherwise all images count: nobody fails by a sample.
    """
    first = SAMPLE if enough is not None and len(y) >= 2 * SAMPLE else len(y)
    right = _right(scores, X[:first], y[:first], at_once)
    if first < len(y) and right / first < enough + MARGIN:  # type: ignore[operator]
        right += _right(scores, X[first:], y[first:], at_once)
        first = len(y)
    return right / first


def _right(scores: Callable[[Tensor], Tensor], X: Tensor, y: Tensor, at_once: int) -> int:
    return sum(
        int((scores(some).argmax(dim=1) == labels).sum())
        for some, labels in zip(X.split(at_once), y.split(at_once), strict=True)
    )
