"""What people type: `/diagnose …`, and the same after the app's name in a thread. Pure.

    SERVICE [since 30m] [what is seen]     a diagnosis
    INC-42                                 how it stands
    status | cancel INC-42 | postmortem INC-42 | help

A service that is called like one of these words is written in quotation marks.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from bot.configuration_fields import duration
from bot.live_incident import LONGEST
from bot.safetext import one_line
from bot.slack.mrkdwn import plain

MOST: Final = 1_500
"""As much of what somebody typed is read."""
UNDERSTOOD: Final = "a number and a unit, at most two days: since 30m, since 2h, since 1h30m, since 1d"
_WORDS_OF_A_NAME: Final = 4
_QUOTES: Final = {'"': '"', "'": "'", "`": "`", "“": "”", "«": "»"}
_INCIDENT = re.compile(r"inc-?(\d{1,9})", re.IGNORECASE)
_PIECES = re.compile(r"(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d))+")
_PIECE = re.compile(r"\d+(?:\.\d+)?(?:ms|s|m|h|d)")
_SHOWN = re.compile(r"<([^<>|]{1,500})(?:\|([^<>|]{0,500}))?>")


class Named(Protocol):
    """A service that is known."""

    @property
    def name(self) -> str:
        """Its own name."""
        ...


class Known(Protocol):
    """The services that are known now."""

    def find(self, name: str) -> Named | None:
        """The service of this name, alias or spelling."""
        ...

    def nearest(self, name: str) -> Sequence[str]:
        """The known names closest to one that is not known."""
        ...

    def names(self) -> Sequence[str]:
        """Every service, by its own name."""
        ...


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Find out what is wrong with a service."""

    service: str
    since: timedelta | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Show:
    """Tell how an incident stands; empty: that of the thread."""

    incident: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop an incident; empty: that of the thread."""

    incident: str


@dataclass(frozen=True, slots=True)
class Postmortem:
    """Say what is there for the post-mortem of an incident; empty: that of the thread."""

    incident: str


@dataclass(frozen=True, slots=True)
class Status:
    """Tell what is going on."""


@dataclass(frozen=True, slots=True)
class Help:
    """Tell what can be typed."""


@dataclass(frozen=True, slots=True)
class Misread:
    """It cannot be understood; `why` says what to type, ready to be shown in Slack."""

    why: str


Typed = Diagnose | Show | Cancel | Postmortem | Status | Help | Misread


def read(text: str, known: Known, in_thread: bool = False) -> Typed:
    """What somebody typed means. `in_thread`: the thread may say which incident is meant."""
    words = one_line(text, MOST).split()
    if words and words[0].lower() in ("diagnose", "investigate") and len(words) > 1:
        words = words[1:]
    if not words:
        return Show("") if in_thread else Help()
    named = _incident(words[0])
    if named:
        return Show(named)
    said = _VERBS.get(words[0].lower().rstrip("?!.:,"))
    return said(words[1:], in_thread) if said is not None else _diagnose(words, known)


def seen(text: str) -> str:
    """Text of Slack's as it is seen: escapes undone, links as their words, mentions without markup."""

    def shown(found: re.Match[str]) -> str:
        target, words = found[1], found[2]
        if target.startswith(("@", "#", "!")):
            return f"{target[0] if target[0] != '!' else '@'}{words or target[1:]}"
        return words or target

    return html.unescape(_SHOWN.sub(shown, text))


def _help(_: Sequence[str], __: bool) -> Typed:
    return Help()


def _status(words: Sequence[str], _: bool) -> Typed:
    named = _incident(words[0]) if words else ""
    return Show(named) if named else Status()


def _about(make: Callable[[str], Typed], verb: str) -> Callable[[Sequence[str], bool], Typed]:
    def about(words: Sequence[str], in_thread: bool) -> Typed:
        named = _incident(words[0]) if words else ""
        if named or (in_thread and not words):
            return make(named)
        what = f"`{plain(words[0], 40)}` is no incident's name" if words else "no incident is named"
        return Misread(f"{what}. Type `/diagnose {verb} INC-42`; `/diagnose status` lists the incidents.")

    return about


