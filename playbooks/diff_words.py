"""Words of telemetry and of code made comparable: identifiers split, lightly stemmed, weighed by rarity.

Must not decide what a shared word means; it only says which words are shared and how rare they are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

MOST_CHARACTERS = 20_000

_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d{3,6}")
_STOP = frozenset(
    """
    a about above after again all also an and any are as at be because been before being below between both but by can cannot
    could did do does doing done down each few for from had has have he her here his how i if in into is it its just more most
    my no nor not now of off on once only or other our out over own per same she should so some such than that the their them
    then there these they this those through to too under until up use used using very via was we were what when where which
    while who why will with would you your
    abort alert api app args assert async await base bool boolean bytes call case catch class code com commit config const context
    core count ctx data debug def default dev diff else end err error errors event events exception exit export fail failed failing
    failure false fatal field file final float fmt func function get go goroutine handle handler http https id import info init int
    interface internal item items job json key kind len let lib line list local log logger logging main map max message method metric metrics
    min ms msg name namespace net new nil node none null num number obj object observed op option org package page param params path pkg pod
    pods private process prod public query rate ratio raw read request requests require res resp response result results return rows rpc
    run sec second seconds select self send server service services set size source spec src start state static status std step stop str
    string struct sum super svc sync system target test text this threshold throw time timestamp total trace true try type unit update url
    user util val value values var version void warn warning web work worker write yaml
    p50 p90 p95 p99 duration latency bucket quantile code rising above below exceeded high low
    """.split()
)  # fmt: skip
_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ers", "ed", "es", "er", "s")


def split_words(text: str) -> list[str]:
    """The meaningful words of a text: camelCase and snake_case taken apart, stemmed, without stop words."""
    words = (_stem(piece.lower()) for piece in _PIECE.findall(text[:MOST_CHARACTERS]))
    return [word for word in words if len(word) > 2 and word not in _STOPPED]


def _stem(word: str) -> str:
    if len(word) < 5:
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)] + ("y" if suffix == "ies" else "")
    return word


_STOPPED = _STOP | {_stem(word) for word in _STOP}


def rarity(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    """How telling each word is among these documents: 1 in one of them only, less the more have it."""
    counts: Counter[str] = Counter()
    for words in documents:
        counts.update(set(words))
    scale = math.log1p(max(1, len(documents)))
    return {word: math.log1p(len(documents) / n) / scale for word, n in sorted(counts.items())}


def shared(
    fault: Mapping[str, float], change: Mapping[str, float], rare: Mapping[str, float]
) -> list[tuple[str, float]]:
    """Words on both sides with their weight, heaviest first."""
    common = fault.keys() & change.keys()
    weights = [(word, fault[word] * change[word] * rare.get(word, 1.0)) for word in common]
    return sorted(weights, key=lambda item: (-item[1], item[0]))
