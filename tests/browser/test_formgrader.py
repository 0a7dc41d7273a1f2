"""An instructor in JupyterLab: releases, grades, reads an answer, gives it points and makes the page of feedback."""

import json
import re
import sys
import time
from pathlib import Path

import nbformat
import pytest
from jupyter_lab import autograder

from examples.fully_connected_class import NAME, NOTEBOOK, write_class

pytestmark = pytest.mark.xdist_group("browser")

CLASS = ["complete", "forgot_bias", "cheater", "unreadable_notebook", "no_notebook"]
LISTED = sorted({*CLASS} - {"no_notebook"})
"""Whom nbgrader can show: it works on notebooks."""
READ = "forgot_bias"
QUESTION = "question_two_layer"
ANSWER = "Training and validation accuracy stay together, so it is limited by what it can learn."
POINTS = 2.5
COMMENT = "Well read. Which curve says so?"
GRADES_WITHIN = 120


def hand_in(course):
    """Let the class hand in, one of them with an answer of its own."""
    write_class(course, "standin", CLASS)
    path = course / "submitted" / READ / NAME / NOTEBOOK
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == QUESTION:
            cell.source = ANSWER
    nbformat.write(notebook, path)


def open_formgrader(page, lab):
    """Open formgrader by JupyterLab's menu and return its frame."""
    page.goto(lab.page("lab"))
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_role("menuitem", name="Formgrader", exact=True).click()
    return page.locator("#formgrader-iframe iframe").element_handle().content_frame()


def press(frame, button, ends="Success", meanwhile=lambda: None):
    """Press a button, wait for the dialogue that says how it went, close it and return its text."""
    button.click()
    dialogue = frame.locator(".modal.in")
    deadline = time.monotonic() + GRADES_WITHIN
    while not dialogue.is_visible():
        assert time.monotonic() < deadline, f"no answer within {GRADES_WITHIN} seconds"
        meanwhile()
        frame.wait_for_timeout(50)
    title, text = dialogue.locator(".modal-title").inner_text(), dialogue.inner_text()
    assert title == ends, text
    dialogue.get_by_role("button", name="OK").click()
    frame.locator(".modal").wait_for(state="detached")
    return text


def to_submissions(frame):
    frame.get_by_role("link", name="Manage Assignments").click()
    frame.locator("td.num-submissions a").click()
    frame.locator("td.autograde a").first.wait_for()


def to_answers(frame):
    """Go to the list of notebooks for grading by hand, and let it show names."""
    frame.get_by_role("link", name="Manual Grading").first.click()
    for heading in ("Submissions", "Notebook ID"):
        frame.locator("th", has_text=heading).wait_for()
        frame.locator("td.name a").click()
    frame.locator("td.reveal").first.wait_for()
    frame.get_by_role("button", name="Show All Names").click()


def open_submission(frame):
    """Open the submission that is read, wait until its points are there, and return the question's cell."""
    frame.locator("a.name-shown", has_text=READ).click()
    cell = frame.locator(".nbgrader_cell").filter(has=frame.locator(f"#{QUESTION}"))
    cell.wait_for()
    frame.wait_for_function("window.formgrader?.grades?.loaded && formgrader.comments?.loaded")
    return cell


def row(frame, student):
    return frame.locator(f'tr:has(td.student-id[data-order="{student}"])')


def shown(frame, column, name):
    """Return the scores in a column of the table that a page shows: by the name in another column."""
    rows = frame.locator("#main-table tr").all()
    texts = {one.locator(name).inner_text(): one.locator(f"td.{column}").inner_text() for one in rows}
    return {student: float(text.split(" / ")[0]) for student, text in texts.items() if text}


def demand_scores(frame, course, written):
    """Demand that both tables of formgrader show what `autograder grade` says, and what a person gave."""
    printed = autograder("grade", NAME, "--json", "--course", str(course)).splitlines()
    records = {record["student"]: record for record in map(json.loads, printed)}
    assert sorted(records) == sorted(CLASS)
    for student, record in records.items():
        assert json.loads((course / "results" / NAME / f"{student}.json").read_text()) == record
    code = {student: records[student]["score"] for student in LISTED}
    total = {student: pytest.approx(code[student] + written.get(student, 0)) for student in LISTED}

    to_answers(frame)
    assert shown(frame, "score", "a.name-shown") == total
    assert shown(frame, "code-score", "a.name-shown") == code
    assert shown(frame, "written-score", "a.name-shown") == {one: written.get(one, 0) for one in LISTED}
    to_submissions(frame)
    listed = shown(frame, "score", "td.student-id")
    assert {student: listed[student] for student in LISTED} == total
    return records


