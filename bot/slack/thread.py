"""What stands in a card's thread, in few messages. Pure.

For each proposal on it the evidence and its commands whole; what was ruled out, by whom or by what; and every
question with why it was asked and what came back.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot import wording
from bot.cardview import CardView
from bot.questioning import QuestionSeen
from bot.result import ProposalResult, Result
from bot.slack.blocks import MOST_TEXT, MOST_WEIGHT, Card, Code, Part, Run, fit, rich, said, weight, width
from bot.slack.blocks import who as name
from bot.slack.mrkdwn import plain
from bot.slack.proposed import cited_against

_MOST_MESSAGES = 3
_MOST_CITED = 8
_MOST_GONE = 12
_MOST_QUESTIONS = 30
_GONE = "Ruled out, or left with little:"


def thread(view: CardView) -> tuple[Card, ...]:
    """One message for each of the first proposals; none before there is a result."""
    if view.result is None:
        return ()
    evidence = [_message(each, view.result) for each in view.result.proposals[:_MOST_MESSAGES]]
    return (*evidence, *_ruled_out(view, view.result), *_questions(view))


def _ruled_out(view: CardView, result: Result) -> Iterable[Card]:
    """What people ruled out, and what the evidence leaves little of."""
    who = {each.proposal: each for each in view.answers if each.decision == "rule_out"}
    lines: list[Part] = []
    for gone in result.ruled_out[:_MOST_GONE]:
        said_by = who.get(gone.id)
        by = f"ruled out by {name(said_by.by)}" if said_by else "ruled out by a person"
        against = gone.against or "no reading that was cited spoke against it"
        lines.append(said(f"{fit(wording.brief(gone.title), 120)}:", f"{by}; {wording.brief(against)}", 300))
    for each in result.proposals[_MOST_MESSAGES:]:
        against = wording.against(each, result) or cited_against(each, result)
        told = f"{wording.percent(each.confidence)}; {against or 'less speaks for it than for the others'}"
        lines.append(said(f"{fit(wording.brief(each.title), 120)}:", told, 300))
    if lines:
        yield from _packed("Ruled out, or left with little", [_bold(_GONE), *lines])


def _questions(view: CardView) -> Iterable[Card]:
    """Every question in the order of its source, those of one reason together."""
    reasons: dict[str, list[QuestionSeen]] = {}
    for each in view.questions[:_MOST_QUESTIONS]:
        reasons.setdefault(each.why, []).append(each)
    if not reasons:
        return
    parts: list[Part] = []
    for why, asked in reasons.items():
        parts.append(_bold(f"Asked: {fit(why, 200)}"))
        parts += [said(f"{each.source}, {fit(each.asked, 80)}:", _came(each), 200) for each in asked]
    if len(view.questions) > _MOST_QUESTIONS:
        parts.append((Run(f"{len(view.questions) - _MOST_QUESTIONS} more are in the record."),))
    yield from _packed(f"What was asked, and why: {len(view.questions)} questions", parts)


def _packed(text: str, parts: Iterable[Part]) -> Iterable[Card]:
    """The parts in as few messages as hold them."""
    page: list[Part] = []
    for part in parts:
        if page and weight([rich([*page, part])]) > MOST_WEIGHT:
            yield Card(text=text, blocks=(rich(page),))
            page = []
        page.append(part)
    yield Card(text=text, blocks=(rich(page),))


def _came(question: QuestionSeen) -> str:
    if question.unavailable:
        return f"no answer, {question.unavailable}"
    if not question.cited:
        return "answered; nothing of it is cited"
    more = f" (and {len(question.cited) - 1} more)" if len(question.cited) > 1 else ""
    return fit(wording.brief(question.cited[0]), 190 - len(more)) + more


def _bold(text: str) -> Part:
    return (Run(text, bold=True),)


def _message(proposal: ProposalResult, result: Result) -> Card:
    title = f"{proposal.rank}. {wording.brief(proposal.title)}"
    parts: list[Part] = [said("Evidence for", title, 300)]
    for label, keys in (("For:", proposal.evidence), ("Against:", proposal.against)):
        cited = [result.evidence[key] for key in keys if key in result.evidence][:_MOST_CITED]
        parts += [
            said(label, f"{wording.brief(fit(fact.value, 160))} ({fact.source}: {fit(fact.query, 120)})", 300)
            for fact in cited
        ]
    blocks = [rich(parts)]
    step = proposal.next_step
    for label, command in (
        ("Check:", proposal.check_yourself),
        ("Then:", step.command),
        ("Undo:", step.undo),
    ):
        if command and width(command) <= MOST_TEXT:
            blocks.append(rich([said(label, "to copy", 20), Code(command)]))
    return Card(text=plain(f"Evidence for {title}", 300), blocks=tuple(blocks))
