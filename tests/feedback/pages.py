"""Helpers: a graded submission, and a page taken apart."""

import struct
import zlib
from base64 import b64encode
from html.parser import HTMLParser

import nbformat
from nbgrader.api import Gradebook
from tiny_course import record, submit, write_record

from autograder import gradebook
from autograder.assignment import load_assignment
from autograder.feedback.page import make_page
from autograder.nbgrader.submission import released_notebook

ALLOWED = {"a", "b", "blockquote", "br", "code", "dd", "del", "dl", "dt", "em", "hr", "i", "img", "kbd", "li", "ol", "p",
           "pre", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
           "html", "head", "meta", "title", "style", "body", "header", "main", "section", "article", "div", "span",
           "h1", "h2", "h3", "tfoot"}  # fmt: skip


def graded(course, student="alice", *, edit=None, answer=None, fraction="4", top=None, **changed):
    """Hand in, with the notebook changed by `edit`, and grade: a record and the rows of the gradebook."""
    folder = submit(course, student)
    notebook = nbformat.read(folder / "tiny.ipynb", as_version=4)
    if answer is not None:
        answer_cell(notebook).source = answer
    if edit is not None:
        edit(notebook)
    (folder / "tiny.ipynb").write_bytes(nbformat.writes(notebook).encode("utf-8", "surrogatepass"))
    found = record(student, fraction, **changed) | (top or {})
    write_record(course, found)
    gradebook.save(course, "tiny", [found])
    return folder


def answer_cell(notebook):
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "why")


def where(course, student="alice"):
    """Return what a page is made from: assignment, student, standing, released notebook."""
    assignment = load_assignment(course, "tiny")
    released = released_notebook(course, assignment)
    return assignment, student, gradebook.standings(course, assignment, released).get(student), released


def page(course, student="alice"):
    """Return the page as the kit makes it."""
    return make_page(course, *where(course, student))


def enter(course, student="alice", *, cell="why", comment=None, **values):
    """Enter by hand what a person enters in formgrader."""
    with Gradebook(course.db_url) as gb:
        grade = gb.find_grade(cell, "tiny", "tiny", student)
        for name, value in values.items():
            setattr(grade, name, value)
        if comment is not None:
            gb.find_comment(cell, "tiny", "tiny", student).manual_comment = comment
        gb.db.commit()


def png(size=1, side=1):
    """Return a PNG of some bytes as nbformat holds it; `side` is what it says of its width."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, 1, 8, 0, 0, 0, 0)
    noise = chunk(b"tEXt", b"x" * size)
    content = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + noise
        + chunk(b"IDAT", zlib.compress(b"\0\0"))
        + chunk(b"IEND", b"")
    )
    return b64encode(content).decode()


class Parts(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def demand_harmless(html):
    """Demand that a page holds the template's and plain formatting's tags only, and nothing that runs or loads."""
    found = Parts(html)
    assert set(found.tags) <= ALLOWED, set(found.tags) - ALLOWED
    assert found.tags.count("style") == 1
    assert found.tags.count("h1") == 1
    for tag, name, value in found.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("style", "srcset", "action", "formaction", "id"), (tag, name)
        if name == "href":
            assert value.startswith(("http://", "https://")), value
        if name == "src":
            assert value.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")), value
    return found
