"""An author in JupyterLab: adds the cell of a check and marks it, as docs/AUTHORING.md says."""

import json

import pytest
from jupyter_lab import autograder

pytestmark = pytest.mark.xdist_group("browser")
NAME = "smooth_units"
CHECK = 'check("mean_square")'


def marks(notebook):
    """Return what nbgrader knows of the notebook's check cells, by their code."""
    cells = json.loads(notebook.read_text())["cells"]
    code = {"".join(cell["source"]): cell["metadata"].get("nbgrader") for cell in cells if cell["cell_type"] == "code"}
    return {source: about for source, about in code.items() if source.startswith("check(")}


def test_an_author_marks_the_cell_of_a_new_check(page, tmp_path, start_lab):
    root = tmp_path / "course"
    autograder("init", str(root))
    autograder("new", NAME, "--course", str(root))
    notebook = root / "source" / NAME / f"{NAME}.ipynb"
    lab = start_lab(root)
    page.goto(lab.page(f"lab/tree/source/{NAME}/{NAME}.ipynb"))
    page.get_by_text("| Idle").wait_for()
    page.locator(".jp-CodeCell").filter(has_text='check("softplus")').locator(".jp-InputPrompt").click()
    page.keyboard.press("b")
    page.locator(".jp-CodeCell.jp-mod-active .cm-content").click()
    page.keyboard.insert_text(CHECK)
    page.keyboard.press("Escape")

    page.locator(".jp-SideBar.jp-mod-right").get_by_text("Create Assignment").click()
    marked = page.locator(".nbgrader-CellWidget.nbgrader-mod-active")
    marked.get_by_label("Type:").select_option("Autograded tests")
    marked.get_by_label("ID:").fill("mean_square")
    marked.get_by_label("Points:").fill("6")
    marked.get_by_label("Points:").press("Tab")
    page.keyboard.press("Control+s")
    page.locator("#jp-main-dock-panel .lm-TabBar-tab:not(.jp-mod-dirty)").filter(has_text=NAME).wait_for()

    found = marks(notebook)
    assert list(found) == ['check("softplus")', CHECK]
    assert found[CHECK] == found['check("softplus")'] | {"grade_id": "mean_square", "points": 6}
