"""What a page of feedback says, and that a student's text cannot make it say or do anything else."""

import hashlib
import json
import re
import time
from copy import deepcopy
from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook
from pages import Parts, answer_cell, demand_harmless, enter, graded, page, png, where
from tiny_course import cell_metadata, record, submit, write_record

from autograder import gradebook
from autograder.errors import UserError
from autograder.feedback.collect import collect
from autograder.feedback.page import _duration, _points, _size, render
from autograder.feedback.text import ticks, visible
from autograder.grading import records
from autograder.release.build import generate

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)><svg><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    "</div></article></main><h1>Total: 100 of 6 points</h1>",
    "# Total: 100\n\nTotal\n=====",
    "<b onclick=alert(1)>x</b><code class='tex' style='position:fixed'>y</code>",
    "[x](javascript:alert(1)) [y](JaVaScRiPt:alert(1)) <javascript:alert(1)>",
    "[x](data:text/html;base64,PHNjcmlwdD4=) ![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x](https://example.org/tracker.png) ![x](attachment:missing.png)",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[x](&#106;avascript:alert(1)) &lt;script&gt;",
    "$<script>alert(1)</script>$ $$</code><img src=x>$$ \\begin{a}<svg>\\end{a}",
    "```html\n<script>alert(1)</script>\n",
    "~~~\n</code></pre><script>alert(1)</script>",
    "```mermaid\ngraph TD; A-->B\n```",
    "| a | b |\n|---|---|\n| <table><tr><td>| c |\n| | | a | |\n|---|---|\n> | x |\n> |---|",
    "{{ feedback.standing }} {% include '/etc/passwd' %}",
    "<b><i>" * 3000,
    "> " * 9000,
    "x\u202egnp.exe\u2066\u2069\u200b\ufeff",
    "null \x00 bytes \x1b[31m and \x7f",
    "half a pair \ud800 of surrogates",
    "",
    "   \n\t ",
]


@pytest.mark.parametrize("answer", ATTACKS, ids=range(len(ATTACKS)))
def test_a_hostile_answer_is_text(course, answer):
    graded(course, answer=answer)
    html = page(course)
    assert "4 of 6 points" in demand_harmless(html).text
    assert not re.search("[\x00\x1b\u202e\u2066]", html)
    assert not [heading for heading in re.findall(r"<h\d.*?</h\d>", html) if "Total" in heading]


def test_an_answer_keeps_its_plain_formatting(course):
    graded(
        course,
        answer="**Because** $2(x+y)$:\n\n- one\n- `two`\n\n[paper](https://example.org/a)\n\n| a |\n|---|\n| 1 |",
    )
    html = page(course)
    for part in [
        "<strong>Because</strong>",
        '<code class="tex">2(x+y)</code>',
        "<li>one</li>",
        "<code>two</code>",
        '<a href="https://example.org/a" rel="noreferrer">paper</a>',
        "<td>1</td>",
    ]:
        assert part in html, part


def test_a_huge_answer_is_cut_and_the_page_is_made_at_once(course):
    graded(course, answer="| & < " * 15_000)
    started = time.monotonic()
    html = page(course)
    assert time.monotonic() - started < 20
    assert len(html.encode()) < 1_000_000
    assert "your notebook holds" in html
    demand_harmless(html)


def test_the_page_says_what_the_record_and_the_gradebook_hold(course):
    graded(
        course, fraction="2", answer="Because.", case="another", measured=0.5,
        message="`out` is off by 0.5 & <b>more</b>", top={"notices": ["`more.py` was <i>not</i> looked at."]},
    )  # fmt: skip
    enter(course, manual_score=1.5, extra_credit=0.25, needs_manual_grade=False, comment="Well\nsaid <script>.")
    html = page(course)
    text = demand_harmless(html).text
    for part in [
        "3.75 of 6 points",
        "2 of 4 points",
        "1.75 of 2 points",
        "5.0e-01",
        "≤ 1.0e-07",
        "2/4",
        "Case “another”: out is off by 0.5 & <b>more</b>",
        "Hint: Multiply.",
        "Question 1 (2 points)",
        "1.75 of 2, 0.25 of them extra",
        "said <script>.",
        "more.py was <i>not</i> looked at.",
        "3 February 2031, 04:05 UTC",
    ]:
        assert part in text, part
    assert '<code class="tex">f(x) = 2x</code>' in html
    assert "<code>out</code> is off by 0.5 &amp; &lt;b&gt;" in html
    assert "✗" in text and "✓" not in text


def test_a_passed_check_has_no_hint_and_a_blocked_one_says_what_to_mend(course):
    graded(course)
    assert "Multiply." not in page(course)
    graded(course, "bob", fraction="0", status="blocked", message="First mend `single`, which this check needs.")
    text = Parts(page(course, "bob")).text
    assert "–" in text and "First mend single , which this check needs." in text and "Multiply." not in text


def test_a_message_that_many_checks_share_stands_there_once(course):
    graded(course, fraction="0", message="the module cannot be read")
    feedback = collect(course, *where(course))
    assert render(feedback).count("the module cannot be read") == 1
    assert render(replace(feedback, checks=feedback.checks * 5)).count("the module cannot be read") == 1


