"""A series' name in Prometheus notation, read exactly: quotes, escapes, braces and commas in values."""

from __future__ import annotations

import re

from connectors.answers import SeriesKey

_LABEL = re.compile(
    r"""\s*(?:
        "(?P<metric>(?:[^"\\]|\\.)*)"                              # a quoted metric name inside the braces
        |(?P<name>"(?:[^"\\]|\\.)*"|[^\s"={},]+)\s*=\s*"(?P<value>(?:[^"\\]|\\.)*)"
    )\s*(?:,|$)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r'\\(["\\n])')


def parse_series_name(text: str) -> SeriesKey:
    """The key behind a column's name; a name in no known notation is a metric without labels."""
    name, brace, rest = text.partition("{")
    if not brace or not rest.rstrip().endswith("}"):
        return SeriesKey(text, ())
    return _with_labels(name.strip(), rest.rstrip()[:-1]) or SeriesKey(text, ())


def _with_labels(metric: str, inner: str) -> SeriesKey | None:
    labels: dict[str, str] = {}
    position, end = 0, len(inner.rstrip())
    while position < end:
        found = _LABEL.match(inner, position, end)
        if found is None:
            return None
        position = found.end()
        if found["metric"] is not None:
            metric = _unescaped(found["metric"])
        else:
            labels[_unescaped(found["name"].strip('"'))] = _unescaped(found["value"])
    metric = labels.pop("__name__", metric)
    return SeriesKey(metric, tuple(sorted(labels.items())))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], text) if "\\" in text else text
