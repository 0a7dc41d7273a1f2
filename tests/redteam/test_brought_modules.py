"""A hostile module of an earlier assignment, brought along: it runs first, and gains nothing for the later one."""

import json
import subprocess
import sys

import pytest

from autograder.course import init_course, open_course
from autograder.release.build import generate
from examples.convolutional_class import FIRST, MODULE, NAME, write_class
from tests.redteam.attack import TRUTH
from tests.redteam.grading import REPOSITORY

pytestmark = pytest.mark.xdist_group("brought modules")

ATTACKS = {
    "exits_when_brought": ("import os\nos._exit(0)\n", f"Importing `{FIRST}` ended the process"),
    "takes_the_place_of_the_next": (
        f"{TRUTH}\nimport sys, types\nFake = types.ModuleType('convolutional_networks')\n"
        "Fake.__getattr__ = lambda name: lambda *args, **kwargs: (True, None)\n"
        "sys.modules['convolutional_networks'] = sys.modules['toolbox.fast_layers'] = Fake\n",
        "",
    ),
    "patches_what_the_next_imports": (
        f"{TRUTH}\nimport toolbox.fast_layers as fast\nfast.FastConv.forward = lambda *args: (True, None)\n"
        "torch.Tensor.__eq__ = torch.Tensor.__le__ = lambda self, other: True\n",
        "",
    ),
}
"""What a student's earlier module is, and what the record must say."""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    course = init_course(tmp_path_factory.mktemp("brought") / "course", like=open_course(REPOSITORY)).course
    course.toml.write_text(course.toml.read_text().replace('"cifar10"', '"standin"'))
    generate(course, NAME)
    for name, (module, _) in ATTACKS.items():
        write_class(course.root, "standin", ["complete"])
        folder = (course.submitted / "complete").rename(course.submitted / name) / NAME
        (folder / FIRST).write_text(module, encoding="utf-8")
        right = (folder / MODULE).read_text(encoding="utf-8")
        wrong = right + "\n\nBatchNorm.forward = staticmethod(lambda x, *args: (torch.zeros_like(x), None))\n"
        (folder / MODULE).write_text(wrong, encoding="utf-8")
    command = [sys.executable, "-m", "autograder", "grade", NAME, "--json", "--course", str(course.root)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return {record["student"]: record for record in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_wrong_in_the_later_module_stays_wrong(records, name):
    checks = {check["id"]: check["status"] for check in records[name]["checks"]}
    for lost in ("batchnorm_forward_train", "batchnorm_backward", "deep_loss"):
        assert checks[lost] != "passed"
    assert any(ATTACKS[name][1] in notice for notice in records[name]["notices"]) or not ATTACKS[name][1]


def test_what_does_not_need_it_is_scored_as_ever(records):
    checks = {check["id"]: check["status"] for check in records["exits_when_brought"]["checks"]}
    for kept in ("conv_forward", "conv_backward", "max_pool_forward", "max_pool_backward", "kaiming_initializer"):
        assert checks[kept] == "passed"
