"""case.yaml as a typed value. Each complaint is one line that names the file and the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import yaml
from pydantic import Field

from connectors.case.directory import CaseDirectory
from connectors.contract import Frozen, Instant, Window
from connectors.errors import CaseError

FORMAT = 1
_YEARS = range(1970, 9001)
_LATEST_ALERT = timedelta(hours=1)
_SPACED_ZONE = re.compile(r"\s+(Z|[+-]\d)")  # as YAML 1.1 allows


class ServiceEntry(Frozen):
    """What the catalogue says about one service."""

    namespace: str | None = None
    workload: str | None = None
    database: str | None = None
    repository: str | None = None


class Recorded(Frozen):
    """When and how a source was recorded, where that was not throughout."""

    intervals: tuple[tuple[float, float], ...] = ()
    sampling: str | None = None


class Manifest(Frozen):
    """What a case says about itself. `window` ends at `at` at the latest: nothing later exists."""

    id: str
    title: str
    at: Instant
    window: Window
    service: str | None = None
    services: Mapping[str, ServiceEntry] = Field(default_factory=dict)
    source_name: str = ""
    source_licence: str = ""
    source_notes: tuple[str, ...] = ()
    recorded: Mapping[str, Recorded] = Field(default_factory=dict)

    def record_of(self, source: str) -> Recorded:
        """How the source (`traces`, `logs`, `metrics`) was recorded."""
        return self.recorded.get(source, Recorded())


class _TextTimes(yaml.SafeLoader):
    """YAML without its own idea of times: a bare and a quoted timestamp then read alike.

    Aliases are refused: a manifest needs none, and a few of them unfold into more than memory holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node that is no alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


_TextTimes.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

Fields = Mapping[str, object]


def read_manifest(directory: CaseDirectory) -> Manifest:
    """The case's manifest, or CaseError."""
    fields = _document(directory.read("case.yaml"))
    _check_format(fields)
    incident = _mapping(fields, "incident")
    at = _time(incident.get("at"), "incident.at")
    return Manifest(
        id=_text(fields, "id") or directory.root.name,
        title=_text(fields, "title") or _text(fields, "id") or directory.root.name,
        at=at,
        window=_window(_mapping(fields, "window"), at),
        service=_text(incident, "service", "incident."),
        services=_services(_mapping(fields, "services")),
        recorded=_recorded(_mapping(fields, "recorded"), at.timestamp()),
        **_source(_mapping(fields, "source")),
    )


def _document(data: bytes) -> Fields:
    try:
        document = yaml.load(data, Loader=_TextTimes)  # noqa: S506 - a SafeLoader without timestamps
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise CaseError(f"case.yaml: not YAML{line}") from error
    if not isinstance(document, dict):
        raise CaseError("case.yaml: not a mapping of fields")
    return document


def _check_format(fields: Fields) -> None:
    number = fields.get("format")
    if number is None:
        raise CaseError(f"case.yaml: format is missing; this version reads format {FORMAT}")
    if number is True or number != FORMAT:
        raise CaseError(f"case.yaml: format {number!r} is unknown; this version reads format {FORMAT}")


def _window(fields: Fields, at: datetime) -> Window:
    start, end = _time(fields.get("start"), "window.start"), _time(fields.get("end"), "window.end")
    if end <= start:
        raise CaseError(f"case.yaml: window is empty: start {start:%FT%TZ} is not before end {end:%FT%TZ}")
    if at <= start:
        raise CaseError(
            f"case.yaml: incident.at {at:%FT%TZ} is outside of the window, which starts {start:%FT%TZ}"
        )
    if at > end + _LATEST_ALERT:
        raise CaseError(
            f"case.yaml: incident.at {at:%FT%TZ} is more than an hour after window.end {end:%FT%TZ}"
        )
    return Window(start=start, end=min(end, at))


def _time(value: object, field: str) -> datetime:
    if value is None:
        raise CaseError(f"case.yaml: {field} is missing")
    try:
        at = datetime.fromisoformat(_SPACED_ZONE.sub(r"\1", str(value)))
        if at.tzinfo is None:
            raise CaseError(f"case.yaml: {field} has no time zone: {value}")
        if at.year not in _YEARS:
            raise CaseError(
                f"case.yaml: {field} lies outside of the years {_YEARS[0]} to {_YEARS[-1]}: {value}"
            )
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CaseError(f"case.yaml: {field} is not a time in ISO 8601: {str(value)[:40]!r}") from error


def _mapping(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CaseError(f"case.yaml: {name} is not a mapping of fields")
    return {str(key): item for key, item in value.items()}


def _text(fields: Fields, name: str, prefix: str = "") -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, dict | list):
        raise CaseError(f"case.yaml: {prefix}{name} is not a text")
    return str(value)


def _services(fields: Fields) -> dict[str, ServiceEntry]:
    return {name: _entry(_mapping(fields, name), f"services.{name}.") for name in fields}


def _entry(fields: Fields, prefix: str) -> ServiceEntry:
    return ServiceEntry(**{name: _text(fields, name, prefix) for name in ServiceEntry.model_fields})


def _recorded(fields: Fields, at: float) -> dict[str, Recorded]:
    return {
        name: Recorded(
            intervals=_intervals(_mapping(fields, name).get("intervals"), f"recorded.{name}.intervals", at),
            sampling=_text(_mapping(fields, name), "sampling", f"recorded.{name}."),
        )
        for name in fields
    }


def _intervals(value: object, field: str, at: float) -> tuple[tuple[float, float], ...]:
    """The intervals in seconds; what lies after the incident's now is left out."""
    found = []
    for pair in value if isinstance(value, list) else []:
        if not isinstance(pair, list) or len(pair) != 2:
            raise CaseError(f"case.yaml: {field} must hold pairs [start, end]")
        start, end = (_time(moment, field).timestamp() for moment in pair)
        if end < start:
            raise CaseError(f"case.yaml: {field} holds an interval that ends before it starts")
        if start <= at:
            found.append((start, min(end, at)))
    return tuple(sorted(found))


def _source(fields: Fields) -> dict[str, str | tuple[str, ...]]:
    notes = fields.get("notes")
    listed = notes if isinstance(notes, list) else [] if notes is None else [notes]
    return {
        "source_name": _text(fields, "name", "source.") or "",
        "source_licence": _text(fields, "licence", "source.") or "",
        "source_notes": tuple(str(note) for note in listed),
    }