def test_code_and_tasks_that_a_person_grades_and_comments_elsewhere_are_shown(course):
    path = course.source / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    task = cell_metadata("project", grade=False, solution=False, points=5)
    task["nbgrader"]["task"] = True
    notebook.cells += [
        new_markdown_cell("Write a loop."),
        new_code_cell("x = 1", metadata=cell_metadata("loop", grade=True, solution=True, points=3)),
        new_markdown_cell("### A project\n\nDo *this*.", metadata=task),
        new_code_cell("y = 1", metadata=cell_metadata("free", grade=False, solution=True)),
    ]
    nbformat.write(notebook, path)
    toml = course.assignments / "tiny" / "assignment.toml"
    toml.write_text(toml.read_text().replace("written = 2", "written = 10"))
    generate(course, "tiny")

    def answer(notebook):
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "loop":
                cell.source = "for x in '</code><script>': # $x$ *y*\n    pass"

    graded(course, edit=answer)
    enter(course, cell="project", manual_score=4.0, needs_manual_grade=False, comment="A fine project.")
    with Gradebook(course.db_url) as gb:
        gb.find_comment("free", "tiny", "tiny", "alice").manual_comment = "Not needed."
        gb.db.commit()
    html = page(course)
    text = demand_harmless(html).text
    assert "8 of 14 points so far" in text
    assert "<pre><code>for x in &#39;&lt;/code&gt;&lt;script&gt;&#39;: # $x$ *y*" in html
    assert "<h3>A project</h3>" in html and "<em>this</em>" in html and "Comment: A fine project." in text
    assert "On the cell free : Not needed." in text


def test_what_nobody_has_graded_yet_is_said(course):
    graded(course, answer="Because.")
    text = Parts(page(course)).text
    assert "4 of 6 points so far" in text and "1 not graded yet" in text and "not graded yet" in text
    graded(course, "bob")
    text = Parts(page(course, "bob")).text
    assert "No answer was given." in text and "so far" not in text and "0 of 2" in text


def test_a_score_by_hand_from_before_a_regrade_is_said_to_be_looked_at_again(course):
    graded(course, answer="Because.")
    enter(course, manual_score=1.5, needs_manual_grade=False)
    assert "looked at again" not in page(course)
    graded(course, answer="Because of that.", fraction="2")
    assert "looked at again" in page(course)


def test_a_check_that_a_person_scored_says_so(course):
    graded(course, fraction="2")
    enter(course, cell="double", manual_score=3.0)
    text = Parts(page(course)).text
    assert "3/4 set by hand" in text and "3 of 6 points" in text


def test_lateness_and_its_penalty_are_said(course):
    config = course.nbgrader_config
    config.write_text(config.read_text() + 'c.LateSubmissionPlugin.penalty_method = "zero"\n')
    with Gradebook(course.db_url) as gb:
        gb.update_or_create_assignment("tiny", duedate="2031-02-02 00:00:00 UTC")
    graded(course)
    text = Parts(page(course)).text
    assert "0 of 6 points" in text and "−4 points" in text and "1 day 4 hours late" in text


def test_the_standin_is_named(course):
    graded(course, top={"data": "standin"})
    assert "say nothing about CIFAR-10" in page(course)


