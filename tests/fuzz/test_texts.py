"""Text of students: what is shown of it is plain, harmless and no longer than it may be."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from mutation import fewer

sys.path.insert(0, str(Path(__file__).parents[1] / "feedback"))

from fragments import TEXTS
from pages import demand_harmless, png

from autograder.feedback.text import Room, markdown, ticks, visible
from autograder.nbgrader.clean import MAX_TEXT, text_of
from autograder.sandbox.wire import clean


@given(TEXTS | st.text(), st.integers(1, 40))
def test_a_line_from_the_jail_is_one_printable_line(text: str, limit: int) -> None:
    line = clean(text, limit)
    assert len(line) <= limit and line.isprintable()
    assert clean(line, limit) == line
    assert len(line) == min(len(text), limit)


@given(TEXTS)
def test_what_is_seen_of_a_text_can_be_stored_and_does_not_change_again(text: str) -> None:
    seen = visible(text)
    assert len(seen) <= len(text)
    assert visible(seen) == seen
    assert seen.encode().decode() == seen


@given(TEXTS)
def test_a_sentence_holds_no_tags_but_those_around_names(text: str) -> None:
    demand_harmless(f"<style></style><h1></h1>{ticks(text)}")


@given(st.lists(TEXTS) | TEXTS | st.just("\ud800" * (MAX_TEXT + 1)))
def test_the_text_of_a_cell_is_cut_and_can_be_stored(value: object) -> None:
    text = text_of(value)
    assert len(text.encode()) <= 4 * MAX_TEXT + 100


@fewer(2)
@given(TEXTS, st.booleans())
@example("![x](attachment:a.png)" * 4, True)
@example("[" * 300 + "](" * 300, True)
def test_markdown_becomes_plain_formatting_within_its_room(text: str, student: bool) -> None:
    pictures = {"a.png": {"image/png": png()}}
    room = Room(2000)
    html = markdown(text, pictures, room, student=student)
    demand_harmless(f"<style></style><h1></h1>{html}")
    assert len(html.encode()) <= 2000 + 200 and room.left >= 0
