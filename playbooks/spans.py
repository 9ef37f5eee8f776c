"""What traces say about each service: its own time, the network around it, where errors begin, what it calls.

Compares incident spans with baseline spans of the same operation. Counts of sampled spans are never rates.
Knows nothing of metrics or logs; pure.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from connectors.answers import Floats, SpanSet

SERVER, CLIENT, PRODUCER = 2, 3, 4
_ERROR = 2
_FEWEST = 4
# An operation that is new is held against all of its kind: fewer of it will do.
_FEWEST_FRESH = 2
# Timer resolution and scheduling noise, in seconds: shifts below it are not told apart.
_RESOLUTION = 2e-4
_CAP = 40.0
_EDGE_CAP = 12.0


@dataclass(frozen=True, slots=True)
class GroupShift:
    """One group of spans before and during: `z` standardised, `usual` and `now` medians in seconds.

    `kind`: self (own time), gap (network and queues between caller and callee), wait (a call whose other side
    is not traced: database, external host). `excess`: extra seconds a trace. `where`: callee or peer.
    """

    kind: str
    service: str
    where: str
    operation: str
    z: float
    usual: float
    now: float
    excess: float
    counts: tuple[int, int]


@dataclass(slots=True)
class ServiceSpans:
    """What traces say about one service: z in robust deviations, shares (0..1) of all traces' extra time.

    `elsewhere`: of the extra time between this service's request and its callees' own spans, the part that
    the far ends' network is to blame for. Metrics alone would charge it to this service.
    `refusals`: by peer that is not traced, the change of the share of its answers that say 5xx.
    """

    self_z: float = 0.0
    gap_z: float = 0.0
    wait_z: float = 0.0
    self_share: float = 0.0
    gap_share: float = 0.0
    wait_share: float = 0.0
    elsewhere: float = 0.0
    error_z: float = 0.0
    structure_z: float = 0.0
    slowest: GroupShift | None = None
    waits: list[GroupShift] = field(default_factory=list)
    refusals: dict[str, float] = field(default_factory=dict)
    error_text: str = ""
    structure_text: str = ""


@dataclass(frozen=True, slots=True)
class SpanView:
    """All of it: per service, the groups behind, the call edges seen and how many traces were compared."""

    services: dict[str, ServiceSpans]
    groups: tuple[GroupShift, ...]
    edges: tuple[tuple[str, str], ...]
    traces: tuple[int, int]
    split: float
    excess: float


def _children(spans: SpanSet) -> dict[int, list[int]]:
    kids: dict[int, list[int]] = defaultdict(list)
    for row, parent in enumerate(spans.parent.tolist()):
        if parent >= 0:
            kids[parent].append(row)
    return kids


def self_times(spans: SpanSet, kids: dict[int, list[int]]) -> Floats:
    """Each span's duration less the union of its children's, in seconds, never negative."""
    start, end = spans.start, spans.end
    own = (end - start).copy()
    for parent, rows in kids.items():
        low, high = start[parent], end[parent]
        covered, edge = 0.0, low
        for row in sorted(rows, key=start.__getitem__):
            left, right = max(start[row], edge), min(end[row], high)
            if right > left:
                covered += right - left
                edge = right
        own[parent] -= covered
    return np.maximum(own, 0.0)


def _remote_child(spans: SpanSet, row: int, kids: dict[int, list[int]]) -> int | None:
    service = spans.service[row]
    return next((kid for kid in kids.get(row, ()) if spans.service[kid] != service), None)


def peer(attributes: dict[str, str]) -> str:
    """The other side of a client span, by the semantic conventions: database, peer service or host."""
    for name in ("db.system.name", "db.system"):
        if name in attributes:
            return f"{attributes[name]}/{attributes.get('db.namespace') or attributes.get('db.name') or ''}"
    for name in (
        "peer.service",
        "server.address",
        "net.peer.name",
        "messaging.destination.name",
        "http.host",
    ):
        if attributes.get(name):
            return attributes[name]
    return ""


def operation(spans: SpanSet, row: int) -> str:
    """What a span does, as a name with few values: statement, else route, else the span's name."""
    attributes = spans.attributes[row]
    for name in ("db.query.text", "db.statement", "http.route", "rpc.method"):
        if attributes.get(name):
            return attributes[name][:300]
    return spans.name[row]


_Key = tuple[str, str, str, str]


def _grouped(spans: SpanSet, kids: dict[int, list[int]]) -> tuple[list[_Key], Floats]:
    """For each span the group it is measured in, and the seconds that count there."""
    own = self_times(spans, kids)
    seconds = own.copy()
    keys: list[_Key] = []
    for row, kind in enumerate(spans.kind.tolist()):
        service = spans.service[row]
        if kind == CLIENT:
            remote = _remote_child(spans, row, kids)
            if remote is not None:
                keys.append(("gap", service, spans.service[remote], ""))
                seconds[row] = max(
                    (spans.end[row] - spans.start[row]) - (spans.end[remote] - spans.start[remote]), 0.0
                )
                continue
            keys.append(("wait", service, peer(spans.attributes[row]), operation(spans, row)))
            continue
        keys.append(("self", service, "", operation(spans, row)))
    return keys, seconds


