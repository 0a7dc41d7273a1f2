"""Train the backbone of the assignment on features, and write assignments/feature_mlp/backbone.npz.

    CIFAR10_DIR=… python examples/train_backbone.py [--epochs 24] [--checkpoint FILE]

It learns from the first 25,000 training images of CIFAR-10, so that the other 25,000 are as new to it as the
test images. After every epoch the checkpoint is written; a run that finds one goes on from there.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolbox import data

FOLDER = Path(__file__).resolve().parent.parent / "assignments" / "feature_mlp"
sys.path.insert(0, str(FOLDER))
import backbone  # noqa: E402  given to students

HALF = 25_000
WIDTHS = (32, 48, 96, 192, 512)
BATCH = 125
SHIFT = 4
RATE, MOMENTUM, DECAY, SMOOTHING = 0.15, 0.9, 5e-4, 0.1


class Layer(nn.Module):
    """A convolution, batch normalisation and ReLU: the form in which a layer of the backbone is trained."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output (N, F, H′, W′) for x (N, C, H, W)."""
        return F.relu(self.norm(self.conv(x)), inplace=True)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return weights and bias of the convolution that does the same with the running statistics."""
        mean, var = self.norm.running_mean, self.norm.running_var
        assert mean is not None and var is not None
        factor = self.norm.weight / (var + self.norm.eps).sqrt()
        return self.conv.weight * factor[:, None, None, None], self.norm.bias - mean * factor


class Network(nn.Module):
    """The backbone while it learns, and the layer on top of it that makes ten scores."""

    def __init__(self) -> None:
        super().__init__()
        stem, *stages, features = WIDTHS
        layers = {"stem": Layer(3, stem, 3, 1)}
        for number, (inputs, outputs) in enumerate(zip([stem, *stages], stages, strict=False), start=1):
            layers[f"down{number}"] = Layer(inputs, outputs, 3, 2)
            layers[f"first{number}"] = Layer(outputs, outputs, 3, 1)
            layers[f"second{number}"] = Layer(outputs, outputs, 3, 1)
        layers["last"] = Layer(stages[-1], features, 1, 1)
        assert tuple(layers) == backbone.LAYERS
        self.layers = nn.ModuleDict(layers)
        self.scores = nn.Linear(features, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, 10) for images (N, 3, 32, 32), mean 0 and standard deviation 1 in each channel."""
        out = self.layers["stem"](x)
        for stage in (1, 2, 3):
            out = self.layers[f"down{stage}"](out)
            out = out + self.layers[f"second{stage}"](self.layers[f"first{stage}"](out))
        scores: Tensor = self.scores(self.layers["last"](out).mean(dim=(2, 3)))
        return scores


def prepare(pixels: Tensor) -> Tensor:
    """Return images (n, 3, 32, 32) uint8 as the network takes them."""
    mean, spread = (torch.tensor(values)[:, None, None] for values in (backbone.MEAN, backbone.SPREAD))
    return ((pixels.float() / 255 - mean) / spread).contiguous(memory_format=torch.channels_last)


def moved(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Return images (n, 3, 32, 32) uint8, each shifted by up to four pixels each way and mirrored or not."""
    padded = F.pad(pixels, (SHIFT,) * 4)
    out = torch.empty_like(pixels)
    for i, (down, right, mirrored) in enumerate(rng.integers(0, (2 * SHIFT + 1, 2 * SHIFT + 1, 2), (len(pixels), 3))):
        one = padded[i, :, down : down + 32, right : right + 32]
        out[i] = one.flip(2) if mirrored else one
    return out


def accuracy(net: Network, pixels: Tensor, labels: Tensor) -> float:
    """Return the fraction of images that the network classifies correctly."""
    net.eval()
    right = 0
    with torch.no_grad():
        for some, truth in zip(pixels.split(500), labels.split(500), strict=True):
            right += int((net(prepare(some)).argmax(dim=1) == truth).sum())
    return right / len(labels)


def train(net: Network, pixels: Tensor, labels: Tensor, test: tuple[Tensor, Tensor], epochs: int, kept: Path) -> None:
    """Train with a learning rate that rises over a fifth of the time and then falls to zero."""
    decayed = [value for value in net.parameters() if value.ndim > 1]
    others = [value for value in net.parameters() if value.ndim == 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    rule = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM, nesterov=True)
    steps = len(labels) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        rule, RATE, epochs * steps, pct_start=0.2, anneal_strategy="linear", cycle_momentum=False, final_div_factor=1e3
    )
    first = 0
    if kept.is_file():
        state = torch.load(kept, weights_only=True)
        net.load_state_dict(state["net"])
        rule.load_state_dict(state["rule"])
        schedule.load_state_dict(state["schedule"])
        first = state["epochs"]
        print(f"going on after {first} epochs", flush=True)
    for epoch in range(first, epochs):
        started, losses = time.process_time(), []
        rng = np.random.default_rng(epoch)
        net.train()
        for batch in torch.from_numpy(rng.permutation(len(labels))).split(BATCH):
            x = prepare(moved(pixels[batch], rng))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                scores = net(x)
            loss = F.cross_entropy(scores.float(), labels[batch], label_smoothing=SMOOTHING)
            rule.zero_grad()
            loss.backward()
            rule.step()
            schedule.step()
            losses.append(loss.item())
        state = {"net": net.state_dict(), "rule": rule.state_dict(), "schedule": schedule.state_dict()}
        torch.save({**state, "epochs": epoch + 1}, kept.with_suffix(".new"))
        kept.with_suffix(".new").replace(kept)
        seconds = time.process_time() - started
        told = f", test accuracy {accuracy(net, *test):.2%}" if epoch % 4 == 3 or epoch == epochs - 1 else ""
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}{told}, {seconds:.0f} s", flush=True)


def export(net: Network, pixels: Tensor) -> None:
    """Write the folded weights in half precision, scaled so that features have standard deviation 1."""
    folded = {name: net.layers[name].folded() for name in backbone.LAYERS}  # type: ignore[operator]
    arrays = {f"{name}.{kind}": value.detach().numpy() for name, pair in folded.items()
              for kind, value in zip(("weights", "bias"), pair, strict=True)}  # fmt: skip
    some = pixels[:1000].permute(0, 2, 3, 1).numpy()
    spread = backbone.Backbone(arrays)(some).std()
    for kind in ("weights", "bias"):
        arrays[f"last.{kind}"] = arrays[f"last.{kind}"] / spread
    path = FOLDER / backbone.WEIGHTS
    np.savez(path, **{name: value.astype(np.float16) for name, value in arrays.items()})  # type: ignore[arg-type]
    print(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/backbone.pt"))
    options = parser.parse_args()
    options.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    images = data.load("cifar10")
    pixels = images.unnormalise(images.X_train[:HALF]).permute(0, 3, 1, 2).contiguous()
    test = images.unnormalise(images.X_test).permute(0, 3, 1, 2).contiguous(), images.y_test
    torch.manual_seed(0)
    net = Network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    train(net, pixels, images.y_train[:HALF], test, options.epochs, options.checkpoint)
    print(f"test accuracy {accuracy(net, *test):.2%}")
    export(net, pixels)


if __name__ == "__main__":
    main()
