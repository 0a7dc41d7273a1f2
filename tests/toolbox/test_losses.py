import pytest
import torch
import torch.nn.functional as F

from toolbox.losses import softmax_loss, svm_loss


def scores_and_labels(seed=0, n=7, c=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(n, c, generator=generator, dtype=dtype)
    return x.requires_grad_(), torch.randint(c, (n,), generator=generator)


PAIRS = [
    (softmax_loss, F.cross_entropy),
    (svm_loss, lambda x, y: F.multi_margin_loss(x, y) * x.shape[1]),  # PyTorch divides by C as well
]


@pytest.mark.parametrize(("ours", "torchs"), PAIRS)
@pytest.mark.parametrize("shape", [(7, 5), (1, 2), (64, 10)])
def test_loss_and_gradient_are_those_of_pytorch(ours, torchs, shape):
    x, y = scores_and_labels(1, *shape)
    loss, dx = ours(x.detach(), y)
    expected = torchs(x, y)
    expected.backward()
    assert loss.dim() == 0 and dx.shape == x.shape
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(dx, x.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("ours", "_"), PAIRS)
def test_type_is_kept_and_scores_are_left_alone(ours, _):
    x, y = scores_and_labels(dtype=torch.float32)
    x = x.detach()
    before = x.clone()
    loss, dx = ours(x, y.to(torch.uint8))
    assert loss.dtype == dx.dtype == torch.float32
    assert torch.equal(x, before)


def test_softmax_is_finite_at_huge_scores():
    x = torch.tensor([[1e4, -1e4, 0.0], [-1e30, -1e30, -1e30]])
    loss, dx = softmax_loss(x, torch.tensor([0, 2]))
    assert loss == pytest.approx(torch.log(torch.tensor(3.0)).item() / 2)
    assert dx.isfinite().all()


def test_svm_counts_a_margin_of_exactly_one_as_kept():
    loss, dx = svm_loss(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([0]))
    assert loss == 0 and not dx.any()


@pytest.mark.parametrize("loss", [softmax_loss, svm_loss])
@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (torch.zeros(3, 4), torch.zeros(2, dtype=torch.int64), r"\(N, C\)"),
        (torch.zeros(3, 4, 1), torch.zeros(3, dtype=torch.int64), r"\(3, 4, 1\)"),
        (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), r"\(0, 4\)"),
        (torch.zeros(3, 4), torch.zeros(3), "whole numbers"),
        (torch.zeros(3, 4), torch.tensor([0, 1, 4]), "from 0 to 3"),
        (torch.zeros(3, 4), torch.tensor([0, 1, -1]), "from 0 to 3"),
    ],
)
def test_what_does_not_fit_is_named(loss, x, y, says):
    with pytest.raises(ValueError, match=says):
        loss(x, y)
