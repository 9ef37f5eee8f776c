"""Backstage catalogue files: what a `catalog-info.yaml` says of a service.

Read are entities of kind Component: its name and title, `backstage.io/kubernetes-id`,
`backstage.io/kubernetes-namespace`, `github.com/project-slug`, `pagerduty.com/service-id`, its links and
`dependsOn` references to resources (databases among them, told by the resource's `type`).
The format is Backstage's descriptor format (backstage.io/docs/features/software-catalog/descriptor-format).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bot import configuration_text
from bot.configuration_text import Text
from bot.errors import BadInputError
from bot.service_map import Told

_MOST_FILES = 2_000
_DATABASE_TYPES = frozenset({"database", "postgres", "postgresql", "db"})
Fields = Mapping[str, object]


def tellings(patterns: Sequence[str]) -> list[Told]:
    """What the catalogue files behind some paths and globs tell, by file.

    Raises:
        BadInputError: a path leads to nothing, or a file is no readable YAML.
    """
    entities = [(text, _object(text.value)) for path in _files(patterns) for text in _documents(path)]
    databases = {
        _text(_object(entity.get("metadata")).get("name"))
        for _, entity in entities
        if entity.get("kind") == "Resource"
        and _text(_object(entity.get("spec")).get("type")).lower() in _DATABASE_TYPES
    }
    return [
        told
        for text, entity in entities
        if entity.get("kind") == "Component" and (told := _component(text, entity, databases)) is not None
    ]


def _files(patterns: Sequence[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        matches = [path] if path.is_file() else sorted(Path(path.anchor).glob(_relative(path)))
        if not matches:
            raise BadInputError(f"backstage: {pattern}: no such file")
        found.update(dict.fromkeys(match for match in matches if match.is_file()))
    if len(found) > _MOST_FILES:
        raise BadInputError(f"backstage: {len(found)} files are more than the {_MOST_FILES} that are read")
    return list(found)


def _relative(path: Path) -> str:
    return str(path.relative_to(path.anchor)) if path.anchor else str(path)


def _documents(path: Path) -> Iterator[Text]:
    yield from configuration_text.read(path, path.name)


def _component(text: Text, entity: Fields, databases: set[str]) -> Told | None:
    metadata, spec = _object(entity.get("metadata")), _object(entity.get("spec"))
    name = _text(metadata.get("name"))
    if not name or _text(spec.get("type")) in {"library", "documentation"}:
        return None
    notes = _object(metadata.get("annotations"))
    workload = _text(notes.get("backstage.io/kubernetes-id"))
    values = {
        "namespace": _known(_text(notes.get("backstage.io/kubernetes-namespace"))),
        "workload": _known(f"deployment/{workload}" if workload else ""),
        "databases": tuple(dict.fromkeys(_databases(spec.get("dependsOn"), databases))),
        "repository": _known(_text(notes.get("github.com/project-slug"))),
        "dashboards": tuple(_dashboards(metadata.get("links"))),
        "aliases": _known(
            _text(metadata.get("title")), _text(notes.get("pagerduty.com/service-id")), workload
        ),
    }
    return Told(name, f"Backstage: {text.name}", values)


def _databases(listed: object, databases: Iterable[str]) -> Iterator[str]:
    """The databases among what a component depends on: `resource:[namespace/]name`."""
    for reference in listed if isinstance(listed, list) else ():
        kind, colon, rest = _text(reference).partition(":")
        name = rest.rpartition("/")[2]
        if colon and kind.lower() == "resource" and name in databases:
            yield name


def _dashboards(listed: object) -> Iterator[str]:
    for link in listed if isinstance(listed, list) else ():
        about = _object(link)
        said = f"{_text(about.get('type'))} {_text(about.get('title'))}".lower()
        if "dashboard" in said and _text(about.get("url")):
            yield _text(about.get("url"))


def _known(*values: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _object(value: object) -> Fields:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value.strip()[:500] if isinstance(value, str) else ""
