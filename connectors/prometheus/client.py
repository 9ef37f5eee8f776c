"""Asks one server of the Prometheus HTTP API: GET only, bounded in time, size and number.

prometheus-api-client makes the requests that need nothing but their data. It has neither a time-out nor a
limit of its own and drops `warnings`, so it runs over a session that has all of it, and the two queries whose
warnings matter are read here. What the server says stays data: nothing of it is ever evaluated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.governor import Governor, SourceFailedError
from connectors.http import Endpoint, failure_of, skew_of
from connectors.prometheus.matrix import Grid, Matrix, parsed, read_matrix, said, vector
from connectors.redaction import redacted

if TYPE_CHECKING:
    from prometheus_api_client import PrometheusConnect
    from requests import Response, Session

_PART = 1 << 18


@dataclass(frozen=True, slots=True)
class Vector:
    """An instant query's rows, and the server's warnings."""

    rows: tuple[tuple[Mapping[str, str], float], ...]
    warnings: tuple[str, ...] = ()


class PrometheusApi:
    """The HTTP API of one server. Connections are kept; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, governor: Governor | None = None) -> None:
        self.endpoint = endpoint
        self.governor = governor or Governor(endpoint.name, endpoint.limits)
        self.skew_seconds: float | None = None
        self.reading_seconds = 0.0
        """What turning answers into numbers took so far, apart from waiting for them."""
        self._lock = threading.Lock()
        self._opened: tuple[Session, PrometheusConnect] | None = None

    def range(self, query: str, grid: Grid) -> Matrix:
        """The query at every instant of the grid.

        Asked with `nocache`, which keeps VictoriaMetrics from moving the instants; others do not know it.
        """
        span: dict[str, str | float] = {"start": grid.first, "end": grid.last, "step": grid.step}
        body = self._get("query_range", {"query": query, **span, "nocache": "1"})
        began = time.thread_time()
        matrix = read_matrix(body, grid)
        with self._lock:
            self.reading_seconds += time.thread_time() - began
        return matrix

    def instant(self, query: str, at: datetime) -> Vector:
        """The query at one instant."""
        document = parsed(self._get("query", {"query": query, "time": at.timestamp()}))
        return Vector(tuple(vector(document)), said(document))

    def scalar(self, query: str, at: datetime | None = None) -> float | None:
        """The one number of a query, at the server's own now where no instant is given."""
        params = {} if at is None else {"time": str(at.timestamp())}
        data: Any = self._library().custom_query(query, params=params)
        try:
            # `time()` is a scalar, a pair; everything else a vector of rows.
            row = data if data and not isinstance(data[0], dict) else data[0]["value"]
            return float(row[1])
        except (IndexError, KeyError, TypeError, ValueError):
            return None

    def metric_names(self, start: datetime, end: datetime) -> list[str]:
        """Every metric name with a sample in the window."""
        span = {"start": str(start.timestamp()), "end": str(end.timestamp())}
        names: list[Any] = self._library().get_label_values("__name__", params=span)
        return [name for name in names if isinstance(name, str)]

    def exemplars(self, query: str, start: datetime, end: datetime) -> list[Any]:
        """What /api/v1/query_exemplars holds about the series of a query."""
        span: dict[str, str | float] = {"start": start.timestamp(), "end": end.timestamp()}
        data = parsed(self._get("query_exemplars", {"query": query, **span})).get("data")
        return data if isinstance(data, list) else []

    def rules(self) -> list[Any]:
        """Every group of rules."""
        data = parsed(self._get("rules", {})).get("data")
        groups = data.get("groups") if isinstance(data, dict) else None
        return groups if isinstance(groups, list) else []

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None

    def _get(self, path: str, params: Mapping[str, str | float]) -> bytes:
        url = f"{self.endpoint.url.rstrip('/')}/api/v1/{path}"
        content: bytes = self._open()[0].get(url, params=params).content
        return content

    def _library(self) -> PrometheusConnect:
        return self._open()[1]

    def _open(self) -> tuple[Session, PrometheusConnect]:
        with self._lock:
            if self._opened is None:
                from prometheus_api_client import PrometheusConnect

                from connectors.prometheus.session import guarded

                session = guarded(self.endpoint, self._bounded)
                library = PrometheusConnect(self.endpoint.url.rstrip("/"), session=session, auth=session.auth)
                # The library mounts an adapter that tries again by itself; the governor does that here.
                session.mount(self.endpoint.url.rstrip("/"), session.get_adapter("https://"))
                self._opened = session, library
            return self._opened

    def _bounded(self, send: Callable[[], Response]) -> Response:
        """One request under the governor's limits, its body read whole."""
        return self.governor.run(lambda: self._answer(send))

    def _answer(self, send: Callable[[], Response]) -> Response:
        import requests
        import urllib3

        limit = self.endpoint.limits.timeout_seconds
        deadline = time.monotonic() + limit
        try:
            with send() as answer:
                body = self._body(answer, deadline)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise SourceFailedError(f"no answer within {limit:g} s") from error
        except requests.exceptions.SSLError as error:
            raise SourceFailedError(f"TLS: {_in_short(error)}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise SourceFailedError(f"not reachable: {_in_short(error)}", retry=True) from error
        if answer.status_code >= 300:
            raise failure_of(answer.status_code, _lower(answer.headers), body)
        self.skew_seconds = skew_of(_lower(answer.headers))
        answer._content = body
        return answer

    def _body(self, answer: Response, deadline: float) -> bytes:
        """The body, as long as it is neither too large nor too slow.

        A time-out of requests is of one read, and a reader of whole blocks would wait for each to fill.
        """
        most, parts, size = self.endpoint.limits.most_bytes, [], 0
        while part := answer.raw.read1(_PART, decode_content=True):
            size += len(part)
            if size > most:
                raise SourceFailedError(f"the answer is larger than {most // 1024 // 1024} MiB", counts=False)
            if time.monotonic() > deadline:
                raise SourceFailedError(f"half an answer after {self.endpoint.limits.timeout_seconds:g} s")
            parts.append(part)
        self.governor.received(size)
        return b"".join(parts)


def first_telling(failures: Sequence[SourceFailedError]) -> SourceFailedError:
    """Of several failures the one that says most: a refusal by the governor only repeats another."""
    return min(failures, key=lambda each: not each.counts)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _in_short(error: Exception) -> str:
    """The innermost reason: requests wraps it into several sentences with addresses of objects."""
    inner: BaseException = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    return redacted(str(inner))[:160] or type(inner).__name__
