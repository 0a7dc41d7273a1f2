"""Texts made of what HTML, Markdown, notebooks and terminals take for more than text."""

from hypothesis import strategies as st

FRAGMENTS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!--", "]]>", "](javascript:alert(1))", "![x](attachment:a.png)",
    "[a](http://example.org)", "[a]: http://example.org", "<http://example.org>", "&#60;script&#62;", "&lt;", "$$", "$x$", "\\(",
    "\\href{javascript:alert(1)}{x}", "\\begin{a}", "\\end{a}", "```mermaid\n", "```", "~~~", "`", "# ", "> ", "- ", "1. ", "* * *",
    "|a|b|\n|-|-|\n", "[^1]", "[^1]: ", "**", "_", "~~", "{{ 1 }}", "{% raw %}", "\ud800", "\0", "\x1b[31m", "\x1b[", "\u202e", "\r",
    "\n", "\n\n", "    ", "\t", "é", "𝄞", "### BEGIN SOLUTION", "### BEGIN HIDDEN TESTS", "YOUR ANSWER HERE", "raise NotImplementedError()",
]  # fmt: skip
TEXTS = st.deferred(lambda: st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=6), max_size=8).map("".join))
JUNK = st.deferred(
    lambda: st.recursive(
        st.none() | st.booleans() | st.integers() | st.just(10**40) | st.floats() | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=6,
    )
)
