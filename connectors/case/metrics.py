"""metrics.parquet: series on one time axis, named in Prometheus notation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from connectors.answers import Floats, SeriesKey, SeriesSet
from connectors.case.directory import CaseDirectory
from connectors.case.manifest import Manifest
from connectors.case.reader import Found, Once, missing, span_text, unasked, until
from connectors.case.series_name import parse_series_name
from connectors.contract import Question, Source, Unavailable, Window
from connectors.errors import CaseError
from connectors.questions import SeriesNamed, SeriesSweep

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SAMPLES = 200_000_000
NAME = "metrics.parquet"
_SERVICE_LABELS = frozenset({"service", "source_workload", "destination_workload"})


class MetricsReader:
    """Answers questions about series."""

    source: ClassVar[Source] = Source.METRICS
    questions: ClassVar[tuple[type[Question], ...]] = (SeriesSweep, SeriesNamed)

    def __init__(self, directory: CaseDirectory, manifest: Manifest) -> None:
        self._directory = directory
        self._manifest = manifest
        self._series = Once(self._load)

    def present(self) -> bool:
        """Whether the case holds metrics."""
        return self._directory.find(NAME) is not None

    def load(self) -> None:
        """Read the file now: a broken one is bad input, not a source that was down."""
        if self.present():
            self._series.get()

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        """The series of a window."""
        if not self.present():
            return missing(self.source, NAME)
        everything = self._series.get()
        if isinstance(question, SeriesSweep):
            rows = self._of_services(everything.keys, question.services)
        elif isinstance(question, SeriesNamed):
            rows = [i for i, key in enumerate(everything.keys) if _matches(key, question)]
        else:
            return unasked(self.source, question)
        return self._cut(everything, rows, question.window, now)

    def _cut(
        self, everything: SeriesSet, rows: list[int], window: Window, now: datetime
    ) -> Found | Unavailable:
        end = until(window, now)
        first = int(np.searchsorted(everything.times, window.start.timestamp(), side="left"))
        last = int(np.searchsorted(everything.times, end.timestamp(), side="right"))
        if first >= last:
            return Unavailable(self.source, f"{NAME} holds no sample in {span_text(window.start, end)}")
        whole = len(rows) == len(everything.keys)
        values = everything.values[:, first:last] if whole else everything.values[rows, first:last]
        keys = everything.keys if whole else tuple(everything.keys[i] for i in rows)
        answer = SeriesSet(keys=keys, times=everything.times[first:last], values=values)
        return Found(answer, f"{NAME}: {len(keys)} series, {span_text(window.start, end)}", end)

    def _of_services(self, keys: tuple[SeriesKey, ...], services: tuple[str, ...]) -> list[int]:
        """The services' own series, those of their databases and of the nodes their pods run on."""
        if not services:
            return list(range(len(keys)))
        catalogue = self._manifest.services
        databases = {catalogue[name].database for name in services if name in catalogue} - {None}
        wanted = frozenset(services)
        own = {i for i, key in enumerate(keys) if _about(key, wanted, databases)}
        nodes = {keys[i].get("node") for i in own} - {None}
        shared = {i for i, key in enumerate(keys) if key.get("node") in nodes and not _owned(key)}
        return sorted(own | shared)

    def _load(self) -> SeriesSet:
        frame = _read(self._directory.read(NAME))
        upto = int(np.searchsorted(frame.times, self._manifest.at.timestamp(), side="right"))
        # A series that begins after now is not known yet, not even by its name.
        begun = np.isfinite(frame.values[:, :upto]).any(axis=1)
        order = sorted(np.flatnonzero(begun).tolist(), key=lambda i: str(frame.keys[i]))
        return SeriesSet(
            keys=tuple(frame.keys[i] for i in order),
            times=_frozen(frame.times[:upto].copy()),
            values=_frozen(frame.values[order, :upto]),
        )


def _about(key: SeriesKey, services: frozenset[str], databases: set[str | None]) -> bool:
    for label, value in key.labels:
        if label in _SERVICE_LABELS and value in services:
            return True
        if label == "datname" and value in databases:
            return True
    pod = key.get("pod")
    return pod is not None and not _owned(key) and any(pod.startswith(f"{name}-") for name in services)


def _owned(key: SeriesKey) -> bool:
    return key.get("service") is not None


def _matches(key: SeriesKey, question: SeriesNamed) -> bool:
    return key.metric == question.metric and all(key.get(name) == value for name, value in question.labels)


@dataclass(frozen=True, slots=True)
class _Frame:
    keys: tuple[SeriesKey, ...]
    times: Floats
    values: Floats


def _read(data: bytes) -> _Frame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # No read ahead: a thread of Arrow's that still runs when the process ends may abort it.
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
        shape = file.metadata
        if shape.num_rows * shape.num_columns > MOST_SAMPLES:
            raise CaseError(
                f"{NAME}: {shape.num_rows} rows of {shape.num_columns} columns are too many to read"
            )
        table = file.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CaseError(f"{NAME}: not a readable Parquet file") from error
    names = table.column_names
    if names.count("timestamp") != 1:
        raise CaseError(f"{NAME}: needs exactly one column `timestamp`, has {names.count('timestamp')}")
    times = _times(table.column("timestamp"))
    columns = [i for i, name in enumerate(names) if name != "timestamp"]
    keys = tuple(parse_series_name(names[i]) for i in columns)
    _refuse_twins(keys)
    values = np.empty((len(columns), len(times)), dtype=np.float64)
    for row, column in enumerate(columns):
        values[row] = _numbers(table.column(column), names[column])
    return _Frame(keys, times, values)


def _times(column: pa.ChunkedArray[Any]) -> Floats:
    import pyarrow as pa

    if not pa.types.is_timestamp(column.type):
        raise CaseError(f"{NAME}: column `timestamp` holds {column.type}, not timestamps")
    if column.null_count:
        raise CaseError(f"{NAME}: column `timestamp` has {column.null_count} empty rows")
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    ticks = np.asarray(column.cast(pa.int64()).to_numpy(), dtype=np.int64)
    steps = np.diff(ticks)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        what = "twice" if steps[row - 1] == 0 else "out of order"
        moment = np.datetime64(int(ticks[row]) * (10**9 // per_second), "ns").astype("datetime64[s]")
        raise CaseError(f"{NAME}: timestamp {moment}Z in row {row + 1} comes {what}")
    return ticks / per_second


def _numbers(column: pa.ChunkedArray[Any], name: str) -> Floats:
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise CaseError(f"{NAME}: column {name!r} holds {kind}, not numbers")
    numbers = column.cast(pa.float64(), safe=False).to_numpy()
    return np.asarray(numbers, dtype=np.float64)


def _refuse_twins(keys: tuple[SeriesKey, ...]) -> None:
    seen: set[SeriesKey] = set()
    for key in keys:
        if key in seen:
            raise CaseError(f"{NAME}: two columns hold the same series {key}")
        seen.add(key)


def _frozen(array: Floats) -> Floats:
    array.setflags(write=False)
    return array
