"""The card of an incident as Slack's blocks. Pure. What is needed to act comes first, buttons last.

A card that would be too long for Slack is drawn again with less: the rest is in the thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bot import wording
from bot.cardview import CardView, Phase, Said
from bot.desk import Body
from bot.result import ProposalResult, Result
from bot.slack.blocks import (
    MOST_BLOCKS,
    MOST_WEIGHT,
    Button,
    Card,
    Part,
    Run,
    actions,
    context,
    fit,
    header,
    rich,
    said,
    weight,
    who,
)
from bot.slack.mrkdwn import plain
from bot.slack.proposed import Detail, described, proposed, sure
from graph.model import Verdict

__all__ = ["Card", "card"]

_DETAILS: Final = (Detail(3, 240, 900), Detail(3, 140, 400), Detail(2, 100, 200), Detail(1, 80, 0))
_LEAST_SHOWN: Final = 0.01
_LEAST_GUESS: Final = 0.05
_FALLBACK: Final = 500
_MOST_NOTES: Final = 5
_NOT_CONFIGURED: Final = "no source of this kind"
_DOING: Final = {
    "scope": "looked at what the alert names",
    "gather": "asked every source",
    "weigh": "weighed causes",
    "ask": "asked what would tell them apart",
    "propose": "wrote the proposal",
}
_VERBS: Final = {
    "confirm": "confirmed",
    "partly": "said it was partly",
    "rule_out": "ruled out",
    "something_else": "said it was something else",
    "nothing_wrong": "said that nothing was wrong",
    "quiet_hour": "vouched that nothing was wrong",
    "skip": "closed it without an answer",
}


def card(view: CardView) -> Card:
    """The card that shows this, within every limit of Slack."""
    blocks: tuple[Body, ...] = ()
    for detail in _DETAILS:
        blocks = tuple(_blocks(view, detail))
        if len(blocks) <= MOST_BLOCKS and weight(blocks) <= MOST_WEIGHT:
            break
    else:
        blocks = tuple(_least(view))
    return Card(text=plain(_sentence(view), _FALLBACK), blocks=blocks)


def _least(view: CardView) -> Iterable[Body]:
    """A card of texts that fit nowhere: nothing is confirmed here that could not be read here."""
    yield header(_headline(view))
    yield rich([(Run("This is too long for a card; the thread and the record hold it."),)])
    if view.phase is Phase.FOUND and view.result is not None:
        yield actions(_closing(view, view.result))


def _blocks(view: CardView, detail: Detail) -> Iterable[Body]:
    yield header(_headline(view))
    yield context(_about(view))
    if notes := _notes(view):
        yield context(*notes)
    if view.phase in (Phase.WAITING, Phase.INVESTIGATING):
        yield from _progress(view)
    elif view.phase is Phase.FOUND and view.result is not None:
        yield from _verdict(view, view.result, detail)
    else:
        yield from _ended(view, detail)


# --- what it is about ---------------------------------------------------------------------------------
def _headline(view: CardView) -> str:
    result, title = view.result, fit(view.incident.title, 110)
    if view.phase is Phase.FOUND and result is not None:
        return _verdict_line(result, title)
    words = {
        Phase.WAITING: "Waiting",
        Phase.INVESTIGATING: "Investigating",
        Phase.CLOSED: "Closed",
        Phase.CANCELLED: "Cancelled",
        Phase.FAILED: "No result",
    }
    if view.phase is Phase.CLOSED and view.answers:
        return _answer(view.answers[-1]).capitalize()
    return f"{words.get(view.phase, 'Incident')}: {title}"


def _verdict_line(result: Result, title: str) -> str:
    if result.verdict is Verdict.CAUSE:
        return wording.brief(result.summary)
    if result.verdict is Verdict.EXTERNAL:
        return f"Not ours. {wording.brief(result.summary)}"
    words = {
        Verdict.RECOVERED: "It has recovered",
        Verdict.NO_FAULT: "Nothing seems wrong",
        Verdict.UNKNOWN: "The cause is not known",
    }
    return f"{words[result.verdict]}: {title}"


def _about(view: CardView) -> str:
    incident = view.incident
    parts = [incident.id, incident.service, incident.title, f"since {wording.instant(incident.started_at)}"]
    if incident.joined > 1:
        services = ", ".join(incident.services) or incident.service
        parts.append(f"{incident.joined} alerts in one: {fit(services, 200)}")
    return " · ".join(fit(part, 300) for part in parts if part)


def _notes(view: CardView) -> list[str]:
    notes = [fit(line, 200) for line in view.incident.note.splitlines() if line.strip()][:_MOST_NOTES]
    if view.resumed:
        notes.append("Taken up again after a restart.")
    if view.incident.resolved_at is not None:
        at = wording.instant(view.incident.resolved_at)
        notes.append(f"The pager says that it is over since {at}; that confirms no cause.")
    return notes


def _sentence(view: CardView) -> str:
    """What a notification says: whole, with verdict and confidence."""
    place = f"{view.incident.id}, {view.incident.service}: "
    if view.phase is not Phase.FOUND or view.result is None:
        return f"{place}{_headline(view)}{f' ({view.error})' if view.error else ''}."
    result = view.result
    share = result.none_of_these
    if result.verdict in (Verdict.CAUSE, Verdict.EXTERNAL, Verdict.UNKNOWN) and result.proposals:
        share = result.proposals[0].confidence
    led = "" if result.verdict is not Verdict.UNKNOWN else "The cause is not known. "
    return f"{place}{led}{fit(_said_of(result), 300)} ({wording.percent(share)}) Please answer on the card."


def _said_of(result: Result) -> str:
    return f"Not ours. {result.summary}" if result.verdict is Verdict.EXTERNAL else result.summary


# --- under way ----------------------------------------------------------------------------------------
def _progress(view: CardView) -> Iterable[Body]:
    if view.phase is Phase.WAITING:
        yield rich([(Run("Its investigation begins as soon as a worker is free."),)])
        return
    parts: list[Part] = []
    for stage in view.underway.stages:
        if stage.stage in _DOING:
            mark = "✓" if stage.since is None else "▸"
            spent = stage.seconds + (max(view.seconds - stage.since, 0.0) if stage.since is not None else 0)
            parts.append((Run(f"{mark} {_DOING[stage.stage]} · {spent:.1f} s"),))
    for each in view.underway.asked:
        open_ = max(each.asked - each.answered - each.unavailable, 0)
        told = f"{each.answered} answered" + (f", {open_} open" if open_ else "")
        if each.unavailable:
            told += f", {each.unavailable} without an answer: {fit(each.reason, 150)}"
        parts.append(said(f"{fit(each.source, 40)}:", told, 260))
    yield rich(parts or [(Run("It has just begun."),)])


# --- the verdict --------------------------------------------------------------------------------------
def _verdict(view: CardView, result: Result, detail: Detail) -> Iterable[Body]:
    if result.verdict is not Verdict.CAUSE:
        yield rich([(Run(fit(result.summary, 600)),)])
    if doubts := _doubts(result):
        yield context(*doubts)
    if result.verdict is Verdict.NO_FAULT:
        yield from _guesses(result)
    else:
        if result.verdict is Verdict.RECOVERED and result.proposals:
            yield rich([(Run("What it may have been:", bold=True),)])
        for proposal in _shown(result, detail):
            yield from proposed(proposal, view, result, detail)
    yield context(*_footer(view, result))
    if view.url:
        yield rich([(Run("Everything that was read", link=view.url),)])
    yield actions(_closing(view, result))


def _shown(result: Result, detail: Detail) -> list[ProposalResult]:
    return [p for p in result.proposals if p.rank == 1 or p.confidence >= _LEAST_SHOWN][: detail.proposals]


def _guesses(result: Result) -> Iterable[Body]:
    listed = [p for p in result.proposals if p.confidence >= _LEAST_GUESS][:3]
    if listed:
        told: list[Part] = [(Run("If something was wrong:", bold=True),)]
        told += [(Run(f"{fit(wording.brief(p.title), 150)} · {sure(p.confidence)}"),) for p in listed]
        yield rich(told)


def _doubts(result: Result) -> list[str]:
    """What makes the confidences worth less: read before anything is believed."""
    doubts = [f"Cut short: {fit(result.partial, 200)}"] if result.partial else []
    for reason, kinds in wording.unavailable(result).items():
        if reason != _NOT_CONFIGURED:
            how = "read in part" if reason.startswith("partly: ") else "unavailable"
            why = fit(reason.removeprefix("partly: "), 160)
            doubts.append(f"{fit(', '.join(kinds), 100).capitalize()} {how}: {why}")
    return [*doubts, fit(wording.trust(result), 300)][:10]


def _footer(view: CardView, result: Result) -> list[str]:
    none = wording.none_of_these(result.verdict)
    footer = [f"{none}: {wording.percent(result.none_of_these)}"]
    if told := wording.likely(result):
        footer.append(fit(told, 200))
    if result.ruled_out:
        footer.append(f"Ruled out: {fit(', '.join(each.title for each in result.ruled_out), 300)}")
    footer += [fit(_whole(each), 250) for each in view.answers[-3:]]
    return [*footer, wording.effort(result), "The evidence is in the thread"][:10]


def _closing(view: CardView, result: Result) -> list[Button]:
    value = {"incident": view.incident.id, "weighing": view.weighing, "proposal": "", "unread": []}
    wrong = Button("nothing_wrong", "Nothing was wrong", value)
    other = [Button("something_else", "Something else…", value), Button("ask_again", "Ask again", value)]
    quiet = result.verdict in (Verdict.NO_FAULT, Verdict.RECOVERED)
    return [wrong, *other] if quiet else [*other, wrong]


# --- closed, cancelled, failed ------------------------------------------------------------------------
def _ended(view: CardView, detail: Detail) -> Iterable[Body]:
    if view.error:
        again = "It is tried again by itself." if view.again else "Ask again when it may work."
        yield rich([(Run(fit(view.error, 600)),), (Run(again),)])
    if view.answers:
        yield rich([(Run(fit(_whole(each), 600)),) for each in view.answers[-_MOST_NOTES:]])
    elif view.phase is Phase.CLOSED:
        yield rich([(Run("Nobody decided; nothing was learned from it."),)])
    if view.phase is Phase.CLOSED and view.result is not None:
        yield from _decided(view, view.result, detail)
    if view.phase is Phase.FAILED and not view.again:
        value = {"incident": view.incident.id, "weighing": view.weighing, "proposal": "", "unread": []}
        yield actions([Button("ask_again", "Ask again", value)])


def _decided(view: CardView, result: Result, detail: Detail) -> Iterable[Body]:
    """The confirmed proposal stays, for its next step is yet to be done."""
    kept = {each.proposal for each in view.answers if each.decision in ("confirm", "partly")}
    for proposal in result.proposals:
        if proposal.id in kept:
            yield described(proposal, result, detail)
            break
    yield context(wording.effort(result))


def _answer(answer: Said) -> str:
    told = f"{_VERBS[answer.decision]}"
    if answer.title:
        told += f": {wording.brief(answer.title)}"
    return f"{told}: {answer.text}" if answer.text else told


def _whole(answer: Said) -> str:
    return f"{who(answer.by)} {_answer(answer)}, {wording.instant(answer.at)}"
