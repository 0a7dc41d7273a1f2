"""What an assignment.toml may say, and what an author is told when it says something else."""

from pathlib import Path

import pytest

from toolbox.manifest import ManifestError, load_manifest

LEAST = """\
title = "Layers"
points = 10
[files]
modules = ["layers.py"]
notebook = "layers.ipynb"
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "assignment.toml"
    path.write_text(text)
    return load_manifest(path)


def test_what_is_left_out_has_a_default(tmp_path):
    manifest = load(tmp_path, LEAST)
    assert (manifest.title, manifest.points, manifest.written) == ("Layers", 10, 0)
    assert manifest.files.submitted == ("layers.py", "layers.ipynb")
    assert manifest.limits.check_seconds == 10
    assert manifest.forbidden.policy == "warn"
    assert manifest.thresholds == {"cifar10": {}, "standin": {}}


def test_everything_that_is_said_is_read(tmp_path):
    manifest = load(
        tmp_path,
        'preload = ["torch.fft"]\n'
        + LEAST
        + """\
models = ["best.pth"]
support = ["helper.py"]
extra = ["figures/*.png"]
[limits]
check_seconds = 2.5
memory_mb = 512
[forbidden]
policy = "zero"
names = ["torch.nn", ".backward"]
[thresholds.cifar10]
accuracy = 0.5
""",
    )
    assert manifest.preload == ("torch.fft",)
    assert manifest.files.models == ("best.pth",)
    assert manifest.files.extra == ("figures/*.png",)
    assert (manifest.limits.check_seconds, manifest.limits.memory_mb) == (2.5, 512)
    assert manifest.forbidden.names == ("torch.nn", ".backward")
    assert manifest.thresholds["cifar10"] == {"accuracy": 0.5}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("written = -1\n" + LEAST, ["written is -1", "zero or more"]),
        ("preload = ['../x']\n" + LEAST, ["preload is '../x'", "installed module"]),
        ("title = 'x'\npoints = 1\n", ["files", "is missing"]),
        (LEAST.replace("10", "0"), ["points is 0", "whole number above zero"]),
        (LEAST.replace("10", "true"), ["points is True"]),
        (LEAST.replace("Layers", " "), ["title is ' '"]),
        (LEAST + "colour = 1\n", ["[files] colour", "known are modules"]),
        ("colour = 1\n" + LEAST, ["colour is not known"]),
        (LEAST.replace('["layers.py"]', "[]"), ["[files] modules", "at least one name"]),
        (LEAST.replace("layers.py", "../layers.py"), ["[files] modules is '../layers.py'"]),
        (LEAST.replace("layers.py", "my-layers.py"), ["[files] modules is 'my-layers.py'"]),
        (LEAST.replace('"layers.ipynb"', '"a/layers.ipynb"'), ["[files] notebook"]),
        (LEAST.replace('["layers.py"]', '"layers.py"'), ["[files] modules", "list of names"]),
        (LEAST.replace('["layers.py"]', '["layers.py", "Layers.py"]'), ["each name once"]),
        (LEAST.replace("layers.py", "toolbox.py"), ["does not use itself"]),
        (LEAST + 'models = ["other.py"]\n', ["[files] models is 'other.py'"]),
        (LEAST + 'models = [".."]\n', ["[files] models is '..'"]),
        (LEAST + 'extra = ["../secret"]\n', ["[files] extra is '../secret'"]),
        (LEAST + 'extra = ["/etc/passwd"]\n', ["[files] extra"]),
        (LEAST + "[limits]\nmemory = 1\n", ["[limits] memory is not known"]),
        (LEAST + "[limits]\ncheck_seconds = -1\n", ["[limits] check_seconds is -1"]),
        (LEAST + "[limits]\ncheck_seconds = inf\n", ["[limits] check_seconds is inf"]),
        (LEAST + '[forbidden]\npolicy = "shout"\n', ["[forbidden] policy", '"warn" or "zero"']),
        (LEAST + "[thresholds.cifar]\na = 1\n", ["[thresholds] cifar is not known"]),
        (LEAST + '[thresholds.cifar10]\na = "1"\n', ["[thresholds.cifar10] a is '1'"]),
        ("title = \n", ["cannot be read as TOML", "line 1"]),
        (LEAST + "[limits]\nmemory_mb = 1" + "0" * 20, ["[limits] memory_mb is 1000", "at most 1,000,000,000"]),
        (LEAST + "[limits]\ncheck_seconds = 1" + "0" * 400, ["[limits] check_seconds is 1000", "at most"]),
        (LEAST + "[thresholds.cifar10]\na = 1" + "0" * 400, ["[thresholds.cifar10] a is 1000", "at most"]),
        (LEAST.replace("10", "1" * 5000), ["cannot be read as TOML"]),
        (LEAST.replace("10", "0x" + "f" * 5000), ["points is something too large to show"]),
        ("title = " + "[" * 5000, ["cannot be read as TOML"]),
        (f"[title.{'a.' * 5000}a]\n", ["title is something too large to show"]),
    ],
)
def test_a_mistake_names_the_file_the_key_and_what_is_allowed(tmp_path, text, named):
    with pytest.raises(ManifestError) as error:
        load(tmp_path, text)
    for part in ["assignment.toml", *named]:
        assert part in str(error.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(ManifestError, match="there is no such file"):
        load_manifest(tmp_path / "assignment.toml")


def test_modules_of_an_earlier_assignment_are_named_among_the_modules(tmp_path):
    text = LEAST.replace('["layers.py"]', '["first.py", "layers.py"]')
    manifest = load(tmp_path, text.replace("notebook =", 'brought = ["first.py"]\nnotebook ='))
    assert manifest.files.brought == ("first.py",)
    assert manifest.files.submitted == ("first.py", "layers.py", "layers.ipynb")
    for wrong in ("layers.py", "other.py"):
        with pytest.raises(ManifestError, match=r"brought.*before the last"):
            load(tmp_path, text.replace("notebook =", f'brought = ["{wrong}"]\nnotebook ='))


def test_a_case_may_have_a_threshold_of_its_own(tmp_path):
    manifest = load(tmp_path, LEAST + '[thresholds.cifar10]\naccuracy = 0.5\n"accuracy/test images" = 0.4\n')
    assert manifest.thresholds["cifar10"] == {"accuracy": 0.5, "accuracy/test images": 0.4}
    with pytest.raises(ManifestError, match="id of a check"):
        load(tmp_path, LEAST + '[thresholds.cifar10]\n"/test images" = 0.4\n')


def test_the_checks_may_use_some_classes_only(tmp_path):
    assert load(tmp_path, LEAST + "[images]\nclasses = [0, 8]\n").images.classes == (0, 8)
    for wrong in ("[0]", "[0, 0]", "[0, -1]", "[0, 10]", '["ship"]', "3"):
        with pytest.raises(ManifestError, match=r"\[images\] classes"):
            load(tmp_path, LEAST + f"[images]\nclasses = {wrong}\n")
