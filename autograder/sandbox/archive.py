"""Looks at the directory of a saved model before anything reads the model itself.

`.pth` and `.npz` files are zip archives. A compressed entry of a few kilobytes can unfold to gigabytes, and
a directory can list the same bytes many times; torch and NumPy write neither. So only stored entries that
lie one after another and whose sizes add up to what the file has are let through. Nothing is extracted.
"""

from __future__ import annotations

import io
import struct
import zipfile

LOCAL_HEADER = 30
ZIP_START = b"PK\x03\x04"
DIRECTORY_ENTRY = b"PK\x01\x02"


def inspect_archive(name: str, content: bytes, max_bytes: int = 256 << 20, max_entries: int = 10_000) -> None:
    """Look at the directory of a saved model, which was read from a file of this name.

    Raises BadModel, with a sentence for the student, unless it is an archive as torch.save or np.savez writes.
    """
    from autograder.sandbox.errors import BadModel

    numpy = name.endswith(".npz")
    again = "save it again with np.savez" if numpy else "save it again with torch.save"
    size = len(content)
    if size > max_bytes:
        raise BadModel(f"{name} is larger than {max_bytes >> 20} MB")
    # Counted before Python's reader makes an object of each.
    if content.count(DIRECTORY_ENTRY) > max_entries:
        raise BadModel(f"{name} holds more than {max_entries} entries")
    with io.BytesIO(content) as file:
        start = file.read(16)
        if not start:
            raise BadModel(f"{name} is empty; {again}")
        if start[:4] != ZIP_START:
            if start[:1] == b"\x80" and not numpy:
                raise BadModel(f"{name} is saved in torch's old format; {again}")
            raise BadModel(f"{name} is not a saved model; {again}")
        file.seek(0)
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error):
            raise BadModel(f"{name} is damaged or incomplete; {again}") from None
        if any(
            entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size for entry in entries
        ):
            way = "np.savez, not np.savez_compressed" if numpy else "torch.save"
            raise BadModel(f"{name} is a compressed archive; save it again with {way}")
        if any(entry.flag_bits & 1 for entry in entries) or len({entry.filename for entry in entries}) < len(entries):
            raise BadModel(f"{name} is not a saved model; {again}")
        end = 0
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            if entry.header_offset < end:
                raise BadModel(f"{name} is damaged: its entries overlap; {again}")
            header = content[entry.header_offset : entry.header_offset + LOCAL_HEADER]
            if len(header) < LOCAL_HEADER or header[:4] != ZIP_START:
                raise BadModel(f"{name} is damaged or incomplete; {again}")
            name_length, extra_length = struct.unpack("<HH", header[26:30])
            end = entry.header_offset + LOCAL_HEADER + name_length + extra_length + entry.file_size
        if end > size:
            raise BadModel(f"{name} is damaged or incomplete; {again}")
