"""Train a model by mini-batch gradient descent, with whatever update rule it is given."""

import copy
import difflib
import inspect
import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from toolbox.progress import TrainingProgress

Config = dict[str, Any]
UpdateRule = Callable[[Tensor, Tensor, Config], tuple[Tensor, Config]]

RECENT = 20  # iterations from whose longest the next one's time is estimated


class Model(Protocol):
    """What the solver trains: named parameters, and a loss that returns their gradients.

    `loss(X)` returns scores (N, C); `loss(X, y)` returns the loss and a dictionary of gradients keyed like
    params.
    """

    params: dict[str, Tensor]

    def loss(self, X: Tensor, y: Tensor | None = None) -> Any:
        """Return scores, or loss and gradients where labels are given."""


def sgd(w: Tensor, dw: Tensor, config: Config | None = None) -> tuple[Tensor, Config]:
    """Take one step of plain gradient descent: w − learning_rate · dw.

    w, dw: the parameter and its gradient, of one shape. config: `learning_rate`, 1e-2 where it is not given.
    Returns the next w, a new tensor, and config.
    """
    config = {} if config is None else config
    return w - config.setdefault("learning_rate", 1e-2) * dw, config


class Solver:
    """Trains a model on a data set, and keeps the parameters that did best on the validation images.

        solver = Solver(model, data.as_dict(), update_rule=adam, optim_config={"learning_rate": 1e-3})
        solver.train()

    model: has `params` and `loss(X, y=None)`, see `Model`.
    data: `X_train` (N, …), `y_train` (N,), `X_val`, `y_val`.

    update_rule: a function (w, dw, config) → (next_w, config); each parameter has a config of its own.
    optim_config: what each of those configs starts from.
    lr_decay: factor on each learning rate after each epoch.
    batch_size, num_epochs: an epoch is N // batch_size iterations, at least one, in a new random order.
    num_train_samples, num_val_samples: images to measure accuracy on, drawn at random; None for all.
    device: where batches are moved to.
    checkpoint_name: after each epoch, `<checkpoint_name>_epoch_<n>.pth` is written.
    print_every: iterations between two printed losses; print_acc_every: epochs between two accuracies.
    verbose: show progress; where this is False nothing is printed.

    Afterwards `loss_history` holds a loss per iteration; `train_acc_history` and `val_acc_history` a fraction
    before the first iteration, after each epoch, and where the time limit ended an epoch early;
    `best_val_acc` and `best_params` the best of them and a copy of its parameters; `stopped` why training
    ended early, or None.

    Raises TypeError at an unknown keyword, ValueError where data or settings do not fit.
    """

    def __init__(
        self,
        model: Model,
        data: Mapping[str, Tensor],
        *,
        update_rule: UpdateRule = sgd,
        optim_config: Mapping[str, Any] | None = None,
        lr_decay: float = 1.0,
        batch_size: int = 100,
        num_epochs: int = 10,
        num_train_samples: int | None = 1000,
        num_val_samples: int | None = None,
        device: str | torch.device = "cpu",
        checkpoint_name: str | Path | None = None,
        print_every: int = 10,
        print_acc_every: int = 1,
        verbose: bool = True,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise TypeError(_unknown_keyword(next(iter(unknown))))
        _check_data(data)
        if batch_size < 1 or num_epochs < 0 or print_every < 1 or print_acc_every < 1:
            raise ValueError("batch_size, print_every and print_acc_every must be at least 1, num_epochs at least 0")
        self.model = model
        self.X_train, self.y_train = data["X_train"], data["y_train"]
        self.X_val, self.y_val = data["X_val"], data["y_val"]
        self.update_rule = update_rule
        self.optim_config = dict(optim_config or {})
        self.lr_decay = lr_decay
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.num_train_samples = num_train_samples
        self.num_val_samples = num_val_samples
        self.device = device
        self.checkpoint_name = checkpoint_name
        self.print_every = print_every
        self.print_acc_every = print_acc_every
        self.verbose = verbose
        self._reset()

    def _reset(self) -> None:
        """Start with nothing recorded, and a copy of the settings for each parameter."""
        self.epoch = 0
        self.best_val_acc = 0.0
        self.best_params: dict[str, Tensor] = {}
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []
        self.stopped: str | None = None
        self.optim_configs: dict[str, Config] = {name: copy.deepcopy(self.optim_config) for name in self.model.params}
        self._best_state: list[Any] | None = None

    def train(self, time_limit: float | None = None, return_best_params: bool = True) -> None:
        """Train for `num_epochs` epochs; called again, go on for as many more.

        time_limit: seconds. No iteration is started that would end after them, judged by the longest of the
        last ones, with time kept for the last measurement of accuracy. return_best_params: leave the model
        with the parameters that did best on the validation images (and, where it has `bn_params`, with the
        running means and variances of that moment), not with the last ones. Ctrl-C, a loss that is not finite
        and the time limit end the training, not the program: `stopped` says why. Raises ValueError or
        TypeError where the model or the update rule returns something that cannot be used.
        """
        self.stopped = None
        clock = _Clock(time_limit)
        per_epoch = max(len(self.X_train) // self.batch_size, 1)
        last = self.epoch + self.num_epochs
        progress = TrainingProgress(self.num_epochs * per_epoch, last, self.verbose, time_limit)
        try:
            self._train(clock, progress, per_epoch, last)
        except KeyboardInterrupt:
            self.stopped = (
                f"Interrupted in epoch {self.epoch + 1} of {last}: what was recorded and the best parameters are kept."
            )
        finally:
            progress.close()
        if return_best_params and self.best_params:
            self.model.params.update({name: w.clone() for name, w in self.best_params.items()})
            if self._best_state is not None:
                self.model.bn_params = copy.deepcopy(self._best_state)  # type: ignore[attr-defined]
        if self.stopped:
            progress.say(self.stopped)
        if self.val_acc_history:
            progress.say(f"Best validation accuracy: {self.best_val_acc:.1%}.")

    def _train(self, clock: "_Clock", progress: TrainingProgress, per_epoch: int, last: int) -> None:
        if not self.val_acc_history:
            self._measure(clock, progress, last, per_epoch)
        while self.epoch < last:
            order = torch.randperm(len(self.X_train))
            for i in range(per_epoch):
                if not clock.allows_another():
                    self.stopped = f"Stopped in epoch {self.epoch + 1} of {last}: the time limit of {clock.limit:g} s."
                    if i:
                        self._measure(clock, progress, last, per_epoch)
                    return
                with clock.iteration():
                    going_on = self._step(order[i * self.batch_size : (i + 1) * self.batch_size])
                progress.step()
                if not going_on:
                    self.stopped = self._diverged(last)
                    if not self.verbose:
                        warnings.warn(self.stopped, RuntimeWarning, stacklevel=3)
                    return
                if (len(self.loss_history) - 1) % self.print_every == 0:
                    progress.loss(len(self.loss_history), self.loss_history[-1])
            self.epoch += 1
            for config in self.optim_configs.values():
                if "learning_rate" in config:
                    config["learning_rate"] *= self.lr_decay
            self._measure(clock, progress, last, per_epoch)

    def _step(self, chosen: Tensor) -> bool:
        """Do one update on the chosen images; return False, without it, where the loss is not finite."""
        X = self.X_train[chosen.to(self.X_train.device)].to(self.device)
        y = self.y_train[chosen.to(self.y_train.device)].to(self.device)
        loss, grads = _pair(self.model.loss(X, y), "the model's loss(X, y)", "(loss, grads)")
        self.loss_history.append(float(loss))
        if not math.isfinite(self.loss_history[-1]):
            return False
        updated = {}
        for name, w in self.model.params.items():
            dw = _gradient(grads, name, w)
            rule = getattr(self.update_rule, "__name__", "the update rule")
            next_w, config = _pair(
                self.update_rule(w, dw, self.optim_configs[name]),
                f"{rule}(w, dw, config)",
                "(next_w, config)",
            )
            if not isinstance(next_w, Tensor) or next_w.shape != w.shape:
                raise ValueError(f"{rule} must return {name} in its shape {tuple(w.shape)}, not {_describe(next_w)}")
            if not isinstance(config, dict):
                raise TypeError(f"{rule} must return its config, a dictionary, not {_describe(config)}")
            updated[name] = next_w
            self.optim_configs[name] = config
        self.model.params.update(updated)
        return True

    def _measure(self, clock: "_Clock", progress: TrainingProgress, last: int, per_epoch: int) -> None:
        """Measure both accuracies, keep the parameters if they are the best, and write the checkpoint."""
        with clock.check():
            train = self.check_accuracy(self.X_train, self.y_train, self.num_train_samples)
            val = self.check_accuracy(self.X_val, self.y_val, self.num_val_samples)
            self.train_acc_history.append(train)
            self.val_acc_history.append(val)
            if not self.best_params or val > self.best_val_acc:
                self.best_val_acc = val
                self.best_params = {name: w.detach().clone() for name, w in self.model.params.items()}
                self._best_state = copy.deepcopy(getattr(self.model, "bn_params", None))
            if self.checkpoint_name is not None and self.epoch:
                self._write_checkpoint()
        if self.epoch % self.print_acc_every == 0 or self.epoch == last:
            progress.accuracy(self.epoch, train, val, clock.left(last - self.epoch, per_epoch))

    def check_accuracy(self, X: Tensor, y: Tensor, num_samples: int | None = None, batch_size: int = 100) -> float:
        """Return the fraction of images whose highest score is that of their label.

        X: (N, …) images; y: (N,) labels. num_samples: measure on that many of them, drawn at random; None for
        all. batch_size: images per call of the model. Raises ValueError where the lengths differ or there is
        no image.
        """
        if len(X) != len(y) or not len(X):
            raise ValueError(f"accuracy needs as many labels as images and at least one, not {len(y)} and {len(X)}")
        if num_samples is not None and num_samples < len(X):
            chosen = torch.randperm(len(X))[:num_samples]
            X, y = X[chosen.to(X.device)], y[chosen.to(y.device)]
        right = 0
        for start in range(0, len(X), batch_size):
            scores = self.model.loss(X[start : start + batch_size].to(self.device))
            expected = y[start : start + batch_size]
            right += int((scores.argmax(dim=1).to(expected.device) == expected).sum())
        return right / len(X)

    def _diverged(self, last: int) -> str:
        rates = [c["learning_rate"] for c in self.optim_configs.values() if "learning_rate" in c]
        example = f", for instance {rates[0] / 10:.2g} instead of {rates[0]:.2g}" if rates else ""
        return (
            f"Stopped in epoch {self.epoch + 1} of {last}, iteration {len(self.loss_history)}: the loss is "
            f"{self.loss_history[-1]}. Most often the learning rate is too high: try a lower one{example}."
        )

    def _write_checkpoint(self) -> None:
        """Write tensors, numbers and texts only, for `torch.load(path, weights_only=True)`."""
        path = Path(f"{self.checkpoint_name}_epoch_{self.epoch}.pth")
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "params": {name: w.detach().cpu().clone() for name, w in self.model.params.items()},
            "epoch": self.epoch,
            "batch_size": self.batch_size,
            "lr_decay": self.lr_decay,
            "update_rule": getattr(self.update_rule, "__name__", ""),
            "loss_history": self.loss_history,
            "train_acc_history": self.train_acc_history,
            "val_acc_history": self.val_acc_history,
            "best_val_acc": self.best_val_acc,
        }
        torch.save(content, path)


class _Clock:
    """Knows how long iterations and measurements take, and whether one more fits into the limit."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.start = time.perf_counter()
        self.iterations: deque[float] = deque(maxlen=RECENT)
        self.longest_check = 0.0

    def allows_another(self) -> bool:
        """Return whether an iteration, and a measurement after it, end before the limit."""
        if self.limit is None:
            return True
        spent = time.perf_counter() - self.start
        return spent + max(self.iterations, default=0.0) + self.longest_check <= self.limit

    def left(self, epochs: int, per_epoch: int) -> float | None:
        """Return the seconds that some epochs will take, None before the first iteration."""
        if not self.iterations:
            return None
        one = sum(self.iterations) / len(self.iterations)
        left = epochs * (per_epoch * one + self.longest_check)
        return left if self.limit is None else min(left, self.limit - (time.perf_counter() - self.start))

    @contextmanager
    def iteration(self) -> Iterator[None]:
        """Time one iteration."""
        start = time.perf_counter()
        yield
        self.iterations.append(time.perf_counter() - start)

    @contextmanager
    def check(self) -> Iterator[None]:
        """Time one measurement of the accuracies."""
        start = time.perf_counter()
        yield
        self.longest_check = max(self.longest_check, time.perf_counter() - start)


def _unknown_keyword(name: str) -> str:
    allowed = [key for key, p in inspect.signature(Solver.__init__).parameters.items() if p.kind is p.KEYWORD_ONLY]
    near = difflib.get_close_matches(name, allowed, 1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"Solver has no keyword {name!r}.{meant} It takes {', '.join(allowed)}."


def _check_data(data: Mapping[str, Tensor]) -> None:
    for part in ("train", "val"):
        for key in (f"X_{part}", f"y_{part}"):
            if not isinstance(data.get(key), Tensor):
                raise ValueError(f"data needs the tensors X_train, y_train, X_val and y_val; {key} is not there")
        X, y = data[f"X_{part}"], data[f"y_{part}"]
        if len(X) != len(y) or not len(X):
            raise ValueError(f"X_{part} holds {len(X)} images, but y_{part} {len(y)} labels")


def _pair(result: Any, what: str, expected: str) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise TypeError(f"{what} must return {expected}, not {_describe(result)}")
    return result[0], result[1]


def _gradient(grads: Any, name: str, w: Tensor) -> Tensor:
    """Return the gradient of one parameter, or say that it is missing or has another shape."""
    if not isinstance(grads, Mapping):
        raise TypeError(f"the gradients must be a dictionary keyed like params, not {_describe(grads)}")
    if name not in grads:
        there = ", ".join(map(str, grads)) or "none"
        raise ValueError(
            f"the model's loss returned no gradient for {name}; every parameter needs one (it returned: {there})"
        )
    dw = grads[name]
    if not isinstance(dw, Tensor) or dw.shape != w.shape:
        raise ValueError(f"the gradient of {name} must be a tensor of shape {tuple(w.shape)}, not {_describe(dw)}")
    return dw


def _describe(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
