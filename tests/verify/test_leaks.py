"""Solutions are found in a release wherever they stand, and honest files are let pass."""

import html
import json
import py_compile

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.release.strip import strip_module
from autograder.verify.leaks import find_leaks

MODULE = '''\
def scale(x, w, cache):
    """Return x, scaled."""
    rows, columns = x.shape[0], w.shape[1]
    ### BEGIN SOLUTION
    total = (x ** 2).sum(dim=1, keepdim=True)  # of each row
    out = x * w['gain'] / (total.sqrt() + 1e-8)
    ### END SOLUTION
    return out


def passed(dout):
    """Return the gradient."""
    ### BEGIN SOLUTION
    dx = dout
    ### END SOLUTION
    return dx
'''
SOURCES = {"layers.py": MODULE}
LINE = "out = x * w['gain'] / (total.sqrt() + 1e-8)"
BOTH = f"total = (x ** 2).sum(dim=1, keepdim=True)\n{LINE}"


@pytest.fixture
def release(tmp_path):
    (tmp_path / "layers.py").write_text(strip_module(MODULE, "layers.py"))
    return tmp_path


def put(release, name, content):
    path = release / name
    path.parent.mkdir(exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        nbformat.write(content, path)
    return find_leaks(SOURCES, release)


def test_the_stripped_modules_give_nothing_away(release):
    assert find_leaks(SOURCES, release) == []


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("layers.py", MODULE, "layers.py:5"),
        ("checks/test_a.py", f"\n\ndef right(x, w):\n        {LINE}\n", "checks/test_a.py:4"),
        ("checks/test_a.py", f'hint = "Write {LINE}."\n', "checks/test_a.py:1"),
        ("checks/test_a.py", f"# {LINE}\n", "checks/test_a.py:1"),
        ("checks/test_a.py", f'"""Of the author.\n\n>>> {LINE}\n"""\n', "checks/test_a.py:3"),
        ("checks/test_a.py", "out = x * w['gain'] / (  # why not\n    total.sqrt() + 1e-8)\n", "checks/test_a.py:1"),
        ("checks/test_a.py", f"text = {BOTH!r}\n", "checks/test_a.py:1"),
        ("checks/test_a.py", "text = 'a = 1\\ntotal = (x ** 2).sum(dim=1, keepdim=True)'\n", "checks/test_a.py:1"),
        ("README.md", f"# Scale\n\n```python\n{BOTH}\n```\n", "README.md:4"),
        ("README.md", f"Write `{LINE.replace(chr(39), chr(34))}`.\n", "README.md:1"),
        ("checks/assignment.toml", f'title = """\n{LINE}"""\n', "checks/assignment.toml:2"),
        ("page.html", f"<pre>{html.escape(LINE)}</pre>", "page.html:1"),
        ("page.html", "".join(f"<span>{html.escape(w)}</span> " for w in LINE.split()), "page.html:1"),
        ("toolbox/gone.py", LINE, "toolbox/gone.py:1"),
        ("broken.ipynb", LINE, "broken.ipynb:1"),
    ],
)
def test_a_solution_is_found_in_whatever_dress(release, name, content, place):
    (leak, *_) = put(release, name, content)
    assert leak.startswith(f"{place}: the solution of scale (layers.py:4) stands here")


def test_every_corner_of_a_notebook_is_looked_at(release):
    leaky = new_output("display_data", data={"text/html": f"<pre>{html.escape(LINE)}</pre>"})
    stream = new_output("stream", text=f"a\n{LINE}\n")
    notebook = new_notebook(
        cells=[
            new_markdown_cell(f"Look:\n\n    {LINE}"),
            new_code_cell(BOTH),
            new_code_cell("1", outputs=[leaky]),
            new_code_cell("2", outputs=[stream]),
            new_code_cell("3", metadata={"author": {"notes": LINE}}),
            new_markdown_cell("4", attachments={"a.txt": {"text/plain": LINE}}),
            new_code_cell("honest = 1"),
        ],
        metadata={"kept": LINE},
    )
    leaks = put(release, "layers.ipynb", notebook)
    for place in ["cell 1 source, line 3", "cell 2 source, line 1", "cell 3 outputs", "cell 4 outputs",
                  "cell 5 metadata author notes", "cell 6 attachments", "metadata kept"]:  # fmt: skip
        assert sum(place in leak for leak in leaks) == 1, place
    assert not any("cell 7" in leak for leak in leaks)


@pytest.mark.parametrize(
    "text",
    [
        "dx = dout\n",
        "    dx=dout  # so\n",
        "See `dx = dout`.\n",
        "# dx = dout\n",
        "- dx = dout\n",
        "x = 1; dx = dout\n",
        "else: dx = dout\n",
    ],
)
def test_a_short_solution_is_found_where_it_is_a_statement_of_its_own(release, text):
    (leak,) = put(release, "README.md", text)
    assert leak.startswith("README.md:1: the solution of passed (layers.py:13) stands here: take it out")


@pytest.mark.parametrize(
    "text", ["dx = dout * mask\n", "ddx = dout\n", "dx = dout(1)\n", "dx == dout\n", "where dx = dout is given back\n"]
)
def test_what_only_begins_like_a_short_solution_is_none(release, text):
    assert put(release, "README.md", text) == []


def test_lines_that_are_given_and_short_lines_may_stand_anywhere(release):
    given = "rows, columns = x.shape[0], w.shape[1]"
    assert put(release, "checks/test_a.py", f"{given}\nreturn out\ntotal.sqrt()\n") == []
    source = MODULE.replace("    total", f"    {given}\n    total")
    assert find_leaks({"layers.py": source}, release) == []


def test_a_short_solution_is_given_only_where_it_is_a_statement_of_its_own(release):
    (release / "README.md").write_text("dx = dout\n")
    for line, count in (("dx = dout * 2", 1), ("dx = dout", 0)):
        assert len(find_leaks({"layers.py": MODULE.replace('"""Return the gradient."""', line)}, release)) == count


def test_compiled_python_is_refused_whatever_its_name(release):
    py_compile.compile(str(release / "layers.py"), str(release / "layers.pyc"))
    (release / "other.bin").write_bytes((release / "layers.pyc").read_bytes())
    assert [leak.split(":")[0] for leak in find_leaks(SOURCES, release)] == ["layers.pyc", "other.bin"]


def test_a_solution_is_found_between_the_numbers_of_a_file_of_arrays(release):
    numbers = np.random.default_rng(0).normal(size=50_000).astype(np.float32)
    np.savez(release / "weights.npz", W1=numbers, note=np.frombuffer(BOTH.encode(), np.uint8), W2=numbers)
    (leak,) = find_leaks(SOURCES, release)
    assert leak.startswith("weights.npz:") and "the solution of scale (layers.py:4) stands here" in leak


def test_pictures_are_let_pass(release):
    (release / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (release / "empty.json").write_text(json.dumps({}))
    assert find_leaks(SOURCES, release) == []
