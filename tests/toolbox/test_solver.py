import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from models import ByAutograd
from torch import nn

from toolbox import solver as module
from toolbox.progress import track
from toolbox.solver import Solver, sgd


def points(n=60, seed=0):
    """Three blobs in the plane that a linear model can tell apart."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    centres = torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    X = centres[y] + 0.3 * torch.randn(n, 2, generator=generator)
    return {"X_train": X, "y_train": y, "X_val": X[:30].clone(), "y_val": y[:30].clone()}


def model(seed=0):
    torch.manual_seed(seed)
    return ByAutograd(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3)))


def solver(net=None, data=None, **settings):
    return Solver(net or model(), data or points(), **{"verbose": False, "batch_size": 20, **settings})


def test_it_learns_and_records_what_happened():
    s = solver(optim_config={"learning_rate": 0.3}, num_epochs=12)
    s.train()
    assert len(s.loss_history) == 12 * 3
    assert len(s.train_acc_history) == len(s.val_acc_history) == 13
    assert s.loss_history[-1] < s.loss_history[0] / 3
    assert s.best_val_acc == max(s.val_acc_history) == 1.0
    assert s.stopped is None


def test_the_same_seed_gives_the_same_run():
    runs = []
    for _ in range(2):
        s = solver(num_train_samples=10, num_val_samples=7)
        torch.manual_seed(5)
        s.train()
        runs.append((s.loss_history, s.train_acc_history, s.val_acc_history))
    assert runs[0] == runs[1]


def test_each_epoch_sees_every_image_once():
    seen = []

    class Watching(ByAutograd):
        def loss(self, X, y=None):
            if y is not None:
                seen.append(X)
            return super().loss(X, y)

    data = points()
    torch.manual_seed(0)
    solver(Watching(nn.Linear(2, 3)), data, num_epochs=2).train()
    for epoch in (seen[:3], seen[3:]):
        assert sorted(torch.cat(epoch).tolist()) == sorted(data["X_train"].tolist())
    assert not torch.equal(torch.cat(seen[:3]), torch.cat(seen[3:]))


def test_a_batch_larger_than_the_data_takes_all_of_it():
    s = solver(batch_size=1000, num_epochs=4)
    s.train()
    assert len(s.loss_history) == 4


def test_sgd_is_the_formula_and_leaves_its_input_alone():
    w, dw = torch.tensor([1.0, 2.0]), torch.tensor([10.0, -10.0])
    next_w, config = sgd(w, dw, {"learning_rate": 0.1})
    assert torch.equal(next_w, torch.tensor([0.0, 3.0])) and torch.equal(w, torch.tensor([1.0, 2.0]))
    assert sgd(w, dw)[1] == {"learning_rate": 1e-2} and config == {"learning_rate": 0.1}


def test_every_parameter_has_a_config_of_its_own_and_the_given_one_is_left_alone():
    configs = {}

    def rule(w, dw, config):
        config["steps"] = config.get("steps", 0) + 1
        configs[id(config)] = config
        return w, config

    given = {"learning_rate": 1.0}
    solver(update_rule=rule, optim_config=given, num_epochs=2).train()
    assert given == {"learning_rate": 1.0}
    assert len(configs) == 4 and {c["steps"] for c in configs.values()} == {6}


def test_the_learning_rate_decays_after_each_epoch():
    rates = []

    def rule(w, dw, config):
        rates.append(config["learning_rate"])
        return w, config

    solver(ByAutograd(nn.Linear(2, 3, bias=False)), update_rule=rule, optim_config={"learning_rate": 8.0},
           lr_decay=0.5, num_epochs=3).train()  # fmt: skip
    assert rates == [8.0] * 3 + [4.0] * 3 + [2.0] * 3


def test_the_best_parameters_come_back_and_are_a_copy():
    data = points()

    def worse(w, dw, config):
        return -w, config  # after an even number of steps the net is as good as at first

    net = model()
    s = solver(net, data, optim_config={"learning_rate": 0.3}, num_epochs=10)
    s.train()
    s.update_rule, s.num_epochs = worse, 1
    s.train(return_best_params=False)
    assert s.check_accuracy(data["X_val"], data["y_val"]) < 1
    s.num_epochs = 0
    s.train()
    assert s.check_accuracy(data["X_val"], data["y_val"]) == s.best_val_acc == 1
    net.params["0.weight"].zero_()
    assert s.best_params["0.weight"].any()


def test_running_statistics_return_with_the_best_parameters():
    net = model()
    net.bn_params = [{"mode": "train", "running_mean": torch.zeros(2)}]

    def rule(w, dw, config):
        net.bn_params[0]["running_mean"] += 1
        return (sgd if net.bn_params[0]["running_mean"][0] <= 12 else worse)(w, dw, config)

    def worse(w, dw, config):
        return torch.zeros_like(w), config

    s = solver(net, update_rule=rule, optim_config={"learning_rate": 0.3}, num_epochs=3)
    s.train()  # 3 iterations of 4 parameters an epoch: the first epoch helps, the others do harm
    assert s.val_acc_history[1] == s.best_val_acc > max(s.val_acc_history[2:])
    assert net.bn_params[0]["running_mean"].tolist() == [12, 12]


def test_training_again_goes_on():
    s = solver(num_epochs=2)
    s.train()
    s.train()
    assert s.epoch == 4 and len(s.loss_history) == 12 and len(s.val_acc_history) == 5


@pytest.mark.parametrize("name", ["num_epoch", "learning_rate"])
def test_an_unknown_keyword_is_named_with_the_ones_that_exist(name):
    with pytest.raises(TypeError, match=rf"'{name}'.*update_rule, optim_config, .*verbose"):
        Solver(model(), points(), **{name: 3})
    with pytest.raises(TypeError, match="Did you mean 'num_epochs'"):
        Solver(model(), points(), num_epoch=3)


def test_data_that_does_not_fit_is_named():
    data = points()
    with pytest.raises(ValueError, match="y_val"):
        Solver(model(), {key: value for key, value in data.items() if key != "y_val"})
    with pytest.raises(ValueError, match="X_train holds 60 images, but y_train 59"):
        Solver(model(), data | {"y_train": data["y_train"][:-1]})


class Wrong(ByAutograd):
    def __init__(self, change):
        super().__init__(nn.Linear(2, 3))
        self.change = change

    def loss(self, X, y=None):
        return super().loss(X) if y is None else self.change(*super().loss(X, y))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda loss, g: (loss, {"weight": g["weight"]}), ValueError, "no gradient for bias"),
        (lambda loss, g: (loss, g | {"bias": None}), ValueError, "bias must be a tensor.*NoneType"),
        (lambda loss, g: (loss, g | {"bias": g["bias"][None]}), ValueError, r"bias.*\(3,\).*\(1, 3\)"),
        (lambda loss, g: loss, TypeError, r"must return \(loss, grads\)"),
        (lambda loss, g: (loss, list(g.values())), TypeError, "dictionary keyed like params"),
    ],
)
def test_a_missing_or_wrong_gradient_is_named(change, error, says):
    with pytest.raises(error, match=says):
        solver(Wrong(change)).train()


@pytest.mark.parametrize(
    ("rule", "error", "says"),
    [
        (lambda w, dw, config: w, TypeError, r"\(next_w, config\)"),
        (lambda w, dw, config: (None, config), ValueError, "NoneType"),
        (lambda w, dw, config: (w.flatten()[:1], config), ValueError, "in its shape"),
        (lambda w, dw, config: (w, None), TypeError, "config, a dictionary"),
    ],
)
def test_an_update_rule_that_returns_something_else_is_named(rule, error, says):
    with pytest.raises(error, match=says):
        solver(update_rule=rule).train()


def test_a_loss_that_is_not_finite_stops_training_and_says_what_to_try():
    s = solver(Wrong(lambda loss, g: (loss * float("nan") if len(s.loss_history) == 4 else loss, g)))
    s.optim_config = {"learning_rate": 0.5}
    s._reset()
    with pytest.warns(RuntimeWarning, match=r"epoch 2 of 10, iteration 5: the loss is nan.*instead of 0\.5"):
        s.train()
    assert len(s.loss_history) == 5 and len(s.val_acc_history) == 2
    assert all(w.isfinite().all() for w in s.model.params.values())
    assert s.stopped


def test_an_interrupt_keeps_histories_and_best_parameters(capsys):
    calls = []

    def rule(w, dw, config):
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return sgd(w, dw, config)

    s = solver(update_rule=rule, optim_config={"learning_rate": 0.3}, verbose=True)
    s.train()
    assert "Interrupted in epoch 3" in s.stopped and s.stopped in capsys.readouterr().out
    assert len(s.loss_history) == 8 and len(s.val_acc_history) == 3
    assert s.check_accuracy(s.X_val, s.y_val) == s.best_val_acc


@pytest.fixture
def slow(monkeypatch):
    """Make models whose calls take as many seconds as they say, by a clock of their own."""
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def make(seconds_per_step, seconds_per_look):
        class Slow(ByAutograd):
            def loss(self, X, y=None):
                now[0] += seconds_per_look if y is None else seconds_per_step
                return super().loss(X, y)

        torch.manual_seed(0)
        return Slow(nn.Linear(2, 3)), now

    return make


def test_no_iteration_is_started_that_would_overrun_the_time_limit(slow):
    net, now = slow(2, 1)  # an epoch: three iterations and a look at each of two sets, 8 seconds
    s = solver(net, num_epochs=100)
    s.train(time_limit=30)  # 2 + 8 + 8 + 8 seconds; one more iteration with its look would end at 30
    assert now[0] == 30 and len(s.loss_history) == 10
    assert "epoch 4 of 100: the time limit of 30 s" in s.stopped
    assert len(s.val_acc_history) == 5  # before training, three epochs, and where it stopped

    net, now = slow(2, 1)
    start = now[0]
    solver(net, num_epochs=100).train(time_limit=29)
    assert now[0] - start == 26


def test_the_longest_of_the_last_iterations_counts(slow):
    net, now = slow(1, 0)
    s = solver(net, num_epochs=100)

    def rule(w, dw, config):
        now[0] += 9 if len(s.loss_history) == 2 else 0
        return w, config

    s.update_rule = rule
    s.train(time_limit=40)  # iterations of 1, 19 and then 1 second: the next may take 19 again
    assert 21 < now[0] <= 40 - 19 + 1


def test_no_time_left_for_the_last_measurement_means_no_iteration(slow):
    net, now = slow(0.1, 5)
    s = solver(net, num_epochs=100)
    s.train(time_limit=15)
    assert now[0] == 10 and s.loss_history == []


def test_no_time_means_no_iteration():
    s = solver()
    s.train(time_limit=0)
    assert s.loss_history == [] and s.stopped


def test_checkpoints_hold_plain_data(tmp_path):
    s = solver(checkpoint_name=tmp_path / "runs" / "net", num_epochs=2)
    s.train(return_best_params=False)
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["net_epoch_1.pth", "net_epoch_2.pth"]
    found = torch.load(tmp_path / "runs" / "net_epoch_2.pth", weights_only=True)
    assert found["epoch"] == 2 and found["loss_history"] == s.loss_history
    assert all(torch.equal(found["params"][name], w) for name, w in s.model.params.items())


def test_accuracy_is_the_fraction_of_highest_scores():
    class Fixed:
        params = {"w": torch.zeros(1)}  # noqa: RUF012

        def loss(self, X, y=None):
            return X

    s = Solver(Fixed(), points(), verbose=False)
    scores = torch.eye(3).repeat(5, 1)
    y = torch.tensor([0, 1, 2] * 4 + [1, 2, 0])
    assert s.check_accuracy(scores, y, batch_size=4) == 12 / 15
    assert s.check_accuracy(scores, y, num_samples=15) == 12 / 15
    assert s.check_accuracy(scores[:12], y[:12], num_samples=5) == 1
    with pytest.raises(ValueError, match="as many labels as images"):
        s.check_accuracy(scores, y[:3])


def test_lines_are_plain_where_output_is_no_terminal(capsys):
    solver(verbose=True, num_epochs=2, print_every=2, print_acc_every=2).train()
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and "\r" not in out
    assert [line.split(":")[0] for line in lines] == [
        "epoch 0 of 2", "iteration 1 of 6", "iteration 3 of 6", "iteration 5 of 6", "epoch 2 of 2",
        "Best validation accuracy",
    ]  # fmt: skip
    assert "training accuracy" in lines[-2] and "validation accuracy" in lines[-2]


def test_a_terminal_gets_a_bar_with_live_numbers(capsys, monkeypatch):
    monkeypatch.setattr("toolbox.progress.wants_bar", lambda: True)
    solver(verbose=True, num_epochs=2, print_every=1).train()
    out, _ = capsys.readouterr()
    assert "\r" in out and "loss=" in out and "val=" in out and "6/6" in out


def test_under_a_time_limit_the_bar_counts_seconds(capsys, monkeypatch):
    monkeypatch.setattr("toolbox.progress.wants_bar", lambda: True)
    solver(verbose=True, num_epochs=10**6).train(time_limit=0.5)
    out, _ = capsys.readouterr()
    assert "of 0 s" in out or "of 1 s" in out
    last = out.split("\r")[-1]
    assert "iterations=" in last and int(last.split("%")[0]) >= 80


def test_a_loop_over_trainings_shows_how_many_are_done(capsys, monkeypatch):
    assert list(track("abc")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("toolbox.progress.wants_bar", lambda: True)
    for _ in track("abc", "letters"):
        time.sleep(0.4)
    assert "letters: 100%" in capsys.readouterr().out


def test_a_loop_of_less_than_a_second_shows_no_bar(capsys, monkeypatch):
    monkeypatch.setattr("toolbox.progress.wants_bar", lambda: True)
    assert list(track("abc", "letters")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_nothing_is_printed_when_not_verbose(capsys):
    solver(num_epochs=1).train()
    assert capsys.readouterr() == ("", "")


def test_the_solver_does_not_import_matplotlib():
    code = "import sys, toolbox.solver; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=module.__file__.rsplit("toolbox", 1)[0]).returncode == 0
