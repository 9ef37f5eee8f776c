"""Keeps the load on one source within limits: at most so many calls at once, and a rest after failures.

Knows nothing of transports: a connector wraps each request in `Governor.run`. What was asked is counted,
so that a benchmark and the record can say what an investigation cost its sources.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from connectors.errors import ConnectorError

T = TypeVar("T")


class SourceFailedError(ConnectorError):
    """A source did not answer; `retry` says whether asking again may help, the message why it failed.

    `retry_after` is how long the source asked to be left alone, in seconds, where it said so.
    `counts`: whether the failure says that the source is in trouble (a refusal does not).
    """

    def __init__(
        self, reason: str, *, retry: bool = False, retry_after: float | None = None, counts: bool = True
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry
        self.retry_after = retry_after
        self.counts = counts


@dataclass(frozen=True, slots=True)
class Limits:
    """What one source instance may be asked.

    `timeout_seconds` is that of one request, `concurrent` the requests at once, `most_bytes` the size of
    one answer, `attempts` the tries of one request in all. After `failures` failures in a row the source
    is left alone for `rest_seconds`; then one call is let through to see.
    """

    timeout_seconds: float = 10.0
    concurrent: int = 4
    most_bytes: int = 64 * 1024 * 1024
    attempts: int = 2
    failures: int = 4
    rest_seconds: float = 30.0


@dataclass(slots=True)
class Traffic:
    """What went to a source so far."""

    requests: int = 0
    failures: int = 0
    seconds: float = 0.0
    bytes: int = 0


class LeftAloneError(SourceFailedError):
    """A source that failed too often is not asked for a while."""


class Governor:
    """Guards one source instance. Safe to use from several threads.

    `clock` counts seconds, `sleep` waits for them; neither has a say in any answer.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.limits = limits
        self.traffic = Traffic()
        self._clock = clock
        self._sleep = sleep
        self._slots = threading.BoundedSemaphore(limits.concurrent)
        self._lock = threading.Lock()
        self._failed = 0
        self._why = ""
        self._rests_until = 0.0

    def run(self, call: Callable[[], T]) -> T:
        """Make one request, again where its failure says that this may help and time allows.

        Raises:
            SourceFailedError: no answer, or the source is being left alone.
        """
        earlier: SourceFailedError | None = None
        for attempt in range(1, self.limits.attempts + 1):
            try:
                return self._once(call)
            except SourceFailedError as failure:
                if earlier is not None and isinstance(failure, LeftAloneError):
                    raise earlier from failure  # why it failed says more than that it rests since
                earlier = failure
                pause = failure.retry_after if failure.retry_after is not None else 0.2 * attempt
                # What does not count is a refusal of theirs or ours: asking at once again changes nothing.
                again = failure.retry and failure.counts and attempt < self.limits.attempts
                if not again or pause > self.limits.timeout_seconds:
                    raise
                self._sleep(pause)
        raise AssertionError("a request is tried at least once")

    def received(self, size: int) -> None:
        """Count the bytes of an answer."""
        with self._lock:
            self.traffic.bytes += size

    def _once(self, call: Callable[[], T]) -> T:
        if not self._slots.acquire(timeout=self.limits.timeout_seconds):
            raise SourceFailedError("too many requests at once", retry=True, counts=False)
        try:
            self._admit()
            return self._counted(call)
        finally:
            self._slots.release()

    def _admit(self) -> None:
        with self._lock:
            now = self._clock()
            if now < self._rests_until:
                left = self._rests_until - now
                row = f"{self._failed} failures in a row: {self._why}"
                raise LeftAloneError(
                    f"left alone for {max(left, 1):.0f} s more after {row}",
                    retry=True,
                    retry_after=left,
                    counts=False,
                )
            if self._failed >= self.limits.failures:
                # One call goes through to see whether the source is back; others wait for what it says.
                self._rests_until = now + self.limits.rest_seconds

    def _counted(self, call: Callable[[], T]) -> T:
        began = self._clock()
        try:
            answer = call()
        except SourceFailedError as failure:
            self._why = failure.reason if failure.counts else self._why
            self._note(began, "trouble" if failure.counts else "refused")
            raise
        except BaseException:
            # An error of ours says nothing of the source; a single call that looks whether it is back ends.
            self._note(began, "ours")
            raise
        self._note(began, "answered")
        return answer

    def _note(self, began: float, outcome: Literal["answered", "refused", "trouble", "ours"]) -> None:
        """Count a request. Who refuses is there: a refusal ends a row of failures as an answer does."""
        with self._lock:
            self.traffic.requests += 1
            self.traffic.seconds += self._clock() - began
            self.traffic.failures += outcome != "answered"
            if outcome in ("answered", "refused"):
                self._failed, self._rests_until = 0, 0.0
            elif outcome == "ours":
                self._rests_until = 0.0
            else:
                self._failed += 1
                if self._failed >= self.limits.failures:
                    self._rests_until = self._clock() + self.limits.rest_seconds