_VERBS: Final[dict[str, Callable[[Sequence[str], bool], Typed]]] = {
    "help": _help,
    "?": _help,
    "": _help,
    "status": _status,
    "cancel": _about(Cancel, "cancel"),
    "stop": _about(Cancel, "cancel"),
    "postmortem": _about(Postmortem, "postmortem"),
    "post-mortem": _about(Postmortem, "postmortem"),
    "show": _about(Show, "show"),
}


def _incident(word: str) -> str:
    found = _INCIDENT.fullmatch(word.rstrip(".,:;!?"))
    return f"INC-{int(found[1])}" if found else ""


def _diagnose(words: Sequence[str], known: Known) -> Typed:
    found = _service(words, known)
    if found is None:
        return _unknown(words, known)
    service, rest = found
    if not rest or rest[0].lower() != "since":
        since, about = _since_within(rest)
        return Diagnose(service, since, " ".join(about))
    written = rest[1] if len(rest) > 1 else ""
    lasted = _duration(written)
    if lasted is None:
        return Misread(f"`since {plain(written, 40)}` is not understood. Write {UNDERSTOOD}.")
    return Diagnose(service, lasted, " ".join(rest[2:]))


def _service(words: Sequence[str], known: Known) -> tuple[str, Sequence[str]] | None:
    """The service that the words begin with, and what follows; the longest name counts."""
    closing = _QUOTES.get(words[0][0])
    for count in range(min(_WORDS_OF_A_NAME, len(words)), 0, -1):
        name = " ".join(words[:count])
        quoted = closing is not None and len(name) > 2 and name.endswith(closing)
        for spelling in dict.fromkeys((name, name[1:-1] if quoted else name, name.rstrip(",:;."))):
            found = known.find(spelling)
            if found is not None:
                return found.name, words[count:]
    return None


def _unknown(words: Sequence[str], known: Known) -> Misread:
    name = words[0].strip("\"'`“”«»,:;")
    near = [f"`{plain(each, 80)}`" for each in list(known.nearest(name))[:4]]
    if near:
        return Misread(
            f"No service is called `{plain(name, 80)}`. Did you mean {_or(near)}? "
            f"Type `/diagnose` and the name; `/diagnose help` tells the rest."
        )
    return Misread(
        f"No service is called `{plain(name, 80)}`, and none is called nearly so. Type `/diagnose SERVICE "
        "since 30m` with a name that `firstcause services` lists; `/diagnose help` tells the rest."
    )


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _since_within(words: Sequence[str]) -> tuple[timedelta | None, Sequence[str]]:
    """A `since 30m` within a sentence; any other since is part of what was said."""
    for at in range(len(words) - 1):
        lasted = _duration(words[at + 1]) if words[at].lower() == "since" else None
        if lasted is not None:
            return lasted, [*words[:at], *words[at + 2 :]]
    return None, words


def _duration(word: str) -> timedelta | None:
    bare = word.lower().rstrip(".,;")
    if not _PIECES.fullmatch(bare):
        return None
    try:
        lasted = sum((duration(each) for each in _PIECE.findall(bare)), timedelta())
    except ValueError:
        return None
    return lasted if lasted <= LONGEST else None


def mentioned(text: str, known: Known, most: int = 4) -> list[str]:
    """The services that a text names, in the order it names them, each once."""
    words = re.findall(r"[^\s,;:!?()\[\]{}<>\"'`=|*]+", one_line(text, 20_000))
    found: dict[str, None] = {}
    for word in words[:3_000]:
        service = known.find(word) or known.find(word.strip("._-/~"))
        if service is not None:
            found[service.name] = None
            if len(found) == most:
                break
    return list(found)
