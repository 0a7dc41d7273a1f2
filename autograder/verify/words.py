"""Reading a file as words and signs, in whatever dress code stands in it."""

from __future__ import annotations

import bisect
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

WORD = re.compile(r"""\w+|[^\w\s#'"`\\]""")
"""What is compared."""
END_OF_STATEMENT = (re.compile(r"[\n\v;]"), re.compile(r"""[\n\v;:`"']"""))
"""Where statements end: in code, and in code that stands within a text."""
COMMENT = re.compile(r"#[^\n]*")
TAG = re.compile(r"</?[A-Za-z][^<>\n]*>")
ESCAPED = re.compile(r"\\[nrt]")
MARGIN = re.compile(r"^[\s>#*+-]*")


def texts(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Give the texts of a file, each with what a line number follows on; a notebook holds many."""
    if name.endswith(".ipynb"):
        try:
            notebook = json.loads(text)
        except (ValueError, RecursionError):
            notebook = None
        if isinstance(notebook, dict):
            for place, inner in _strings(notebook, ()):
                yield f"{name}, {place}, line ", inner
            return
    yield f"{name}:", text


def _strings(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give the strings of a JSON document and where they are; a list of strings is one text."""
    if isinstance(value, str):
        yield " ".join(path), value
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield " ".join(path), "".join(value)
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            name = [f"cell {number}"] if path == ("cells",) else [*path, str(number)]
            yield from _strings(item, tuple(name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*path, str(key)))


@dataclass(frozen=True)
class View:
    """A text as one reads it: its words in one string, and its statements, each with the line it is on."""

    joined: str
    starts: list[int]
    lines: list[int]
    statements: list[list[tuple[str, int]]]

    @classmethod
    def of(cls, text: str) -> View:
        """Read a text."""
        words, starts, lines, length = [""], [], [], 1
        for number, line in enumerate(text.split("\n"), start=1):
            for word in WORD.findall(line):
                starts.append(length)
                lines.append(number)
                words.append(word)
                length += len(word) + 1
        return cls(" ".join([*words, ""]), starts, lines, [list(_statements(text, end)) for end in END_OF_STATEMENT])

    def places(self, words: str) -> list[int]:
        """Return the line on which some words stand first, if they do."""
        place = self.joined.find(f" {' '.join(words.split())} ")
        return [] if place < 0 else [self.lines[bisect.bisect_left(self.starts, place + 1)]]


def _statements(text: str, end: re.Pattern[str]) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.split("\n"), start=1):
        for part in end.split(line):
            if words := joined(MARGIN.sub("", part)):
                yield words, number


def views(text: str) -> Iterator[View]:
    """Read a text as it is, without what may be comments in it, and with tags and escapes undone."""
    plain = html.unescape(TAG.sub(" ", text) if "</" in text else text)
    for view in dict.fromkeys((text, COMMENT.sub("", text), ESCAPED.sub("\v", plain))):
        yield View.of(view)


def joined(text: str) -> str:
    """Return the words of a text with a space on either side of each."""
    return "".join(f" {word} " for word in WORD.findall(text))
