"""Asks one server of the Prometheus HTTP API: GET only, bounded in time, size and number.

prometheus-api-client makes the requests that need nothing but their data. It drops `warnings`, so the queries
whose warnings matter are read here. What the server says stays data: nothing of it is ever evaluated.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.governor import Governor, SourceFailedError
from connectors.http import Endpoint, HttpClient
from connectors.prometheus.matrix import Grid, Matrix, parsed, read_matrix, said, vector

if TYPE_CHECKING:
    from prometheus_api_client import PrometheusConnect

# Within a cluster, packing an answer costs a busy server more than sending it does.
_UNPACKED = {"Accept-Encoding": "identity"}
# Half of a character of two: JSON can write it, no URL can.
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Vector:
    """An instant query's rows, and the server's warnings."""

    rows: tuple[tuple[Mapping[str, str], float], ...]
    warnings: tuple[str, ...] = ()


class PrometheusApi:
    """The HTTP API of one server. Connections are kept; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.skew_seconds: float | None = None
        self.reading_seconds = 0.0
        """What turning answers into numbers took so far, apart from waiting for them."""
        self._client = HttpClient(endpoint)
        self._lock = threading.Lock()
        self._opened: PrometheusConnect | None = None

    @property
    def governor(self) -> Governor:
        """What keeps the load within limits, and counts it."""
        return self._client.governor

    def range(self, query: str, grid: Grid) -> bytes:
        """The query at every instant of the grid, to be read by `read`.

        Asked with `nocache`, which keeps VictoriaMetrics from moving the instants; others do not know it.
        """
        span: dict[str, str | float] = {"start": grid.first, "end": grid.last, "step": grid.step}
        return self._get("query_range", {"query": query, **span, "nocache": "1"})

    def read(self, body: bytes, grid: Grid) -> Matrix:
        """The series of what `range` gave for the grid.

        Raises:
            SourceFailedError: the body is not such an answer.
        """
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
        params: dict[str, str | float] = {} if at is None else {"time": at.timestamp()}
        data = parsed(self._get("query", {"query": query, **params})).get("data")
        row: Any = data.get("result") if isinstance(data, dict) else None
        try:
            # `time()` is a scalar, a pair; everything else a vector of rows.
            return float((row[0]["value"] if isinstance(row[0], dict) else row)[1])
        except (IndexError, KeyError, TypeError, ValueError):
            return None

    def metric_names(self, start: datetime, end: datetime) -> list[str]:
        """Every metric name with a sample in the window."""
        span = {"start": str(start.timestamp()), "end": str(end.timestamp())}
        try:
            names = self._library().get_label_values("__name__", params=span)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise SourceFailedError("the answer is not one of the Prometheus API") from error
        if not isinstance(names, list):
            raise SourceFailedError("the answer is not one of the Prometheus API")
        return [name for name in names if isinstance(name, str) and not _HALF.search(name)]

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
        self._client.close()

    def _get(self, path: str, params: Mapping[str, str | float]) -> bytes:
        answer = self._client.get(f"api/v1/{path}", params, headers=_UNPACKED)
        self.skew_seconds = answer.skew_seconds
        return answer.body

    def _library(self) -> PrometheusConnect:
        with self._lock:
            if self._opened is None:
                from prometheus_api_client import PrometheusConnect

                from connectors.prometheus.session import session_over

                url, session = self.endpoint.url.rstrip("/"), session_over(self._client)
                ours = session.get_adapter(url)
                self._opened = PrometheusConnect(url, session=session, auth=session.auth)
                # The library mounts an adapter of its own there, which tries again without end or limit.
                session.mount(url, ours)
            return self._opened


def first_telling(failures: Sequence[SourceFailedError]) -> SourceFailedError:
    """Of several failures the one that says most: a refusal by the governor only repeats another."""
    return min(failures, key=lambda each: not each.counts)
