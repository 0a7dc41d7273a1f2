"""Bytes that differ a little from what a program wrote, and targets that are tried less often."""

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st

NUMBERS = [
    number.to_bytes(size, "little")
    for size in (1, 2, 4, 8)
    for number in (0, 1, 1 << 7, (1 << 8 * size) - 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1)
]
"""What lengths, offsets and counts go wrong at."""


@st.composite
def mutated(draw: st.DrawFn, whole: bytes, words: Sequence[bytes] = (), most: int = 5) -> bytes:
    """Return `whole` after a few edits: bytes written over, put in, taken out, moved, or cut off at the end.

    Args:
        draw: given by hypothesis.
        whole: what a program wrote.
        words: what the format is made of; half of what is written comes from here and from `NUMBERS`.
        most: how many edits at most.
    """
    content = bytearray(whole)
    known = st.sampled_from([*NUMBERS, *words])
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(content)))
        size = draw(st.integers(1, 16))
        match draw(st.sampled_from(["over", "over", "in", "out", "move", "cut"])):
            case "over":
                new = draw(known | st.binary(min_size=1, max_size=8))
                content[at : at + len(new)] = new
            case "in":
                content[at:at] = draw(known | st.binary(min_size=1, max_size=16))
            case "out":
                del content[at : at + size]
            case "move":
                start = draw(st.integers(0, len(content)))
                content[at:at] = content[start : start + 8 * size]
            case "cut":
                del content[at:]
    return bytes(content)


def fewer(times: int) -> settings:
    """Return settings for a target that takes this many times longer than most."""
    return settings(max_examples=max(5, settings().max_examples // times))
