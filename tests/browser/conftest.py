"""What the tests in a browser share: a Chromium, a page that is photographed when a test fails, courses."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_lab import Lab, autograder, jupyter_lab

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ANSWERS_WITHIN = 30
"""Seconds that a page may take for what a person expects at once."""


@pytest.fixture(scope="session")
def playwright() -> Iterator:
    """Return playwright's own entry point, or skip the test."""
    reason = "playwright is not here: pip install -e '.[dev]'"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright) -> Iterator:
    """Return a headless Chromium, or skip the test."""
    named = [os.environ.get("CHROMIUM"), *map(shutil.which, PROGRAMS), playwright.chromium.executable_path]
    program = next((path for path in named if path and Path(path).is_file()), None)
    if program is None:
        pytest.skip("no Chromium is here: install one, run `playwright install chromium`, or name one in CHROMIUM")
    browser = playwright.chromium.launch(executable_path=program, args=["--disable-gpu"])
    yield browser
    browser.close()


@pytest.fixture
def page(chromium, tmp_path) -> Iterator:
    """Return a page that reaches this machine and nothing else; when the test fails, it is saved as failed.png."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(1000 * ANSWERS_WITHIN)
    context.route(lambda url: not url.startswith(("http://127.0.0.1:", "file:", "data:")), lambda route: route.abort())
    yield context.new_page()
    context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Save what the browser showed when a test failed, and say where."""
    report = yield
    if report.failed and call.when == "call" and "page" in item.funcargs:
        picture = item.funcargs["tmp_path"] / "failed.png"
        try:
            item.funcargs["page"].screenshot(path=picture)
            report.sections.append(("the browser", f"It showed {picture}"))
        except Exception as error:  # it may be gone; the test's own failure is what counts
            report.sections.append(("the browser", f"There is no picture of it: {error}"))
    return report


@pytest.fixture
def start_lab(tmp_path) -> Iterator[Callable[..., Lab]]:
    """Return what starts JupyterLab in a folder; it ends with the test, and its log is jupyter/jupyter.log."""
    with contextlib.ExitStack() as running:
        yield lambda folder, **variables: running.enter_context(jupyter_lab(folder, tmp_path / "jupyter", **variables))


@pytest.fixture
def course(tmp_path) -> Path:
    """Return a new course folder with the first assignment of this repository, on the stand-in data set."""
    root = tmp_path / "course"
    autograder("init", str(root), "--from", str(REPOSITORY), "--assignment", "fully_connected_networks")
    settings = root / "course.toml"
    settings.write_text(settings.read_text().replace('data = "cifar10"', 'data = "standin"'))
    return root
