"""Text of students and authors as HTML that a browser may show: nothing in it runs, loads or hides.

Three things stand between a student's Markdown and the page: `clean_markdown` takes tags and odd links
out of the text, the renderer below makes plain formatting of it, and bleach lets through what is listed here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import bleach
from markupsafe import Markup
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from autograder.nbgrader.clean import clean_markdown

MAX_ANSWER = 20_000
"""Characters of one text that the page shows; the notebook holds the rest."""
MAX_SIDE = 6000
"""Pixels of a picture's longer side: a small file can be a picture that fills a browser's memory."""

TAGS = {
    "a", "b", "blockquote", "br", "code", "dd", "del", "dl", "dt", "em", "hr", "i", "img", "kbd", "li", "ol", "p",
    "pre", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
ADDRESS = re.compile(r"https?://[^\s\"'<>]+")
PICTURE = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffc]")
"""Control characters, those that turn the direction of what follows, and halves of characters."""


@dataclass
class Room:
    """How many bytes of answers and pictures the page still takes; what does not fit is left out.

    Attributes:
        left: the bytes.
        refused: how many pictures did not fit.
    """

    left: int
    refused: int = 0

    def take(self, content: str) -> bool:
        """Tell whether a text fits, and keep its place if it does."""
        size = len(content.encode())
        if size > self.left:
            return False
        self.left -= size
        return True


def visible(text: Any) -> str:
    """Return text in which every character can be seen and none reorders its neighbours."""
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", str(text).replace("\r\n", "\n").replace("\r", "\n"))


def ticks(text: Any) -> Markup:
    """Return a sentence of the kit, escaped, with `names` between backticks set as code."""
    parts = re.split(r"`([^`\n]+)`", visible(text))
    shown = [f"<code>{escape(part)}</code>" if number % 2 else escape(part) for number, part in enumerate(parts)]
    return Markup("".join(shown))


def picture(bundle: Mapping[str, str], room: Room) -> str:
    """Return a picture of an output or attachment as a data URL, "" where there is none that can be shown."""
    for kind, begin in (("png", b"\x89PNG\r\n\x1a\n"), ("jpeg", b"\xff\xd8\xff")):
        value = re.sub(r"\s", "", bundle.get(f"image/{kind}", ""))
        try:
            content = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            continue
        if not content.startswith(begin):
            continue
        if kind == "png" and max(content[16:20], content[20:24]) > MAX_SIDE.to_bytes(4, "big"):
            continue
        url = f"data:image/{kind};base64,{value}"
        if room.take(url):
            return url
        room.refused += 1
        return ""
    return ""


def markdown(text: str, attachments: Mapping[str, Mapping[str, str]], room: Room, *, student: bool) -> Markup:
    """Return Markdown as HTML of plain formatting, pictures attached to the cell included.

    Args:
        text: the source of the cell.
        attachments: its pictures, by name.
        room: what the page still takes.
        student: a student wrote it, so that HTML in it is shown as text.
    """
    text = visible(text)
    cut = len(text) > MAX_ANSWER
    text = text[:MAX_ANSWER]
    left = room.left, room.refused
    try:
        source = clean_markdown(text, set(attachments)) if student else text
        html = MarkdownWithMath(renderer=_Renderer(attachments, room)).render(source)
        html = bleach.clean(html, tags=TAGS, attributes=_attribute, protocols={"http", "https", "data"}, strip=True)
    except Exception:
        # no text of a student may keep a page from being made, whatever a parser makes of it
        room.left, room.refused = left
        html = f"<pre>{escape(text)}</pre>"
    if not room.take(re.sub(r'src="[^"]*"', "", html)):  # pictures have their place already
        html = "<p>(Too long for this page; your notebook holds it.)</p>"
    elif cut:
        html += f"<p>(Cut after {MAX_ANSWER:,} characters; your notebook holds the rest.)</p>"
    return Markup(html)


def _attribute(tag: str, name: str, value: str) -> bool:
    """Tell whether an attribute may stand in the page."""
    if tag == "a":
        return bool(ADDRESS.fullmatch(value)) if name == "href" else (name, value) == ("rel", "noreferrer")
    if tag == "img":
        return bool(PICTURE.fullmatch(value)) if name == "src" else name == "alt"
    return (tag, name, value) == ("code", "class", "tex")


class _Renderer(IPythonRenderer):
    """nbconvert's renderer, less what needs scripts: formulas stay TeX, headings become bold lines."""

    def __init__(self, attachments: Mapping[str, Mapping[str, str]], room: Room) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.pictures = attachments
        self.room = room

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """Keep the page's outline the page's own."""
        return f"<p><strong>{text}</strong></p>\n"

    def block_code(self, code: str, info: str | None = None) -> str:
        """Show code without colours."""
        return f"<pre><code>{escape(code)}</code></pre>\n"

    def block_math(self, body: str) -> str:
        """Show the source of a formula."""
        return self.inline_math(body.strip())

    def inline_math(self, body: str) -> str:
        """Show the source of a formula."""
        return f'<code class="tex">{escape(body)}</code>'

    def latex_environment(self, name: str, body: str) -> str:
        """Show the source of a formula."""
        return self.inline_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Keep the address of this page from the sites that it links to."""
        return f'<a href="{escape(url)}" rel="noreferrer">{text}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Show a picture that is attached to the cell, and the text in the place of any other."""
        source = picture(self.pictures.get(url.removeprefix("attachment:"), {}), self.room)
        alt = escape(re.sub(r"<[^>]*>", "", text))
        return f'<img src="{source}" alt="{alt}">' if source else f"(picture {alt}, not shown)"
