import math

import numpy as np
import pytest
import torch

from toolbox.gradients import numeric_gradient, relative_error, sampled_gradient


def test_error_is_one_number_for_the_whole_array():
    a, b = torch.tensor([1.0, 100.0]), torch.tensor([2.0, 100.0])
    assert relative_error(a, b) == pytest.approx(1 / 200)
    assert relative_error(b, a) == relative_error(a, b)
    assert relative_error(a.numpy(), b.numpy()) == relative_error(a, b)


def test_two_zeros_agree_and_tiny_ones_are_not_blown_up():
    assert relative_error(torch.zeros(3), torch.zeros(3)) == 0
    assert relative_error(torch.tensor([1e-14]), torch.tensor([-1e-14])) == pytest.approx(2e-4)
    assert relative_error(torch.zeros(0), torch.zeros(0)) == 0


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\) and \(3, 1\)"):
        relative_error(torch.zeros(3), torch.zeros(3, 1))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_never_agrees(bad):
    a = torch.tensor([0.0, bad])
    for b in (a, torch.tensor([0.0, 1.0])):
        assert not relative_error(a, b) <= 1e300
        assert not relative_error(b, a) <= 1e300


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 1, 3)])
def test_numeric_gradient_is_that_of_autograd(shape):
    x = torch.rand(shape, dtype=torch.float64) + 0.5
    df = torch.randn(shape, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (leaf.log() * leaf).backward(df)
    dx = numeric_gradient(lambda t: t.log() * t, x, df)
    assert dx.dtype == x.dtype and relative_error(dx, leaf.grad) < 1e-8


def test_numeric_gradient_of_a_number_and_of_a_view():
    base = torch.rand(5, 4, dtype=torch.float64) + 0.5
    x = base.T[1:]
    assert relative_error(numeric_gradient(lambda t: float((t**2).sum()), x), 2 * x) < 1e-8


def test_numeric_gradient_of_a_numpy_function():
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    dx = numeric_gradient(lambda t: np.tanh(t), x)
    assert isinstance(dx, np.ndarray)
    assert relative_error(dx, 1 - np.tanh(x) ** 2) < 1e-8


def test_float32_gives_a_few_digits_with_a_larger_step():
    x = torch.linspace(0.5, 2, 5)
    assert relative_error(numeric_gradient(lambda t: t**2, x, h=1e-2), 2 * x) < 1e-3


def test_function_may_return_the_same_memory_each_time():
    x, out = torch.ones(3, dtype=torch.float64), torch.empty(3, dtype=torch.float64)
    assert relative_error(numeric_gradient(lambda t: torch.mul(t, t, out=out), x), 2 * x) < 1e-8


def test_x_is_as_it_was_even_when_the_function_raises():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    before = x.clone()
    numeric_gradient(lambda t: t**3, x)
    assert torch.equal(x, before)

    def fails(t):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        numeric_gradient(fails, x)
    assert torch.equal(x, before)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="float type"):
        numeric_gradient(lambda t: t, torch.arange(3))
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        numeric_gradient(lambda t: t, torch.ones(3), torch.ones(2))
    with pytest.raises(ValueError, match="shape"):
        sampled_gradient(lambda t: t, torch.ones(3), torch.ones(4))


def test_samples_find_a_wrong_gradient_and_pass_a_right_one():
    x = torch.rand(50, 60, dtype=torch.float64) + 0.5
    right = sampled_gradient(lambda t: (t**3).sum(), x, 3 * x**2, samples=20, seed=0)
    assert len({s.place for s in right}) == 20
    assert max(s.error for s in right) < 1e-4  # the sum of 3000 cubes rounds
    wrong = sampled_gradient(lambda t: (t**3).sum(), x, 2 * x**2, samples=20, seed=0)
    assert [s.place for s in wrong] == [s.place for s in right]
    assert min(s.error for s in wrong) > 0.1
