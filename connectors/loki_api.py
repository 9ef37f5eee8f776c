"""Loki's HTTP API, as far as it is asked: labels, volumes, counts, lines, patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from connectors.governor import SourceFailedError
from connectors.http import HttpClient, Params, Response
from connectors.json_shapes import mapping, number, objects
from connectors.live import Check

SERVICE_LABELS = (
    *("service_name", "service", "app", "app_kubernetes_io_name", "application", "name", "container"),
    *("container_name", "component", "workload", "job"),
)
"""Labels that may name a service, the best first: what Loki derives, then its order of discovery."""

_LIMIT_TOLD = re.compile(r"limit > max_entries_limit(?:_per_query)? \(\d+ > (\d+)\)")
_MOST_SERIES = 1_000

Line = tuple[Mapping[str, str], int, str]
"""Labels with structured metadata, nanoseconds since the epoch, and the text."""


class Lines(NamedTuple):
    """What a query found; `cut` where the server may hold more than it was allowed to return."""

    found: tuple[Line, ...]
    cut: bool


class LokiApi:
    """Questions to one Loki; times are seconds since the epoch, the end left out."""

    def __init__(self, client: HttpClient, service_label: str | None = None) -> None:
        self._client = client
        self._label = service_label

    def service_label(self, start: int, end: int) -> str:
        """The label that names services.

        Raises:
            SourceFailedError: no answer, or no stream has such a label.
        """
        if self._label is not None:
            return self._label
        names = self._get("labels", start, end).get("data")
        present = {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
        for name in SERVICE_LABELS:
            if name in present:
                return name
        if not present:
            why = "no label and so no line in the window; this does not mean that nothing was logged"
            raise SourceFailedError(why, counts=False)
        found = f"labels found: {', '.join(sorted(present)[:10])}"
        raise SourceFailedError(f"no label names services ({found}): set service_label", counts=False)

    def values(self, label: str, start: int, end: int) -> list[str]:
        """The label's values."""
        data = self._get(f"label/{label}/values", start, end).get("data")
        return sorted(value for value in data if isinstance(value, str)) if isinstance(data, list) else []

    def volume(self, selector: str, label: str, start: int, end: int) -> dict[str, float] | None:
        """Bytes by the label's values, from the index alone; None where this Loki does not offer it."""
        params: Params = {"query": selector, "targetLabels": label, "limit": _MOST_SERIES}
        try:
            body = self._get("index/volume", start, end, params)
        except SourceFailedError:
            return None
        return {labels.get(label, ""): value for labels, value in _vector(body)}

    def instant(self, query: str, at: int) -> list[tuple[Mapping[str, str], float]]:
        """A metric query at one instant."""
        answer = self._client.get("loki/api/v1/query", {"query": query, "time": at * 10**9})
        return _vector(answer.fields())

    def lines(self, query: str, start: int, end: int, limit: int) -> Lines:
        """The newest lines of the query, at most so many, fewer where the server allows fewer."""
        params: Params = {
            "query": query,
            "start": start * 10**9,
            "end": end * 10**9,
            "limit": limit,
            "direction": "backward",
        }
        answer = self._client.get("loki/api/v1/query_range", params, accept=(400,))
        if answer.status == 400:
            allowed = _LIMIT_TOLD.search(answer.text())
            if allowed is None or not 0 < int(allowed[1]) < limit:
                raise _refused(answer)
            return self.lines(query, start, end, int(allowed[1]))
        found = tuple(_streams(answer.fields()))
        return Lines(found, cut=len(found) >= limit)

    def patterns(
        self, selector: str, start: int, end: int, step: int
    ) -> list[tuple[str, list[tuple[int, float]]]]:
        """Patterns with their counts over time; none where this Loki does not detect them."""
        params: Params = {"query": selector, "step": f"{step}s"}
        try:
            listed = self._get("patterns", start, end, params).get("data")
        except SourceFailedError:
            return []
        found = []
        for row in listed if isinstance(listed, list) else ():
            samples = row.get("samples") if isinstance(row, dict) else None
            pairs = samples if isinstance(samples, list) else []
            counts = [
                (int(pair[0]), number(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2
            ]
            if counts:
                found.append((str(row.get("pattern", "")), counts))
        return found

    def extras(self, label: str, lines: Sequence[Line], start: int, end: int) -> list[Callable[[], Check]]:
        """Checks of what makes logs cheap to ask, each with the setting that turns it on."""

        def volume() -> Check:
            if self.volume(f'{{{label}=~".+"}}', label, start, end) is not None:
                return Check("tells volumes", "ok", "the index tells bytes by service")
            fix = "limits_config.volume_enabled: true"
            return Check("tells volumes", "warning", "no volumes: counting cannot be bounded first", fix)

        def levels() -> Check:
            if any("detected_level" in labels or "level" in labels for labels, _, _ in lines):
                return Check("knows levels", "ok", "lines carry their level")
            fix = "limits_config.discover_log_levels: true, and allow_structured_metadata: true"
            return Check("knows levels", "warning", "lines carry no level: failures are found by words", fix)

        def patterns() -> Check:
            if self.patterns(f'{{{label}=~".+"}}', start, end, 60):
                return Check("detects patterns", "ok", "patterns of messages are counted")
            return Check("detects patterns", "warning", "no patterns", "pattern_ingester.enabled: true")

        return [volume, levels, patterns]

    def _get(self, path: str, start: int, end: int, params: Params | None = None) -> dict[str, object]:
        times: Params = {"start": start * 10**9, "end": end * 10**9}
        return self._client.get(f"loki/api/v1/{path}", {**(params or {}), **times}).fields()


def _refused(answer: Response) -> SourceFailedError:
    return SourceFailedError(f"status 400: {answer.text()[:200]}", counts=False)


def _result(body: Mapping[str, object]) -> list[Mapping[str, object]]:
    return objects(mapping(body.get("data")).get("result"))


def _vector(body: Mapping[str, object]) -> list[tuple[Mapping[str, str], float]]:
    found: list[tuple[Mapping[str, str], float]] = []
    for row in _result(body):
        value = row.get("value")
        if isinstance(value, list) and len(value) == 2:
            found.append((_labels(row.get("metric")), number(value[1])))
    return found


def _streams(body: Mapping[str, object]) -> list[Line]:
    found: list[Line] = []
    for row in _result(body):
        labels, values = _labels(row.get("stream")), row.get("values")
        for value in values if isinstance(values, list) else ():
            at = _whole(value[0]) if isinstance(value, list) and len(value) >= 2 else 0
            if at and isinstance(value[1], str):
                found.append(({**labels, **_metadata(value[2:])}, at, value[1]))
    return found


def _metadata(rest: Sequence[object]) -> dict[str, str]:
    """Structured metadata, where it comes with the line instead of among the stream's labels."""
    if not rest or not isinstance(rest[0], dict):
        return {}
    inner = [part for part in rest[0].values() if isinstance(part, dict)]
    return {name: text for part in inner or [rest[0]] for name, text in _labels(part).items()}


def _labels(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _whole(value: object) -> int:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else 0
