"""The fixed network that turns images into features: a small residual network, given, not to be changed.

It was trained to tell the ten classes of CIFAR-10 apart, on the first 25,000 training images and no others
(by `examples/train_backbone.py` of the kit's own repository). Its last layer, which made ten scores out of 512 features, is left
out. Every convolution has taken in the batch normalisation that followed it, so each is weights and a bias.

    stem     3×3, 3 → 32 channels at 32 × 32
    1, 2, 3  3×3 with stride 2, then out + second(first(out)) with two more of 3×3:
             48 channels at 16 × 16, 96 at 8 × 8, 192 at 4 × 4
    last     1×1, 192 → 512, then the mean over the 4 × 4 places
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

LAYERS = ("stem", *(f"{kind}{stage}" for stage in (1, 2, 3) for kind in ("down", "first", "second")), "last")
"""The names of the convolutions, in order; each has entries `name.weights` and `name.bias`."""
WEIGHTS = "backbone.npz"
"""The file with the weights, beside this one."""
MEAN, SPREAD = (0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.262)
"""Mean and standard deviation of each channel of CIFAR-10's training images, on the scale from 0 to 1."""


class Backbone:
    """A function from images to features.

    Args:
        weights: the arrays of all `LAYERS`: weights (F, C, K, K) and bias (F,), of any float type.
        most: how many images it takes at a time; the memory that it needs grows with them.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], most: int = 1000):
        self.weights = {name: torch.tensor(np.asarray(value, np.float32)) for name, value in weights.items()}
        self.most = most

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the features (n, 512) float32 of images (n, H, W, 3) uint8; each depends on its image alone.

        Raises ValueError where the images are more than `most`, or none of this shape and type.
        """
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise ValueError(f"the backbone takes images (n, H, W, 3) uint8, not {images.shape} {images.dtype}")
        if len(images) > self.most:
            raise ValueError(f"the backbone takes {self.most} images at a time, not {len(images)}")
        with torch.inference_mode():
            mean, spread = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (MEAN, SPREAD))
            out = (torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255 - mean) / spread
            out = self._layer("stem", out.contiguous(memory_format=torch.channels_last))
            for stage in (1, 2, 3):
                out = self._layer(f"down{stage}", out, stride=2)
                out = out + self._layer(f"second{stage}", self._layer(f"first{stage}", out))
            return self._layer("last", out).mean(dim=(2, 3)).numpy()

    def _layer(self, name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        weights = self.weights[f"{name}.weights"]
        return F.relu(F.conv2d(x, weights, self.weights[f"{name}.bias"], stride, weights.shape[-1] // 2))


def load_backbone() -> Backbone:
    """Return the network with the weights that lie beside this file."""
    with np.load(Path(__file__).parent / WEIGHTS, allow_pickle=False) as saved:
        return Backbone({name: saved[name] for name in saved.files})
