"""Metrics from Prometheus, Thanos, Mimir or VictoriaMetrics: the questions it answers, and how.

Asks with GET alone, within the endpoint's limits, and never for anything later than `now`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar

import numpy as np

from connectors.answers import Answer, SeriesKey, SeriesSet
from connectors.codec import sha256
from connectors.contract import Question, Reading, Unavailable, Window
from connectors.exemplars import AlertExpression, Exemplar, Exemplars, ExemplarTraces
from connectors.governor import SourceFailedError
from connectors.http import Endpoint
from connectors.live import Check
from connectors.prometheus.checks import checks
from connectors.prometheus.client import PrometheusApi
from connectors.prometheus.edges import edge_queries, read_edges
from connectors.prometheus.exemplars import exemplar_query, read_exemplars
from connectors.prometheus.fetching import Fetched, Fetching, Scope
from connectors.prometheus.identity import ServiceMapping
from connectors.prometheus.rules import alert_rules, rule_of
from connectors.prometheus.selection import Room
from connectors.prometheus.sweep import Sweeper
from connectors.questions import CallEdges, SeriesNamed, SeriesSweep

_SKEW_NOTED_SECONDS = 30.0
_PATIENCE = 3.0
_DERIVED = (":rate", ":avg", ":p99")


class PrometheusConnector:
    """One server of the Prometheus HTTP API.

    Args:
        endpoint: where it is and how to be let in; `headers` carry a bearer token or a tenant
            (`X-Scope-OrgID`, `THANOS-TENANT`), `basic` a user and password.
        mapping: the service map, asked first for the service of a series; None leaves it to the labels.
        matchers: labels that every series must have, such as `{"cluster": "eu-1"}` on a shared server.
        room: how many series and samples may be asked for.

    Safe to ask from several threads. One question takes at most three times the endpoint's time-out.
    """

    questions: ClassVar[frozenset[type[Question]]] = frozenset(
        {SeriesSweep, SeriesNamed, CallEdges, ExemplarTraces, AlertExpression}
    )

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        mapping: ServiceMapping | None = None,
        matchers: Mapping[str, str] | None = None,
        room: Room | None = None,
    ) -> None:
        self.api = PrometheusApi(endpoint)
        self._conditions = ",".join(f'{name}="{_quoted(value)}"' for name, value in (matchers or {}).items())
        self._sweeper = Sweeper(self.api, mapping, room or Room())

    @property
    def name(self) -> str:
        """The instance's name in the configuration."""
        return self.api.endpoint.name

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """Answer with nothing later than `now`; a failure of the server is `Unavailable`."""
        answering = self._answering(question)
        if answering is None:
            return None
        window = _until(question, now)
        if window is None:
            return Unavailable(question.source, "the window lies after now")
        scope = Scope(window.start, window.end, self._conditions)
        fetching = Fetching(self.api, scope, _PATIENCE * self.api.endpoint.limits.timeout_seconds)
        try:
            answer, queries = answering(fetching)
        except SourceFailedError as failure:
            return Unavailable(question.source, f"{self.name}: {failure.reason}", failure.retry)
        return Reading(
            source=question.source,
            question=question,
            query="\n".join(queries),
            at=window.end,
            answer=answer,
            sha256=sha256(answer),
            notes=tuple(dict.fromkeys((*fetching.notes, *self._skew()))),
        )

    def check(self, *, now: datetime) -> Sequence[Check]:
        """What works, what is missing, and the setting or grant that would mend it."""
        return checks(self.api, now)

    def close(self) -> None:
        """Give connections back."""
        self.api.close()

    def _answering(self, question: Question) -> Callable[[Fetching], tuple[Answer, list[str]]] | None:
        if isinstance(question, SeriesSweep):
            return lambda fetching: _swept(fetching, self._sweeper.sweep(fetching, question.services))
        if isinstance(question, SeriesNamed):
            return lambda fetching: self._named(fetching, question)
        if isinstance(question, AlertExpression):
            return lambda fetching: self._alert(fetching, question)
        if isinstance(question, ExemplarTraces):
            return lambda fetching: self._exemplars(fetching, question)
        if isinstance(question, CallEdges):
            return self._edges
        return None

    def _named(self, fetching: Fetching, question: SeriesNamed) -> tuple[Answer, list[str]]:
        fetched = self._sweeper.named(fetching, question.metric)
        base = next(
            (question.metric.removesuffix(end) for end in _DERIVED if question.metric.endswith(end)), None
        )
        if not fetched.series.keys and base:
            fetched = self._sweeper.named(fetching, base)
        wanted = dict(question.labels)
        return _series(_where(fetched, lambda key: all(key.get(n) == v for n, v in wanted.items())))

    def _alert(self, fetching: Fetching, question: AlertExpression) -> tuple[Answer, list[str]]:
        rule = rule_of(alert_rules(self.api.rules()), question.alert, dict(question.labels))
        if rule is None:
            raise SourceFailedError(f"no alerting rule is called {question.alert}", counts=False)
        fetching.notes.append(f"rule: {rule.expression}, for {rule.hold_seconds:g} s")
        if rule.level:
            fetching.notes.append(f"fires when {rule.level}")
        fetched = self._sweeper.evaluated(fetching, rule.measured, f"alert:{question.alert}")
        alert = dict(question.labels)
        return _series(_where(fetched, lambda key: all(alert.get(n, v) == v for n, v in key.labels)))

    def _exemplars(self, fetching: Fetching, question: ExemplarTraces) -> tuple[Answer, list[str]]:
        scope = fetching.scope
        names = self.api.metric_names(scope.start, scope.end)
        query = exemplar_query(names, scope.conditions)
        if query is None:
            return Exemplars(exemplars=()), []
        listed = self.api.exemplars(query, scope.start, scope.end)
        identities = self._sweeper.identities(fetching, names)
        found: tuple[Exemplar, ...] = read_exemplars(listed, identities, (scope.start, scope.end))
        if not found:
            fetching.notes.append(
                "no exemplars: none were stored, or --enable-feature=exemplar-storage is not set"
            )
        mine = [each for each in found if not question.services or each.service in question.services]
        return Exemplars(exemplars=tuple(mine[: question.most])), [query]

    def _edges(self, fetching: Fetching) -> tuple[Answer, list[str]]:
        scope = fetching.scope
        names = self.api.metric_names(scope.start, scope.end)
        queries = edge_queries(names, scope.conditions)
        if not queries:
            raise SourceFailedError(
                "no metrics of calls: neither Istio nor a service graph nor clients", counts=False
            )
        identities = self._sweeper.identities(fetching, names)
        asked = [partial(fetching.instant, query) for _, query in queries]
        answers = [
            (convention, found)
            for (convention, _), found in zip(queries, fetching.together(asked), strict=True)
            if found is not None
        ]
        if not answers:
            raise fetching.failures[0]
        services = frozenset(
            name for _, found in answers for labels, _ in found.rows if (name := identities.service(labels))
        )
        return read_edges(answers, identities, services.__contains__), [query for _, query in queries]

    def _skew(self) -> list[str]:
        skew = self.api.skew_seconds
        if skew is None or abs(skew) < _SKEW_NOTED_SECONDS:
            return []
        return [f"the server's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"]


