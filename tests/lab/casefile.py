"""Writes a case (CASE.md): one incident as it could be observed, and apart from it the truth.

Only truth.yaml may say what was broken; everything else must read as it would in production.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from tests.lab.cluster import NAMESPACE
from tests.lab.dbclient import SERVER
from tests.lab.pgexporter import APPLICATION as EXPORTER
from tests.lab.probes import APPLICATION as READER
from tests.lab.probes import Recorded
from tests.lab.repository import Commit
from tests.lab.shop import Change
from tests.lab.telemetry import iso

LARGEST_BYTES = 3_000_000
WITH_DATABASE = frozenset({"checkout", "cart", "catalogue", "payments"})

Json = dict[str, object]


@dataclass(frozen=True)
class Truth:
    """The label of a case."""

    verdict: str
    services: list[str]
    cause: str | None = None
    commit: str | None = None
    entity: Json | None = None
    decoys: tuple[str, ...] = ()

    def document(self) -> Json:
        every: Json = {
            "verdict": self.verdict,
            "services": self.services,
            "cause": self.cause,
            "commit": self.commit,
            "entity": self.entity,
            "not": list(self.decoys),
        }
        return {key: value for key, value in every.items() if value is not None}


@dataclass(frozen=True)
class Window:
    """When recording began, the investigation's now, and when recording ended."""

    start: datetime
    at: datetime
    end: datetime

    def holds(self, nanoseconds: int) -> bool:
        return self.start.timestamp() <= nanoseconds / 1e9 <= self.end.timestamp()


def write_lines(path: Path, records: Iterable[object]) -> None:
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
    if path.suffix == ".gz":
        # No time and no name in the header: the same records give the same bytes.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
            packed.write(text.encode())
    else:
        path.write_text(text)


def write_yaml(path: Path, document: Json) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def requests(directory: Path, window: Window) -> list[Json]:
    """All export requests of all processes, cut to the window, in the order of their first span."""
    found: list[tuple[int, Json]] = []
    for path in sorted(directory.glob("*.traces.jsonl")):
        for line in path.read_text().splitlines():
            cut = cut_request(json.loads(line), window)
            if cut is not None:
                found.append(cut)
    return [request for _, request in sorted(found, key=lambda item: item[0])]


def cut_request(request: Json, window: Window) -> tuple[int, Json] | None:
    """The request's spans inside the window and when the first began, or nothing."""
    starts: list[int] = []
    for resource in request["resourceSpans"]:  # type: ignore[attr-defined] # JSON of our own exporter
        for scope in resource["scopeSpans"]:
            scope["spans"] = [span for span in scope["spans"] if window.holds(int(span["startTimeUnixNano"]))]
            starts.extend(int(span["startTimeUnixNano"]) for span in scope["spans"])
        resource["scopeSpans"] = [scope for scope in resource["scopeSpans"] if scope["spans"]]
    return (min(starts), request) if starts else None


def logs(directory: Path, window: Window, database_log: Path) -> list[Json]:
    records: list[Json] = []
    for path in sorted(directory.glob("*.logs.jsonl")):
        records.extend(json.loads(line) for line in path.read_text().splitlines())
    records.extend(database_records(database_log))
    start, end = iso(window.start), iso(window.end)
    inside = [record for record in records if start <= str(record["timestamp"]) <= end]
    return sorted(inside, key=lambda record: str(record["timestamp"]))


def database_records(path: Path) -> Iterator[Json]:
    """PostgreSQL's own log, in the shape of the services' logs."""
    if not path.exists():
        return
    for line in path.read_text(errors="replace").splitlines():
        record = json.loads(line)
        application = record.get("application_name", "")
        if application in {EXPORTER, READER, "psql", "pg_dump"}:
            continue
        at = datetime.strptime(record["timestamp"], "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
        body = " ".join(str(record["message"]).split())
        yield {
            "timestamp": iso(at),
            "service": SERVER,
            "severity_text": {"LOG": "INFO", "WARNING": "WARN"}.get(record["error_severity"], "ERROR"),
            "body": body if len(body) <= 600 else body[:600] + "…",
            "attributes": {"logger": "postgresql", "application": application, "pid": record.get("pid")},
            "trace_id": "",
        }


def catalogue(services: Iterable[str]) -> Json:
    entries: Json = {}
    for service in sorted(services):
        entry = {"namespace": NAMESPACE, "workload": f"deployment/{service}"}
        if service in WITH_DATABASE:
            entry["database"] = "shop"
        entries[service] = entry | {"repository": "repository/"}
    return entries


def title(alert: bytes) -> str:
    """What the alert itself said: a title must not know more than the person who is paged."""
    return str(json.loads(alert)["alerts"][0]["annotations"]["summary"])


def alerted_service(alert: bytes) -> str:
    return str(json.loads(alert)["alerts"][0]["labels"]["service"])


@dataclass(frozen=True)
class Observed:
    """What a run leaves in memory; the rest lies in files."""

    name: str
    window: Window
    alert: bytes
    kubernetes: Json
    changes: list[Change]
    commits: list[Commit]
    readings: list[Recorded]
    services: list[str]
    sampling: float


def write_documents(case: Path, observed: Observed) -> None:
    """Everything but metrics, traces, logs, repository, schema and truth."""
    window = observed.window
    (case / "alert.json").write_bytes(observed.alert)
    (case / "kubernetes.json").write_text(json.dumps(observed.kubernetes, separators=(",", ":")))
    write_lines(case / "changes.jsonl", (asdict(change) for change in observed.changes))
    write_lines(case / "commits.jsonl", (asdict(commit) for commit in observed.commits))
    write_lines(case / "readings.jsonl", (asdict(reading) for reading in observed.readings))
    sampling = f"head-based, {observed.sampling:.0%} of traces, decided where a trace begins"
    write_yaml(
        case / "case.yaml",
        {
            "format": 1,
            "id": f"lab/{observed.name}",
            "title": title(observed.alert),
            "source": {"name": "recorded by the lab", "licence": "Apache-2.0"},
            "incident": {"service": alerted_service(observed.alert), "at": iso(window.at)},
            "window": {"start": iso(window.start), "end": iso(window.at)},
            "recorded": {
                "traces": {"intervals": [[iso(window.start), iso(window.end)]], "sampling": sampling}
            },
            "services": catalogue(observed.services),
        },
    )


def size(case: Path) -> int:
    return sum(path.stat().st_size for path in case.rglob("*") if path.is_file())
