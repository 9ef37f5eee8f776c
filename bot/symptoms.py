"""Which kind of trouble an alert speaks of, told from its words and units. Pure, and no more than words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from playbooks.model import Symptom

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BREAK = re.compile(r"[^a-z0-9%]+")

_WORDS: dict[Symptom, re.Pattern[str]] = {
    Symptom.LATENCY: re.compile(
        r" (?:p\d{2,4}|latenc(?:y|ies)|durations?|slow(?:er|ness|ly)?|\d*ms|milliseconds?|response times?"
        r"|apdex|quantile|percentile|took too long|hang(?:s|ing)?|stall(?:s|ed|ing)?) "
    ),
    Symptom.ERRORS: re.compile(
        r" (?:errors?|err|[45]xx|(?:http|status|code|response)s? [45]\d\d|[45]\d\d(?:s| errors?| responses?)"
        r"|fail(?:s|ed|ing|ures?)?|failure|exceptions?|availability|unavailable|success(?:es|ful)?"
        r"|reject(?:s|ed|ing|ions?)|refus(?:ed|als?)|crash\w*|panics?|unauthorized|unhealthy|down) "
    ),
    Symptom.SATURATION: re.compile(
        r" (?:oom\w*|out of memory|memory|rss|heap|cpu|throttl\w*|backlog|queued?|queues|queue \w+|pools?|lag"
        r"|saturat\w*|disk|storage|inodes?|file descriptors|threads|utili[sz]ation|exhaust\w*|evict\w*"
        r"|quota|capacity|age of oldest \w+|load average) "
    ),
    Symptom.TRAFFIC: re.compile(
        r" (?:traffic|throughput|[rq]p[sm]|(?:requests?|queries|calls|hits) (?:per|a) (?:second|minute)"
        r"|(?:request|call|query) rate|surge) "
    ),
}


def recognise(*sayings: str | None) -> Symptom:
    """The one kind of symptom the sayings name, the most telling first; unknown when they name several.

    Args:
        sayings: what the alert says, such as its metric, its name, its summary, in order of weight.
    """
    named: frozenset[Symptom] = frozenset()
    for saying in sayings:
        here = _kinds(saying or "")
        named = (named & here) or named or here
        if len(named) == 1:
            return next(iter(named))
    return Symptom.UNKNOWN


def _kinds(saying: str) -> frozenset[Symptom]:
    words = _spaced(saying)
    return frozenset(kind for kind, pattern in _WORDS.items() if pattern.search(words))


def _spaced(saying: str) -> str:
    parts: Sequence[str] = _BREAK.split(_HUMP.sub(" ", saying).lower())
    return f" {' '.join(part for part in parts if part)} "
