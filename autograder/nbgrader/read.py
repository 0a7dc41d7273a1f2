"""Reading submitted notebooks: cells, whatever else the file holds, and never a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from autograder.plain_file import Unreadable, parse_notebook, read_plain_file

MAX_CELLS = 2000


def read_cells(path: Path, limit: int) -> list[dict[str, Any]]:
    """Return the cells of a submitted notebook, each a dictionary with nothing else certain about it.

    Raises:
        Unreadable: it is not a notebook, too large, or has too many cells.
    """
    content = read_plain_file(path, limit)
    notebook = parse_notebook(content)
    if notebook.get("nbformat") in (1, 2, 3):
        try:
            notebook = nbformat.reads(content.decode("utf-8-sig"), as_version=4)
        except Exception:
            # whatever the bytes are, they come from a student: no error of a parser is the grader's
            raise Unreadable("is not a notebook") from None
    cells = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"has more than {MAX_CELLS:,} cells")
    return cells
