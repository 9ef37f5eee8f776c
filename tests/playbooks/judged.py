"""Small synthetic incidents for tests of the judgement: one shop, its trouble, and the readings it leaves.

The shop is gateway → checkout → payments, gateway → catalogue, and checkout's database. Trouble begins five
minutes before now. Every number comes from a seed of its own, so that names and order change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zlib import crc32

import numpy as np

from connectors import codec
from connectors.answers import (
    Answer,
    CallGraphEdges,
    Change,
    Commit,
    Commits,
    Floats,
    LogRecord,
    LogSet,
    SeriesKey,
    SeriesSet,
    SpanSet,
    Timeline,
)
from connectors.contract import Question, Reading, Window
from connectors.questions import CallEdges, ChangeTimeline, CommitLog, LogSample, SeriesSweep, SpanSample
from playbooks.model import Incident, ServiceEntry, Symptom
from playbooks.observations import Observations

NOW = datetime(2026, 3, 4, 12, 10, tzinfo=UTC)
STEP = 15.0
SAMPLES = 200
TROUBLED = 20
"""So many of the last samples show the trouble: five minutes."""
ONSET = NOW - timedelta(seconds=STEP * TROUBLED)

CALLS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("checkout", "catalogue"),
    "checkout": ("payments",),
    "payments": (),
    "catalogue": (),
}
OWN = {"gateway": 0.010, "checkout": 0.030, "payments": 0.020, "catalogue": 0.015}
SAME_NAMES = {name: name for name in CALLS}
ROUTES = {
    "gateway": "GET /buy",
    "checkout": "POST /orders",
    "payments": "POST /charge",
    "catalogue": "GET /list",
}
SELECT = "SELECT id FROM orders WHERE id = $1"


# --- time and series --------------------------------------------------------------------------------
def axis(samples: int = SAMPLES, step: float = STEP, now: datetime = NOW) -> Floats:
    return now.timestamp() - step * np.arange(samples - 1, -1, -1, dtype=np.float64)


def seeded(name: str) -> np.random.Generator:
    return np.random.default_rng(crc32(name.encode()))


def noisy(level: float, name: str, share: float = 0.05, samples: int = SAMPLES) -> Floats:
    """A level with noise of so large a share of it."""
    return np.asarray(level * (1.0 + share * seeded(name).standard_normal(samples)))


def stepped(values: Floats, by: float, last: int = TROUBLED) -> Floats:
    """The same values, higher by so much in the last samples."""
    out = values.copy()
    out[len(out) - last :] += by
    return out


def key(metric: str, **labels: str) -> SeriesKey:
    return SeriesKey(metric, tuple(sorted(labels.items())))


def series(rows: Mapping[SeriesKey, Floats], now: datetime = NOW, step: float = STEP) -> SeriesSet:
    values = list(rows.values())
    samples = len(values[0]) if values else SAMPLES
    stacked = np.array(values) if values else np.empty((0, samples))
    return SeriesSet(tuple(rows), axis(samples, step, now), stacked)


# --- spans ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Span:
    """One span by hand; `parent` is an index into the list it stands in."""

    service: str
    name: str
    start: float
    seconds: float
    kind: int = 2
    parent: int = -1
    trace: str = "t1"
    status: int = 1
    attributes: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()


def span_set(spans: Sequence[Span]) -> SpanSet:
    return SpanSet(
        trace=tuple(s.trace for s in spans),
        span=tuple(f"s{row}" for row in range(len(spans))),
        parent=np.array([s.parent for s in spans], dtype=np.int64),
        has_parent=np.array([s.parent >= 0 for s in spans], dtype=np.bool_),
        service=tuple(s.service for s in spans),
        name=tuple(s.name for s in spans),
        kind=np.array([s.kind for s in spans], dtype=np.int64),
        start=np.array([s.start for s in spans], dtype=np.float64),
        end=np.array([s.start + s.seconds for s in spans], dtype=np.float64),
        status=np.array([s.status for s in spans], dtype=np.int64),
        weight=np.ones(len(spans)),
        attributes=tuple(dict(s.attributes) for s in spans),
        events=tuple(s.events for s in spans),
    )


def exact(seconds: float) -> float:
    """The nearest time that a float holds exactly on any day: shifting it by days loses nothing."""
    return round(seconds * 65536.0) / 65536.0


# --- the shop's trouble -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong since the onset, by service.

    `own`: extra seconds of its own time; `network`: extra seconds on every call into or out of it; `waits`:
    extra seconds of its database calls; `failing`: share of requests that fail in it, by their spans;
    `raising`: share of requests in which it logs an exception; `cpu`: factor; `leak`: memory climbs by that
    share of its level over the second half; `idle`: its numbers fall to zero. `traffic`: factor for everyone.
    """

    own: Mapping[str, float] = field(default_factory=dict)
    network: Mapping[str, float] = field(default_factory=dict)
    waits: Mapping[str, float] = field(default_factory=dict)
    failing: Mapping[str, float] = field(default_factory=dict)
    raising: Mapping[str, float] = field(default_factory=dict)
    cpu: Mapping[str, float] = field(default_factory=dict)
    leak: Mapping[str, float] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    traffic: float = 1.0


