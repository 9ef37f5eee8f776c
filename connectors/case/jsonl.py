"""JSON Lines that forgive: a broken line is skipped and counted, never fatal, never silent."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from connectors.case.directory import CaseDirectory
from connectors.errors import DamagedFileError

Record = dict[str, object]
_DAMAGE = re.compile(r": \d+ [\w ]*skipped$|: damaged, read up to the damage$|^\d+ files left out: ")
_decode = json.JSONDecoder().decode  # json.loads would guess each line's encoding first


class JsonLines:
    """The objects of a `*.jsonl` file. After reading, `broken`, `read` and `cut` say how it went."""

    def __init__(self, directory: CaseDirectory, name: str) -> None:
        self.name = name
        self.broken = 0
        self.read = 0
        self.cut = False
        self._directory = directory

    def __iter__(self) -> Iterator[Record]:
        lines = self._directory.lines(self.name)
        try:
            for line in lines:
                if not line.isspace():
                    record = parsed(line)
                    if record is None:
                        self.broken += 1
                    else:
                        self.read += 1
                        yield record
        except DamagedFileError:
            self.cut = True

    def reject(self) -> None:
        """Count a line that is JSON, but not what its file promises."""
        self.broken += 1
        self.read -= 1

    def trouble(self) -> tuple[str, ...]:
        """What a reader of the answer must know about the file, as notes."""
        notes = []
        if self.broken:
            noun = "line" if self.broken == 1 else "lines"
            notes.append(f"{self.name}: {self.broken} broken {noun} skipped")
        if self.cut:
            notes.append(f"{self.name}: damaged, read up to the damage")
        return tuple(notes)

    def useless(self) -> str | None:
        """Why nothing can be said from this file: every line of it is broken. None where it is fine."""
        if self.read:
            return None
        if self.broken:
            return f"{self.name}: none of its {self.broken} lines can be read"
        return f"{self.name} is damaged" if self.cut else None


def tells_damage(note: str) -> bool:
    """Whether a reading's note says that a part of a file was not read."""
    return _DAMAGE.search(note) is not None


def parsed(line: bytes) -> Record | None:
    """One line as an object, or None; text that is no valid Unicode is repaired."""
    try:
        value = _decode(line.removeprefix(codecs.BOM_UTF8).decode())
        if b"\\ud" in line or b"\\uD" in line:
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text(record: Record, name: str) -> str:
    """The field as text; absent and null are empty, anything structured is JSON."""
    return as_text(record.get(name))


def as_text(value: object) -> str:
    """A JSON value as text: itself where it is one, empty for null, else compact JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def optional(record: Record, name: str) -> str | None:
    """The field as text, or None where it is absent, null or empty."""
    return text(record, name) or None


def texts(record: Record, name: str) -> tuple[str, ...]:
    """A list of texts; a single text counts as a list of one."""
    value = record.get(name)
    if isinstance(value, list):
        return tuple(as_text(item) for item in value)
    return (value,) if isinstance(value, str) and value else ()


def objects(value: object) -> list[Record]:
    """The objects in a list, or the one object itself."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
