"""A small case on disk: one slow service, one metric, an Alertmanager alert."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

AT = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
MANIFEST = """\
format: 1
id: small/slow
title: checkout p99 above 800 ms
source: {name: a test, notes: [one trace in ten was kept]}
incident: {service: checkout, at: '2026-06-18T15:06:00Z'}
window: {start: '2026-06-18T14:06:00Z', end: '2026-06-18T15:06:00Z'}
"""


def written(directory: Path, manifest: str = MANIFEST, alert: str | None = None) -> Path:
    """Write the case and return its directory."""
    directory.mkdir(parents=True)
    (directory / "case.yaml").write_text(manifest, encoding="utf-8")
    (directory / "alert.json").write_text(alert if alert is not None else an_alert(), encoding="utf-8")
    times = [AT - timedelta(seconds=30 * i) for i in range(120, -1, -1)]
    slow = [0.2 + (i % 5) * 0.01 + (1.5 if i > 90 else 0.0) for i in range(121)]
    table = pa.table(
        {
            "timestamp": pa.array(times, type=pa.timestamp("ms", tz="UTC")),
            'http_request_duration_seconds:p99{service="checkout"}': pa.array(slow, type=pa.float64()),
        }
    )
    pq.write_table(table, directory / "metrics.parquet")
    return directory


def an_alert(service: str = "checkout") -> str:
    """An Alertmanager body."""
    labels = {"alertname": "HighLatency", "service": service}
    annotations = {"summary": "p99 above 800 ms"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": annotations,
        "startsAt": "2026-06-18T15:05:00Z",
    }
    return json.dumps({"version": "4", "status": "firing", "alerts": [alert]})
