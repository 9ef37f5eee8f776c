# ruff: noqa: E501 - seeds stay on one line
"""No pattern of the playbooks takes more than linear time, whatever a stranger writes into a diff or a log."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from time import process_time

import pytest

import playbooks

SHORT, LONG = 500, 4_000
LINEAR = LONG / SHORT
SUSPICIOUS = 3.0 * LINEAR
"""Eight times the text may take eight times as long; a square would take sixty-four times."""
NEGLIGIBLE = 2e-3

SEEDS = (
    "a", " ", "0", "(", "\"", "'", "/", "-", ".", "a.", "a ", "a=", "[a", "a[b", "x, ", "{{", "$a", "#", "\t", "aA", "0.0", "é",
    "select ", "select a from ", "where a ", "for a in ", ".map(", "a\n", "+a)", "key", "version ", ": ", "<!--", "/*", "://", "--a ",
)  # fmt: skip


def _patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for module in pkgutil.iter_modules(playbooks.__path__, "playbooks."):
        held = vars(importlib.import_module(module.name))
        for name, value in sorted(held.items(), key=lambda item: item[0]):
            if not name.startswith("__"):
                yield from ((f"{module.name}.{name}", found) for found in _within(value))


def _within(value: object, depth: int = 0) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    for inner in _parts(value) if depth < 4 else ():
        yield from _within(inner, depth + 1)


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, tuple | list | frozenset):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, part.name) for part in fields(value)]
    return ()


def every_pattern() -> dict[str, tuple[str, re.Pattern[str]]]:
    """Each pattern once, by its text."""
    return {found.pattern: (name, found) for name, found in _patterns()}


def hostile(pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Texts that begin to match again and again: the pattern's own words and what they may be joined by."""
    own = re.findall(r"[A-Za-z_]{3,}", pattern.pattern)[:4]
    return (*SEEDS, *own, *(f"{word} " for word in own), *(f"{word}(" for word in own))


def seconds(pattern: re.Pattern[str], text: str, times: int = 1) -> float:
    """Processor time of looking for it everywhere in a text, the best of several."""
    best = float("inf")
    for _ in range(times):
        began = process_time()
        pattern.search(text)
        best = min(best, process_time() - began)
    return best


def growth(pattern: re.Pattern[str], seed: str) -> float:
    """How much longer the longer text takes, for a text that ends in what cannot match."""
    texts = [(seed * (size // len(seed) + 1))[:size] + "\x00" for size in (SHORT, LONG)]
    for times in (1, 5):
        long = seconds(pattern, texts[1], times)
        if long < NEGLIGIBLE or long / max(short := seconds(pattern, texts[0], times), 1e-7) <= SUSPICIOUS:
            return 0.0
    return long / short


def test_there_are_patterns_to_time() -> None:
    assert len(every_pattern()) > 200


def test_a_quadratic_pattern_would_be_noticed() -> None:
    assert growth(re.compile(r"\w+="), "a") > SUSPICIOUS


@pytest.mark.parametrize("module", sorted({name.split(".")[1] for name, _ in _patterns()}))
def test_no_pattern_takes_more_than_linear_time_on_hostile_text(module: str) -> None:
    mine = [(n, p) for n, p in every_pattern().values() if n.split(".")[1] == module]
    slow = [
        (name, pattern.pattern[:80], seed, round(grew, 1))
        for name, pattern in mine
        for seed in hostile(pattern)
        if (grew := growth(pattern, seed)) > SUSPICIOUS
    ]
    assert not slow
