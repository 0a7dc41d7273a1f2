"""The two losses of the course: scores in, one number and its gradient out."""

import torch
from torch import Tensor


def softmax_loss(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the softmax (cross-entropy) loss of class scores, and its gradient.

        p_ik = exp(x_ik) / Σ_j exp(x_ij)
        loss = −1/N Σ_i log p_i,y_i            dx_ik = (p_ik − [k = y_i]) / N

    The largest score of each row is subtracted first, which changes no p and keeps every exponential finite
    (Goodfellow, Bengio, Courville, Deep Learning, section 4.1).

    x: (N, C) scores; y: (N,) whole numbers from 0 to C − 1.
    Returns the loss, a 0-d tensor, and dx (N, C). Raises ValueError where the shapes do not fit.
    """
    rows, y = _checked(x, y)
    shifted = x - x.max(dim=1, keepdim=True).values
    log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    loss = -log_p[rows, y].mean()
    dx = log_p.exp()
    dx[rows, y] -= 1
    return loss, dx / len(x)


def svm_loss(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the multiclass hinge loss of class scores with margin 1, and its gradient.

        m_ik = max(0, x_ik − x_i,y_i + 1) for k ≠ y_i, else 0
        loss = 1/N Σ_i Σ_k m_ik                dx_ik = [m_ik > 0] / N for k ≠ y_i
                                               dx_i,y_i = −Σ_k [m_ik > 0] / N

    (J. Weston, C. Watkins, Multi-class Support Vector Machines, 1998.)

    x: (N, C) scores; y: (N,) whole numbers from 0 to C − 1.
    Returns the loss, a 0-d tensor, and dx (N, C). Raises ValueError where the shapes do not fit.
    """
    rows, y = _checked(x, y)
    margins = (x - x[rows, y][:, None] + 1).clamp(min=0)
    margins[rows, y] = 0
    loss = margins.sum() / len(x)
    dx = (margins > 0).to(x.dtype)
    dx[rows, y] = -dx.sum(dim=1)
    return loss, dx / len(x)


def _checked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the row numbers and the labels as int64, or say what does not fit."""
    if x.dim() != 2 or y.shape != x.shape[:1] or not len(x):
        raise ValueError(f"scores must be (N, C) and labels (N,), not {tuple(x.shape)} and {tuple(y.shape)}")
    if y.is_floating_point() or y.dtype == torch.bool:
        raise ValueError(f"labels must be whole numbers, not {y.dtype}")
    y = y.to(device=x.device, dtype=torch.int64)
    if int(y.min()) < 0 or int(y.max()) >= x.shape[1]:
        raise ValueError(f"labels must be from 0 to {x.shape[1] - 1}, not {int(y.min())} to {int(y.max())}")
    return torch.arange(len(x), device=x.device), y
