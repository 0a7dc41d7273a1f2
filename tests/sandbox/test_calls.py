"""Calls into a jail: results by value, objects by handle, arguments restored, exceptions as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from autograder.sandbox import (
    BadReply,
    Died,
    Jail,
    Limits,
    NotEncodable,
    Preloaded,
    Ref,
    SandboxError,
    StudentRaised,
)

Start = Callable[..., Jail]

LAYERS = """
import torch

SCALE = 3

class Linear:
    @staticmethod
    def forward(x, w, b):
        return x.reshape(x.shape[0], -1) @ w + b, (x, w, b)

class Cache:
    def __init__(self, x): self.x = x

def forward(x): return x * 2, Cache(x)
def backward(dout, cache): return dout * cache.x

class Net:
    def __init__(self, width, reg=0.0):
        self.params = {"W1": torch.ones(width)}
        self.reg = reg
        self.inner = self
    def loss(self, x): return (self.params["W1"] * x).sum() + self.reg
"""


def test_a_function_is_called_with_tensors_and_its_result_comes_back(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(preloaded, LAYERS)
    x, w, b = torch.randn(3, 2, 2).double(), torch.randn(4, 5).double(), torch.randn(5).double()
    out, cache = jail.call(0, "Linear.forward", (x, w), {"b": b}, seconds=10)
    assert torch.equal(out, x.reshape(3, 4) @ w + b)
    assert torch.equal(cache[0], x)


def test_an_object_travels_as_a_handle_and_comes_back_as_itself(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, LAYERS)
    x = torch.randn(3)
    _, cache = jail.call(0, "forward", (x,), seconds=10)
    assert type(cache) is Ref and cache.type_name == "Cache"
    assert torch.equal(jail.call(0, "backward", (x, cache), seconds=10), x * x)
    assert torch.equal(jail.get(cache.target, "x", seconds=10), x)


def test_a_model_lives_in_the_jail_and_its_parameters_are_read_and_set(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, LAYERS)
    net = jail.call(0, "Net", (3,), {"reg": 0.5}, seconds=10)
    assert jail.get(net.target, "reg", seconds=10) == 0.5
    jail.set(net.target, "reg", 0.0, seconds=10)
    jail.set(net.target, "params", {"W1": torch.full((3,), 2.0)}, seconds=10)
    jail.call(net.target, "params.__setitem__", ("b1", torch.zeros(1)), seconds=10)
    assert list(jail.get(net.target, "params", seconds=10)) == ["W1", "b1"]
    assert jail.call(net.target, "loss", (torch.ones(3),), seconds=10) == 6.0
    assert jail.get(net.target, "inner", seconds=10) == Ref(net.target, "inner", "Net")
    assert jail.get(0, "Net.loss", seconds=10) == Ref(0, "Net.loss", "function")


def test_released_handles_name_nothing_and_their_numbers_do_not_return(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, LAYERS)
    first = jail.call(0, "Net", (3,), seconds=10)
    assert jail.call(0, "Net", (3,), seconds=10) != first
    jail.release()
    with pytest.raises(StudentRaised):
        jail.get(first.target, "reg", seconds=10)
    assert jail.call(0, "Net", (3,), seconds=10).target > first.target


def test_what_a_call_changes_in_its_arguments_is_changed_here(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(
        preloaded,
        """
import torch
def step(config, w, a, history):
    config["t"] = config.get("t", 0) + 1
    config["m"].mul_(2)
    config["v"] = config["m"] + 1
    del config["old"]
    w[0] = 7
    a[1, ::2] += 1
    history.append({"t": config["t"]})
    history[0].append(5)
    return w, config
