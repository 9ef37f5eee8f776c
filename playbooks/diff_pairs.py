"""Replaced lines, old beside new: a number, a sign, a key, a value was swapped, or only wording.

Must not know the fault. A swap that is none of these is left to the table of edits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from playbooks.change_effects import Effect
from playbooks.diff_features import ANY_CONFIG, EDITS, FLIPPED, RENAMED_KEY, SWITCHED, Edit
from playbooks.diff_settings import turned
from playbooks.diff_tidying import words_of
from playbooks.diffs import FileDiff, Line, Pair, Role

_SIGNS = frozenset("< > = ! + - * / % & | ?".split()) | frozenset(
    "and or not true false True False nil null None asc desc ASC DESC min max any all if unless yes"
    " no on off".split()
)
_QUOTED = re.compile(r"^[frbu]?[\"'`].*[\"'`]$", re.DOTALL)
_SQL = re.compile(r"\b(select|from|where|update|insert|delete|join|order by|limit)\b", re.IGNORECASE)
_ENTRY = re.compile(r"^\s*(?:-\s*)?['\"]?([\w./-]{1,80})['\"]?\s*[:=]\s*(\S.*)$")
_MACHINE = re.compile(r"(?<!\w)--?\w|[_=$<>|\\/]|%[sdv(]")
_COMPOSED = re.compile(r"\s|\$\{|[{}()]")
"""A string put together, or of several words, is no name that others rely on."""
_COLUMNS = re.compile(r"\bselect\b(.{1,400}?)\bfrom\b(.*)", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(r"://|(?<![\w-])[\w-]{1,63}\.[\w-]{1,63}\.[\w.-]|^[\w.-]{1,253}:\d{2,5}$|localhost")
_PLACES: Mapping[Effect, float] = {
    Effect.DNS: 0.95,
    Effect.NETWORK: 0.95,
    Effect.EXTERNAL: 0.6,
    Effect.ROUTE: 0.6,
    Effect.CERTIFICATE: 0.5,
    Effect.TIMEOUT: 0.7,
    Effect.ERRORS: 0.7,
    Effect.AUTH: 0.4,
}


_READS: Mapping[Effect, float] = {
    Effect.SCHEMA: 0.8,
    Effect.NULL: 0.6,
    Effect.DECODE: 0.6,
    Effect.WRONG: 0.4,
    Effect.ERRORS: 0.5,
    Effect.DATABASE: 0.25,
    Effect.LATENCY: 0.2,
}
"""What reading other columns of the same rows can do."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One edit as found: what it says, where, and what it can do.

    `telling`: innocent changes rarely hold such an edit.
    """

    name: str
    says: str
    path: str
    text: str
    effects: Mapping[Effect, float]
    cause: str
    slow: bool = False
    telling: bool = True


@dataclass(frozen=True, slots=True)
class Swap:
    """A replaced line that is understood; no trace where the swap is only wording."""

    pair: Pair
    trace: Trace | None


def swaps(file: FileDiff) -> list[Swap]:
    """Every replaced line of the file that is understood."""
    found = (_swap(file, pair) for pair in file.pairs)
    return [swap for swap in found if swap is not None]


def _swap(file: FileDiff, pair: Pair) -> Swap | None:
    number = _number(file, pair)
    if number is not None:
        return Swap(pair, number)
    gone, come = _difference(pair)
    text = pair.new.text.strip()
    cause = "config_change" if file.role is Role.CONFIG else "bad_deploy"
    if _only_columns(pair):
        return Swap(
            pair, Trace("columns", "reads other columns of the same rows", file.path, text, _READS, cause)
        )
    if _is_flip(pair, gone, come):
        says = (
            f"turns a condition, a sign or a switch round ({pair.old.text.strip()[:60]} became {text[:60]})"
        )
        effects = SWITCHED if file.role is Role.CONFIG else FLIPPED
        return Swap(pair, Trace("flip", says, file.path, text, effects, cause))
    if _is_key(pair, gone, come):
        says = f"renames {gone[0][:40]} to {come[0][:40]}"
        return Swap(pair, Trace("key", says, file.path, text, _with_subject(file, pair, RENAMED_KEY), cause))
    if file.role is not Role.CONFIG and _is_wording(gone, come):
        return Swap(pair, None)
    return _value(file, pair, cause)


def _number(file: FileDiff, pair: Pair) -> Trace | None:
    turn = turned(pair)
    if turn is None:
        return None
    says = f"changes {turn.label or 'a number'} from {turn.old} to {turn.new}"
    known = turn.setting
    effects = scaled(known.effects if known else ANY_CONFIG, _how_far(turn.factor))
    cause = known.cause if known else "config_change"
    text = pair.new.text.strip()
    return Trace("setting", says, file.path, text, effects, cause, slow=known is not None and known.slow)


def _value(file: FileDiff, pair: Pair, cause: str) -> Swap | None:
    """A configuration entry that kept its key and got another value."""
    old, new = _ENTRY.match(pair.old.text), _ENTRY.match(pair.new.text)
    if file.role is not Role.CONFIG or old is None or new is None or old.group(1) != new.group(1):
        return None
    effects = _with_subject(file, pair, ANY_CONFIG)
    before, after = (found.group(2).rstrip(" ,\t") for found in (old, new))
    if _ADDRESS.search(after) or _ADDRESS.search(before):
        effects = _most(effects, _PLACES)
    says = f"sets {new.group(1)[:40]} to {after[:60]} (it was {before[:60]})"
    return Swap(pair, Trace("value", says, file.path, pair.new.text.strip(), effects, cause))


def scaled(effects: Mapping[Effect, float], by: float) -> dict[Effect, float]:
    """The same effects, all weaker or stronger."""
    return {effect: weight * by for effect, weight in effects.items()}


def serves(edit: Edit, file: FileDiff) -> bool:
    """Whether this row of the table speaks of such a file."""
    return edit.roles is None or file.role in edit.roles


def _how_far(factor: float) -> float:
    """A setting turned by a tenth matters less than one turned to a tenth."""
    ratio = max(factor, 1.0 / factor) if factor > 0 else 10.0
    return 1.0 if ratio >= 2 else 0.45 + 0.55 * (ratio - 1.0)


def _most(left: Mapping[Effect, float], right: Mapping[Effect, float]) -> dict[Effect, float]:
    return {e: max(left.get(e, 0.0), right.get(e, 0.0)) for e in Effect if e in left or e in right}


def _with_subject(file: FileDiff, pair: Pair, base: Mapping[Effect, float]) -> dict[Effect, float]:
    """The base, plus whatever the line is about (an image, a route, a topic, a level of logging …)."""
    effects = dict(base)
    for edit in EDITS:
        if edit.side != "loss" and serves(edit, file) and edit.pattern.search(pair.new.text):
            effects = _most(effects, edit.effects)
    return effects


def _is_flip(pair: Pair, gone: list[str], come: list[str]) -> bool:
    """Only signs, truth values or connectives differ, or the same words stand in another order."""
    if not gone and not come:
        return False
    if all(word in _SIGNS for word in (*gone, *come)):
        return [*gone, *come] not in (["&"], ["*"])
    plain = [sorted(w for w in words_of(line.text) if w[0].isalnum()) for line in (pair.old, pair.new)]
    return plain[0] == plain[1] and any(word in _SIGNS for word in (*gone, *come))


def _is_key(pair: Pair, gone: list[str], come: list[str]) -> bool:
    """One name that others rely on gave way to another: a quoted word, or the key of an entry."""
    if len(gone) != 1 or len(come) != 1:
        return False
    if _QUOTED.match(gone[0]) and _QUOTED.match(come[0]):
        return not any(_COMPOSED.search(word.strip()) for word in (gone[0], come[0]))
    return _names_entry(pair.old, gone[0]) and _names_entry(pair.new, come[0])


def _only_columns(pair: Pair) -> bool:
    """The same query over the same rows, with no more columns than before or none that `*` did not bring."""
    old, new = _COLUMNS.search(pair.old.text), _COLUMNS.search(pair.new.text)
    if old is None or new is None or "(" in new.group(1) or "*" in new.group(1):
        return False
    return old.group(1) != new.group(1) and old.group(2).split() == new.group(2).split()


def _is_wording(gone: list[str], come: list[str]) -> bool:
    """Only text for people differs: one quoted phrase, no query, no address."""
    if len(gone) != 1 or len(come) != 1 or not (_QUOTED.match(gone[0]) and _QUOTED.match(come[0])):
        return False
    return not any(
        _SQL.search(word) or _ADDRESS.search(word) or _MACHINE.search(word) for word in (gone[0], come[0])
    )


def _names_entry(line: Line, word: str) -> bool:
    return bool(re.match(rf"\s*-?\s*['\"]?{re.escape(word)}['\"]?\s*[:=]", line.text)) or "json:" in line.text


def _difference(pair: Pair) -> tuple[list[str], list[str]]:
    """The words only the old line has, and those only the new one has, with repetition."""
    left = words_of(pair.new.text)
    gone: list[str] = []
    for word in words_of(pair.old.text):
        if word in left:
            left.remove(word)
        else:
            gone.append(word)
    return gone, left
