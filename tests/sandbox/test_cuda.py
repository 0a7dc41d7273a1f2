"""Student code that asks for a GPU computes on the CPU, and the examiner is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from autograder.sandbox import Jail, Preloaded

Start = Callable[..., Jail]


@pytest.mark.parametrize(
    "expression",
    [
        "torch.zeros(3, device='cuda')",
        "torch.zeros(3, device='cuda:0')",
        "torch.zeros(3, device=torch.device('cuda'))",
        "torch.zeros(3, device=torch.device('cuda', 0))",
        "torch.zeros(3).cuda()",
        "torch.zeros(3).cuda(0)",
        "torch.zeros(3).to('cuda')",
        "torch.zeros(3).to(torch.device('cuda:0'))",
        "torch.zeros(3).to('cuda', torch.float32)",
        "torch.zeros(3).to(device='cuda', dtype=torch.float32)",
        "torch.tensor([0., 0, 0], device='cuda')",
        "torch.zeros_like(torch.ones(3), device='cuda')",
        "torch.full((3,), 0., device='cuda')",
        "torch.ones(3).new_zeros(3, device='cuda')",
        "torch.linspace(0, 0, 3, device='cuda')",
        "torch.randn(3, device='cuda') * 0",
        "torch.randn(3, generator=torch.Generator('cuda'), device='cuda') * 0",
        "torch.nn.Linear(3, 3).cuda()(torch.zeros(3)) * 0",
        "(torch.cuda.synchronize(), torch.zeros(3))[1]",
        "(torch.set_default_device('cuda'), torch.zeros(3))[1]",
    ],
)
def test_what_is_asked_of_a_gpu_is_done_on_the_cpu(best: Preloaded, jail_with: Start, expression: str) -> None:
    jail = jail_with(best, f"import torch\ndef f(): return {expression}")
    assert jail.notices == set()
    out = jail.call(0, "f", seconds=20)
    assert out.tolist() == [0, 0, 0] and out.device.type == "cpu"
    assert jail.notices == {"cuda"}


def test_code_that_only_asks_whether_there_is_a_gpu_is_told_no_and_not_noted(best: Preloaded, jail_with: Start) -> None:
    source = "import torch\nd = 'cuda' if torch.cuda.is_available() else 'cpu'\nx = torch.zeros(2, device=d)"
    jail = jail_with(best, source)
    assert jail.get(0, "d", seconds=10) == "cpu" and jail.notices == set()


def test_a_device_argument_of_the_student_reaches_a_sibling(best: Preloaded, jail_with: Start) -> None:
    jail = jail_with(
        best, "import sibling\ndef f(): return sibling.make('cuda')",
        sibling__py=b"import torch\ndef make(device='cuda'): return torch.ones(2, device=device)",
    )  # fmt: skip
    assert torch.equal(jail.call(0, "f", seconds=10), torch.ones(2))
    assert jail.notices == {"cuda"}


def test_an_error_in_redirected_code_still_names_the_students_line(best: Preloaded, jail_with: Start) -> None:
    from autograder.sandbox import StudentRaised

    jail = jail_with(
        best, "import torch\ndef f():\n    x = torch.zeros(2, device='cuda')\n    return x @ torch.zeros(3)"
    )
    with pytest.raises(StudentRaised, match=r"line 4, in f"):
        jail.call(0, "f", seconds=10)
    assert jail.notices == {"cuda"}