""",
    )
    m, inner = torch.ones(3), [4]
    config: dict[str, Any] = {"m": m, "old": 1, "untouched": torch.zeros(2)}
    untouched = config["untouched"]
    w, a = torch.zeros(4), np.zeros((3, 4)).T[::-1]
    history = [inner]
    result, again = jail.call(0, "step", (config, w, a, history), seconds=10)
    assert list(config) == ["m", "untouched", "t", "v"] and config["t"] == 1
    assert config["m"] is m and torch.equal(m, torch.full((3,), 2.0)) and torch.equal(config["v"], m + 1)
    assert config["untouched"] is untouched
    assert w[0] == 7 and torch.equal(result, w) and again["t"] == 1
    assert a[1].tolist() == [1, 0, 1] and a.sum() == 2
    assert history[0] is inner and inner == [4, 5] and history[1] == {"t": 1}


def test_inputs_that_a_call_leaves_alone_are_not_written(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, "def f(x, a, d): return x + 1")
    a = np.arange(4.0)
    a.flags.writeable = False
    jail.call(0, "f", (torch.ones(1).expand(3), a, {"a": a, "nan": float("nan")}), seconds=10)


def test_an_input_that_appears_twice_is_one_object_in_the_jail(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, "def f(x, d, d2): return x is d['x'] and d is d2")
    x = torch.ones(2)
    d = {"x": x}
    assert jail.call(0, "f", (x, d, d), seconds=10) is True


def test_transposed_inputs_arrive_transposed(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, "def f(x): return x.is_contiguous(), x.sum().item()")
    x = torch.randn(3, 4).T
    assert jail.call(0, "f", (x,), seconds=10) == (False, x.sum().item())


@pytest.mark.parametrize(
    "body",
    ["x.resize_(1)", "x.unsqueeze_(0)", "x.t_()", "x.data = torch.ones(9)", "x.data = x.double()", "x.untyped_storage().resize_(0)",
     "x.__class__ = type('Mine', (torch.Tensor,), {})"],
)  # fmt: skip
def test_an_input_of_another_shape_or_kind_is_an_error_that_says_so(
    best: Preloaded, jail_with: Start, body: str
) -> None:
    jail = jail_with(best, f"import torch\ndef f(x): {body}")
    with pytest.raises((StudentRaised, Died, BadReply)) as caught:
        jail.call(0, "f", (torch.ones(2, 3),), seconds=10)
    assert isinstance(caught.value, StudentRaised | Died)


def test_a_replaced_data_of_the_same_shape_is_copied_back(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, "import torch\ndef f(x): x.data = torch.full((2,), 5.0)")
    x = torch.zeros(2)
    jail.call(0, "f", (x,), seconds=10)
    assert x.tolist() == [5, 5]


def test_a_container_cannot_be_made_to_contain_itself_here(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, "def f(d, l): d['self'] = d; l.append(d); d['l'] = l")
    d: dict = {}
    items: list = []
    jail.call(0, "f", (d, items), seconds=10)
    assert d["self"] is not d
    assert len(repr(d)) < 2000 and len(repr(items)) < 2000


RAISERS = {
    "ValueError": ("raise ValueError('bad mode: x')", "bad mode: x"),
    "KeyError": ("{}['w']", "'w'"),
    "SystemExit": ("raise SystemExit(0)", "0"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", ""),
    "GeneratorExit": ("raise GeneratorExit('x')", "x"),
    "Own": ("class Own(BaseException): pass\n    raise Own('mine')", "mine"),
    "RecursionError": ("f()", None),
    "Loud": ("class Loud(Exception):\n        def __str__(self): raise SystemExit\n    raise Loud(1, 2)", ""),
    "Long": ("class Long(Exception): pass\n    raise Long('y' * 10**7)", None),
    "Control": (
        "class Control(Exception): pass\n    raise Control('a\\x1b[31m\\nb')",
        "a\N{REPLACEMENT CHARACTER}[31m b",
    ),
    "ZeroDivisionError": ("1 / 0", "division by zero"),
}


@pytest.mark.parametrize("kind", RAISERS)
def test_every_exception_of_the_student_comes_back_as_text(best: Preloaded, jail_with: Start, kind: str) -> None:
    body, message = RAISERS[kind]
    jail = jail_with(best, f"def f():\n    {body}\n")
    with pytest.raises(StudentRaised) as caught:
        jail.call(0, "f", seconds=10)
    assert caught.value.kind == kind
    assert len(caught.value.message) <= 300
    if message is not None:
        assert caught.value.message == message
    assert caught.value.where.startswith("layers.py, line ") and caught.value.where.endswith(", in f")
    assert jail.alive


def test_a_syntax_error_names_its_line(best: Preloaded) -> None:
    with best.start({"layers.py": b"x = 1\ndef f(:\n"}) as jail:
        with pytest.raises(StudentRaised) as caught:
            jail.import_module("layers", seconds=10)
        assert caught.value.kind == "SyntaxError" and caught.value.where == "layers.py, line 2"
        with pytest.raises(StudentRaised):
            jail.call(0, "f", seconds=10)


def test_an_import_that_raises_names_its_line(best: Preloaded) -> None:
    with best.start({"layers.py": b"x = 1\n1 / 0\n", "other.py": b"raise ValueError('no')"}) as jail:
        with pytest.raises(StudentRaised, match=r"division by zero \(layers.py, line 2\)"):
            jail.import_module("layers", seconds=10)
        with pytest.raises(StudentRaised, match="no"):
            jail.import_module("other", seconds=10)
        with pytest.raises(StudentRaised, match=r"missing\.py"):
            jail.import_module("missing", seconds=10)


def test_siblings_are_importable_and_shadow_nothing(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(
        preloaded,
        "import sibling, random, numpy, statistics\nout = [sibling.x, random.random() < 1, numpy.ones(1).sum(), "
        "statistics.mean([1])]",
        sibling__py=b"x = 5",
        random__py=b"raise SystemExit",
        numpy__py=b"raise SystemExit",
        statistics__py=b"raise SystemExit",
    )
    assert jail.get(0, "out", seconds=10)[0] == 5


def test_the_jail_starts_from_the_same_seed_every_time(best: Preloaded, jail_with: Start) -> None:
    source = "import torch, random, numpy\nout = (torch.rand(1).item(), random.random(), numpy.random.rand())"
    first, second = (jail_with(best, source).get(0, "out", seconds=10) for _ in range(2))
    assert first == second


def test_student_output_goes_nowhere(best: Preloaded, jail_with: Start, capfd: pytest.CaptureFixture) -> None:
    jail = jail_with(
        best, "import os, sys\nprint('loud')\nos.write(1, b'loud')\nos.write(2, b'loud')\nsys.stdin.read()"
    )
    assert jail.alive
    assert "loud" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "body",
    [
        "for n in range(3, 9):\n  try: os.write(n, b'x' * 100)\n  except OSError: pass",
        "for n in range(3, 9):\n  try: os.write(n, bytes(16) + b'x' * 100)\n  except OSError: pass",
        "for n in range(3, 9):\n  try: os.write(n, struct.pack('<QQ', 0, 1 << 60))\n  except OSError: pass",
    ],
)
def test_garbage_on_the_socket_is_a_bad_reply(best: Preloaded, jail_with: Start, body: str) -> None:
    jail = jail_with(best, "import os, struct\ndef f():\n " + body.replace("\n", "\n "))
    with pytest.raises(BadReply):
        jail.call(0, "f", seconds=10)
    assert not jail.alive
    with pytest.raises(Died):
        jail.call(0, "f", seconds=10)


def test_a_second_answer_spoils_the_next_call_and_never_stands_for_one(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(
        best,
        """
