# ruff: noqa: E501 - a row of a table stays on one line
"""What speaks for "no change is guilty": mechanisms that need no change, each with evidence of its own.

Must not look at changes: that a diff explains the same evidence better is weighed beside this, in `changes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.answers import ClusterState, StatusEvent
from connectors.contract import Source
from playbooks.change_effects import Effect, Shown
from playbooks.change_reach import suspects
from playbooks.diff_words import split_words
from playbooks.look import FaultLook, Moved
from playbooks.phrases import Phrase, lowered, phrase

AROUND_SECONDS = 7200.0


@dataclass(frozen=True, slots=True)
class Rival:
    """One mechanism outside every change: its log-odds, the cause it is, and the reason with its source."""

    mechanism: str
    cause: str
    log_odds: float
    why: str
    source: Source
    query: str
    at: float
    value: str
    explains: frozenset[Effect] = frozenset()


@dataclass(frozen=True, slots=True)
class _Sign:
    mechanism: str
    cause: str
    weight: float
    phrase: Phrase
    explains: frozenset[Effect]


def _sign(mechanism: str, cause: str, weight: float, pattern: str, *explains: Effect) -> _Sign:
    return _Sign(mechanism, cause, weight, phrase(pattern), frozenset(explains))


_SIGNS: tuple[_Sign, ...] = (
    _sign("certificate", "certificate_expired", 3.8, r"certificate.{0,40}(has )?expired|expired.{0,20}certificate|not_?after|cert\w{0,24}_(expiry|not_after|expires)", Effect.EXPIRY),
    _sign("dns", "dns_failure", 2.2, r"no such host|nxdomain|enotfound|eai_again|name resolution|name or service not known|could not resolve host|unknownhost", Effect.DNS),
    _sign("dns", "dns_failure", 3.2, r"servfail|coredns|server misbehaving|dns.{0,30}(timeout|unhealthy|refused)", Effect.DNS),
    _sign("dependency", "downstream_dependency", 1.0, r"(http_client|client|outbound|egress|upstream)[_ ](call|request|rq|duration|latency|error)", Effect.EXTERNAL, Effect.TIMEOUT),
    _sign("disk", "disk_full", 2.2, r"no space left|enospc|disk (is )?full|could not extend file|filesystem_avail|disk quota exceeded|read-only file system", Effect.DISK),
    _sign("clock", "clock_skew", 3.2, r"clock (skew|drift|offset)|timex_offset|requesttimetooskewed|time is not synchron", Effect.CLOCK, Effect.AUTH),
    _sign("rate_limit", "external_provider", 2.4, r"quota (has been )?exceeded|exceeded.{0,20}quota|\b429\b.{0,80}\w\.\w|too many requests.{0,60}(from|by) \w{1,24}[.-]\w|daily limit", Effect.RATE_LIMIT, Effect.EXTERNAL),
    _sign("external", "external_provider", 2.4, r"(provider|vendor|acquirer|upstream provider|third[- ]party|partner api)\b.{0,80}(unavailable|outage|\b5\d\d\b|down|degraded|timed? ?out)|api\.[\w-]{2,40}\.[a-z]{2,8}.{0,80}(\b5\d\d\b|unavailable|timed? ?out|refused|reset)", Effect.EXTERNAL, Effect.TIMEOUT),
    _sign("node_pressure", "node_pressure", 2.2, r"evict(ed|ion)|low on resource|memorypressure|diskpressure|node ?not ?ready|node_(memory|cpu|load|pressure)\w{0,24}|noisy neighbou?r|cpu steal|preempted", Effect.NODE),
    _sign("bad_data", "bad_data", 2.0, r"(?<!token[ _])(?<!jwt[ _])(?<!session[ _])(?<!signature[ _])validat\w{0,24} ?(error|fail)|failed validation|malformed|poison|invalid (record|payload|row|message)|must be (a|an|of|one)\b.{0,40}got|unexpected (value|format|null)|schema (mismatch|violation)|bad record|corrupt|unknown (enum|version)", Effect.VALIDATION, Effect.DECODE, Effect.QUEUE),
    _sign("bad_data", "bad_data", 3.2, r"(validat|invalid|malformed|out of range|must be|parse|decod|reject|poison|corrupt|unexpected)\w{0,24}.{0,160}\b(producer|partner|source|feed|supplier|vendor|offset|partition|record_?id|row|file|batch)(=|\"?: ?\"|#| \d)", Effect.VALIDATION, Effect.DECODE, Effect.QUEUE),
    _sign("database", "database_failover", 2.4, r"database system is (starting|shutting)|administrator command|read-only transaction|failover|replica(tion)? lag|recovery mode|primary (changed|not found)|not (the )?(leader|primary)|no primary", Effect.DATABASE, Effect.NETWORK),
    _sign("network", "network", 1.8, r"packet loss|retransmi|no route to host|network is unreachable|cross[- ](region|az|zone)|link (down|flap)|region", Effect.NETWORK),
    _sign("quota", "external_provider", 1.5, r"resource_exhausted|throttlingexception|service limit|insufficient ?(instance)?capacity", Effect.RATE_LIMIT),
    _sign("vacuum", "database_maintenance", 1.8, r"autovacuum|wraparound|checkpoint.{0,30}(too|frequent)|bloat", Effect.DATABASE, Effect.LOCK),
)  # fmt: skip

_BAD_STATUS = re.compile(
    r"outage|degrad|incident|down|disrupt|partial|major|minor|investigat|identified|elevated|error|delay|unavailable|maintenance",
    re.IGNORECASE,
)
_GOOD_STATUS = re.compile(r"^(operational|resolved|ok|up|available|completed|normal|none)\b", re.IGNORECASE)
_ENOUGH_TRAFFIC = 5.0
_ENOUGH_OF_A_RESOURCE = 8.0
_OUTWARD = re.compile(r"upstream|outbound|egress|client|downstream", re.IGNORECASE)
"""Calls that a service makes, not calls that come to it."""


def rivals(
    look: FaultLook,
    shown: Mapping[Effect, Shown],
    cluster: ClusterState | None,
    status: Sequence[StatusEvent],
) -> tuple[Rival, ...]:
    """Every mechanism without a change that has evidence, strongest first."""
    found = [
        *_signs(look),
        *_traffic(look),
        *_nodes(look, cluster),
        *_status(look, status),
        *_elsewhere(look, shown),
        *_resources(look),
    ]
    best: dict[str, Rival] = {}
    for rival in found:
        held = best.get(rival.mechanism)
        if held is None or (rival.log_odds, held.why) > (held.log_odds, rival.why):
            best[rival.mechanism] = rival
    return tuple(sorted(best.values(), key=lambda r: (-r.log_odds, r.mechanism)))


def _texts(look: FaultLook) -> list[tuple[str, Moved | None]]:
    return [(look.alert_text, None), *((thing.text, thing) for thing in look.moved)]


def _signs(look: FaultLook) -> list[Rival]:
    """Signs in words: logs that grew, series that moved, the alert itself; several services saying it say more."""
    found: list[Rival] = []
    texts = [(text, text[:2000], lowered(text[:2000]), thing) for text, thing in _texts(look)]
    for sign in _SIGNS:
        hits = [
            (text, thing)
            for text, head, lower, thing in texts
            if _grew(thing, sign) and sign.phrase.spoken_in(head, lower)
        ]
        if not hits:
            continue
        spread = {thing.service for _, thing in hits if thing is not None}
        weight = sign.weight + (0.6 if len(spread) > 1 else 0.0) - (0.7 if not spread else 0.0)
        text, thing = max(hits, key=lambda h: (abs(h[1].size) if h[1] else 0.0, h[0]))
        where = f" on {len(spread)} services" if len(spread) > 1 else ""
        at = thing.onset if thing and thing.onset is not None else look.now
        why = f"{sign.mechanism.replace('_', ' ')} speaks for itself{where}: {text[:160]}"
        found.append(
            Rival(
                sign.mechanism,
                sign.cause,
                weight,
                why,
                _source(thing),
                text[:200],
                at,
                _size(thing),
                sign.explains,
            )
        )
    return found


def _grew(thing: Moved | None, sign: _Sign) -> bool:
    return (
        thing is None or thing.direction > 0 or Effect.DISK in sign.explains or Effect.NODE in sign.explains
    )


def _source(thing: Moved | None) -> Source:
    return Source.LOGS if thing is None or thing.signal == "log" else Source.METRICS


def _size(thing: Moved | None) -> str:
    return f"{thing.size:.1f} times its usual spread" if thing else "in the alert"


def _traffic(look: FaultLook) -> list[Rival]:
    """Load that rose before, or with, everything else: the more services share it, the surer."""
    limit = (look.onset_high if look.onset_high is not None else look.now) + 60.0
    rose = [
        m
        for m in look.moved
        if m.signal == "traffic"
        and m.direction > 0
        and abs(m.size) >= _ENOUGH_TRAFFIC
        and (m.onset is None or m.onset <= limit)
        and not _OUTWARD.search(m.text[:500])
    ]
    if not rose or not _comes_in(look, {m.service for m in rose}):
        return []
    services = sorted({m.service or "" for m in rose})
    early = [m for m in rose if m.onset is not None and look.onset is not None and m.onset <= look.onset]
    entry = any(m.service == look.alerted for m in rose) and not any(
        callee == look.alerted for _, callee in look.edges
    )
    log_odds = 0.9 + (0.8 if early else 0.0) + (0.8 if len(services) > 1 else 0.0) + (0.4 if entry else 0.0)
    top = max(rose, key=lambda m: (m.size, m.text))
    why = f"traffic rose on {len(services)} service{'s' if len(services) > 1 else ''} ({top.text[:80]}, {top.size:.1f} times its usual spread) before the trouble or with it"
    explains = frozenset({Effect.LOAD, Effect.CPU, Effect.QUEUE})
    return [
        Rival(
            "traffic_surge",
            "traffic_surge",
            log_odds,
            why,
            Source.METRICS,
            top.text[:200],
            top.onset or look.now,
            _size(top),
            explains,
        )
    ]


def _comes_in(look: FaultLook, rose: set[str | None]) -> bool:
    """Whether the load came from outside: it rose on the alerted service or before it, not only on those it calls."""
    if look.alerted is None or None in rose or look.alerted in rose:
        return True
    return not rose <= {callee for caller, callee in look.edges if caller == look.alerted}


def _nodes(look: FaultLook, cluster: ClusterState | None) -> list[Rival]:
    found: list[Rival] = []
    for node in (cluster.nodes if cluster else ())[:200]:
        if node.troubles:
            why = f"node {node.name} reports {', '.join(node.troubles)}"
            found.append(
                Rival(
                    "node_pressure",
                    "node_pressure",
                    2.8,
                    why,
                    Source.CLUSTER,
                    f"kubectl describe node {node.name}",
                    look.now,
                    ", ".join(node.troubles),
                    frozenset({Effect.NODE}),
                )
            )
    return found


def _status(look: FaultLook, status: Sequence[StatusEvent]) -> list[Rival]:
    """A provider that says it is in trouble; far more telling when our own telemetry names it."""
    words = {word for text, _ in _texts(look) for word in split_words(text)}
    latest = {(e.provider, e.component): e for e in sorted(status, key=lambda e: (e.at, e.status, e.detail))}
    found: list[Rival] = []
    for event in latest.values():
        at = event.at.timestamp()
        began = look.onset if look.onset is not None else look.now
        if (
            at > look.now
            or at < began - AROUND_SECONDS
            or _GOOD_STATUS.match(event.status)
            or not _BAD_STATUS.search(f"{event.status} {event.detail}")
        ):
            continue
        named = bool(words & set(split_words(f"{event.provider} {event.component}")))
        why = f"{event.provider} reports {event.status} of {event.component}" + (
            ", which our own errors name" if named else ""
        )
        value = f"{event.status}: {event.detail[:120]}"
        found.append(
            Rival(
                "external",
                "external_provider",
                3.8 if named else 2.0,
                why,
                Source.STATUS,
                f"{event.provider} {event.component}",
                at,
                value,
                frozenset({Effect.EXTERNAL, Effect.TIMEOUT, Effect.NETWORK}),
            )
        )
    return found


def _resources(look: FaultLook) -> list[Rival]:
    """A disk or a network that turned bad before the service did, and that belongs to no service of its own."""
    found: list[Rival] = []
    for thing in look.moved:
        early = thing.onset is not None and look.onset is not None and thing.onset <= look.onset
        if thing.signal not in ("disk", "network") or thing.service == look.alerted or not early:
            continue
        if abs(thing.size) >= _ENOUGH_OF_A_RESOURCE:
            mechanism, cause = (
                ("storage", "node_pressure") if thing.signal == "disk" else ("network", "network")
            )
            why = f"{thing.signal} of {thing.service or 'a node'} turned before the onset: {thing.text[:100]}"
            explains = frozenset({Effect.DISK if thing.signal == "disk" else Effect.NETWORK})
            at = thing.onset or look.now
            found.append(
                Rival(
                    mechanism, cause, 1.8, why, Source.METRICS, thing.text[:200], at, _size(thing), explains
                )
            )
    return found


def _elsewhere(look: FaultLook, shown: Mapping[Effect, Shown]) -> list[Rival]:
    """Something that is no caller or callee of the alerted service moved first: a neighbour, a shared resource."""
    if look.onset is None or look.alerted is None:
        return []
    linked = (
        {service for edge in look.edges if look.alerted in edge for service in edge}
        | {look.alerted}
        | set(suspects(look))
    )
    first = [
        m
        for m in look.moved
        if m.service
        and m.service not in linked
        and m.onset is not None
        and m.onset < look.onset - 60
        and m.signal in ("cpu", "memory", "disk")
        and m.direction > 0
    ]
    if not first or Effect.CPU not in shown:
        return []
    top = max(first, key=lambda m: (m.size, m.text))
    why = (
        f"{top.service} took much more {top.signal} before the onset ({top.size:.1f} times its usual spread)"
    )
    return [
        Rival(
            "node_pressure",
            "node_pressure",
            2.0,
            why,
            Source.METRICS,
            top.text[:200],
            top.onset or look.now,
            _size(top),
            frozenset({Effect.NODE}),
        )
    ]
