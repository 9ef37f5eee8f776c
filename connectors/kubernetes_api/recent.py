"""Lists that were read moments ago: questions asked side by side, or one after the other, share them.

A snapshot, a timeline and a repository that wants to know what was rolled out all need the same objects.
Failures are shared with who waits for the same list, and kept no longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from connectors.governor import SourceFailedError

T = TypeVar("T")


@dataclass(slots=True)
class _Entry(Generic[T]):
    began: float
    future: Future[T] = field(default_factory=Future)


class Recent(Generic[T]):
    """Remembers what was read for so many seconds. Safe to use from several threads."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry[T]] = {}

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """What was read under this key, or is being read; else read it now.

        Raises:
            SourceFailedError: the reading failed, whoever did it.
        """
        with self._lock:
            self._forget()
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                entry = self._entries[key] = _Entry(self._clock())
        if mine:
            return self._read(key, entry, read)
        try:
            return entry.future.result()
        except CancelledError:
            return read()

    def _read(self, key: Hashable, entry: _Entry[T], read: Callable[[], T]) -> T:
        try:
            found = read()
            entry.future.set_result(found)
            return found
        except SourceFailedError as failure:
            entry.future.set_exception(failure)
            raise
        finally:
            # Whatever else ended the reading, nobody is left waiting for it, and no failure is kept.
            entry.future.cancel()
            if entry.future.cancelled() or entry.future.exception() is not None:
                with self._lock:
                    self._entries.pop(key, None)

    def _forget(self) -> None:
        oldest = self._clock() - self._seconds
        old = [key for key, each in self._entries.items() if each.began < oldest and each.future.done()]
        for key in old:
            del self._entries[key]
