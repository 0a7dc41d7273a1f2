"""Text for consoles and files that know no more than their own code page."""

from __future__ import annotations

PLAIN = str.maketrans({"✓": "+", "✗": "x", "–": "-", "≤": "<=", "≥": ">=", "·": "*", "“": '"', "”": '"', "’": "'"})


def printable(text: str, encoding: str | None) -> str:
    """Return a text as it is where it can be printed in this encoding, else with plain signs."""
    encoding = encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    return text
