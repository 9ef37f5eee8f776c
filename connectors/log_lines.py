"""One line of a log store as a record: message, level, trace, fields; and templates of messages. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from connectors.answers import LogRecord
from connectors.otlp import span_id, trace_id
from connectors.redaction import redacted, redacted_pairs

_LONGEST = 4_000
_MOST_FIELDS = 24
_LONGEST_FIELD = 300
_MESSAGE = ("msg", "message", "log", "event", "body", "@message")
_ERROR = ("error", "err", "exception", "exc_info", "error.message", "cause")
_LEVEL = ("detected_level", "level", "severity", "severity_text", "lvl", "loglevel", "log.level")
_TRACE = ("trace_id", "traceid", "traceID", "traceId", "trace.id", "otelTraceID")
_SPAN = ("span_id", "spanid", "spanID", "spanId", "span.id", "otelSpanID")
_STATEMENT = ("caller", "code.lineno", "source")
_TOLD_ELSEWHERE = frozenset((*_MESSAGE, *_LEVEL, *_TRACE, *_SPAN, "ts", "time", "timestamp", "@timestamp"))
_NAMES = {
    "ERR": "ERROR", "E": "ERROR", "CRIT": "CRITICAL", "EMERG": "FATAL", "PANIC": "FATAL", "ALERT": "FATAL",
    "WARNING": "WARN", "W": "WARN", "INFORMATION": "INFO", "NOTICE": "INFO", "I": "INFO", "DBG": "DEBUG",
    "UNKNOWN": "",
}  # fmt: skip
SEVERE = frozenset({"ERROR", "CRITICAL", "FATAL", "SEVERE"})
"""Levels that speak of a failure."""

_LOGFMT = re.compile(r"(?:^|\s)([A-Za-z_][\w.@-]{0,60})=(\"(?:[^\"\\]|\\.){0,4000}\"|[^\s\"]{0,4000})")
_WORD_OF_LEVEL = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|ERR|CRITICAL|CRIT|FATAL|PANIC|SEVERE)\b", re.IGNORECASE
)
_VALUES = (
    re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"),
    re.compile(r"\"[^\"]*\"|'[^']*'"),
    re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"),
    re.compile(r"\[[\w -]{1,30}\]"),
    re.compile(r"\d+(?:[.:,]\d+)*"),
)
HOLE = "<_>"
"""What stands in a template for a value, as Loki writes it."""


def level_name(written: str) -> str:
    """A level by its usual name in capitals; empty where there is none."""
    upper = written.strip().upper()
    return _NAMES.get(upper, upper)


def record(at: float, service: str, line: str, labels: Mapping[str, str]) -> LogRecord:
    """A line with its labels and metadata, structured lines taken apart, everything redacted."""
    fields = _fields(line)
    known = {**fields, **labels}
    message = _first(fields, _MESSAGE) or line
    error = _first(fields, _ERROR)
    body = f"{message}: {error}" if error and fields and error not in message else message
    level = level_name(_first(labels, _LEVEL) or _first(fields, _LEVEL))
    if not level:
        word = _WORD_OF_LEVEL.search(line[:200])
        level = level_name(word[1]) if word else ""
    span = _identity(known, _SPAN, span_id)
    rest = {name: value[:_LONGEST_FIELD] for name, value in known.items() if name not in _TOLD_ELSEWHERE}
    attributes = dict(redacted_pairs(sorted(rest.items())[:_MOST_FIELDS]))
    return LogRecord(
        at=at,
        service=service,
        severity=level,
        body=redacted(body)[:_LONGEST],
        logger=redacted(_first(fields, _STATEMENT[:1])),
        trace=_identity(known, _TRACE, trace_id),
        attributes={**attributes, "span_id": span} if span else attributes,
    )


def template(message: str) -> str:
    """The message with its values left out."""
    text = message.split("\n", 1)[0][:300]
    for value in _VALUES:
        text = value.sub(HOLE, text)
    return text


def longest_literal(pattern: str) -> str:
    """The longest part of a template that is no value."""
    return max((part.strip() for part in pattern.split(HOLE)), key=len)


def _fields(line: str) -> dict[str, str]:
    """The fields of a line in JSON or logfmt; none where it is prose."""
    text = line.strip()
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return {str(key): _text(each) for key, each in value.items()} if isinstance(value, dict) else {}
    pairs = {name: _unquoted(value) for name, value in _LOGFMT.findall(text[:8_000])}
    return pairs if any(name in pairs for name in ("msg", "message")) else {}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):  # an exception as an object tells itself by its message
        told = value.get("message") or value.get("type")
        if isinstance(told, str):
            return told
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _unquoted(value: str) -> str:
    return value[1:-1].replace('\\"', '"').replace("\\n", "\n") if value.startswith('"') else value


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((fields[name] for name in names if fields.get(name)), "")


def _identity(fields: Mapping[str, str], names: tuple[str, ...], read: object) -> str:
    assert callable(read)
    try:
        return str(read(_first(fields, names)))
    except (TypeError, ValueError):
        return ""
