"""Forbidden names are found under every import alias, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.sandbox import Preloaded, StudentRaised
from autograder.sandbox.scan import scan

FORBIDDEN = ["torch.nn", "torch.autograd", ".backward", ".requires_grad_"]
Found = Callable[..., list[tuple[int, str]]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    def uses(source: str, **siblings: str) -> list[tuple[int, str]]:
        for name, text in {**siblings, "layers": source}.items():
            (tmp_path / f"{name}.py").write_text(text)
        return scan(str(tmp_path / "layers.py"), FORBIDDEN)[0]

    return uses


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ny = torch.nn.functional.linear(x, w)",
        "import torch as t\ny = t.nn.Linear(3, 4)",
        "import torch\ny = getattr(torch, 'nn')",
        "x = 1\nimport torch.nn as nn",
        "x = 1\nfrom torch import nn",
        "x = 1\nfrom torch import nn as n",
        "x = 1\nfrom torch.nn import functional as F",
        "x = 1\nfrom torch.nn.functional import conv2d",
        "x = 1\nimport torch.nn.functional",
        "import torch\ntorch.autograd.grad(y, x)",
        "import torch\nloss.backward()",
        "import torch\n(a + b).sum().backward()",
        "import torch\nself.w.requires_grad_()",
        "import torch\ngetattr(loss, 'backward')()",
        "import torch\nf = loss.backward",
        "import torch\ntorch.Tensor.backward(loss)",
    ],
)
def test_a_forbidden_use_is_reported_with_its_line(found: Found, source: str) -> None:
    uses = found(source)
    assert uses and {line for line, _ in uses} == {2}


def test_an_alias_is_reported_where_it_is_imported_and_where_it_is_used(found: Found) -> None:
    uses = found("from torch.nn import functional as F\n\ndef f(x):\n    return F.relu(x)")
    assert uses[0] == (1, "torch.nn.functional")
    assert (4, "torch.nn.functional.relu") in uses


def test_what_is_the_toolboxs_can_be_forbidden_by_name(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    path.write_text("from toolbox.fast_layers import FastConv\nout = FastConv.forward(x, w, b, {})")
    assert {line for line, _ in scan(str(path), ["toolbox.fast_layers"])[0]} == {1, 2}


@pytest.mark.parametrize(
    "source",
    [
        "class Linear:\n  def backward(dout, cache): pass\ndx = Linear.backward(dout, cache)",
        "from sibling import Linear\ndx = Linear.backward(dout, cache)",
        "import sibling\ndx = sibling.Linear.backward(dout, cache)",
        "from sibling import *\nfrom torch import zeros\nimport torch\nx = torch.nnothing + torch.zeros(3)",
        "# torch.nn is forbidden, loss.backward() too\ns = 'torch.nn'",
        "nn = 3\nnn.relu = 4",
        "from toolbox.fast_layers import FastConv\ndx = FastConv.backward(dout, cache)",
        "def backward(x): return x\nbackward(1)",
    ],
)
def test_allowed_code_is_not_reported(found: Found, source: str) -> None:
    assert found(source, sibling="class Linear: pass") == []


def test_a_module_that_belongs_beside_the_file_is_the_students_though_it_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    path.write_text("import first\ndx = first.Linear.backward(dout, cache)")
    assert scan(str(path), FORBIDDEN)[0] and not scan(str(path), FORBIDDEN, ["first"])[0]


def test_cuda_is_noticed_in_code_and_not_in_comments(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    for source, mentions in (("x.cuda()", True), ("d = 'cuda:0'", True), ("# cuda", False), ("s = 'a cuda'", False)):
        path.write_text(source)
        assert scan(str(path), [])[1] is mentions


def test_a_scan_runs_in_the_jail(best: Preloaded) -> None:
    with best.start({"m.py": b"import torch\nloss.backward()\ny = x.cuda()", "bad.py": b"def f(:"}) as jail:
        result = jail.scan("m.py", FORBIDDEN, seconds=10)
        assert result.uses == ((2, ".backward"),) and result.mentions_cuda
        with pytest.raises(StudentRaised, match=r"SyntaxError.*bad.py, line 1"):
            jail.scan("bad.py", FORBIDDEN, seconds=10)


def test_sources_made_to_choke_a_parser_cost_only_their_jail(best: Preloaded) -> None:
    from autograder.sandbox import Died

    for source in (
        b"(" * 100_000,
        b"-" * 200_000 + b"1",
        b"x" * (2 << 20),
        b"\0",
        b"# coding: nonsense\n",
        b"[" * 90 + b"]" * 90,
    ):
        with best.start({"m.py": source}) as jail:
            try:
                jail.scan("m.py", FORBIDDEN, seconds=20)
            except (StudentRaised, Died):
                continue
