# ruff: noqa: E501 - a fault stays on a line
"""The corpus of diffs: guilty ones with the fault each can produce, and decoys that can produce none.

Two halves, written together before the judge was run on either: `development.diffs`, which the judge may be
mended by, and `held_out.diffs`, which is run to measure. A guilty diff went out twelve minutes before the
onset; a decoy went out with the same service after it, another with a callee.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.answers import Commit
from playbooks.changes import ChangeJudgement
from playbooks.look import Moved
from tests.playbooks.test_changes_kit import Scenario, at, deploy, moved

FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True, slots=True)
class Sample:
    """One diff of the corpus; `kind` is a fault of `FAULTS` for a guilty one."""

    guilty: bool
    kind: str
    language: str
    name: str
    paths: tuple[str, ...]
    diff: str

    def __str__(self) -> str:
        return f"{self.kind} {self.language}: {self.name}"

    def commit(self, sha: str, minutes: float, service: str = "checkout") -> Commit:
        """The diff as a commit of a service; its message says nothing."""
        paths = tuple(p.replace("checkout", service) for p in self.paths)
        diff = self.diff if service == "checkout" else self.diff.replace("/checkout/", f"/{service}/")
        return Commit(sha=sha, at=at(minutes), author="dev", message="update", files=paths, diff=diff or None)


def samples(half: str) -> tuple[Sample, ...]:
    """All diffs of one half, in the order of the file."""
    text = (FOLDER / f"{half}.diffs").read_text(encoding="utf-8")
    return tuple(_sample(block) for block in re.split(r"(?m)^## ", text)[1:])


def _sample(block: str) -> Sample:
    head, _, body = block.partition("\n")
    guilty, kind, language, name = (part.strip() for part in head.split("|"))
    files = re.split(r"(?m)^@@@ ", body)[1:]
    paths = tuple(file.partition("\n")[0].strip() for file in files)
    return Sample(guilty == "guilty", kind, language, name, paths, "".join(map(_unified, files)))


def _unified(file: str) -> str:
    path, _, body = file.partition("\n")
    rows = [row or " " for row in body.rstrip("\n").split("\n")]
    old, new = sum(row[0] in " -" for row in rows), sum(row[0] in " +" for row in rows)
    head = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -10,{old} +10,{new} @@\n"
    return head + "\n".join(rows) + "\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """How a fault shows, and the mechanisms that are right for it."""

    alert: str
    shown: Sequence[Moved]
    causes: tuple[str, ...]
    shape: str = "step"


def _slow(size: float = 14) -> Moved:
    return moved("checkout", "latency", "http_server_duration_seconds p99", size)


def _failing(size: float = 14) -> Moved:
    return moved("checkout", "errors", "http_requests_total code=500", size)


def _log(text: str, size: float = 18) -> Moved:
    return moved("checkout", "log", text, size)


_SLOW, _FAILS = "checkout p99 above 800 ms", "checkout error ratio above 5 %"
_QUERY = "SELECT id, total FROM orders WHERE state = $1 ORDER BY created_at"
_CODE = ("bad_deploy", "exception_in_code", "config_change")

FAULTS: dict[str, Fault] = {
    "cpu": Fault(
        _SLOW, (moved("checkout", "cpu", "container_cpu_usage_seconds", 20), _slow()), ("cpu_saturation",)
    ),
    "n_plus_one": Fault(
        _SLOW,
        (
            _slow(),
            moved("checkout", "database", "calls of SELECT stock FROM products WHERE id = $1", 25),
            moved("checkout", "database", "db client spans a request", 20),
        ),
        ("slow_query",),
    ),
    "slow_query": Fault(
        _SLOW,
        (
            _slow(),
            moved("checkout", "database", f"time of {_QUERY}", 25),
            moved("checkout", "database", "seq_tup_read orders", 20),
        ),
        ("slow_query", "missing_index"),
    ),
    "lock": Fault(
        _SLOW,
        (
            _slow(),
            _log("canceling statement due to lock timeout"),
            moved("checkout", "database", "pg_stat_activity lock_wait", 20),
        ),
        ("lock_contention",),
    ),
    "timeout": Fault(
        _FAILS,
        (_failing(), _log("calling http://payments:8080/charge: deadline exceeded, request timed out", 25)),
        ("config_change",),
    ),
    "pool": Fault(
        _SLOW,
        (
            _slow(),
            moved("checkout", "pool", "db_pool_connections_pending", 20),
            _log("connection is not available, timed out after 3000ms"),
        ),
        ("connection_pool_exhausted",),
    ),
    "oom": Fault(
        _FAILS,
        (
            _failing(8),
            moved("checkout", "memory", "container_memory_working_set_bytes", 10),
            moved("checkout", "other", "kube_pod_container_status_restarts_total OOMKilled", 16),
        ),
        ("config_change", "memory_leak", "crash_loop"),
    ),
    "retry": Fault(
        "payments requests three times the usual",
        (moved("payments", "traffic", "http_requests_total", 25), _log("retrying charge, attempt 9"), _slow(8)),
        ("retry_storm",),
    ),
    "cache": Fault(
        _SLOW,
        (
            _slow(10),
            moved("checkout", "other", "cache_hit_ratio", 20, direction=-1),
            moved("checkout", "other", "redis keyspace_misses", 22),
            moved("checkout", "database", "calls of SELECT price FROM prices WHERE sku = $1", 14),
        ),
        ("cache_failure",),
    ),
    "probe": Fault(
        "checkout has unavailable replicas",
        (
            moved("checkout", "other", "kube_pod_container_status_restarts_total", 18),
            _log("Liveness probe failed, back-off restarting failed container"),
            _failing(8),
        ),
        ("config_change", "crash_loop"),
    ),
    "replicas": Fault(
        _SLOW, (moved("checkout", "cpu", "container_cpu_cfs_throttled", 16), _slow()), ("config_change", "cpu_saturation")
    ),
    "route": Fault(
        "checkout answers 404",
        (_log("no route matched GET /api/v1/orders: 404 not found", 22), moved("checkout", "errors", "http_requests_total code=404", 18)),
        _CODE,
    ),
    "null": Fault(
        _FAILS,
        (_failing(), _log("AttributeError: 'NoneType' object has no attribute 'discount'; nil pointer", 22)),
        _CODE,
    ),
    "decode": Fault(
        _FAILS,
        (_failing(), _log("cannot unmarshal body of charge: unexpected type, failed validation", 22)),
        _CODE,
    ),
    "leak": Fault(
        "checkout memory above 90 %",
        (moved("checkout", "memory", "container_memory_working_set_bytes", 22), _slow(5)),
        ("memory_leak",),
        "ramp",
    ),
    "blocking": Fault(
        _SLOW, (_slow(22), moved("checkout", "other", "event loop lag, threads active", 12)), _CODE
    ),
    "flag": Fault(
        _FAILS, (_failing(), _log("tax engine v2: negative amount of tax, totals mismatch", 22)), _CODE
    ),
    "dependency": Fault(
        _FAILS, (_failing(), _log("java.lang.NoSuchMethodError: com.fasterxml.jackson.databind.ObjectMapper", 24)), _CODE
    ),
    "raises": Fault(
        _FAILS, (_failing(), _log("order rejected: phone number required, failed validation", 24)), _CODE
    ),
}  # fmt: skip

EDGES = (("gateway", "checkout"), ("checkout", "payments"))


def incident(guilty: Sample, decoys: Sequence[Sample]) -> Scenario:
    """A guilty diff twelve minutes before its fault, two decoys between, one of them with a callee."""
    fault = FAULTS[guilty.kind]
    return Scenario(
        name=str(guilty),
        service="checkout",
        alert=fault.alert,
        moved=fault.shown,
        shape=fault.shape,
        changes=(
            deploy("checkout", -12, "guilty"),
            deploy("checkout", -2, "decoy-1"),
            deploy("payments", -5, "decoy-2"),
        ),
        commits=(
            guilty.commit("guilty", -60),
            decoys[0].commit("decoy-1", -30),
            decoys[1].commit("decoy-2", -31, "payments"),
        ),
        guilty="guilty",
        edges=EDGES,
    )


def alone(decoy: Sample, kind: str) -> ChangeJudgement:
    """A decoy as the only change, two minutes before a fault that it cannot produce."""
    fault = FAULTS[kind]
    return Scenario(
        name=str(decoy),
        service="checkout",
        alert=fault.alert,
        moved=fault.shown,
        shape=fault.shape,
        changes=(deploy("checkout", -2, "decoy"),),
        commits=(decoy.commit("decoy", -30),),
        guilty=None,
        edges=EDGES,
    ).judge()


@dataclass(frozen=True, slots=True)
class Score:
    """One guilty diff judged: P of it, the cause it is held to be, the highest decoy."""

    sample: Sample
    probability: float
    cause: str
    decoy: float

    @property
    def found(self) -> bool:
        """Whether the guilty change is more likely than not."""
        return self.probability > 0.5

    @property
    def told(self) -> bool:
        """Whether its mechanism is right as well."""
        return self.found and self.cause in FAULTS[self.sample.kind].causes


def score(half: str) -> tuple[Score, ...]:
    """Every guilty diff of a half, each beside the next two decoys of that half."""
    told = samples(half)
    guilty, decoys = [s for s in told if s.guilty], [s for s in told if not s.guilty]
    scores = []
    for n, sample in enumerate(guilty):
        beside = [decoys[(2 * n + k) % len(decoys)] for k in (0, 1)]
        judged = incident(sample, beside).judge()
        mine = next(c for c in judged.changes if c.change_id == "guilty")
        most = max(judged.probability(name) for name in ("decoy-1", "decoy-2"))
        scores.append(Score(sample, mine.probability, mine.cause, most))
    return tuple(scores)


def loudest_alone(half: str) -> dict[str, float]:
    """For each decoy its highest probability over all faults, as the only change on record."""
    decoys = [s for s in samples(half) if not s.guilty]
    return {str(d): max(alone(d, kind).probability("decoy") for kind in FAULTS) for d in decoys}
