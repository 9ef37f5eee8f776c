"""Regular expressions that are tried only on texts that can hold a match.

A search for many alternatives takes microseconds a text, fifty of them on hundreds of texts a tenth of a
second. From the expression itself follow words of which any match holds one; a text without them needs no
search. The answer is that of the expression alone.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

_PARSER: Any = importlib.import_module("re._parser")
"""The standard library's own, which `re` compiles from."""

_MOST = 64
_FEWEST_LETTERS = 2
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_WIDTHLESS = frozenset({"AT", "ASSERT", "ASSERT_NOT"})
_NOTHING = frozenset({""})
Words = frozenset[str]


@dataclass(frozen=True, slots=True)
class Phrase:
    """An expression that ignores case, and lower-case words: each match holds one. None: not known."""

    pattern: re.Pattern[str]
    words: tuple[str, ...]

    def spoken_in(self, text: str, lower: str | None) -> bool:
        """Whether the text holds a match; `lower` is from `lowered`, once for all phrases."""
        if lower is not None and self.words:
            for word in self.words:
                if word in lower:
                    break
            else:
                return False
        return self.pattern.search(text) is not None


def lowered(text: str) -> str | None:
    """The text in lower case, None where other alphabets have letters that match ASCII ones."""
    return text.lower() if text.isascii() else None


def phrase(pattern: str) -> Phrase:
    """Compile an expression."""
    told = _sequence(_PARSER.parse(pattern, re.IGNORECASE))
    words = told.every if told.every is not None else told.some or frozenset()
    if min(map(len, words), default=0) < _FEWEST_LETTERS:
        words = frozenset()
    fewest = sorted(word for word in words if not any(other in word for other in words if other != word))
    return Phrase(re.compile(pattern, re.IGNORECASE), tuple(fewest))


class _Told(NamedTuple):
    """What a part of an expression matches: `every` text where they are few; `some`: each match holds one."""

    every: Words | None = None
    some: Words | None = None

    @property
    def needed(self) -> Words | None:
        return self.some if self.every is None else self.every


def _sequence(parts: Iterable[tuple[Any, Any]]) -> _Told:
    """Parts that follow each other: texts are put together as long as they are few."""
    run: Words = _NOTHING
    best: Words | None = None
    few = True
    for part in parts:
        told = _part(str(part[0]), part[1])
        if told.every is not None and len(run) * len(told.every) <= _MOST:
            run = frozenset(one + other for one in run for other in told.every)
        else:
            few = False
            best = _telling(_telling(best, run), told.needed)
            run = _NOTHING
    return _Told(run) if few else _Told(None, _telling(best, run))


def _telling(one: Words | None, other: Words | None) -> Words | None:
    """Of two sets of which each match holds a word the one that is met more rarely: of longer words."""
    known = [words for words in (one, other) if words and min(map(len, words)) > 0]
    return max(known, key=lambda words: (min(map(len, words)), -len(words)), default=None)


def _part(kind: str, what: Any) -> _Told:
    if kind == "LITERAL":
        return _one_of([(kind, what)])
    if kind in _WIDTHLESS:
        return _Told(_NOTHING)
    if kind == "IN":
        return _one_of(what)
    if kind == "BRANCH":
        return _either([_sequence(each) for each in what[1]])
    if kind in {"SUBPATTERN", "ATOMIC_GROUP"}:
        return _sequence(what[-1] if kind == "SUBPATTERN" else what)
    if kind in _REPEATS:
        return _repeated(*what)
    return _Told()


def _one_of(members: Iterable[tuple[Any, Any]]) -> _Told:
    letters = [chr(what).lower() if str(kind) == "LITERAL" and what < 128 else "" for kind, what in members]
    return _Told(frozenset(letters)) if all(letters) else _Told()


def _either(branches: list[_Told]) -> _Told:
    if all(each.every is not None for each in branches):
        together = frozenset(word for each in branches for word in each.every or ())
        if len(together) <= _MOST:
            return _Told(together)
    if all(each.needed for each in branches):
        return _Told(None, frozenset(word for each in branches for word in each.needed or ()))
    return _Told()


def _repeated(fewest: int, most: Any, inner: Iterable[tuple[Any, Any]]) -> _Told:
    told = _sequence(inner)
    if fewest == 0:
        once = most == 1 and told.every is not None
        return _Told((told.every or _NOTHING) | _NOTHING) if once else _Told()
    if fewest == 1 and most == 1:
        return told
    return _Told(None, told.needed)
