"""Takes secrets and personal data out of text before it is stored or shown.

Redaction errs towards taking too much: a token that is shown once cannot be taken back. What is taken
is replaced by a word that says what stood there, so that a person still understands the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MOST = 65_536
"""Characters looked at: a longer text is cut, because an unread rest could hold anything."""

_KEYS = (
    r"pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|client[-_]?secret"
    r"|authorization|auth|credential|cookie|session[-_]?id|dsn|connection[-_]?string"
)

SECRET_NAME = re.compile(rf"(?:^|[-_.])(?:{_KEYS})s?(?:$|[-_.])", re.IGNORECASE)
"""A name (environment variable, label, header) whose value is a secret."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,8192}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        "[private key]",
    ),
    (re.compile(r"\b(?:Bearer|Basic|Token)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), "[credentials]"),
    (re.compile(r"(?<=://)[^\s/@:]{0,256}:[^\s/@]{1,256}(?=@)"), "[credentials]"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"), "[token]"),
    (
        re.compile(
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
            r"|xox[abeoprs]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}|sk-[A-Za-z0-9_-]{16,}"
            r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,})"
        ),
        "[token]",
    ),
    (
        re.compile(
            rf"(?P<key>\b[\w.-]{{0,40}}(?:{_KEYS})[\w.-]{{0,20}}[\"']?\s{{0,4}}[=:]\s{{0,4}})"
            r"(?:\"[^\"\n]{1,512}\"|'[^'\n]{1,512}'|[^\s,;&\"']{1,512})",
            re.IGNORECASE,
        ),
        r"\g<key>[secret]",
    ),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b"), "[e-mail]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"), "[account]"),
)
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")


def redacted(text: str) -> str:
    """The text without credentials, keys, e-mail addresses, bank accounts and card numbers."""
    if len(text) > _MOST:
        text = text[:_MOST] + "…"
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _CARD.sub(_card, text)


def redacted_pairs(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Names with their values: a value whose name says that it is a secret is taken out whole."""
    return tuple((name, "[secret]" if SECRET_NAME.search(name) else redacted(value)) for name, value in pairs)


def _card(match: re.Match[str]) -> str:
    """A number is taken for a card's only when its check digit (Luhn, ISO/IEC 7812-1 annex B) holds."""
    digits = [int(each) for each in match.group() if each.isdigit()]
    doubled = [
        digit if n % 2 == 0 else digit * 2 - 9 * (digit > 4) for n, digit in enumerate(reversed(digits))
    ]
    return "[card]" if sum(doubled) % 10 == 0 and len(set(digits)) > 1 else match.group()
