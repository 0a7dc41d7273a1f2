"""Zips made byte by byte, so that they can claim anything; and a strategy that makes them up."""

import struct
import zlib
from dataclasses import dataclass

from hypothesis import strategies as st

GOOD = b"def double(x):\n    return 2 * x\n"
STORED, DEFLATED, BZIP2, LZMA, UNKNOWN = 0, 8, 12, 14, 99
LINK, DEVICE, PIPE, FOLDER, SETUID = 0o120777, 0o020666, 0o010644, 0o040755, 0o104755


@dataclass(frozen=True)
class Item:
    """One entry, with what its headers claim where that is not the truth."""

    name: bytes
    content: bytes = b""
    method: int = DEFLATED
    mode: int = 0
    flags: int = 0
    size: int | None = None
    packed: int | None = None
    crc: int | None = None
    local_name: bytes | None = None
    extra: bytes = b""
    offset: int | None = None


def zip_of(*items, end=b"", entries=None, directory_size=None):
    """Return the bytes of a zip; `end` is its comment."""
    body, directory = b"", b""
    for item in items:
        data = item.content
        if item.method == DEFLATED:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            data = packer.compress(data) + packer.flush()
        crc = zlib.crc32(item.content) if item.crc is None else item.crc
        packed = len(data) if item.packed is None else item.packed
        size = len(item.content) if item.size is None else item.size
        common = struct.pack("<HHHHHIII", 20, item.flags, item.method, 0, 33, crc, packed, size)
        name = item.name if item.local_name is None else item.local_name
        offset = len(body) if item.offset is None else item.offset
        body += b"PK\3\4" + common + struct.pack("<HH", len(name), 0) + name + data
        directory += b"PK\1\2" + struct.pack("<H", 0x0314) + common
        directory += struct.pack("<HHHHHII", len(item.name), len(item.extra), 0, 0, 0, item.mode << 16, offset)
        directory += item.name + item.extra
    count = len(items) if entries is None else entries
    length = len(directory) if directory_size is None else directory_size
    tail = struct.pack("<HHHHIIH", 0, 0, count & 0xFFFF, count & 0xFFFF, length, len(body), len(end))
    return body + directory + b"PK\5\6" + tail + end


names = st.sampled_from(
    [
        b"tiny.py", b"tiny.ipynb", b"tiny.pth", b"a/tiny.py", b"a/b/tiny.py", b"../tiny.py", b"/tiny.py", b"..\\tiny.py",
        b"Tiny.py", b"tiny.py/", b"tiny.py\0x", b"", b"/", b"//", b".", b"..", b"__MACOSX/._tiny.py", b".hidden",
        b"\xef\xbd\x94iny.py", b"\xff\xfe", b"inner.zip", b"timestamp.txt", b"C:/tiny.py", b"x" * 300,
    ]
) | st.binary(max_size=12)  # fmt: skip
contents = st.sampled_from([GOOD, b"", b"\xff" * 9, bytes(9_000), bytes(40_000), zip_of(Item(b"tiny.py", GOOD))])
SIZES = [0, 3, 40, 2**16, 2**31, 2**32 - 1]
EXTRAS = [b"\1\0", b"\1\0\2\0xx", struct.pack("<HHQQQ", 1, 24, 2**63, 2**63, 2**63)]
LIES = {
    "method": [STORED, BZIP2, LZMA, UNKNOWN],
    "mode": [0o100644, LINK, DEVICE, PIPE, FOLDER, SETUID],
    "flags": [1, 8, 32, 64, 0x800],
    "size": SIZES,
    "packed": SIZES,
    "crc": [0],
    "local_name": [b"", b"tiny.py"],
    "extra": EXTRAS,
    "offset": SIZES,
}
WRONGS = {"entries": SIZES, "directory_size": SIZES, "end": [b"comment", b"PK\5\6"]}


def some(table, most):
    """Return a strategy for a few keys of a table, each with one of its values."""
    pairs = [(key, value) for key, values in table.items() for value in values]
    return st.lists(st.sampled_from(pairs), max_size=most).map(dict)


def spoiled(items, wrongs, cut, changes, before):
    """Return a zip with some bytes cut off its end, some changed, and some put before."""
    content = bytearray(zip_of(*items, **wrongs))
    content = content[: len(content) - cut]
    for place, value in changes:
        if content:
            content[place % len(content)] = value
    return before + bytes(content)


archives = st.builds(
    spoiled,
    st.lists(st.builds(lambda name, content, lies: Item(name, content, **lies), names, contents, some(LIES, 2)), max_size=4),
    some(WRONGS, 1),
    cut=st.sampled_from([0, 0, 0, 0, 1, 22, 60]),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=2),
    before=st.sampled_from([b"", b"", b"#!/bin/sh\n", b"PK\3\4"]),
)
"""Bytes that nearly are zips, with names, modes, methods and sizes that lie."""
