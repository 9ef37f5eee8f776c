"""Takes secrets and personal data out of text before it is stored or shown.

Redaction errs towards taking too much: a token that is shown once cannot be taken back. What is taken
is replaced by a word that says what stood there, so that a person still understands the line. What an
investigation needs stays: trace ids, hashes, timestamps, versions, addresses of pods.

Every pattern is bounded and anchored, so that the time grows with the text's length and no faster. Most
are tried only where a word of theirs occurs at all, because log lines come by the ten thousand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

_MOST = 65_536
"""Characters looked at: a longer text is cut, because an unread rest could hold anything."""

_LOUD = (
    r"pass(?:word|wd|phrase|code)|secret(?!ary)|api[-_.]?key|access[-_.]?key|private[-_.]?key|signing[-_.]?key"
    r"|encryption[-_.]?key|account[-_.]?key|client[-_.]?secret|credentials?|connection[-_.]?string|(?<=\W)jsessionid"
)
"""Words that mean a secret wherever they stand in a name."""
_QUIET = (
    r"pass|pwd|pw|passwords|secrets|tokens?|auth|authorization|bearer|cookies?|session[-_.]?id|sid|dsn|otp|pin"
    r"|jwt|nonce|signature|sig|csrf|xsrf|cvv|cvc|ssn|iban|card[-_.]?number"
)
"""Words that mean a secret only as a part of a name that stands by itself."""

_SETTING = (
    r"(?![\w.]*(?:name|ref|type|count|limit|ttl|timeout|enabled|disabled|required|length|size|url|uri|host|port|path"
    r"|file|method|mode|status|state|error|algorithm|provider|policy|seconds|expiry|expires|expiration|version)s?\b)"
)
"""A name that ends so speaks about a secret, and does not hold it."""

SECRET_NAME = re.compile(
    rf"(?:{_LOUD}|(?:^|[-_.])(?:{_QUIET})(?:$|[-_.])|[a-z](?-i:Token|Auth|Pwd|Cookie|Dsn|Pin)$){_SETTING}",
    re.IGNORECASE,
)
"""A name (environment variable, label, header) whose value is a secret."""

_VALUE = (
    r"(?:\\\"[^\"\\\n]{1,512}(?:\\\")?|\"(?:[^\"\\\n]|\\.){1,512}\"?|'[^'\n]{1,512}'?"
    r"|[^\s,;&\"'(){}<>\[\]]{1,512})"
)
_NOTHING = r"(?!(?:true|false|null|none|nil|yes|no|undefined|empty|missing|\*+|\[\w+\])(?:[\s,;&\"')}\]]|$))"
_SEPARATED = r"\\?[\"']?\s{0,4}(?:=>|:=|==?|:)\s{0,4}"


class _Rule(NamedTuple):
    """A pattern, what replaces it, and words of which one has to occur (in lower case) for it to match."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]


def _card(match: re.Match[str]) -> str:
    """A number is a card's only when its check digit (Luhn, ISO/IEC 7812-1 annex B) holds."""
    digits = [int(each) for each in match.group() if each.isdecimal()]
    doubled = [
        digit if n % 2 == 0 else digit * 2 - 9 * (digit > 4) for n, digit in enumerate(reversed(digits))
    ]
    return "[card]" if sum(doubled) % 10 == 0 and len(set(digits)) > 1 else match.group()


def _account(match: re.Match[str]) -> str:
    """A text is an account's number only when its check digits (ISO 13616: remainder 1 by 97) hold."""
    text = match.group().replace(" ", "")
    if not 15 <= len(text) <= 34:
        return match.group()
    number = "".join(str(int(each, 36)) for each in text[4:] + text[:4])
    return "[account]" if int(number) % 97 == 1 else match.group()


