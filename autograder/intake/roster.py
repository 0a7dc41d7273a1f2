"""Who the students are, and by which other names downloads know them: `roster.csv` in the course folder."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import UserError
from autograder.grading.submission import ID_RULE, STUDENT_ID


@dataclass(frozen=True)
class Roster:
    """The students of a course.

    Attributes:
        ids: their ids, as listed.
        numbers: the ids that go with the exact text of a cell.
        names: the ids that go with the letters and digits of a cell.
    """

    ids: tuple[str, ...]
    numbers: dict[str, set[str]]
    names: dict[str, set[str]]

    def find(self, name: str, number: str) -> set[str]:
        """Return the ids that a name and a number may stand for: one where they are clear.

        The number decides between students of the same name. Where name and number stand for different
        students, all of them are returned.
        """
        by_number = self.numbers.get(number, set()) if number else set()
        by_name = self.numbers.get(name.strip()) or self.names.get(_letters(name), set())
        return by_number & by_name or by_number | by_name


def load_roster(path: Path) -> Roster | None:
    """Read a roster: UTF-8, commas, a first line that names the columns, one of which is `id`.

    Returns:
        The roster; None if there is no such file.

    Raises:
        UserError: it cannot be read, has no column `id`, or an id is double or against the rule.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: this cannot be read: {error.strerror}.") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: this is not UTF-8. Save the file again as CSV in UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    ids: dict[str, str] = {}
    numbers: dict[str, set[str]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    try:
        column = _id_column(path, next(reader, []))
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            where = f"{path}, line {reader.line_num}"
            student = cells[column] if column < len(cells) else ""
            if not STUDENT_ID.fullmatch(student):
                raise UserError(f"{where}: {student!r} is no student id: use {ID_RULE}.")
            if student.casefold() in ids:
                raise UserError(f"{where}: the id {student} is there already. Each student has one line.")
            ids[student.casefold()] = student
            for cell in filter(None, cells):
                numbers[cell].add(student)
                names[_letters(cell)].add(student)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: this cannot be read as CSV: {error}.") from None
    names.pop("", None)  # a cell of signs only
    return Roster(tuple(ids.values()), dict(numbers), dict(names))


def _id_column(path: Path, header: list[str]) -> int:
    columns = [cell.strip() for cell in header]
    if columns.count("id") != 1:
        raise UserError(f"{path}, line 1: one column must be named id; columns are separated by commas.")
    return columns.index("id")


def _letters(name: str) -> str:
    """Return the letters and digits of a name, in lower case: Canvas writes `Last, First` as `lastfirst`."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", name).casefold()))
