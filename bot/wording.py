"""The words in which results are told, the same in the terminal, the report and a chat."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from bot.result import ProposalResult, Result
from bot.safetext import one_line
from graph.model import Verdict

VERDICTS: Final[dict[Verdict, str]] = {
    Verdict.CAUSE: "cause found",
    Verdict.RECOVERED: "recovered",
    Verdict.NO_FAULT: "nothing is wrong",
    Verdict.EXTERNAL: "outside of our systems",
    Verdict.UNKNOWN: "cause unknown",
}
_DEGREES: Final = (
    (0.95, "almost certain"),
    (0.80, "very likely"),
    (0.60, "likely"),
    (0.35, "possible"),
    (0.10, "unlikely"),
    (0.0, "very unlikely"),
)
LONGEST_WHY: Final = 200
_LEAST_WORTH_CUTTING: Final = 60
_LEAST_CLAIM: Final = 16
_NAMED_ONCE: Final = 40
_HASH: Final = 12
_SELECTED = re.compile(r"\b(SELECT(?: DISTINCT)?) (?:(?! FROM\b)[^;…]){19,2000} (FROM)\b", re.IGNORECASE)
_INSERTED = re.compile(r"\b(INSERT INTO [\w.\"]+) ?\([^()]{12,}\)( VALUES)?(?: ?\([^()]*\))?", re.IGNORECASE)
_ASIDE = re.compile(r" \([^()]*\)$")


def degree(confidence: float) -> str:
    """The confidence in words, those of the whole per cents that are shown beside it."""
    return next(words for least, words in _DEGREES if round(confidence, 2) >= least)


def percent(confidence: float) -> str:
    """The confidence as people say it: whole per cents, and never 0 % or 100 %, which would be certainty."""
    if confidence < 0.01:
        return "<1 %"
    if confidence > 0.99:
        return ">99 %"
    return f"{confidence * 100:.0f} %"


def none_of_these(verdict: Verdict) -> str:
    """What the share that belongs to no cause means under this verdict."""
    if verdict in (Verdict.RECOVERED, Verdict.NO_FAULT):
        return "Nothing is wrong any longer" if verdict is Verdict.RECOVERED else "Nothing is wrong"
    return "None of these"


def trust(result: Result) -> str:
    """How far the confidences can be relied on here, in a sentence."""
    if result.calibrated:
        return f"Calibrated on {result.trust.labels} confirmed incidents of your own."
    doubt = f" here: {one_line(result.trust.doubt)}" if result.trust.doubt else ""
    return f"Not yet calibrated{doubt}; read the confidences as an order."


def likely(result: Result) -> str:
    """The set that holds the cause with the level promised; empty where nothing is promised."""
    if result.likely is None:
        return ""
    n = result.likely.places
    which = "The cause is the first" if n == 1 else f"The cause is among the first {n}"
    return f"{which} ({percent(result.likely.level)}: so often lists made this way hold it)."


def where(proposal: ProposalResult) -> str:
    """The service and the thing at fault; what is the service, or long and in the title already, once."""
    parts, entity = [proposal.service or ""], proposal.entity
    if entity and entity.name != proposal.service:
        told = len(entity.name) > _NAMED_ONCE and entity.name in proposal.title
        parts.append("" if told else f"{entity.kind} {brief(entity.name)}")
    return one_line(" · ".join(part for part in parts if part)) or "-"


def about(proposal: ProposalResult, result: Result) -> str:
    """Where it is and which change is held guilty; that none is, where another of this title has one."""
    if proposal.change:
        return f"{where(proposal)} · change {change(proposal.change)}"
    guilty = {other.title for other in result.proposals if other.change}
    guilty |= {other.title for other in result.ruled_out if other.change}
    return where(proposal) + (" · without a guilty change" if proposal.title in guilty else "")


def brief(text: str) -> str:
    """The text on one line, its statements shortened in their middle: what they select or insert."""
    return _INSERTED.sub(_inserted, _SELECTED.sub(r"\1 … \2", one_line(text)))


def _inserted(match: re.Match[str]) -> str:
    return f"{match[1]} (…){match[2] + ' (…)' if match[2] else ''}"


def why(proposal: ProposalResult) -> str:
    """Why it is proposed, in a sentence that is read at a glance: whole clauses as long as they fit."""
    sentence = ""
    clauses = dict.fromkeys(brief(proposal.why).split("; "))
    for clause in clauses:
        if clause[:_NAMED_ONCE] in sentence:  # the same statement begins it
            continue
        room = LONGEST_WHY - len(sentence) - 2
        fitting = next((form for form in (clause, _ASIDE.sub("", clause)) if len(form) <= room), None)
        if fitting is None and sentence and room < _LEAST_WORTH_CUTTING:
            break
        sentence += ("; " if sentence else "") + (fitting or at_a_word(clause, room))
        if fitting is None:
            break
    return sentence


def at_a_word(text: str, most: int) -> str:
    """The text, cut after a whole word where it is too long."""
    if len(text) <= most:
        return text
    head, _, cut = text[:most].rpartition(" ")
    return (head if len(head) > most // 2 else f"{head} {cut}"[: most - 1]).rstrip(" ,;:(") + "…"


def in_the_middle(text: str, most: int) -> str:
    """The text, its middle left out where it is too long: queries tell most at both ends."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 3
    return text[: most - 1 - tail].rstrip() + "…" + text[len(text) - tail :].lstrip()


