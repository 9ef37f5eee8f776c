"""Pod logs as log records, where no log store is configured: the last lines of each container, bounded.

The kubelet keeps what was written since the last rotation, and the container before the current one; of
pods that are gone nothing is left. So this is a sample, and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from connectors.answers import ClusterState, LogRecord, LogSet, Pod
from connectors.governor import SourceFailedError
from connectors.kubernetes_api.api import AbsentError, Api
from connectors.kubernetes_api.resources import Grant
from connectors.kubernetes_json import instant
from connectors.questions import LogSample
from connectors.redaction import redacted

MOST_PODS = 20
_LEVEL = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|ERR|CRITICAL|FATAL|PANIC)\b", re.IGNORECASE
)
_KLOG = re.compile(r"^([IWEF])\d{4} ")
_KLOG_LEVELS = {"I": "INFO", "W": "WARN", "E": "ERROR", "F": "FATAL"}
_SAME = {"WARNING": "WARN", "ERR": "ERROR", "CRITICAL": "FATAL", "PANIC": "FATAL", "NOTICE": "INFO"}
_LONGEST = 8_192


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much of each container's log is read."""

    lines: int = 1_000
    bytes: int = 512 * 1024


@dataclass(frozen=True, slots=True)
class _Stream:
    """One container's log; `previous`: that of the container before the current one."""

    pod: Pod
    container: str
    previous: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """The lines, what was asked for them, and what limits them."""

    logs: LogSet
    query: str
    notes: tuple[str, ...]
    failures: tuple[SourceFailedError, ...]


def sample(api: Api, state: ClusterState, question: LogSample, now: datetime, limits: LogLimits) -> Sample:
    """The last lines of the services' containers within the window; those in trouble first."""
    pods = [pod for pod in state.pods if not question.services or pod.service in question.services]
    pods.sort(key=lambda pod: (pod.ready is not False, -_restarts(pod), pod.namespace, pod.name))
    streams = [stream for pod in pods[:MOST_PODS] for stream in _streams(pod)]
    start, end = question.window.start, min(question.window.end, now)
    asked = _parameters(start, limits)

    cut_short: list[_Stream] = []

    def one(stream: _Stream) -> list[LogRecord] | SourceFailedError:
        try:
            body = _fetched(api, stream, asked)
        except SourceFailedError as failure:
            return failure
        # A kubelet that reaches the limit leaves out the newest lines.
        if len(body.encode()) >= limits.bytes:
            cut_short.append(stream)
        return [
            record for record in _records(body, stream) if start.timestamp() <= record.at <= end.timestamp()
        ]

    with ThreadPoolExecutor(api.limits.concurrent, thread_name_prefix="pod-logs") as pool:
        replies = list(pool.map(one, streams))
    failures = tuple(
        r for r in replies if isinstance(r, SourceFailedError) and not isinstance(r, AbsentError)
    )
    full = any(not isinstance(r, SourceFailedError) and len(r) >= limits.lines for r in replies)
    records = sorted(
        (record for reply in replies if not isinstance(reply, SourceFailedError) for record in reply),
        key=lambda record: (record.at, record.service, record.body),
    )
    cut = len(records) > question.most_lines or bool(cut_short)
    notes = ["sampling: the last lines of running pods only; pods that are gone left none"]
    if len(pods) > MOST_PODS:
        notes.append(f"partly: the logs of {MOST_PODS} of {len(pods)} pods, those in trouble first")
    if cut_short:
        notes.append(f"partly: {len(cut_short)} logs exceed {limits.bytes} bytes: newest lines missing")
    notes += dict.fromkeys(f"partly: {failure.reason}" for failure in failures)
    return Sample(
        LogSet(tuple(records[-question.most_lines :]), truncated=cut or full or len(pods) > MOST_PODS),
        _query(streams, asked),
        tuple(notes),
        failures if not records and len(failures) == len(replies) else (),
    )


def _streams(pod: Pod) -> Iterator[_Stream]:
    for container in pod.containers:
        if container.restarts:
            yield _Stream(pod, container.name, previous=True)
        if pod.phase != "Pending":
            yield _Stream(pod, container.name, previous=False)


def _restarts(pod: Pod) -> int:
    return sum(container.restarts for container in pod.containers)


def _parameters(start: datetime, limits: LogLimits) -> tuple[tuple[str, str], ...]:
    return (
        ("timestamps", "true"),
        ("tailLines", str(limits.lines)),
        ("limitBytes", str(limits.bytes)),
        ("sinceTime", f"{start:%FT%TZ}"),
    )


def _fetched(api: Api, stream: _Stream, asked: Sequence[tuple[str, str]]) -> str:
    pod = stream.pod
    previous = (("previous", "true"),) if stream.previous else ()
    answer = api.get(
        f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log",
        (*asked, ("container", stream.container), *previous),
        grant=Grant("get", "", "pods/log", pod.namespace),
        accept="*/*",
    )
    return answer.body.decode("utf-8", "replace")


def _query(streams: Sequence[_Stream], asked: Sequence[tuple[str, str]]) -> str:
    since = dict(asked)["sinceTime"]
    lines = [
        f"kubectl logs -n {each.pod.namespace} {each.pod.name} -c {each.container}"
        f"{' --previous' if each.previous else ''} --timestamps --since-time={since}"
        for each in streams[:5]
    ]
    return "\n".join(lines + ([f"# and {len(streams) - 5} more"] if len(streams) > 5 else []))


def _records(body: str, stream: _Stream) -> Iterator[LogRecord]:
    """One record a line; a line without a time of its own (cut in the middle) is left out."""
    for line in body.splitlines():
        stamp, _, message = line.partition(" ")
        at = _nanoseconds(stamp)
        if at is not None and message:
            yield _record(at, message, stream)


def _nanoseconds(stamp: str) -> float | None:
    """An RFC 3339 time with nine digits of a second."""
    whole, dot, rest = stamp.partition(".")
    found = instant(f"{whole}.{rest.rstrip('Z')[:6]}Z" if dot and rest.endswith("Z") else stamp)
    return found.timestamp() if found is not None else None


def _record(at: float, message: str, stream: _Stream) -> LogRecord:
    fields = _fields(message)
    body = next((fields[name] for name in ("message", "msg", "event", "log") if fields.get(name)), message)
    level = next((fields[name] for name in ("level", "severity", "levelname", "lvl") if fields.get(name)), "")
    return LogRecord(
        at=at,
        service=stream.pod.service or stream.container,
        severity=_severity(level or _guess(message)),
        body=redacted(body[:_LONGEST]),
        logger=next((fields[name] for name in ("logger", "logger_name", "name") if fields.get(name)), "")[
            :200
        ],
        trace=next((fields[name] for name in ("trace_id", "traceId", "traceID") if fields.get(name)), "")[
            :64
        ],
        attributes={
            "k8s.pod.name": stream.pod.name,
            "k8s.container.name": stream.container,
            **({"k8s.container.previous": "true"} if stream.previous else {}),
        },
    )


def _fields(message: str) -> dict[str, str]:
    if not message.startswith("{") or len(message) > 65_536:
        return {}
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in document.items() if isinstance(value, str)}


def _guess(message: str) -> str:
    klog = _KLOG.match(message)
    if klog is not None:
        return _KLOG_LEVELS[klog[1]]
    found = _LEVEL.search(message[:120])
    return found[1] if found is not None else ""


def _severity(level: str) -> str:
    name = level.upper()[:20]
    return _SAME.get(name, name)
