"""Making a student's cells safe to show: nbgrader puts notebooks into an instructor's browser.

nbgrader shows Markdown, raw cells and outputs as HTML, scripts included. What is kept is text, pictures and
plain formatting. Only the copy that nbgrader grades is changed, never the submission.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

from nbformat import NotebookNode, from_dict

MAX_TEXT = 100_000
"""Characters of one cell; a longer text is cut. Markdown is not rendered in linear time."""
MAX_OUTPUT = 20_000
"""Characters of one printed output."""
PICTURES = ("image/png", "image/jpeg")
MAX_SIDE = 10_000
"""Pixels at which a picture may be shown."""

TAG = re.compile(r"<(?=[A-Za-z/!?])(?!/?(?:b|i|u|em|strong|sub|sup|br|kbd|code|pre)\s*/?>)", re.IGNORECASE)
LINK = re.compile(r"\](?=\()(?!\((?:https?://|attachment:)[\w./%#?=&:~+,-]*\))")
TARGET = re.compile(r"\]\((attachment:)?([^)\s]*)\)")
ENTITY = re.compile(r"&(?=#|\w+;)")
MACRO = re.compile(r"\\(?=(?:href|require|style|class|cssId)\b)")
DIAGRAM = re.compile(r"(```|~~~)\s*mermaid", re.IGNORECASE)
BASE64 = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*")


def clean_cell(cell: dict[str, Any], given: set[str]) -> Any:
    """Return a notebook cell with a student's text and outputs, and nothing that a browser would run.

    It has no id yet. nbformat's own functions would hold each cell against the format; that takes longer
    than all the rest, and the whole notebook is held against it in the end.

    Args:
        cell: the submitted cell; anything may stand in it.
        given: texts of the release, which are the author's and stay as they are.
    """
    source = text_of(cell.get("source"))
    kind = cell.get("cell_type")
    if kind == "code":
        outputs = clean_outputs(cell.get("outputs"))
        return NotebookNode(
            cell_type="code", metadata=NotebookNode(), source=source, outputs=outputs, execution_count=None
        )
    if kind != "markdown" and source:  # raw cells reach the page as they are, so they become code blocks
        source = "\n".join("    " + line for line in source.splitlines())
    pictures = clean_attachments(cell.get("attachments"))
    if source not in given or kind != "markdown":
        source = clean_markdown(source, set(pictures))
    clean = NotebookNode(cell_type="markdown", metadata=NotebookNode(), source=source)
    if pictures:
        clean["attachments"] = pictures
    return clean


def text_of(value: Any) -> str:
    """Return a cell's text, which a file holds as a string or as a list of lines."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    if not isinstance(value, str):
        return ""
    if len(value) > MAX_TEXT:
        value = value[:MAX_TEXT] + "\n\n(cut: the text goes on)"
    return value.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be stored


def clean_markdown(text: str, attachments: set[str]) -> str:
    """Return Markdown in which no HTML tag, no link but to the web, and no picture from elsewhere works.

    A space is put where each would begin, so that the text can still be read as it was written.
    """
    text = TAG.sub("< ", text)
    text = ENTITY.sub("& ", text)
    text = MACRO.sub(r"\\ ", text)
    text = LINK.sub("] ", text)
    text = text.replace("]:", "] :")
    text = DIAGRAM.sub(r"\1 ", text)

    def target(match: re.Match[str]) -> str:
        attached, name = match.group(1), match.group(2)
        return match.group(0) if not attached or name in attachments else f"] ({name})"

    return TARGET.sub(target, text)


def clean_attachments(value: Any) -> dict[str, dict[str, str]]:
    """Return the pictures among a cell's attachments, by name."""
    if not isinstance(value, dict):
        return {}
    kept: dict[str, dict[str, str]] = {}
    for name, bundle in value.items():
        pictures = _pictures(bundle)
        if pictures and re.fullmatch(r"[\w.-]+", name, re.ASCII):
            kept[name] = pictures
    return kept


def clean_outputs(value: Any) -> list[Any]:
    """Return what a code cell printed, the errors it ended with and the pictures it drew."""
    kept: list[Any] = []
    outputs = [output for output in value if isinstance(output, dict)] if isinstance(value, list) else []
    for stream, group in itertools.groupby(outputs, _stream):
        if stream:
            text = "".join(text_of(output.get("text")) for output in group)
            kept.append(_output("stream", name=stream, text=_as_seen(text)[:MAX_OUTPUT]))
        else:
            kept += filter(None, map(_clean_output, group))
    return kept


def _stream(output: dict[str, Any]) -> str:
    """Return where an output was printed to, "" if it was not."""
    if output.get("output_type") != "stream":
        return ""
    return "stderr" if output.get("name") == "stderr" else "stdout"


def _as_seen(text: str) -> str:
    """Return printed text as a terminal shows it in the end: of a progress bar, its last state."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _clean_output(output: dict[str, Any]) -> Any:
    """Return an error or what can be shown of a result; None if that is nothing."""
    kind = output.get("output_type")
    if kind == "error":
        lines = output.get("traceback")
        lines = [_printed(line) for line in lines[:100]] if isinstance(lines, list) else []
        error = {key: _printed(output.get(key)) for key in ("ename", "evalue")}
        return _output("error", traceback=lines, **error)
    if kind not in ("display_data", "execute_result"):
        return None
    data = _pictures(output.get("data"))
    if isinstance(output.get("data"), dict) and "text/plain" in output["data"]:
        data["text/plain"] = _printed(output["data"]["text/plain"])
    return _output("display_data", data=data, metadata=_sizes(output.get("metadata"), data)) if data else None


def _output(kind: str, **content: Any) -> Any:
    return from_dict({"output_type": kind, **content})


def _pictures(bundle: Any) -> dict[str, str]:
    if not isinstance(bundle, dict):
        return {}
    kept: dict[str, str] = {}
    for kind in PICTURES:
        value = bundle.get(kind)
        if isinstance(value, list):
            value = "".join(line for line in value if isinstance(line, str))
        # it goes between quotation marks in the page
        if isinstance(value, str) and BASE64.fullmatch(value):
            kept[kind] = value
    return kept


def _sizes(metadata: Any, data: dict[str, str]) -> dict[str, dict[str, int]]:
    """Return at which size pictures are shown: figures for sharp screens have twice the pixels."""
    kept: dict[str, dict[str, int]] = {}
    for kind in PICTURES:
        about = metadata.get(kind) if isinstance(metadata, dict) and kind in data else None
        for side in ("width", "height"):
            value = about.get(side) if isinstance(about, dict) else None
            if type(value) is int and 0 < value <= MAX_SIDE:
                kept.setdefault(kind, {})[side] = value
    return kept


def _printed(value: Any) -> str:
    return text_of(value)[:MAX_OUTPUT]