def against(proposal: ProposalResult, result: Result) -> str:
    """What is said against a proposal beyond what the readings cited beside it say themselves."""
    claims = (result.evidence[key].value for key in proposal.against if key in result.evidence)
    return brief(remainder(proposal.against_text, claims))


def remainder(text: str, told: Iterable[str]) -> str:
    """What a text of several clauses says beyond the claims that are told beside it."""
    rest = one_line(text)
    claims = {one_line(claim).rstrip(".") for claim in told}
    for claim in sorted((c for c in claims if len(c) >= _LEAST_CLAIM), key=lambda c: (-len(c), c)):
        rest = rest.replace(claim, "")
    return "; ".join(clause for part in rest.split(";") if (clause := part.strip(" .:")))


def manner(proposal: ProposalResult) -> str:
    """How the next step weighs on production."""
    step = proposal.next_step
    blocking = "blocks while it runs" if step.blocking else "does not block"
    return f"{blocking}, {'reversible' if step.reversible else 'not reversible'}"


def change(identity: str) -> str:
    """A change's id, cut as commits are when it is a hash."""
    if len(identity) == 40 and all(c in "0123456789abcdef" for c in identity):
        return identity[:_HASH]
    return one_line(identity, 60)


def instant(at: datetime) -> str:
    """An instant to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def effort(result: Result) -> str:
    """What the investigation took."""
    questions = f"{result.queries} question{'' if result.queries == 1 else 's'}"
    if result.llm.calls == 0:
        return f"{result.elapsed_s:.1f} s, {questions}, no language model"
    return f"{result.elapsed_s:.1f} s, {questions}, {result.llm.calls} model calls, {result.llm.usd:.2f} USD"


def unavailable(result: Result) -> dict[str, list[str]]:
    """Why sources gave no answer, and which."""
    reasons: dict[str, list[str]] = {}
    for source, state in result.coverage.items():
        if state != "ok":
            reason = one_line(state.removeprefix("unavailable:")) or "no reason given"
            reasons.setdefault(reason, []).append(one_line(source))
    return reasons


def others(result: Result, listed: int) -> str:
    """Those considered that are not listed, in a line; each is below 1 % where some of the ten best are."""
    count = len(result.proposals) - listed
    if count == 0:
        return "Others considered"
    more = " or more" if result.others > 0 else ""
    return f"{count}{more} other{'s, each' if count > 1 or more else ','} below 1 %"