def _until(question: Question, now: datetime) -> Window | None:
    """The question's window, ending no later than now; the last hour where it has none."""
    asked = getattr(question, "window", None)
    if not isinstance(asked, Window):
        return Window(start=now - timedelta(hours=1), end=now)
    end = min(asked.end, now.astimezone(UTC))
    return Window(start=asked.start, end=end) if asked.start < end else None


def _series(fetched: Fetched) -> tuple[Answer, list[str]]:
    return fetched.series, fetched.queries


def _swept(fetching: Fetching, fetched: Fetched) -> tuple[Answer, list[str]]:
    """The series of a sweep; where they begin late, what is usual was hardly seen, and a note says so."""
    series, scope = fetched.series, fetching.scope
    known = np.flatnonzero(np.isfinite(series.values).any(axis=0))
    if len(known):
        begin = datetime.fromtimestamp(float(series.times[known[0]]), UTC)
        if begin - scope.start > (scope.end - scope.start) / 2:
            seen, whole = (round((scope.end - each).total_seconds() / 60) for each in (begin, scope.start))
            fetching.notes.append(
                f"the metrics begin at {begin:%FT%TZ}: {seen} of the {whole} minutes that were asked for, so "
                "what is usual was hardly seen"
            )
    return _series(fetched)


def _where(fetched: Fetched, keep: Callable[[SeriesKey], bool]) -> Fetched:
    rows = [n for n, key in enumerate(fetched.series.keys) if keep(key)]
    series = SeriesSet(
        keys=tuple(fetched.series.keys[n] for n in rows),
        times=fetched.series.times,
        values=fetched.series.values[rows],
    )
    return Fetched(series, fetched.queries, fetched.notes)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
