"""What notebooks and student modules import; travels with every release.

data        CIFAR-10 and a stand-in for machines without it
solver      mini-batch training
losses      softmax and SVM loss
gradients   numeric gradients and the relative error
plots       the figures of the notebooks
checks      declaring and running checks
"""

from typing import Any

__all__ = ["check"]


def __getattr__(name: str) -> Any:
    """Load `toolbox.check` when it is first asked for: pytest is not needed to train a network."""
    if name == "check":
        from toolbox.checks.local import check

        return check
    raise AttributeError(f"module 'toolbox' has no attribute {name!r}")
