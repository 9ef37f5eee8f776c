"""Metrics for a case: everything Prometheus holds of a window, as one table with a column a series.

Histogram buckets are left out where a recording rule holds their quantiles. Must not compute anything itself.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

LEFT_OUT = "|".join(
    (
        ".*_bucket",
        "ALERTS.*",
        "python_info",
        "python_gc_objects.*",
        "scrape_.*",
        "process_(open|max|virtual).*",
    )
)
# What Prometheus adds about the scrape itself; the pod says the same and says it better.
DROPPED_LABELS = frozenset({"__name__", "instance", "job"})

Column = npt.NDArray[np.float64]


def series_name(labels: dict[str, str]) -> str:
    """Prometheus notation with sorted labels."""
    inside = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels) if key not in DROPPED_LABELS)
    return labels["__name__"] + (f"{{{inside}}}" if inside else "")


def query_range(url: str, query: str, start: float, end: float, step: int) -> list[dict[str, object]]:
    arguments = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{arguments}", timeout=60) as answer:
        document = json.load(answer)
    assert document["status"] == "success", document
    result = document["data"]["result"]
    assert isinstance(result, list)
    return result


def columns(result: list[dict[str, object]], start: int, count: int, step: int) -> dict[str, Column]:
    """Samples placed on the grid; NaN where there was none."""
    table: dict[str, Column] = {}
    for item in result:
        labels, values = item["metric"], item["values"]
        assert isinstance(labels, dict)
        assert isinstance(values, list)
        column = table.setdefault(series_name(labels), np.full(count, np.nan))
        for at, value in values:
            column[round((at - start) / step)] = float(value)
    return dict(sorted(table.items()))


def write(url: str, start: datetime, end: datetime, step: int, target: Path) -> int:
    """Write metrics.parquet; gives the number of series."""
    first = int(start.timestamp()) // step * step
    count = (int(end.timestamp()) - first) // step + 1
    last = first + (count - 1) * step
    result = query_range(url, f'{{__name__=~".+",__name__!~"{LEFT_OUT}"}}', first, last, step)
    table = columns(result, first, count, step)
    moments = [datetime.fromtimestamp(first + index * step, UTC) for index in range(count)]
    arrays: dict[str, pa.Array[Any]] = {"timestamp": pa.array(moments, pa.timestamp("ms", tz="UTC"))}
    arrays |= {name: pa.array(column, pa.float64()) for name, column in table.items()}
    pq.write_table(pa.table(arrays), target, compression="zstd", compression_level=9, write_statistics=False)
    return len(table)