import sys, os, gc
def f():
    frame = sys._getframe()
    while "number" not in frame.f_locals: frame = frame.f_back
    import struct
    forged = struct.pack("<QQ", frame.f_locals["number"], 10) + bytes(10)
    os.write(frame.f_locals["self"].descriptor, forged * 2)
""",
    )
    with pytest.raises(BadReply):
        jail.call(0, "f", seconds=10)
        jail.call(0, "f", seconds=10)
    assert not jail.alive


def test_a_reply_over_the_cap_is_a_bad_reply(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, "import torch\ndef f(): return torch.zeros(1).expand(10**12)", Limits(reply_mb=1))
    with pytest.raises(BadReply, match="1 MB"):
        jail.call(0, "f", seconds=10)


def test_what_cannot_be_sent_is_the_callers_error_and_costs_nothing(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(best, "def f(x): return x")
    with pytest.raises(NotEncodable):
        jail.call(0, "f", (object(),), seconds=10)
    assert jail.call(0, "f", (1,), seconds=10) == 1


def test_large_arrays_travel_both_ways(preloaded: Preloaded, jail_with: Start) -> None:
    jail = jail_with(preloaded, "def f(x): x[-1] = 1; return x")
    x = torch.randn(5_000_000)
    y = jail.call(0, "f", (x,), seconds=30)
    assert torch.equal(x, y) and x[-1] == 1


def test_a_call_costs_little(best: Preloaded, jail_with: Start) -> None:
    import time

    jail = jail_with(best, "def f(x): return x")
    x = torch.ones(3)
    times = []
    for _ in range(300):
        start = time.perf_counter()
        jail.call(0, "f", (x,), seconds=10)
        times.append(time.perf_counter() - start)
    assert sorted(times)[150] < 0.005  # a hundredth of that where it matters; this only catches accidents


def test_an_unknown_level_and_a_missing_module_are_told() -> None:
    with pytest.raises(SandboxError, match="nosuchmodule"):
        Preloaded("process", modules=("nosuchmodule",))
    with pytest.raises(ValueError, match="fort knox"):
        Preloaded("fort knox")
