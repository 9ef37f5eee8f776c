"""What everyone above the connectors speaks of: incident, symptom, entity, evidence, finding."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from connectors.contract import Frozen, Instant, Source, Window


class Symptom(StrEnum):
    """The kind of trouble the alert speaks of, by the RED and USE methods' signals."""

    LATENCY = "latency"
    ERRORS = "errors"
    TRAFFIC = "traffic"
    SATURATION = "saturation"
    UNKNOWN = "unknown"


class ServiceEntry(Frozen):
    """What the service map knows of one service."""

    name: str
    namespace: str | None = None
    workload: str | None = None
    database: str | None = None
    repository: str | None = None


class Incident(Frozen):
    """One incident as the trigger told it. `at` is the investigation's now; nothing later is used.

    `text` is what the alert says in words; `metric` the series it names, where it names one;
    `started_at` when the alert says it began, never later than `at`.
    """

    id: str
    title: str
    at: Instant
    window: Window
    service: str | None = None
    symptom: Symptom = Symptom.UNKNOWN
    text: str = ""
    metric: str | None = None
    started_at: Instant | None = None
    resolved_at: Instant | None = None
    labels: tuple[tuple[str, str], ...] = ()
    services: tuple[ServiceEntry, ...] = ()
    caveats: tuple[str, ...] = ()


class Entity(Frozen):
    """A thing that can be at fault: a service, pod, node, table, index, database, external host."""

    kind: str
    name: str


class Evidence(Frozen):
    """One checkable fact: what was asked, how to ask it again, when, what came back, and its hash."""

    source: Source
    question: str
    query: str
    at: Instant
    value: str
    sha256: str


class Finding(Frozen):
    """What a judge makes of readings: yes, no or unknown, with the numbers.

    `strength` is a standardised size (0 where unknown): larger speaks louder, the sign is the state's.
    `service` and `entity` say what it speaks of; `change` the change it speaks of.
    """

    judge: str
    state: Literal["yes", "no", "unknown"]
    strength: float = 0.0
    why: str = ""
    service: str | None = None
    entity: Entity | None = None
    change: str | None = None
    evidence: tuple[Evidence, ...] = ()