def graders(server):
    """Return the processes that a server started for grading (where the system tells)."""
    found = set()
    for children in Path(f"/proc/{server}/task").glob("*/children"):
        for pid in children.read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            found |= {pid} if b"grade" in command else set()
    return found


def give(frame, field, value):
    """Write into a field of a submission's page, as a person does, and wait until it is saved."""
    with frame.page.expect_response(lambda answer: answer.request.method == "PUT") as answer:
        field.fill(value)
        field.blur()
    assert answer.value.ok


def width_beyond(page):
    """Return how many pixels of a page are beyond its window's right edge."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_a_class_is_graded_and_answered_in_formgrader(page, course, start_lab):
    lab = start_lab(course)
    frame = open_formgrader(page, lab)
    press(frame, frame.locator("td.assign a"))
    assert (course / "release" / NAME / NOTEBOOK).is_file()
    hand_in(course)

    # one press grades all that is pending, once, outside of the server
    frame.get_by_role("link", name="Manage Assignments").click()
    to_submissions(frame)
    started = set()
    for student in LISTED:
        row(frame, student).locator("td.status", has_text="needs autograding").wait_for()
        press(frame, row(frame, student).locator("td.autograde a"), meanwhile=lambda: started.update(graders(lab.pid)))
        row(frame, student).locator("td.status", has_text=re.compile(r"\bgraded|needs manual grading")).wait_for()
        assert sorted(path.stem for path in (course / "results" / NAME).glob("*.json")) == sorted(CLASS)
    assert len(started) == 1 or sys.platform != "linux"
    said = press(frame, row(frame, "no_notebook").locator("td.autograde a"), ends="Error")
    assert "No notebooks were matched" in said
    records = demand_scores(frame, course, {})

    # a submission shows the results of its checks, and the answer, which gets its points
    to_answers(frame)
    cell = open_submission(frame)
    assert ANSWER in cell.inner_text()
    for check in records[READ]["checks"]:
        field = frame.locator(f"#{check['id']}[placeholder]")
        assert float(field.get_attribute("placeholder")) == pytest.approx(check["score"], abs=0.005)
        cells = frame.locator("div.cell").filter(has=field)
        assert f"{check['status']}, {check['score']:g} of {check['max_score']} points" in cells.inner_text()
    assert width_beyond(frame) <= 0
    give(frame, cell.locator("input.score"), str(POINTS))
    give(frame, cell.locator("textarea.comment"), COMMENT)
    demand_scores(frame, course, {READ: POINTS})

    # the page that the student reads says the same
    total = shown(frame, "score", "td.student-id")[READ]
    press(frame, row(frame, READ).locator("td.generate-feedback a"))
    student = page.context.new_page()
    demand_feedback(student, course, total)
    student.close()

    # grading again changes nothing, and keeps what a person gave
    started.clear()
    press(frame, row(frame, READ).locator("td.autograde a"), meanwhile=lambda: started.update(graders(lab.pid)))
    assert not started  # the submission has not changed
    demand_scores(frame, course, {READ: POINTS})
    autograder("grade", NAME, "--force", "--course", str(course), "--quiet")
    again = demand_scores(frame, course, {READ: POINTS})
    assert {one: record["score"] for one, record in again.items()} == {s: r["score"] for s, r in records.items()}
    to_answers(frame)
    cell = open_submission(frame)
    assert cell.locator("input.score").input_value() == str(POINTS)
    assert cell.locator("textarea.comment").input_value() == COMMENT

    # in a narrow window too
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto(lab.page(f"formgrader/manage_submissions/{NAME}"))
    press(page, row(page, READ).locator("td.generate-feedback a"))
    demand_feedback(page, course, total)
    assert "Exception while loading config file" not in lab.log.read_text()


def demand_feedback(page, course, total):
    page.goto((course / "feedback" / READ / NAME / f"{NAME}.html").as_uri())
    text = page.locator("body").inner_text()
    assert f"{total:g} of 112 points" in " ".join(text.split())
    assert f"{POINTS} of 4" in text and ANSWER in text and COMMENT in text
    assert width_beyond(page) <= 0
