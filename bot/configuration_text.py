"""YAML as values that remember their lines: what a configuration file says, and where it says it.

Refused with one line: anything that is no YAML, aliases (a few of them unfold into more than memory
holds), a key written twice, keys that are no text. Times stay text. Knows nothing of what fields mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.errors import BadInputError
from bot.safetext import one_line

MOST_BYTES = 2**20
Step = str | int
Where = tuple[Step, ...]


class _Plain(yaml.SafeLoader):
    """Safe YAML without its own idea of times, and without aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node that is no alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(None, None, "aliases are not read", self.get_mark())
        return super().compose_node(parent, index)


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Text:
    """One document of a file: its value, and the line of each of its fields."""

    name: str
    value: object
    lines: dict[Where, int]

    def line(self, where: Where) -> int | None:
        """The line of a field, or that of the nearest field around it."""
        for length in range(len(where), -1, -1):
            if where[:length] in self.lines:
                return self.lines[where[:length]]
        return None

    def refused(self, where: Where, why: str) -> BadInputError:
        """The one line that names the file, the line, the field and what is wrong."""
        line = self.line(where)
        place = self.name if line is None else f"{self.name}, line {line}"
        return BadInputError(": ".join(part for part in (place, field(where), why) if part))


def field(where: Where) -> str:
    """A field as people write it: `sources[0].url`."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else one_line(step, 60)
    return text


def read(path: Path, name: str) -> list[Text]:
    """The documents of a YAML file; `name` is what errors call it.

    Raises:
        BadInputError: the file cannot be read or is no plain YAML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInputError(f"{name}: cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise BadInputError(f"{name}: larger than {MOST_BYTES >> 10} KiB")
    return parsed(data, name)


def parsed(data: bytes, name: str) -> list[Text]:
    """The documents in some bytes.

    Raises:
        BadInputError: they are no plain YAML.
    """
    try:
        return list(_documents(data, name))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        why = one_line(str(getattr(error, "problem", None) or "not YAML"), 120)
        raise BadInputError(f"{name}{line}: not readable YAML: {why}") from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadInputError(f"{name}: not readable YAML") from error


def _documents(data: bytes, name: str) -> Iterator[Text]:
    loader = _Plain(data)
    try:
        while loader.check_node():
            node, lines = loader.get_node(), dict[Where, int]()
            if node is None:
                return
            _walk(node, (), lines)
            yield Text(name, loader.construct_document(node), lines)
    finally:
        loader.dispose()


def _walk(node: yaml.Node, where: Where, lines: dict[Where, int]) -> None:
    lines[where] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for n, item in enumerate(node.value):
            _walk(item, (*where, n), lines)
    if isinstance(node, yaml.MappingNode):
        for key, item in _pairs(node.value):
            inner = (*where, key.value)
            if inner in lines:
                raise yaml.MarkedYAMLError(None, None, f"{field(inner)} is written twice", key.start_mark)
            _walk(item, inner, lines)
            lines[inner] = key.start_mark.line + 1


def _pairs(
    pairs: Sequence[tuple[yaml.Node, yaml.Node]],
) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    for key, item in pairs:
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            raise yaml.MarkedYAMLError(None, None, "a key must be a text", key.start_mark)
        yield key, item
