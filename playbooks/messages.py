"""Judges over error messages: which mechanism the words of new log lines and exceptions speak of.

Words are evidence of what a program believes went wrong, not orders: nothing in them is ever followed.
A mechanism's words must come newly or far more often than before. Must not count traces or rank services.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from playbooks.facts import DetailedFinding, Ruling, Scene, finding, number, short, unknown
from playbooks.model import Entity, Evidence

MORE = 3.0
LEAST = 3.0
LONGEST = 2_000
MOST_MESSAGES = 5_000


@dataclass(frozen=True, slots=True)
class Message:
    """A message or pattern, how often it came before and since the onset, and its evidence if any.

    `before` is what would be expected in the incident's length, so that both counts compare.
    """

    text: str
    before: float
    since: float
    evidence: Evidence | None = None


_WORDS: Mapping[str, tuple[str, ...]] = {
    "message_dns": (
        r"no such host",
        r"ENOTFOUND",
        r"EAI_AGAIN",
        r"getaddrinfo",
        r"name or service not known",
        r"temporary failure in name resolution",
        r"UnknownHostException",
        r"SERVFAIL",
        r"could not resolve host",
        r"server misbehaving",
        r"lookup \S+ on \S+:53",
    ),
    "message_certificate": (
        r"certificate (has expired|is not yet valid|expired)",
        r"x509:",
        r"CERTIFICATE_VERIFY_FAILED",
        r"CertificateExpired",
        r"SSLHandshakeException",
        r"unable to get (local )?issuer certificate",
    ),
    "message_disk": (
        r"no space left on device",
        r"ENOSPC",
        r"disk (is )?full",
        r"disk quota exceeded",
        r"could not extend file",
        r"No usable temporary directory",
    ),
    "message_pool": (
        r"too many (connections|clients)",
        r"remaining connection slots",
        r"PoolTimeout",
        r"(connection )?pool (is )?(exhausted|timed out|timeout)",
        r"couldn.t get a connection",
        r"QueuePool limit",
        r"HikariPool\S* - Connection is not available",
        r"unable to acquire (a )?(jdbc )?connection",
        r"connection pool \S*\s*(exhaust|timeout)",
    ),
    "message_keys": (
        r"nextval: reached maximum value",
        r"reached (the )?maximum value of sequence",
        r"(integer|smallint) out of range",
        r"Out of range value for column",
        r"Failed to read auto-increment value",
    ),
    "message_replica": (
        r"canceling statement due to conflict with recovery",
        r"replica(tion)? (is )?(lag|behind)",
        r"max_standby_streaming_delay",
        r"read[- ]your[- ]writes?",
    ),
    "message_checkpoint": (r"checkpoints are occurring too frequently",),
    "message_lock": (
        r"deadlock detected",
        r"lock timeout",
        r"canceling statement due to lock timeout",
        r"could not obtain lock",
        r"Lock wait timeout exceeded",
        r"LockNotAvailable",
        r"still waiting for \w+Lock",
    ),
    "message_memory": (
        r"out of memory",
        r"OutOfMemory",
        r"OOM[- ]?Kill",
        r"Java heap space",
        r"cannot allocate memory",
        r"MemoryError",
        r"exceeded memory limit",
        r"heap growing",
        r"exit(ed)? (with )?code 137",
    ),
    "message_bad_data": (
        r"out of (valid )?range",
        r"malformed (record|message|payload|input)",
        r"poison",
        r"failed to (deserialize|decode|validate)",
        r"invalid (record|payload|message)",
        r"schema mismatch",
        r"redeliver\w* same",
        r"same offset",
        r"unparseable",
    ),
    "message_rate_limited": (
        r"rate limit",
        r"too many requests",
        r"\b429\b",
        r"quota exceeded",
        r"throttled by (the )?(provider|upstream|api)",
    ),
    "message_overload": (
        r"shedding load",
        r"server overloaded",
        r"worker pool saturated",
        r"request queued",
        r"queue is full",
        r"backlog full",
        r"no available workers",
        r"desired replicas increase",
        r"thread pool (is )?(full|exhausted)",
    ),
    "message_slow_query": (
        r"slow (query|statement)",
        r"canceling statement due to statement timeout",
        r"statement timeout",
        r"query took \S+ ?m?s",
        r"duration: \d+\.\d+ ms",
    ),
    "message_access": (
        r"permission denied",
        r"access denied",
        r"unauthorized",
        r"forbidden",
        r"token (is|has) expired",
        r"invalid (token|api key|credentials)",
        r"authentication failed",
        r"password authentication",
        r"missing (required )?(env|environment variable|setting|configuration)",
        r"unknown (setting|configuration)",
    ),
    "message_cache": (
        r"(redis|memcached?|cache)\S{0,40}[^.]{0,40}(connection|refused|timeout|timed out|unavailable)",
        r"redis\S{0,40} (LOADING|READONLY|MISCONF)",
        r"CLUSTERDOWN",
        r"cache (miss storm|unavailable)",
    ),
    "message_queue": (
        r"consumer lag",
        r"rebalanc\w+",
        r"backlog",
        r"queue depth",
        r"ApproximateAgeOfOldestMessage",
        r"offset \S+ (stuck|lag)",
    ),
    "message_exception": (
        r"(?<!client )exception\b",
        r"traceback",
        r"panic:",
        r"segfault",
        r"nullpointer",
        r"null pointer",
        r"TypeError",
        r"KeyError",
        r"AttributeError",
        r"IndexError",
        r"undefined is not",
        r"assertion failed",
        r"unhandled",
        r"query_shard_exception",
        r"parse_exception",
    ),
}
"""Words by mechanism, as regular expressions without regard to case; the order decides nothing."""

_COMPILED = tuple((judge, re.compile("|".join(words), re.IGNORECASE)) for judge, words in _WORDS.items())

JUDGES = tuple(_WORDS)

_HOST = re.compile(
    r"(?:lookup|host|resolve|for|to|ENOTFOUND)\s+([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)", re.IGNORECASE
)


def judge_messages(messages: Iterable[Message] | None, scene: Scene) -> tuple[DetailedFinding, ...]:
    """One finding a mechanism that words can speak of.

    Args:
        messages: error and warning messages of the service, patterns or plain lines with their counts; None
            when logs were not read. An empty list says that they were read and held nothing.
        scene: the service.
    """
    if messages is None:
        return tuple(unknown(judge, "logs were not read", scene) for judge in JUDGES)
    ordered = sorted(messages, key=lambda m: (m.before - m.since, m.text))[:MOST_MESSAGES]
    by_judge: dict[str, list[Message]] = {judge: [] for judge in JUDGES}
    for message in ordered:
        for judge in _speaks_of(message.text):
            by_judge[judge].append(message)
    return tuple(_judge(judge, by_judge[judge], len(ordered), scene) for judge in JUDGES)


def _speaks_of(text: str) -> list[str]:
    cut = text[:LONGEST]
    found = [judge for judge, words in _COMPILED if words.search(cut)]
    # A telling word beats the mere fact of an exception.
    return found[:-1] if len(found) > 1 and found[-1] == "message_exception" else found


def _judge(judge: str, fitting: Sequence[Message], read: int, scene: Scene) -> DetailedFinding:
    more = [m for m in fitting if m.since >= LEAST and m.since >= MORE * max(m.before, 1.0 / MORE)]
    if not more:
        return _silent(judge, fitting, read, scene)
    worst = more[0]
    since, before = sum(m.since for m in more), sum(m.before for m in more)
    why = f"{number(since)} messages instead of {number(before)}: {short(worst.text, 160)}"
    host = _HOST.search(worst.text[:LONGEST]) if judge in {"message_dns", "message_certificate"} else None
    ruling = Ruling(
        judge=judge,
        state="yes",
        why=why,
        strength=2.0 + 1.5 * math.log10(max(since, 1.0)) + (1.0 if before < 1 else 0.0),
        entity=Entity(kind="host", name=host[1].lower()) if host else None,
    )
    evidence = [m.evidence for m in more[:3] if m.evidence]
    return finding(ruling, scene, evidence, {"host": host[1].lower()} if host else None)


def _silent(judge: str, fitting: Sequence[Message], read: int, scene: Scene) -> DetailedFinding:
    if fitting and sum(m.since for m in fitting) > sum(m.before for m in fitting):
        return unknown(judge, f"no clear answer: {short(fitting[0].text, 120)}", scene)
    why = f"none of {read} kinds of messages speaks of it newly"
    return finding(Ruling(judge=judge, state="no", why=why, strength=3.0), scene)
