"""Looking for solutions in a release, wherever in it and in whatever dress.

What is compared are words and signs, not text: white space, indentation, quotes, comment signs and line
breaks do not count, so a solution is found in a comment, a docstring, a fence of Markdown, a notebook's
output or metadata as well as in code. Variables that were renamed hide it.

A solution is leaked where
  - its whole body stands; if that has fewer than eight tokens (`dx = dout`), only where it stands as
    whole statements of its own, since such words also meet by chance;
  - one of its lines of eight or more tokens stands, unless that line is given in the modules anyway.
"""

from __future__ import annotations

import importlib.util
import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.release.strip import solution_regions, strip_module
from autograder.verify.words import View, joined, texts, views

LONG = 8
"""Tokens that do not meet in one order by chance."""
TOKEN = re.compile(
    r"""[A-Za-z]{0,2}(?:"[^"\n]*"|'[^'\n]*')|\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\w+|[*/]{2}=?|[-+*/%@&|^<>=!]=|\S"""
)
"""What counts as one token of a solution."""
READABLE = re.compile(r"[^\x00-\x08\x0e-\x1f\x7f\ufffd]{8,}")
"""What can be read in a file of arrays or a picture: runs of eight characters and more."""
COMPILED = {".pyc", ".pyo"}


@dataclass(frozen=True)
class Solution:
    """One solution: the module and the task it is for, and its lines in words."""

    module: str
    task: str
    line: int
    body: tuple[str, ...]
    tokens: int
    long_lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"the solution of {self.task} ({self.module}:{self.line})"

    def whole_in(self, view: View) -> list[int]:
        """Return the lines on which the whole body begins; a short one counts as statements of its own only."""
        if self.tokens >= LONG:
            return view.places("".join(self.body))
        size, lines = len(self.body), []
        for statements in view.statements:
            for index in range(len(statements) - size + 1):
                if tuple(words for words, _ in statements[index : index + size]) == self.body:
                    lines.append(statements[index][1])
        return lines

    def anywhere_in(self, view: View) -> list[int]:
        """Return the lines on which the body, or a long line of it, begins."""
        return self.whole_in(view) + [place for line in self.long_lines for place in view.places(line)]


def solutions(sources: Mapping[str, str]) -> list[Solution]:
    """Return the solutions of some modules, each with the lines that may be found nowhere else.

    Args:
        sources: the text of each module, by its file name.
    """
    stripped = [strip_module(source, name) for name, source in sources.items()]
    given = "\n".join(map(joined, stripped))
    given_views = [View.of(text) for text in stripped]
    found = []
    for name, source in sources.items():
        lines = _without_comments(source).split("\n")
        for region in solution_regions(source, name):
            own = [line for line in lines[region.begin : region.end - 1] if line.strip()]
            body = tuple(joined(line) for line in own)
            counts = [len(TOKEN.findall(line)) for line in own]
            long_lines = tuple(
                line for line, count in zip(body, counts, strict=True) if count >= LONG and line not in given
            )
            found.append(Solution(name, region.task, region.begin, body, sum(counts), long_lines))
    return [one for one in found if not any(one.whole_in(view) for view in given_views)]


def find_leaks(sources: Mapping[str, str], release: Path) -> list[str]:
    """Return a sentence for every leak in the files of a release: the file, the line and which solution.

    Args:
        sources: the text of each module with its solutions, by its file name.
        release: the folder to look through.
    """
    wanted = solutions(sources)
    leaks = []
    for path in sorted(path for path in release.rglob("*") if path.is_file() and not path.is_symlink()):
        content = path.read_bytes()
        name = path.relative_to(release).as_posix()
        if path.suffix in COMPILED or content.startswith(importlib.util.MAGIC_NUMBER):
            leaks.append(f"{name}: compiled Python does not belong into a release: delete it")
            continue
        decoded = content.decode("utf-8", "replace").replace("\r\n", "\n")
        if "\0" in decoded:
            decoded = "\n".join(READABLE.findall(decoded))
        for where, text in texts(name, decoded):
            seen = list(views(text))
            for solution in wanted:
                lines = [line for view in seen for line in solution.anywhere_in(view)]
                if lines:
                    leaks.append(f"{where}{min(lines)}: {solution} stands here: take it out of where it comes from")
    return leaks


def _without_comments(source: str) -> str:
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(lines)