CALM = Trouble()


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop under other names and at another time, if need be."""

    trouble: Trouble = CALM
    names: Mapping[str, str] = field(default_factory=lambda: SAME_NAMES)
    now: datetime = NOW
    traces: tuple[int, int] = (70, 50)
    noise: int = 0

    @property
    def onset(self) -> float:
        return self.now.timestamp() - STEP * TROUBLED

    def _random(self, what: str) -> np.random.Generator:
        return seeded(f"{self.noise} {what}")

    # Latency and failures as metrics see them: a caller's hold its callees'.
    def _latency(self, service: str, troubled: bool) -> float:
        t = self.trouble
        own = OWN[service] + (0.005 if service == "checkout" else 0.0)
        if troubled:
            own += t.own.get(service, 0.0) + t.waits.get(service, 0.0)
        for callee in CALLS[service]:
            wire = 0.001
            if troubled:
                wire += t.network.get(service, 0.0) + t.network.get(callee, 0.0)
            own += self._latency(callee, troubled) + wire
        return own

    def _failures(self, service: str) -> float:
        inner = [self._failures(callee) for callee in CALLS[service]]
        return 1.0 - float(np.prod([1.0 - self.trouble.failing.get(service, 0.0), *(1.0 - p for p in inner)]))

    def metrics(self) -> SeriesSet:
        rows: dict[SeriesKey, Floats] = {}
        for service in CALLS:
            rows |= self._service(service)
        return series(rows, self.now)

    def _service(self, service: str) -> dict[SeriesKey, Floats]:
        name, t = self.names[service], self.trouble
        after = np.arange(SAMPLES) >= SAMPLES - TROUBLED

        def row(metric: str, usual: float, now: float, share: float = 0.05) -> Floats:
            level = np.where(after, 0.0 if service in t.idle else now, usual)
            return np.asarray(
                level * (1.0 + share * self._random(f"{service} {metric}").standard_normal(SAMPLES))
            )

        before, since = self._latency(service, False), self._latency(service, True)
        requests = 50.0
        leak = np.clip(np.arange(SAMPLES) / SAMPLES - 0.5, 0.0, None) * 2.0 * t.leak.get(service, 0.0)
        failed = 0.2 + requests * self._failures(service)
        made = {
            "http_requests:rate1m": row("rate", requests, requests * t.traffic),
            "http_request_duration_seconds:avg": row("avg", before, since),
            "http_request_duration_seconds:p99": row("p99", 3.0 * before, 3.0 * since, 0.1),
            "http_request_errors:rate1m": row("errors", 0.2, failed, 0.2),
            "container_cpu_usage_seconds:rate1m": row("cpu", 0.4, 0.4 * t.traffic * t.cpu.get(service, 1.0)),
            "container_memory_working_set_bytes": row("memory", 3e8, 3e8, 0.01) * (1.0 + leak),
        }
        return {key(metric, service=name): np.maximum(values, 0.0) for metric, values in made.items()}

    # --- traces and logs ----------------------------------------------------------------------------------
    def _starts(self) -> list[float]:
        before, during = self.traces
        now = self.now.timestamp()
        early = np.linspace(now - 2400.0, self.onset - 5.0, before)
        late = np.linspace(self.onset + 1.0, now - 5.0, during)
        return [exact(float(at)) for at in (*early, *late)]

    def _told(self) -> tuple[list[Span], list[LogRecord]]:
        spans: list[Span] = []
        records: list[LogRecord] = []
        for number, at in enumerate(self._starts()):
            _Visit(
                self, f"{number:032x}", at >= self.onset, self._random(f"trace {number}"), spans, records
            ).serve("gateway", at, -1)
        return spans, records

    def spans(self) -> SpanSet:
        return span_set(self._told()[0])

    def logs(self) -> LogSet:
        return LogSet(tuple(sorted(self._told()[1], key=lambda r: (r.at, r.service, r.body))))

    # --- what an investigation reads ------------------------------------------------------------------------
    def incident(self, **changes: object) -> Incident:
        names = self.names
        given = Incident(
            id="test/shop",
            title=f"{names['gateway']} is in trouble",
            at=self.now,
            window=Window(start=self.now - timedelta(seconds=STEP * (SAMPLES - 1)), end=self.now),
            service=names["gateway"],
            symptom=Symptom.UNKNOWN,
            services=tuple(
                ServiceEntry(name=names[s], namespace="shop", workload=f"deployment/{names[s]}")
                for s in CALLS
            ),
        )
        return given.model_copy(update=changes)

    def edges(self) -> CallGraphEdges:
        names = self.names
        return CallGraphEdges(edges=tuple((names[a], names[b]) for a, found in CALLS.items() for b in found))

    def readings(self, kinds: str = "metrics traces logs edges") -> tuple[Reading, ...]:
        window = self.incident().window
        spans, records = self._told() if {"traces", "logs"} & set(kinds.split()) else ([], [])
        told: dict[str, tuple[Question, Callable[[], Answer]]] = {
            "metrics": (SeriesSweep(window=window), self.metrics),
            "traces": (SpanSample(window=window), lambda: span_set(spans)),
            "logs": (
                LogSample(window=window),
                lambda: LogSet(tuple(sorted(records, key=lambda r: (r.at, r.service, r.body)))),
            ),
            "edges": (CallEdges(), self.edges),
            "changes": (ChangeTimeline(window=window), self.timeline),
            "commits": (CommitLog(window=window), self.commits),
        }
        return tuple(read(told[kind][0], told[kind][1](), self.now) for kind in kinds.split())

    def timeline(self) -> Timeline:
        """A deploy of checkout a minute before the onset, and one of catalogue after it."""
        at = datetime.fromtimestamp(self.onset, UTC)
        deploys = (("checkout", at - timedelta(minutes=1)), ("catalogue", at + timedelta(minutes=2)))
        return Timeline(
            changes=tuple(
                Change(id=f"deploy-{n}", at=when, kind="deploy", service=self.names[s], commit=f"{n}" * 40,
                       summary=f"{self.names[s]} deployed")
                for n, (s, when) in enumerate(deploys, start=1)
            )
        )  # fmt: skip

    def commits(self) -> Commits:
        at = datetime.fromtimestamp(self.onset, UTC) - timedelta(hours=1)
        body = "@@ -1,2 +1,3 @@\n def total(items):\n+    time.sleep(0.2)\n     return sum(items)\n"
        path = "src/total.py"
        diff = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n{body}"
        return Commits(
            commits=(
                Commit(sha="1" * 40, at=at, message="Count totals carefully", files=(path,), diff=diff),
                Commit(sha="2" * 40, at=at, message="Fix a typo", files=("README.md",), diff=None),
            )
        )


@dataclass(slots=True)
class _Visit:
    """One request on its way through the shop."""

    shop: Shop
    trace: str
    troubled: bool
    random: np.random.Generator
    spans: list[Span]
    records: list[LogRecord]

    def _extra(self, amounts: Mapping[str, float], *services: str) -> float:
        return sum(amounts.get(s, 0.0) for s in services) if self.troubled else 0.0

    def _jitter(self) -> float:
        return float(np.exp(0.2 * self.random.standard_normal()))

    def serve(self, service: str, at: float, parent: int) -> tuple[float, bool]:
        """Spans of one service and all behind it; when it is done, and whether it failed."""
        trouble, row = self.shop.trouble, len(self.spans)
        name = self.shop.names[service]
        chance, logged = float(self.random.random()), float(self.random.random())
        failed = chance < self._extra(trouble.failing, service)
        events = ("RuntimeError: no such thing",) if failed else ()
        self.spans.append(
            Span(
                name,
                ROUTES[service],
                at,
                0.0,
                2,
                parent,
                self.trace,
                1,
                {"http.route": ROUTES[service]},
                events,
            )
        )
        own = OWN[service] * self._jitter() + self._extra(trouble.own, service)
        end = at + own / 2
        if service == "checkout":
            end = self._query(name, end, row, self._extra(trouble.waits, service))
        for callee in CALLS[service]:
            end, broke = self._call(service, callee, end, row)
            failed = failed or broke
        end = exact(end + own / 2)
        span = self.spans[row]
        self.spans[row] = replace(span, seconds=end - at, status=2 if failed else 1)
        self._say(service, at, row, logged < self._extra(trouble.raising, service))
        return end, failed

    def _query(self, name: str, at: float, parent: int, extra: float) -> float:
        attributes = {"db.system.name": "postgresql", "db.namespace": "orders", "db.query.text": SELECT}
        start = exact(at)
        end = exact(start + 0.005 * self._jitter() + extra)
        self.spans.append(
            Span(name, "SELECT orders", start, end - start, 3, parent, self.trace, 1, attributes)
        )
        return end

    def _call(self, service: str, callee: str, at: float, parent: int) -> tuple[float, bool]:
        wire = 0.001 * self._jitter() + self._extra(self.shop.trouble.network, service, callee)
        start, row = exact(at), len(self.spans)
        self.spans.append(Span(self.shop.names[service], "call", start, 0.0, 3, parent, self.trace))
        end, failed = self.serve(callee, exact(start + wire / 2), row)
        end = exact(end + wire / 2)
        self.spans[row] = replace(self.spans[row], seconds=end - start, status=2 if failed else 1)
        return end, failed

    def _say(self, service: str, at: float, row: int, raised: bool) -> None:
        name, span = self.shop.names[service], {"span_id": f"s{row}"}
        self.records.append(LogRecord(at, name, "INFO", f"request {row} accepted", "", self.trace, span))
        if raised:
            body = f"KeyError: no price for item {row}"
            self.records.append(LogRecord(at, name, "ERROR", body, "", self.trace, span))


def read(question: Question, answer: Answer, at: datetime = NOW, sha256: str | None = None) -> Reading:
    digest = codec.sha256(answer) if sha256 is None else sha256
    return Reading(question.source, question, f"recorded {question.name}", at, answer, digest)


def desk(readings: Sequence[Reading]) -> Observations:
    return Observations(readings)


# --- the same thing told differently ----------------------------------------------------------------
def with_answer(readings: Sequence[Reading], change: Callable[[Answer], Answer]) -> tuple[Reading, ...]:
    """Every answer changed; the hashes stay, as only the telling differs."""
    return tuple(replace(each, answer=change(each.answer)) for each in readings)


def with_series(readings: Sequence[Reading], change: Callable[[SeriesSet], SeriesSet]) -> tuple[Reading, ...]:
    return with_answer(readings, lambda a: change(a) if isinstance(a, SeriesSet) else a)


def reordered(answer: Answer, random: np.random.Generator) -> Answer:
    """Series, spans, log records and edges in another order."""
    if isinstance(answer, SeriesSet):
        order = random.permutation(len(answer.keys)).tolist()
        return SeriesSet(tuple(answer.keys[i] for i in order), answer.times, answer.values[order])
    if isinstance(answer, SpanSet):
        return _reordered_spans(answer, random)
    if isinstance(answer, LogSet):
        order = random.permutation(len(answer.records)).tolist()
        return replace(answer, records=tuple(answer.records[i] for i in order))
    if isinstance(answer, CallGraphEdges):
        order = random.permutation(len(answer.edges)).tolist()
        return CallGraphEdges(edges=tuple(answer.edges[i] for i in order))
    if isinstance(answer, Timeline):
        return Timeline(changes=tuple(reversed(answer.changes)))
    if isinstance(answer, Commits):
        return Commits(commits=tuple(reversed(answer.commits)))
    return answer


def _reordered_spans(spans: SpanSet, random: np.random.Generator) -> SpanSet:
    order = random.permutation(len(spans.trace))
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    parent = spans.parent[order]
    rows = order.tolist()
    return replace(
        spans,
        trace=tuple(spans.trace[i] for i in rows),
        span=tuple(spans.span[i] for i in rows),
        parent=np.where(parent >= 0, back[parent], -1),
        has_parent=spans.has_parent[order],
        service=tuple(spans.service[i] for i in rows),
        name=tuple(spans.name[i] for i in rows),
        kind=spans.kind[order],
        start=spans.start[order],
        end=spans.end[order],
        status=spans.status[order],
        weight=spans.weight[order],
        attributes=tuple(spans.attributes[i] for i in rows),
        events=tuple(spans.events[i] for i in rows),
    )
