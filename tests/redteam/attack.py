"""What an attack is, and the few ways in which attacks are written."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.fully_connected_class import SOLUTION

TRUTH = SOLUTION.read_text(encoding="utf-8")
EVERYTHING = "everything"


@dataclass(frozen=True)
class Attack:
    """A hostile submission: the solution with something done to it, so that what its honest parts earn is known.

    Attributes:
        name: the student who hands it in.
        tries: what it tries, in a sentence.
        module: its source; `@course@` in it becomes the path of the course folder, `@canary@` that of a folder
            beside it which nothing may touch.
        loses: the checks it must lose points at. Checks that need one of these may lose points as well; all
            others must score as in an honest submission.
        tells: what its record must say somewhere.
        files: what to do to the files in its folder.
        notebook: what to do to its notebook.
        wrecks: it breaks itself, so that checks beside those it must lose may be lost too.
    """

    name: str
    tries: str
    module: str = TRUTH
    loses: Collection[str] | str = ()
    tells: str = ""
    files: Callable[[Path], None] | None = None
    notebook: Callable[[dict[str, Any]], None] | None = None
    wrecks: bool = False


def changed(old: str, new: str, text: str = TRUTH) -> str:
    """Return the solution with text exchanged that must be there."""
    assert old in text, old
    return text.replace(old, new)


def with_code(code: str, text: str = TRUTH) -> str:
    """Return the solution with code at its end."""
    return f"{text}\n\n{code}\n"


def with_linear(body: str) -> str:
    """Return the solution with another body of `Linear.forward`."""
    return changed("        out = x.reshape(x.shape[0], -1) @ w + b\n", body)


WRONG = changed("        out = x.clamp(min=0)\n", "        out = torch.zeros_like(x)\n")
"""The solution with a ReLU that answers zeros: what an attack on the judge would have to turn into points."""
LOST_WITH_WRONG = frozenset({"relu_forward"})


def searching(code: str) -> str:
    """Return the solution with code that puts what it gets hold of into FOUND, and breaks a layer if that is anything."""
    return with_code(f"""FOUND = []
{code}

if FOUND:
    def _tell(*args):
        raise RuntimeError(repr(FOUND))

    Linear.forward = staticmethod(_tell)""")


def trying(*lines: str) -> str:
    """Return code that runs each line on its own and notes those that do not raise."""
    return f"""
for _line in {list(lines)!r}:
    try:
        FOUND.append((_line, eval(_line)))
    except OSError:
        pass
"""