_SECRET_WORDS = (
    *("pass", "secret", "key", "credential", "connection", "pwd", "pw", "token", "auth", "bearer", "cookie"),
    *("session", "sid", "dsn", "otp", "pin", "jwt", "nonce", "sig", "csrf", "xsrf", "cvv", "cvc", "ssn"),
    *("iban", "card"),
)
_RULES: tuple[_Rule, ...] = (
    _Rule(
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----).){0,16384}"
            r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?",
            re.DOTALL,
        ),
        "[private key]",
    ),
    _Rule(("mii",), re.compile(r"(?<![\w+/])MII[A-Za-z0-9+/]{40,}={0,2}"), "[key]"),
    _Rule(
        ("bearer", "basic", "token", "negotiate", "apikey"),
        re.compile(
            r"(?<![\w-])(?:Bearer|Basic|Token|Negotiate|ApiKey)\s{1,4}(?=[\w.~+/=-]{0,200}[\d=.+/_-])[\w.~+/=-]{8,}",
            re.IGNORECASE,
        ),
        "[credentials]",
    ),
    _Rule(
        ("cookie",), re.compile(r"\b(?:set-)?cookie[\"']?\s{0,4}[:=][^\n]{1,4096}", re.IGNORECASE), "[cookie]"
    ),
    _Rule(("://",), re.compile(r"(?<=://)[^\s/:@?#]{0,128}:[^\s/?#]{1,256}(?=@)"), "[credentials]"),
    _Rule(
        ("@tcp(", "@unix("),
        re.compile(r"(?<![\w.-])[\w.-]{1,64}:[^\s:@/]{1,128}(?=@(?:tcp|unix)\()"),
        "[credentials]",
    ),
    _Rule(("eyj",), re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)*"), "[token]"),
    _Rule(
        ("hooks.slack.com", "/api/webhooks/"),
        re.compile(r"(?<=hooks\.slack\.com/)[\w/]{1,200}|(?<=/api/webhooks/)[\w/-]{20,200}"),
        "[token]",
    ),
    _Rule(
        (
            *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "xapp-", "sk-", "akia"),
            *(
                "asia",
                "aiza",
                "_live_",
                "_test_",
                "npm_",
                "pypi-",
                "hvs.",
                "dop_v1_",
                "whsec_",
                "ya29.",
                "sg.",
            ),
            *("glsa_", "dapi", ":aa", "age-secret-key-", "phc_", "shpat_", "rubygems_", "sntrys_"),
        ),
        re.compile(
            r"(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|npm_[A-Za-z0-9]{30,}"
            r"|xox[abeoprs]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}|(?<!-)sk-[\w-]{20,}|pypi-[\w-]{20,}"
            r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[\w-]{30,}|(?:sk|rk|pk)_(?:live|test)_\w{8,}"
            r"|hvs\.[\w-]{20,}|dop_v1_[0-9a-f]{40,}|whsec_[\w+/=]{16,}|ya29\.[\w-]{20,}|glsa_\w{20,}|dapi[0-9a-f]{32}"
            r"|SG\.[\w-]{16,}\.[\w-]{16,}|\d{8,10}:AA[\w-]{32,}|AGE-SECRET-KEY-1[A-Z0-9]{40,}|phc_\w{30,}"
            r"|shpat_[0-9a-f]{32}|rubygems_[0-9a-f]{40,}|sntrys_[\w+/=-]{40,})"
        ),
        "[token]",
    ),
    _Rule(
        _SECRET_WORDS,
        re.compile(
            rf"(?P<key>(?:{_LOUD})(?:[-_.](?:base64|b64|value|hash|key|id))?"
            rf"{_SEPARATED}){_NOTHING}{_VALUE}",
            re.IGNORECASE,
        ),
        r"\g<key>[secret]",
    ),
    _Rule(
        _SECRET_WORDS,
        re.compile(
            # What is quiet has to be told from prose ("unexpected token: end of file"): its value is quoted,
            # or written without a space before it.
            rf"(?P<key>(?:(?<=[a-z])(?-i:Token|Auth|Pwd|Cookie|Dsn|Pin)|(?<![A-Za-z0-9])(?:{_QUIET}))"
            rf"(?:[-_.](?:base64|b64|value|hash|key|id))?\\?[\"']?(?:\s{{0,4}}(?:=>|:=|==?|:)\s{{0,4}}(?=\\?[\"'])"
            rf"|(?:=|:(?=\S))|\s{{0,4}}[:=]\s{{0,4}}(?=[\w+/.~-]{{0,64}}\d)(?=[\w+/.~=-]{{12}}))){_NOTHING}{_VALUE}",
            re.IGNORECASE,
        ),
        r"\g<key>[secret]",
    ),
    _Rule(
        ("@",),
        re.compile(
            r"(?<![\w.+-])(?!git@)[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}"
            r"(?!(?:service|socket|timer|slice|scope|mount|target|local)\b)[A-Za-z]{2,24}\b(?!\.?[\w-])"
        ),
        "[e-mail]",
    ),
    _Rule(
        (),
        re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![\w-])"),
        _account,
    ),
    _Rule((), re.compile(r"(?<![\w.+-])(?=[3-6]|2[2-7])\d{4}(?:[ -]?\d){9,15}(?![\w-]|\.\d)"), _card),
    _Rule((), re.compile(r"(?<![\w.:-])\d{3}-\d{2}-\d{4}(?![\w-]|\.\d)"), "[personal number]"),
    _Rule(
        ("+",),
        re.compile(r"(?<![\w+.:-])\+[1-9]\d{0,2}[ ().-]{0,2}(?:\d[ ().-]{0,2}){7,12}\d(?![\w:])"),
        "[phone]",
    ),
)


_HINTS = re.compile("|".join(re.escape(word) for rule in _RULES for word in rule.words))
"""Most texts hold none of the words: one look tells."""


def redacted(text: str) -> str:
    """The text without credentials, keys, e-mail addresses, phone, account and card numbers."""
    if len(text) > _MOST:
        text = text[:_MOST] + "…"
    lower = text.lower()
    hinted = _HINTS.search(lower) is not None
    for words, pattern, replacement in _RULES:
        if not words or (hinted and any(word in lower for word in words)):
            text = pattern.sub(replacement, text)
    return text


def redacted_pairs(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Names with their values: a value whose name says that it is a secret is taken out whole."""
    return tuple((name, "[secret]" if SECRET_NAME.search(name) else redacted(value)) for name, value in pairs)
