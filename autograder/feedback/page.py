"""The page that a student reads: what was collected, through the template, as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from autograder.assignment import Assignment
from autograder.course import Course
from autograder.feedback.collect import Feedback, Text, collect
from autograder.feedback.text import MAX_ANSWER, Room, markdown, picture, ticks, visible
from autograder.gradebook import Standing
from toolbox.results import rounded

ROOM = 850_000
"""Bytes of answers and pictures; with everything else the page stays below 1 MB."""
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
"""In the language of the page; `strftime` speaks that of the machine."""


def make_page(course: Course, assignment: Assignment, student: str, standing: Standing | None, released: Any) -> str:
    """Return the page of a student, the same text whoever asks for it.

    Raises:
        UserError: as `collect`.
    """
    return render(collect(course, assignment, student, standing, released))


def render(feedback: Feedback) -> str:
    """Return what was collected as a page that needs nothing but itself."""
    room = Room(ROOM)
    questions = [
        {
            "asked": question,
            "text": _html(question.text, room, student=False),
            "answer": _html(question.answer, room, student=True) if question.answer else None,
        }
        for question in feedback.questions
    ]
    waiting = sum(bool(question.figures) for question in feedback.questions)
    for shown, question in zip(questions, feedback.questions, strict=True):  # texts first: pictures get what is left
        part = Room(room.left // max(waiting, 1))
        shown["figures"] = _figures(question.figures, part)
        shown["left_out"] = part.refused
        room.left -= sum(map(len, shown["figures"]))
        waiting -= bool(question.figures)
    return _template().render(feedback=feedback, questions=questions)


def _figures(drawn: Sequence[Mapping[str, str]], room: Room) -> list[str]:
    """Return as many figures as fit, in their order: the smallest first, since a large one keeps out many."""
    order = sorted(range(len(drawn)), key=lambda index: len(drawn[index].get("image/png", "")))
    urls = {index: picture(drawn[index], room) for index in order}
    return [urls[index] for index in sorted(urls) if urls[index]]


def _html(text: Text, room: Room, *, student: bool) -> Any:
    if not text.is_code:
        return markdown(text.source, text.attachments, room, student=student)
    html = Markup("<pre><code>{}</code></pre>").format(visible(text.source[:MAX_ANSWER]))
    return html if room.take(html) else Markup("<p>(Too long for this page; your notebook holds it.)</p>")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=visible, ticks=ticks, points=_points, moment=_moment, duration=_duration, size=_size
    )
    return environment.get_template("template.html.j2")


def _points(value: float) -> str:
    """Return points with at most two decimals."""
    return f"{rounded(value):.2f}".rstrip("0").rstrip(".")


def _moment(value: datetime) -> str:
    """Return a time, UTC, as 3 February 2031, 04:05 UTC."""
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}, {value:%H:%M} UTC"


def _duration(seconds: float) -> str:
    """Return a length of time in the two largest units that it has."""
    minutes = max(1, round(seconds / 60))
    parts = [(minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute")]
    named = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(named[:2])


def _size(count: int) -> str:
    """Return a number of bytes as 12.3 kB."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
