"""What one question may cost its store, and many requests asked side by side within it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from connectors.governor import SourceFailedError
from connectors.http import HttpClient

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Budget:
    """What one question may cost its store: requests, bytes received, seconds."""

    requests: int = 640
    bytes: int = 192 * 1024 * 1024
    seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Asked(Generic[T, R]):
    """What came back for some things asked side by side, in their order, and why others did not."""

    answers: Sequence[tuple[T, R]]
    failures: Sequence[SourceFailedError]
    left_out: str = ""


class Spending:
    """Watches one question's budget."""

    def __init__(self, client: HttpClient, budget: Budget) -> None:
        self._client = client
        self._budget = budget
        self._lock = threading.Lock()
        self._requests = 0
        self._bytes = client.governor.traffic.bytes
        self._until = time.monotonic() + budget.seconds

    def spent(self) -> str:
        """Which limit is reached; empty while none is. Counts one request more where none is."""
        with self._lock:
            if self._requests >= self._budget.requests:
                return f"{self._budget.requests} requests"
            if self._client.governor.traffic.bytes - self._bytes >= self._budget.bytes:
                return f"{self._budget.bytes // 1024 // 1024} MiB"
            if time.monotonic() > self._until:
                return f"{self._budget.seconds:g} s"
            self._requests += 1
            return ""

    def ask(self, things: Sequence[T], ask: Callable[[T], R]) -> Asked[T, R]:
        """Ask about each, as many at once as the source may be asked, until the budget is spent."""

        def one(thing: T) -> R | SourceFailedError | str:
            reached = self.spent()
            if reached:
                return reached
            try:
                return ask(thing)
            except SourceFailedError as failure:
                return failure

        if not things:
            return Asked((), ())
        with ThreadPoolExecutor(self._client.endpoint.limits.concurrent, thread_name_prefix="ask") as pool:
            replies = list(pool.map(one, things))
        answers: list[tuple[T, R]] = []
        failures: list[SourceFailedError] = []
        reached = ""
        for thing, reply in zip(things, replies, strict=True):
            if isinstance(reply, str):
                reached = reply
            elif isinstance(reply, SourceFailedError):
                failures.append(reply)
            else:
                answers.append((thing, reply))
        return Asked(answers, failures, reached)
