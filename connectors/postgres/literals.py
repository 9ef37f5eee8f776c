"""Takes every literal out of a statement, so that no customer's data travels in its text.

Works on tokens, as PostgreSQL's scanner sees them, so that a text that cannot be parsed (cut, or no query)
is covered as well. Comments go too. What cannot be scanned even then is not shown at all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from connectors.redaction import redacted

LONGEST = 20_000
UNREADABLE = "[a statement that cannot be read]"
_LITERALS = frozenset({"SCONST", "ICONST", "FCONST", "BCONST", "XCONST", "USCONST"})
_COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
_CLOSERS = ("", "'", '"', "*/", "'\"", "$$")
_PARAMETER = re.compile(r"\$(\d+)")
_DOLLAR = re.compile(r"\$[A-Za-z_\x80-\uffff]?[\w\x80-\uffff]*\$")


@lru_cache(maxsize=4096)
def without_literals(text: str) -> str:
    """The statement with `$n` for each literal, numbered on from its highest parameter, and no comments."""
    text = text[:LONGEST]
    for closer in (*_CLOSERS, *dict.fromkeys(_DOLLAR.findall(text))):
        tokens = _tokens(text + closer)
        if tokens is not None:
            return redacted(_rewritten(text + closer, tokens))
    return UNREADABLE


def _tokens(text: str) -> list[Any] | None:
    from pglast.parser import ParseError, scan  # 0.15 s: only where a database is asked

    if "\0" in text:
        return None
    try:
        return list(scan(text))
    except (ParseError, ValueError, RecursionError):
        return None


def _rewritten(text: str, tokens: list[Any]) -> str:
    """Every token as it stood, literals and comments aside."""
    following = max((int(n) for n in _PARAMETER.findall(text)), default=0)
    parts: list[str] = []
    end = 0
    for token in tokens:
        gap = text[end : token.start]
        parts.append(" " if gap.strip() == "" and gap else gap)
        if token.name in _LITERALS:
            following += 1
            parts.append(f"${following}")
        elif token.name not in _COMMENTS:
            parts.append(text[token.start : token.end + 1])
        end = token.end + 1
    return "".join(parts).strip()