def _welch(before: Floats, during: Floats) -> float:
    """Difference of mean log durations in standard errors (Welch 1947), shrunk for small groups."""
    b, d = np.log(before + _RESOLUTION), np.log(during + _RESOLUTION)
    error = np.sqrt(b.var() / len(b) + d.var() / len(d) + 0.01 / len(b) + 0.01 / len(d))
    return float((d.mean() - b.mean()) / error)


def _shift(key: _Key, before: Floats, during: Floats, traces: int, fewest: int = _FEWEST) -> GroupShift:
    kind, service, where, name = key
    counts = (len(before), len(during))
    if min(counts) < fewest:
        return GroupShift(kind, service, where, name, 0.0, 0.0, 0.0, 0.0, counts)
    excess = (float(during.mean()) - float(before.mean())) * len(during) / max(traces, 1)
    return GroupShift(
        kind,
        service,
        where,
        name,
        _welch(before, during),
        float(np.median(before)),
        float(np.median(during)),
        excess,
        counts,
    )


def _measured(
    rows: dict[_Key, tuple[list[int], list[int]]], seconds: Floats, traces: int
) -> list[GroupShift]:
    """Every group's shift. An operation that was never seen before is held against its kind's usual times."""
    wide: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for (kind, service, where, _), (before, _) in rows.items():
        wide[(kind, service, where)] += before
    shifts = []
    for key, (before, during) in sorted(rows.items()):
        told = len(wide[key[:3]]) >= _FEWEST and len(during) >= _FEWEST_FRESH
        fresh = len(before) < _FEWEST and told and key[0] != "gap"
        usual = sorted(wide[key[:3]]) if fresh else before
        shifts.append(
            _shift(key, seconds[usual], seconds[during], traces, _FEWEST_FRESH if fresh else _FEWEST)
        )
    return shifts


def _without_common(groups: list[GroupShift]) -> list[GroupShift]:
    """Take the system's common slow-down out: what moved everything alike accuses nobody."""
    told = [g for g in groups if min(g.counts) >= 20]
    if len(told) < 6:
        return groups
    zs = np.array([g.z for g in told])
    centre = max(float(np.median(zs)), 0.0)
    noise = max(1.0, 1.4826 * float(np.median(np.abs(zs - np.median(zs)))) / 1.5)
    return [
        GroupShift(
            g.kind,
            g.service,
            g.where,
            g.operation,
            (g.z - centre) / noise,
            g.usual,
            g.now,
            g.excess,
            g.counts,
        )
        for g in groups
    ]


def _gap_blame(groups: list[GroupShift]) -> dict[str, float]:
    """How much of the slow gaps each service can explain: a faulty network end slows its edges.

    For each service the mean over its edges of the edge's shift, clipped to 0.._EDGE_CAP so that one busy
    edge does not speak for all: the end whose edges are mostly slow outranks the end with healthy ones.
    """
    touching: dict[str, list[float]] = defaultdict(list)
    for group in groups:
        if group.kind == "gap" and min(group.counts) >= _FEWEST:
            for end in (group.service, group.where):
                touching[end].append(float(np.clip(group.z, 0.0, _EDGE_CAP)))
    return {service: sum(zs) / len(zs) for service, zs in touching.items()}


def _shares(groups: list[GroupShift], blame: dict[str, float], out: dict[str, ServiceSpans]) -> float:
    """Divide the extra seconds of a trace among services; a gap's among its two ends by their blame."""
    slower = [g for g in groups if g.excess > 0 and g.z > 1.5]
    total = sum(g.excess for g in slower)
    own: dict[str, float] = defaultdict(float)
    far_off: dict[str, float] = defaultdict(float)
    for group in slower:
        share = group.excess / total
        own[group.service] += share
        part = out[group.service]
        if group.kind != "gap":
            part.self_share += share if group.kind == "self" else 0.0
            part.wait_share += share if group.kind == "wait" else 0.0
            continue
        near, far = blame.get(group.service, 0.0), blame.get(group.where, 0.0)
        fraction = far / (near + far) if near + far > 0 else 0.5
        part.gap_share += share * (1 - fraction)
        out[group.where].gap_share += share * fraction
        far_off[group.service] += share * fraction
    for service, amount in far_off.items():
        out[service].elsewhere = amount / own[service]
    return total


