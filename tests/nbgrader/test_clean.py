"""What a student writes cannot run in the browser of whoever grades it."""

import nbformat
import pytest
from nbconvert.filters import markdown2html
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.nbgrader.clean import clean_cell, clean_markdown, clean_outputs

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a <svg/onload=alert(1)>",
    "<b onclick=alert(1)>x</b>",
    "<!-- --><iframe src='javascript:alert(1)'></iframe>",
    "[x](javascript:alert(1))",
    "[x](  JaVaScRiPt:alert(1))",
    "[x](<javascript:alert(1)>)",
    "![x](data:text/html;base64,AAAA)",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[x](&#106;avascript:alert(1))",
    "<javascript:alert(1)>",
    "$\\href{javascript:alert(1)}{x}$",
    "```mermaid\ngraph TD; A-->B\n```",
    "![x](attachment:missing.png)",
    '[x](https://example.org"onmouseover=alert(1))',
]


@pytest.mark.parametrize("text", ATTACKS)
def test_markdown_becomes_harmless_html(text):
    html = markdown2html(clean_markdown(text, set())).lower()
    for part in [
        "<script",
        "<img",
        "<svg",
        "<iframe",
        "<b ",
        'href="javascript',
        "\\href",
        "jp-mermaid",
        '<a href="data',
    ]:
        assert part not in html


@pytest.mark.parametrize(
    "text",
    [
        "The loss *falls* because $a<1$ & $b \\leq 2$.",
        "- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "see [the paper](https://example.org/a?b=c&d=e#f)",
        "H<sub>2</sub>O<br>x",
        "    x = a[1] < 2",
    ],
)
def test_plain_markdown_stays_as_it_was_written(text):
    assert clean_markdown(text, set()) == text


def test_the_authors_own_text_is_not_changed():
    text = "Given <div>by</div> the author"
    assert clean_cell({"cell_type": "markdown", "source": text}, {text}).source == text
    assert clean_cell({"cell_type": "markdown", "source": text}, set()).source != text


def test_raw_cells_become_text():
    cell = clean_cell({"cell_type": "raw", "source": "<script>alert(1)</script>", "metadata": {}}, set())
    assert cell.cell_type == "markdown" and "<script" not in markdown2html(cell.source)


def test_outputs_keep_text_pictures_and_errors_only():
    png = {"image/png": "iVBORw0KGgo=\n", "text/html": "<script>1</script>", "text/plain": "<Figure>"}
    kept = clean_outputs(
        [
            {"output_type": "display_data", "data": png, "metadata": {"a": 1}},
            {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}},
            {"output_type": "display_data", "data": {"image/png": 'x" onerror="alert(1)'}},
            {"output_type": "stream", "name": "other", "text": ["a", "b"]},
            {"output_type": "error", "ename": "E", "evalue": None, "traceback": "no list"},
            {"output_type": "update"},
            "no dictionary",
        ]
    )
    assert [output.output_type for output in kept] == ["display_data", "stream", "error"]
    assert kept[0].data == {"image/png": "iVBORw0KGgo=\n", "text/plain": "<Figure>"}
    assert (kept[1].name, kept[1].text) == ("stdout", "ab")


def test_of_a_progress_bar_the_last_state_is_kept():
    bar = [{"output_type": "stream", "name": "stderr", "text": f"\r{done} %"} for done in range(101)]
    out = {"output_type": "stream", "name": "stdout", "text": "one\r\ntwo\n"}
    kept = clean_outputs([*bar, out, out])
    assert [(output.name, output.text) for output in kept] == [("stderr", "100 %"), ("stdout", "one\ntwo\n" * 2)]


@pytest.mark.parametrize(
    "metadata, kept",
    [
        ({"image/png": {"width": 640, "height": 480, "alt": "x"}}, {"image/png": {"width": 640, "height": 480}}),
        ({"image/png": {"width": "1 onload=alert(1)", "height": 10**9}}, {}),
        ({"image/png": {"width": True, "height": -1}, "image/jpeg": {"width": 5}}, {}),
        ({"image/png": [640]}, {}),
        ([], {}),
    ],
)
def test_pictures_keep_the_size_at_which_they_were_shown_and_nothing_else(metadata, kept):
    figure = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}, "metadata": metadata}
    assert clean_outputs([figure])[0].metadata == kept


@pytest.mark.parametrize(
    "cell",
    [
        {},
        {"cell_type": "code", "source": None, "outputs": "x"},
        {
            "cell_type": "markdown",
            "source": ["a", 1, None],
            "attachments": {"a.png": {"image/png": 3}, "": None},
        },
        {"cell_type": ["x"], "source": "\ud800"},
        {"cell_type": "code", "source": "x" * 1_000_000},
    ],
)
def test_any_cell_becomes_one_that_nbformat_accepts(cell):
    clean = clean_cell(cell, set())
    clean["id"] = "a"
    nbformat.validate(new_notebook(cells=[clean]))
    clean.source.encode()
    assert len(clean.source) < 200_000


def test_what_is_made_has_the_kind_that_was_submitted():
    for make in (new_code_cell, new_markdown_cell):
        assert clean_cell(dict(make("x")), set()).cell_type == make("x").cell_type
