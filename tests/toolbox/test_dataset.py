import sys
from pathlib import Path

import pytest
import torch

from toolbox import data
from toolbox.data import DataError, cache, cifar10, layout, standin
from toolbox.data.dataset import files_for, split


@pytest.fixture(autouse=True)
def named(small, monkeypatch):
    monkeypatch.setenv(cifar10.VARIABLE, str(small))
    return small


def everything(folder):
    """All training images (100, 3, 32, 32) as doubles from 0 to 1, and labels, the slow and plain way."""
    pairs = [layout.read_batch(folder, name) for name in layout.TRAIN_FILES]
    X = torch.cat([torch.tensor(x) for x, _ in pairs]).double().reshape(-1, 3, 32, 32) / 255
    return X, torch.cat([torch.tensor(y) for _, y in pairs])


def test_the_first_80_percent_train_and_the_last_20_validate(named, monkeypatch):
    X, y = everything(named)
    monkeypatch.setattr(cifar10, "MEAN", tuple(X.mean((0, 2, 3)).tolist()))
    loaded = data.load()
    X = X - X.mean((0, 2, 3))[:, None, None]
    for got, expected in [(loaded.X_train, X[:80]), (loaded.X_val, X[80:])]:
        assert got.dtype == torch.float32 and got.is_contiguous()
        torch.testing.assert_close(got, expected.float(), rtol=0, atol=1e-6)
    assert torch.equal(loaded.y_train, y[:80]) and torch.equal(loaded.y_val, y[80:])
    assert loaded.X_test.shape == (20, 3, 32, 32) and loaded.y_test.dtype == torch.int64


def test_a_split_need_not_fall_on_the_edge_of_a_file():
    assert split(10) == {"train": range(40), "val": range(40, 50), "test": range(10)}
    assert files_for("train", range(25), 10) == {
        "data_batch_1": range(10), "data_batch_2": range(10), "data_batch_3": range(5),
    }  # fmt: skip
    assert files_for("val", range(38, 50), 10) == {"data_batch_4": range(8, 10), "data_batch_5": range(10)}
    assert files_for("test", range(10), 10) == {"test_batch": range(10)}


def test_a_part_reads_only_the_files_that_hold_it(named, monkeypatch):
    read = []
    real = layout.read_content
    monkeypatch.setattr(layout, "read_content", lambda f, name, s: read.append(name) or real(f, name, s))
    whole = data.load()
    monkeypatch.setattr(data, "_loaded", {})
    read.clear()
    part = data.load(parts=("val", "train"), num_train=5)
    assert sorted(read) == ["batches.meta", "data_batch_1", "data_batch_5"]
    assert torch.equal(part.X_train, whole.X_train[:5]) and torch.equal(part.X_val, whole.X_val)
    with pytest.raises(DataError, match=r'"test" of cifar10 was not loaded, only train, val'):
        _ = part.X_test


def test_what_was_loaded_is_shared_and_a_smaller_part_is_a_view_of_it():
    whole, again, few = data.load(), data.load(), data.load(num_train=7)
    assert again.X_val.data_ptr() == whole.X_val.data_ptr()
    assert few.X_train.data_ptr() == whole.X_train.data_ptr() and few.X_train.shape[0] == 7


def test_images_changed_in_place_do_not_reach_the_next_load():
    first = data.load()
    kept = first.X_val.clone()
    first.X_val[0] += 1
    assert torch.equal(data.load().X_val, kept)


def test_as_dict_is_what_the_solver_takes():
    loaded = data.load()
    found = loaded.as_dict(num_train=3)
    assert set(found) == {f"{x}_{part}" for x in "Xy" for part in ("train", "val", "test")}
    assert len(found["X_train"]) == len(found["y_train"]) == 3 and len(found["X_val"]) == 20
    assert found["X_train"].data_ptr() == loaded.X_train.data_ptr()


def test_unnormalise_gives_back_every_pixel(named):
    pixels, _ = layout.read_batch(named, "test_batch")
    expected = torch.tensor(pixels).reshape(-1, 3, 32, 32).movedim(1, -1)
    loaded = data.load()
    for found in (
        loaded.unnormalise(loaded.X_test),
        data.unnormalise(loaded.X_test),
        data.unnormalise(loaded.X_test.double(), loaded.mean),
    ):
        assert found.dtype == torch.uint8 and torch.equal(found, expected)
    assert torch.equal(data.unnormalise(loaded.X_test[0]), expected[0])
    assert data.unnormalise(torch.full((3, 2, 2), 9.0)).unique().tolist() == [255]


def test_every_value_of_a_pixel_survives_preparation():
    mean = torch.tensor(cifar10.MEAN)
    values = torch.arange(256, dtype=torch.float32).expand(3, 1, 256)
    prepared = values / 255 - mean[:, None, None]
    assert torch.equal(data.unnormalise(prepared, mean).movedim(-1, 0), values.to(torch.uint8))


def test_use_comes_before_the_environment_and_a_name_before_both(monkeypatch, capsys):
    assert data.current() == "cifar10"
    monkeypatch.setenv(data.VARIABLE, "standin")
    assert data.current() == "standin"
    data.use("cifar10")
    assert data.current() == "cifar10" and data.load().name == "cifar10"
    assert capsys.readouterr().err == ""
    data.use(None)
    assert data.current() == "standin"
    monkeypatch.setenv(data.VARIABLE, "")
    assert data.current() == "cifar10"


def test_unknown_names_are_refused(monkeypatch):
    for call in (lambda: data.load("mnist"), lambda: data.use("mnist")):
        with pytest.raises(ValueError, match="'mnist'; there are cifar10 and standin"):
            call()
    monkeypatch.setenv(data.VARIABLE, "mnist")
    with pytest.raises(ValueError, match="TOOLBOX_DATA"):
        data.load()
    with pytest.raises(ValueError, match="'validation'"):
        data.load("cifar10", parts=("validation",))
    with pytest.raises(ValueError, match="at least 1"):
        data.load("cifar10", num_train=0)


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/coursekit"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/coursekit"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/coursekit"),
        ("darwin", {}, "home/Library/Caches/coursekit"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/coursekit"),
        ("win32", {}, "home/AppData/Local/coursekit"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the expected paths are written with slashes")
def test_the_cache_is_where_each_platform_keeps_caches(monkeypatch, platform, variables, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cache.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    assert cache.cache_folder() == Path(expected)


def test_the_stand_in_folder_carries_its_version(own_cache):
    assert standin.find() == own_cache / f"standin-{standin.VERSION}"


def test_some_classes_keep_their_order_and_are_counted_anew():
    whole = data.load()
    some = data.load(classes=(7, 2), num_train=5)
    assert some.classes == (whole.classes[7], whole.classes[2])
    for name, part in some.parts.items():
        matches = [i for i, label in enumerate(whole.parts[name].y.tolist()) if label in (7, 2)]
        chosen = matches[:5] if name == "train" else matches
        assert torch.equal(part.X, whole.parts[name].X[chosen])
        assert part.y.tolist() == [(7, 2).index(whole.parts[name].y[i]) for i in chosen]
        assert part.y.dtype == torch.int64
    for wrong in ((0, 10), (1, 1), (-1, 2)):
        with pytest.raises(ValueError, match="classes"):
            data.load(classes=wrong)
