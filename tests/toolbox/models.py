"""Small models for the tests, written with torch.nn but with the interface that students write."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ByAutograd:
    """A torch module that looks like a hand-written net: `params`, and `loss` that returns gradients."""

    def __init__(self, module: nn.Module, reg: float = 0.0) -> None:
        self.module = module
        self.reg = reg
        self.params = {name: p.detach().clone() for name, p in module.named_parameters()}

    def loss(self, X: Tensor, y: Tensor | None = None):
        leaves = {name: p.detach().requires_grad_(y is not None) for name, p in self.params.items()}
        scores = torch.func.functional_call(self.module, leaves, (X,))
        if y is None:
            return scores
        loss = F.cross_entropy(scores, y)
        loss = loss + self.reg / 2 * sum((p * p).sum() for p in leaves.values() if p.dim() > 1)
        grads = torch.autograd.grad(loss, list(leaves.values()))
        return loss.detach(), dict(zip(leaves, grads, strict=True))


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))


def two_layer(hidden: int = 200) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def convolutional(a: int = 16, b: int = 32) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, a, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(a, b, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(b, b, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(b * 16, 10),
    )


def adam(w: Tensor, dw: Tensor, config: dict) -> tuple[Tensor, dict]:
    t = config["t"] = config.get("t", 0) + 1
    m = config["m"] = 0.9 * config.get("m", torch.zeros_like(w)) + 0.1 * dw
    v = config["v"] = 0.999 * config.get("v", torch.zeros_like(w)) + 0.001 * dw * dw
    step = config["learning_rate"] * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    return w - step, config
