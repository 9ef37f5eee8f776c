"""Exemplars: single requests that a metric remembers with their trace, the way from a number to a trace."""

from __future__ import annotations

from typing import ClassVar

from connectors.contract import Frozen, Instant, Question, Source, Window


class Exemplar(Frozen):
    """One observation and the trace it belongs to; `value` in the metric's unit, `service` where known."""

    trace: str
    at: Instant
    value: float
    metric: str
    service: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


class Exemplars(Frozen):
    """Exemplars by value, the largest first: the slowest requests are the ones to look at."""

    exemplars: tuple[Exemplar, ...]


class ExemplarTraces(Question):
    """Traces that metrics remember from the window. Answered by `Exemplars`.

    With services named, only theirs.
    """

    source: ClassVar[Source] = Source.METRICS
    window: Window
    services: tuple[str, ...] = ()
    most: int = 200


class AlertExpression(Question):
    """What an alert's own rule compares, over the window. Answered by `SeriesSet`; notes tell the rule.

    `labels` are those of the firing alert: only its own series are of interest.
    """

    source: ClassVar[Source] = Source.METRICS
    window: Window
    alert: str
    labels: tuple[tuple[str, str], ...] = ()
