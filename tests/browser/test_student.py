"""A student in JupyterLab: runs a check, sees what is wrong, edits the module, runs it again."""

import re
import shutil
import textwrap

import pytest
from jupyter_lab import autograder

from examples.fully_connected_class import MODULE, NAME, NOTEBOOK, SOLUTION

pytestmark = pytest.mark.xdist_group("browser")

RUNS_WITHIN = 60_000
"""Milliseconds: the first cell starts the kernel and imports torch."""


@pytest.fixture
def folder(course, tmp_path):
    """Return what a student was given, in a folder of their own."""
    autograder("release", NAME, "--course", str(course))
    return shutil.copytree(course / "release" / NAME, tmp_path / "student" / NAME)


def run(page, code):
    """Run the cell with this code, by its keys, and return what it shows."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").filter(has_text=code)
    before = cell.locator(".jp-InputPrompt").inner_text()
    cell.locator(".jp-InputArea .cm-content").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "([cell, before]) => /\\d/.test(cell.innerText) && cell.innerText !== before",
        arg=[cell.locator(".jp-InputPrompt").element_handle(), before],
        timeout=RUNS_WITHIN,
    )
    return cell.locator(".jp-OutputArea").inner_text()


def tab(page, name):
    return page.locator("#jp-main-dock-panel .lm-TabBar-tab").filter(has_text=name)


def test_a_student_mends_a_layer_beside_the_notebook(page, folder, start_lab):
    lab = start_lab(folder, TOOLBOX_DATA="standin")
    page.goto(lab.page("lab"))
    files = page.locator(".jp-DirListing-content")
    files.get_by_text(NOTEBOOK, exact=True).dblclick()
    page.get_by_text("| Idle").wait_for()  # the kernel has started
    assert run(page, "%load_ext autoreload") == ""

    shown = run(page, 'check("linear_forward")')
    assert "✗" in shown and "0/4" in shown and "0 of 1 checks passed" in shown
    assert "Linear.forward computes x·w + b" in shown.replace("`", "")
    assert "Linear.forward is not written yet" in shown

    files.get_by_text(MODULE, exact=True).dblclick()
    page.locator(".jp-FileEditor .cm-line").filter(has_text="Linear.forward is not written yet").click()
    page.keyboard.press("End")
    page.keyboard.press("Shift+Home")
    (solution, *_) = re.findall(r"### BEGIN SOLUTION\n(.*?)\s*### END SOLUTION", SOLUTION.read_text(), re.DOTALL)
    for number, line in enumerate(textwrap.dedent(solution).splitlines()):
        if number:
            page.keyboard.press("Enter")
        page.keyboard.type(line)
    page.keyboard.press("Control+s")
    tab(page, MODULE).and_(page.locator(":not(.jp-mod-dirty)")).wait_for()
    assert solution in (folder / MODULE).read_text()

    tab(page, NOTEBOOK).click()
    shown = run(page, 'check("linear_forward")')
    assert "✓" in shown and "4/4" in shown and "1 of 1 checks passed" in shown
