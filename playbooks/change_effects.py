# ruff: noqa: E501 - a row of a table stays on one line
"""What a fault looks like, as a few effects with a strength from 0 to 1: the common tongue of diffs and telemetry.

Words and signals are general operations vocabulary, kept as tables. Must not look at any change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from playbooks.facts import short
from playbooks.look import FaultLook, Moved
from playbooks.phrases import Phrase, lowered, phrase

MOST_TEXT = 2_000


class Effect(StrEnum):
    """A way in which a fault shows."""

    LATENCY = "latency"
    ERRORS = "errors"
    LOAD = "load"
    STARVED = "starved"
    CPU = "cpu"
    MEMORY = "memory"
    THREADS = "threads"
    DATABASE = "database"
    LOCK = "lock"
    POOL = "pool"
    QUEUE = "queue"
    CACHE = "cache"
    TIMEOUT = "timeout"
    RETRY = "retry"
    DISK = "disk"
    DNS = "dns"
    NETWORK = "network"
    CERTIFICATE = "certificate"
    EXPIRY = "expiry"
    AUTH = "auth"
    PERMISSION = "permission"
    RATE_LIMIT = "rate_limit"
    CRASH = "crash"
    IMAGE = "image"
    NULL = "null"
    DECODE = "decode"
    SCHEMA = "schema"
    SETTING = "setting"
    ROUTE = "route"
    VALIDATION = "validation"
    WRONG = "wrong"
    EXTERNAL = "external"
    CLOCK = "clock"
    NODE = "node"


GENERIC = frozenset({Effect.ERRORS, Effect.LATENCY})
"""Nearly every fault ends in these: once something more telling is seen, they tell little."""

_SIGNALS: Mapping[str, tuple[tuple[Effect, float], ...]] = {
    "latency": ((Effect.LATENCY, 1.0),),
    "errors": ((Effect.ERRORS, 1.0),),
    "cpu": ((Effect.CPU, 1.0),),
    "memory": ((Effect.MEMORY, 1.0),),
    "disk": ((Effect.DISK, 1.0),),
    "network": ((Effect.NETWORK, 1.0),),
    "pool": ((Effect.POOL, 1.0),),
    "queue": ((Effect.QUEUE, 1.0),),
    "database": ((Effect.DATABASE, 1.0),),
}

_PHRASES: tuple[tuple[Effect, float, Phrase], ...] = tuple(
    (effect, weight, phrase(pattern))
    for effect, weight, pattern in (
        (Effect.MEMORY, 1.0, r"oom[-_ ]?kill|out ?of ?memory|\boom\b|exit code 137|heap[_ ](inuse|used|space|size|alloc)|resident_memory|memory_rss|working_set|gc overhead"),
        (Effect.CRASH, 1.0, r"crashloop|back-?off restarting|restart(s|ed|ing)? (failed|container|count)|restarts_total|panic:|segfault|sigsegv|failed to start|exited with code|unavailable replicas|(liveness|readiness) probe failed"),
        (Effect.CRASH, 0.5, r"oom[-_ ]?kill|exit code 137"),
        (Effect.IMAGE, 1.0, r"imagepull|errimage|pull image|manifest unknown"),
        (Effect.THREADS, 1.0, r"goroutines|threads?[_ ](count|live|active|started|pool|exhaust)|unable to create (new )?(native )?thread|rejectedexecution|too many open files|file descriptors|open_fds|event loop (lag|delay|blocked)"),
        (Effect.CPU, 0.9, r"\bcpu\b|process_cpu|cpu_(usage|util)|throttl"),
        (Effect.POOL, 1.0, r"(connection|thread|conn)[- _]?pool|pool[- _](exhaust|timeout|wait|size|connections)|hikari|too many (connections|clients)|acquir\w{1,24} (a )?connection|connection is not available|remaining connection slots|connections_(in_use|pending|active|waiting)|no (free|available|idle) connections?|queuepool limit"),
        (Effect.LOCK, 1.0, r"deadlock|lock (wait|timeout)|lock_wait|waiting for .{0,20}lock|exclusivelock|could not obtain lock|lock contention|mutex|40p01|55p03"),
        (Effect.DATABASE, 0.9, r"\bselect\b .{0,300}\bfrom\b|\binsert into\b|\bupdate\b .{1,80}\bset\b|\bdelete from\b|slow query|seq(uential)?[_ ]scan|full table scan|rows[_ ](examined|returned|read|scanned|fetched)|pg_stat|statement timeout|\bdb_|database|\bsql\b"),
        (Effect.QUEUE, 1.0, r"queue[_ ](depth|length|size|messages|age)|backlog|consumer[_ ]?(group)?[_ ]?lag|\blag\b|dead[- _]?letter|oldest.{0,10}message|unacked|messages_ready"),
        (Effect.CACHE, 1.0, r"cache.{0,20}(hit|miss|evict|ratio)|(hit|miss)[_ ]ratio|keyspace_(hits|misses)|stampede"),
        (Effect.TIMEOUT, 1.0, r"timed? ?out|deadline ?exceeded|etimedout|\b504\b|context deadline"),
        (Effect.RETRY, 1.0, r"\bretr(y|ies|ying)\b|attempt \d|giving up after|max(imum)? (retries|attempts)|circuit ?breaker"),
        (Effect.DISK, 1.0, r"no space left|disk (is )?full|disk_(used|free|usage|avail)|filesystem_(avail|free|size)|enospc|inode|could not extend file"),
        (Effect.DNS, 1.0, r"no such host|nxdomain|servfail|enotfound|eai_again|name resolution|name or service not known|coredns|dns|getaddrinfo|could not resolve|unknownhost|lookup .{1,80} on .{1,40}:53"),
        (Effect.NETWORK, 0.9, r"econnrefused|could not connect|connection timed out|i/o timeout|unreachable|connection (refused|reset)|no route to host|network is unreachable|retransmi|packet loss|broken pipe|econnreset|unexpected eof|upstream connect error|cross[- ]region|cross[- ]az"),
        (Effect.EXPIRY, 1.0, r"certificate.{0,40}expired|expired.{0,20}certificate|not_?after|cert\w{0,24}_(expiry|expires)"),
        (Effect.CERTIFICATE, 1.0, r"x509: (?!certificate has expired)|(?<!expired )certificate(?!.{0,40}expired)|tls handshake|ssl(error|handshake|: )|unknown authority|cert_|handshake failure"),
        (Effect.AUTH, 1.0, r"\b401\b|unauthori[sz]ed|unauthenticated|(token|session|jwt|signature).{0,40}(reject|expired|invalid|not valid|verification)|invalid.{0,12}(token|signature|credential|session|api key)|authentication failed|password authentication"),
        (Effect.PERMISSION, 1.0, r"\b403\b|access ?denied|permission denied|forbidden|not authorized to perform|insufficient (privilege|permission)"),
        (Effect.RATE_LIMIT, 1.0, r"\b429\b|too many requests|rate[- _]?limit|quota|throttlingexception|resource_exhausted|slow ?down"),
        (Effect.NULL, 1.0, r"nonetype|nil pointer|null ?pointer|undefined (method|is not)|cannot read propert|of (null|undefined)|nomethoderror|invalid memory address|attributeerror|typeerror|index out of (range|bounds)|indexerror|zerodivision|divide by zero"),
        (Effect.DECODE, 1.0, r"unmarshal|deserial|serializ|json.{0,20}(decode|parse|error|invalid)|parse error|unknown field|unexpected (token|field|end of)|keyerror|missing (required )?(field|key|property)|invalid wire|schema registry|avro|protobuf|cannot (decode|parse|construct)|malformed|unicode ?decode|unknown (enum|variant|version)"),
        (Effect.SCHEMA, 1.0, r"(column|relation|table|field) .{1,80}does ?n[o']t exist|unknown column|no such (column|table)|undefined(column|table)|invalid column|42703|42p01|mapper_parsing|no mapping found|fielddata|not.?null constraint|violates .{1,20}constraint"),
        (Effect.SETTING, 1.0, r"keyerror: ?'[A-Z][A-Z0-9_]{3,}'|environment variable|env var|missing (required )?(config|setting|environment)|invalid (config|configuration|value for)|required .{0,30}(not set|is missing)|configurationerror|improperlyconfigured|could not resolve placeholder"),
        (Effect.ROUTE, 1.0, r"\b40[45]\b|not found|no route (matched|for)|no handler|method not allowed|noroute|no healthy upstream"),
        (Effect.VALIDATION, 1.0, r"validat\w{1,24} ?(error|fail)|failed validation|fail\w{0,24} to validate|invalid (record|payload|input|value|data)|must be (a|an|of|one)\b|out of range|rejected records?|schema (violation|mismatch)|constraint violation|unsupported (currency|format|version|type|value)"),
        (Effect.WRONG, 1.0, r"mismatch|discrepan|wrong (amount|price|total|value|result)|inconsisten|differs from|incorrect|duplicate (charge|order|email|message)|negative (amount|balance|stock)|empty results?|zero results|result_count|conversion"),
        (Effect.EXTERNAL, 1.0, r"(provider|vendor|acquirer|third[- ]party|partner).{0,60}(unavailable|outage|5\d\d|down|degraded|timeout)|(outbound|egress|external)[_ ](call|request|api)|api\.[a-z0-9-]{2,40}\.(com|io|net|example).{0,60}(5\d\d|429|timed? ?out|refused|unavailable)"),
        (Effect.CLOCK, 1.0, r"clock (skew|drift|offset)|timex_offset|ntp|in the future|before issued|not yet valid|requesttimetooskewed|time is not synchron"),
        (Effect.NODE, 1.0, r"memorypressure|diskpressure|pidpressure|node ?not ?ready|evict(ed|ion)|low on resource|node_(cpu|memory|load|pressure)|noisy neighbou?r|steal|preempt"),
        (Effect.LATENCY, 1.0, r"latency|p9[059]|duration|slow(er|ness)?\b|stall"),
        (Effect.ERRORS, 1.0, r"\berrors?\b|\b5\d\d\b|5xx|fail(ed|ing|ure)|exception"),
        (Effect.LOAD, 0.6, r"request rate|traffic|requests?[_ ]per[_ ]sec|\brps\b|\bqps\b"),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """One effect as far as it shows, with the words that carry it and where they came from."""

    effect: Effect
    strength: float
    text: str
    service: str | None
    onset: float | None


_SAID: Mapping[Effect, str] = {
    Effect.LATENCY: "what got slow is",
    Effect.ERRORS: "what fails is",
    Effect.LOAD: "what is asked more is",
    Effect.STARVED: "what is asked less is",
    Effect.CPU: "the processor is what is short",
    Effect.MEMORY: "memory is what grew",
    Effect.THREADS: "threads are what piled up",
    Effect.DATABASE: "the database is what got slow",
    Effect.LOCK: "locks are what is waited for",
    Effect.POOL: "the pool is what ran out",
    Effect.QUEUE: "the queue is what grew",
    Effect.CACHE: "the cache is what misses",
    Effect.DISK: "the disk is what filled",
    Effect.CRASH: "the process is what dies",
    Effect.NULL: "a missing value is what is met",
    Effect.DECODE: "what cannot be read is",
    Effect.SCHEMA: "what the schema lacks is",
    Effect.SETTING: "a setting is what is missing",
    Effect.AUTH: "callers are what is turned away",
    Effect.WRONG: "values are what is wrong",
}


def describe(shown: Shown) -> str:
    """The effect in words, with what carries it."""
    said = _SAID.get(shown.effect, f"what is seen speaks of {shown.effect.value.replace('_', ' ')}")
    return f"{said}: {short(shown.text, 64)}"


def effects_in(text: str) -> dict[Effect, float]:
    """The effects that a text speaks of."""
    found: dict[Effect, float] = {}
    text = text[:MOST_TEXT]
    lower = lowered(text)
    for effect, weight, each in _PHRASES:
        if each.spoken_in(text, lower):
            found[effect] = max(weight, found.get(effect, 0.0))
    return found


def effects_of(look: FaultLook) -> dict[Effect, Shown]:
    """How strongly each effect shows, the strongest witness kept; generic ones recede behind telling ones."""
    best: dict[Effect, Shown] = {}
    for effect, weight in effects_in(look.alert_text).items():
        best[effect] = Shown(effect, 0.85 * weight, look.alert_text, look.alerted, None)
    for thing in look.moved:
        near = relevance(look, thing.service)
        loud = near * abs(thing.size) / (abs(thing.size) + 4.0)
        for effect, weight in _of_moved(thing).items():
            shown = Shown(effect, min(1.0, loud * weight), thing.text, thing.service, thing.onset)
            if effect not in best or shown.strength > best[effect].strength:
                best[effect] = shown
    return _receded(best)


def _of_moved(thing: Moved) -> dict[Effect, float]:
    found = effects_in(thing.text) if thing.signal in _WORDY or thing.direction >= 0 else {}
    for effect, weight in _SIGNALS.get(thing.signal, ()):
        found[effect] = max(weight, found.get(effect, 0.0))
    if thing.signal == "traffic":
        found[Effect.LOAD if thing.direction > 0 else Effect.STARVED] = 1.0
        if thing.direction < 0:
            found.pop(Effect.LOAD, None)
    if thing.direction < 0 and thing.signal == "latency":
        found.pop(Effect.LATENCY, None)
    return found


_WORDY = frozenset({"log", "database", "disk", "memory", "other", "pool"})


def _receded(shown: dict[Effect, Shown]) -> dict[Effect, Shown]:
    telling = max((s.strength for e, s in shown.items() if e not in GENERIC), default=0.0)
    factor = 1.0 - 0.6 * telling
    scale = 1.0 / max(0.5, max((s.strength for s in shown.values()), default=1.0))
    return {
        effect: Shown(
            effect, scale * s.strength * (factor if effect in GENERIC else 1.0), s.text, s.service, s.onset
        )
        for effect, s in sorted(shown.items())
    }


def relevance(look: FaultLook, service: str | None) -> float:
    """How much what moved on a service speaks of this fault: all of it near the alert, less far away."""
    if service is None or service == look.alerted or look.suspicion.get(service, 0.0) >= 0.1:
        return 1.0
    linked = any(service in edge and (look.alerted in edge or look.alerted is None) for edge in look.edges)
    return 0.9 if linked else 0.7
