import time

import pytest
import torch
from models import ByAutograd, adam, convolutional, linear, two_layer

from toolbox import data
from toolbox.data import DataDamaged, layout, standin
from toolbox.solver import Solver


def test_it_says_what_it_is_each_time_it_is_loaded(capsys):
    for _ in range(2):
        loaded = data.load("standin")
        out, err = capsys.readouterr()
        assert out == "" and len(err.splitlines()) == 1
        assert "made-up images, not CIFAR-10" in err and "do not compare" in err
    assert loaded.name == "standin"
    assert loaded.X_train.shape == (4000, 3, 32, 32) and len(loaded.y_val) == len(loaded.y_test) == 1000


def test_its_classes_are_its_own_and_equally_frequent():
    loaded = data.load("standin")
    assert len(set(loaded.classes)) == 10 and "airplane" not in loaded.classes
    for y in (loaded.y_train, loaded.y_val, loaded.y_test):
        assert torch.bincount(y).tolist() == [len(y) // 10] * 10


def test_it_is_prepared_as_cifar10_is():
    loaded = data.load("standin")
    everything = torch.cat([loaded.X_train, loaded.X_val]).double()
    assert everything.mean((0, 2, 3)).abs().max() < 1e-6
    assert 0.15 < everything.std() < 0.3  # of CIFAR-10: 0.25
    few = data.load("standin", parts=("val",))
    assert torch.equal(few.mean, loaded.mean) and torch.equal(few.X_val, loaded.X_val)


def test_it_is_made_once_and_nothing_else_is_left_in_the_cache(own_cache):
    folder = standin.find()
    made = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert sorted(made) == sorted(layout.ALL_FILES)
    assert standin.find() == folder
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == made
    assert [p.name for p in own_cache.iterdir()] == [folder.name]


def test_an_interrupt_leaves_nothing_half_made(own_cache, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(standin, "draw", interrupt)
    with pytest.raises(KeyboardInterrupt):
        standin.find()
    assert list(own_cache.iterdir()) == []


def test_a_truncated_file_is_named():
    path = standin.find() / "data_batch_2"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataDamaged, match="data_batch_2"):
        data.load("standin")


def test_it_is_drawn_fast(tmp_path):
    start = time.process_time()
    standin.write_standin(tmp_path)
    assert time.process_time() - start < 3  # about one second


def test_the_same_bytes_are_drawn_everywhere():
    """These sums are the stand-in: where they change, so must its version."""
    folder = standin.find()
    assert standin.VERSION == 1
    assert layout.md5((folder / "data_batch_1").read_bytes()) == "b8aa6b025d1d3d8f28eb4f5435bcd70a"
    assert layout.md5((folder / "test_batch").read_bytes()) == "7f74db23003bd850089beb9453bdbf4e"


def test_files_differ_from_each_other_and_from_other_seeds(tmp_path):
    standin.write_standin(tmp_path / "a", 20)
    standin.write_standin(tmp_path / "b", 20, seed=1)
    seen = {layout.read_batch(tmp_path / f, n)[0].tobytes() for f in "ab" for n in layout.ALL_FILES[:6]}
    assert len(seen) == 12
    with pytest.raises(ValueError, match="multiple of ten"):
        standin.write_standin(tmp_path / "c", 25)


def best_accuracy(module, images, rate, reg, epochs):
    torch.manual_seed(0)
    s = Solver(ByAutograd(module(), reg), images, update_rule=adam, optim_config={"learning_rate": rate},
               num_epochs=epochs, num_train_samples=100, verbose=False)  # fmt: skip
    s.train()
    return s.best_val_acc


def test_models_rank_as_on_cifar10():
    images = data.load("standin").as_dict()
    first = best_accuracy(linear, images, 5e-4, 0.1, 5)
    second = best_accuracy(two_layer, images, 1e-3, 1e-3, 8)
    third = best_accuracy(convolutional, images, 4e-3, 0.0, 10)
    print(f"linear {first:.1%}, two-layer {second:.1%}, convolutional {third:.1%}")
    assert 0.34 < first < 0.45
    assert first + 0.05 < second < 0.62
    assert second + 0.10 < third < 0.85