def test_the_page_needs_nothing_but_itself(course):
    graded(course, answer="Because.")
    html = page(course)
    found = demand_harmless(html)
    policy = next(value for tag, name, value in found.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert html.index("Content-Security-Policy") < html.index("<style")
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "<title>Tiny – feedback for alice</title>" in html
    headers = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<th\b[^>]*>", html)]
    assert headers and all(header.get("scope") in ("row", "col") for header in headers)
    assert "http://" not in html and "https://" not in html and "url(" not in html


def test_what_was_graded_is_named_with_its_digest(course):
    folder = graded(course)
    digest = hashlib.sha256((folder / "tiny.py").read_bytes()).hexdigest()
    assert digest[:12] in page(course)


def test_nothing_that_stands_below_a_locked_cell_is_shown(course):
    def leak(notebook):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [
                    new_output("stream", name="stdout", text="SECRET"),
                    new_output(
                        "execute_result", data={"text/html": "SECRET", "text/plain": "SECRET"}, execution_count=1
                    ),
                    new_output("error", ename="SECRET", evalue="SECRET", traceback=["SECRET"]),
                ]
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "double":
                cell.outputs.append(new_output("display_data", data={"image/png": png()}))

    graded(course, answer="Because.", edit=leak)
    html = page(course)
    assert "SECRET" not in html and "<img" not in html


def test_the_figures_of_the_section_and_pictures_in_the_answer_are_shown(course):
    def draw(notebook):
        plot = next(index for index, cell in enumerate(notebook.cells) if cell.source == "plot()")
        drawn = [new_output("display_data", data={"image/png": png(n)}) for n in (10, 20)]
        notebook.cells[plot].outputs = drawn
        notebook.cells.insert(
            0, new_code_cell("far above", outputs=[new_output("display_data", data={"image/png": png(30)})])
        )
        cell = answer_cell(notebook)
        cell.source = "See ![my sketch](attachment:sketch.png) and ![that](attachment:photo.jpg)."
        cell["attachments"] = {"sketch.png": {"image/png": png(40)}, "photo.jpg": {"image/jpeg": "/9j/4AAQ"}}

    graded(course, edit=draw)
    html = page(course)
    demand_harmless(html)
    shown = [n for n in (10, 20, 30, 40) if png(n) in html]
    assert shown == [10, 20, 40]
    assert 'alt="my sketch"' in html and "data:image/jpeg;base64,/9j/4AAQ" in html


def test_pictures_that_would_make_the_page_too_large_are_left_out_and_it_says_so(course):
    def draw(notebook):
        plot = next(cell for cell in notebook.cells if cell.source == "plot()")
        plot.outputs = [new_output("display_data", data={"image/png": png(size)}) for size in (500_000, 10, 500_000)]
        cell = answer_cell(notebook)
        cell.source = "![a](attachment:a.png) " * 50
        cell["attachments"] = {"a.png": {"image/png": png(60_000)}}

    graded(course, edit=draw)
    html = page(course)
    assert len(html.encode()) < 1_000_000
    assert "(2 more in your notebook, too large for this page)" in html
    assert "(picture a, not shown)" in html


@pytest.mark.parametrize("value", ["PHN2Zz4=", "", "not base64!", png(side=100_000), 'x" onerror="alert(1)'])
def test_a_picture_that_is_none_is_not_shown(course, value):
    def draw(notebook):
        next(cell for cell in notebook.cells if cell.source == "plot()").outputs = [
            new_output("display_data", data={"image/png": value})
        ]

    graded(course, answer="Because.", edit=draw)
    assert "<img" not in page(course)


def test_a_students_own_headings_and_copies_of_the_question_change_nothing(course):
    def confuse(notebook):
        notebook.cells.insert(-1, new_markdown_cell("# Mine"))
        copied = deepcopy(answer_cell(notebook))
        copied["id"] = "copied"
        notebook.cells.insert(0, copied)

    graded(course, answer="Because.", edit=confuse)
    html = page(course)
    assert html.count("Your answer") == 1 and "<h3>Question 1 (2 points)</h3>" in html
    demand_harmless(html)


@pytest.mark.parametrize("notebook", [b"not json", b"[" * 100_000, b'{"cells": "x"}', None])
def test_a_notebook_that_is_unreadable_or_missing_gets_a_page(course, notebook):
    folder = submit(course, "alice", notebook=notebook or b"x")
    if notebook is None:
        (folder / "tiny.ipynb").unlink()
    write_record(course, record("alice"))
    gradebook.save(course, "tiny", [record("alice")])
    text = demand_harmless(page(course)).text
    assert "4 of 6 points" in text and "No answer was given." in text


def test_a_submission_that_changed_since_it_was_graded_gets_no_page(course):
    folder = graded(course)
    page(course)
    (folder / "tiny.py").write_text("x = 1\n")
    with pytest.raises(UserError, match=r"has changed since it was graded\. Run `autograder grade tiny`"):
        page(course)


def test_a_score_that_the_gradebook_lacks_or_has_otherwise_gets_no_page(course):
    graded(course)
    write_record(course, record("alice", "2"))
    with pytest.raises(UserError, match="the gradebook has another score for 'double'"):
        page(course)
    submit(course, "bob")
    write_record(course, record("bob"))
    with pytest.raises(UserError, match="no scores of this submission"):
        page(course, "bob")


@pytest.mark.parametrize(
    "damage",
    [
        {"checks": None},
        {"checks": [1]},
        {"checks": [{}]},
        {"checks": {"a": 1}},
        {"notices": 3},
        {"key": None},
        {"schema": 0},
        {"checks": [{"id": "double", "sentence": "", "status": "odd", "fraction": "4", "max_score": 4}]},
        {"checks": [{"id": "double", "sentence": "", "status": "passed", "fraction": "4/0", "max_score": 4}]},
        {"checks": [{"id": [], "sentence": "", "status": "passed", "fraction": "4", "max_score": 4}]},
    ],
)
def test_a_damaged_record_is_named(course, damage):
    graded(course)
    path = records.path(course, "tiny", "alice")
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(UserError, match="autograder grade tiny"):
        page(course)


def test_small_words():
    assert [_points(value) for value in (0.0, 4.0, 8 / 3, 0.005, 100.0)] == ["0", "4", "2.67", "0.01", "100"]
    assert [_duration(value) for value in (1, 3700, 90_000)] == ["1 minute", "1 hour 2 minutes", "1 day 1 hour"]
    assert [_size(value) for value in (5, 1500, 2_500_000)] == ["5 B", "1.5 kB", "2.5 MB"]
    assert ticks("a `b<` & `c") == "a <code>b&lt;</code> &amp; `c"
    assert visible("a\r\nb\u202ec\x00") == "a\nb\ufffdc\ufffd"
