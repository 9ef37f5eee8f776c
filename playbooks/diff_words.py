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
    a abort about above after again alert all also alter an and any api app are args as asc assert
    async at await base be because been before being below between bool boolean both bucket but by
    bytes call calling can cannot case catch class code column com commit config const context core
    could count ctx data debug def default desc dev did diff do does doing done down duration each
    else end err error errors event events exceeded exception exit export fail failed failing
    failure false fatal few field file final float fmt for from func function get go goroutine had
    handle handler has have he her here high his how http https i id if import in info init int
    interface internal into is it item items its job join json just key kind latency len let lib
    line list local log logger logging low main map max message method metric metrics min more most
    ms msg my name namespace net new nil no node none nor not now null num number obj object
    observed of off on once only op option or org other our out over own p50 p90 p95 p99 package
    page param params path per pkg pod pods private process prod public quantile query rate ratio
    raw read request requests require res resp response result results return rising rows rpc run
    same sec second seconds select self send server service services set she should size so some
    source spec src start state statement static status std step stop str string struct such sum
    super svc sync system table target test text than that the their them then there these they this
    those threshold through throw time timestamp to too took total trace true try type unable under
    unit until up update url use used user using util val value values var version very via void
    warn warning was we web were what when where which while who why will with work worker would
    write yaml you your
    """.split()
)
"""Words of every system's telemetry and code: they tell nothing about one fault."""

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


def spelled(texts: Iterable[str]) -> dict[str, str]:
    """For each stemmed word the way it is first spelled in these texts: for people to read."""
    found: dict[str, str] = {}
    for text in texts:
        for piece in _PIECE.findall(text[:MOST_CHARACTERS]):
            found.setdefault(_stem(piece.lower()), piece.lower())
    return found


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
