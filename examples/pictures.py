"""Take the pictures of the README: a training cell of the solved notebook, and a page of feedback.

    make demo && CIFAR10_DIR=… make notebooks && python examples/pictures.py

It needs a Chromium: the one on the path, or the one that `CHROMIUM` names.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from playwright.sync_api import Page, sync_playwright

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = "fully_connected_networks"
DEMO = Path(os.environ.get("DEMO_COURSE", REPOSITORY / "build" / "demo-course"))
PAGE = DEMO / "feedback" / "regularised_once" / NAME / f"{NAME}.html"
NOTEBOOK = REPOSITORY / "build" / "notebooks" / NAME / f"{NAME}.ipynb"
CELLS = ("train-two-layer", "check-two-layer-accuracy")
PICTURES = REPOSITORY / "docs" / "images"


def notebook(page: Page, folder: Path) -> None:
    """Show the cell that trains the two-layer net, with its outputs, and the check below it."""
    there = nbformat.read(NOTEBOOK, as_version=4)
    there.cells = [cell for cell in there.cells if cell.id in CELLS]
    exporter = HTMLExporter(template_name="lab", preprocessors=[CoalesceStreamsPreprocessor(enabled=True)])
    body, _ = exporter.from_notebook_node(there)
    (folder / "notebook.html").write_text(body, encoding="utf-8")
    page.set_viewport_size({"width": 1000, "height": 600})
    page.goto((folder / "notebook.html").as_uri(), wait_until="domcontentloaded")
    page.locator("main").screenshot(path=PICTURES / "notebook.png")


def feedback(page: Page) -> None:
    """Show a page of feedback from its top to its first failed check."""
    page.set_viewport_size({"width": 1000, "height": 600})
    page.goto(PAGE.as_uri())
    failed = page.locator("tr.remarks").first.bounding_box()
    height = int(failed["y"] + failed["height"]) if failed else 600
    page.screenshot(
        path=PICTURES / "feedback.png", full_page=True, clip={"x": 0, "y": 0, "width": 1000, "height": height}
    )


def main() -> None:
    """Take both."""
    for made, command in ((PAGE, "make demo"), (NOTEBOOK, "make notebooks")):
        if not made.is_file():
            sys.exit(f"{made}: there is no such file. Run `{command}` first.")
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page()
        notebook(page, Path(folder))
        feedback(page)
        chromium.close()


if __name__ == "__main__":
    main()