def _errors(
    spans: SpanSet, kids: dict[int, list[int]], during: list[bool], out: dict[str, ServiceSpans]
) -> None:
    """Where errors begin: failed spans with no failed child, against the usual share of such."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    texts: dict[str, str] = {}
    status = spans.status.tolist()
    for row, now in enumerate(during):
        service = spans.service[row]
        counts[service][2 + now] += 1
        if status[row] == _ERROR and not any(status[kid] == _ERROR for kid in kids.get(row, ())):
            counts[service][now] += 1
            if now and spans.events[row]:
                texts.setdefault(service, spans.events[row][0])
    for service, (before, after, all_before, all_after) in counts.items():
        out[service].error_z = _proportion(before, all_before, after, all_after)
        out[service].error_text = texts.get(service, "")


def _refusals(
    spans: SpanSet, rows: dict[_Key, tuple[list[int], list[int]]], out: dict[str, ServiceSpans]
) -> None:
    """How often a peer that is not traced says itself that it failed: RFC 9110, section 15.6."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for (kind, service, where, _), sides in rows.items():
        if kind == "wait" and where:
            for now, side in enumerate(sides):
                counts[service, where][now] += sum(_says_5xx(spans.attributes[row]) for row in side)
                counts[service, where][2 + now] += len(side)
    for (service, where), (before, after, all_before, all_after) in sorted(counts.items()):
        if min(all_before, all_after) >= _FEWEST:
            out[service].refusals[where] = _proportion(before, all_before, after, all_after)


def _says_5xx(attributes: dict[str, str]) -> bool:
    code = attributes.get("http.response.status_code") or attributes.get("http.status_code") or ""
    return len(code) == 3 and code.startswith("5")


def _proportion(before: int, all_before: int, after: int, all_after: int) -> float:
    """Change of a proportion in standard errors, each with half a count added (Agresti & Coull 1998)."""
    if all_before < 1 or all_after < 1:
        return 0.0
    p, q = (before + 0.5) / (all_before + 1), (after + 0.5) / (all_after + 1)
    error = np.sqrt(p * (1 - p) / (all_before + 1) + q * (1 - q) / (all_after + 1))
    return float(np.clip((q - p) / error, -_CAP, _CAP))


def _structure(
    spans: SpanSet, kids: dict[int, list[int]], during: list[bool], out: dict[str, ServiceSpans]
) -> None:
    """Calls that an operation stopped or started making: charged to the operation that makes them."""
    parents: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    pairs: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row, now in enumerate(during):
        caller = (spans.service[row], spans.name[row])
        parents[caller][now] += 1
        for child in {f"{spans.service[kid]} {spans.name[kid]}" for kid in kids.get(row, ())}:
            pairs[(*caller, child)][now] += 1
    for (service, name, child), (before, after) in sorted(pairs.items()):
        all_before, all_after = parents[(service, name)]
        z = _proportion(before, all_before, after, all_after)
        if abs(z) > abs(out[service].structure_z) and min(all_before, all_after) >= _FEWEST:
            out[service].structure_z = z
            verb = "calls" if z > 0 else "no longer calls"
            out[
                service
            ].structure_text = f"{name} {verb} {child}: {before}/{all_before} before, {after}/{all_after} now"


def view(spans: SpanSet, split: float) -> SpanView:
    """Compare the spans that start at `split` (seconds since the epoch) or later with those before.

    Sources: self time and span gaps as in the critical-path literature; gaps between caller and callee find
    network faults that self time misses.
    """
    kids = _children(spans)
    during = [bool(start >= split) for start in spans.start.tolist()]
    traces = tuple(
        len({t for t, now in zip(spans.trace, during, strict=True) if now is side}) for side in (False, True)
    )
    keys, seconds = _grouped(spans, kids)
    rows: dict[_Key, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for row, key in enumerate(keys):
        rows[key][during[row]].append(row)
    groups = _measured(rows, seconds, traces[1])
    groups = _without_common(groups)
    out: dict[str, ServiceSpans] = defaultdict(ServiceSpans)
    for service in spans.service:
        out[service]
    blame = _gap_blame(groups)
    excess = _shares(groups, blame, out)
    for group in groups:
        _keep_worst(out[group.service], group)
    for service, z in blame.items():
        out[service].gap_z = min(z, _CAP)
    _errors(spans, kids, during, out)
    _refusals(spans, rows, out)
    _structure(spans, kids, during, out)
    edges = sorted({(g.service, g.where) for g in groups if g.kind == "gap"})
    return SpanView(dict(out), tuple(groups), tuple(edges), (traces[0], traces[1]), split, excess)


def _keep_worst(part: ServiceSpans, group: GroupShift) -> None:
    if group.kind == "self" and group.z > part.self_z:
        part.self_z = min(group.z, _CAP)
        part.slowest = group
    if group.kind == "wait":
        part.wait_z = max(part.wait_z, min(group.z, _CAP))
        part.waits.append(group)
