"""What there is for the post-mortem of an incident, as a short text for a chat. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bot import wording
from bot.cardview import CardView, Said
from bot.slack.mrkdwn import plain
from bot.storms import alerting

_MOST_SERVICES = 12


def material(view: CardView) -> str:
    """When it was, who alerted, what was proposed, who decided what, and where the rest is."""
    incident = view.incident
    head = f"*{incident.id}: {plain(incident.service or incident.title, 80)}, for the post-mortem*"
    return "\n".join([head, *(f"• {line}" for line in _lines(view))])


def _lines(view: CardView) -> Iterator[str]:
    incident = view.incident
    over = f", over at {_at(incident.resolved_at)} by the pager" if incident.resolved_at is not None else ""
    yield f"trouble since {_at(incident.started_at)}, looked at from {_at(incident.opened_at)}{over}"
    services = alerting(incident)
    more = f" and {len(services) - _MOST_SERVICES} more" if len(services) > _MOST_SERVICES else ""
    names = ", ".join(plain(each, 60) for each in services[:_MOST_SERVICES])
    yield f"alerts: {incident.joined}, of {names or 'no service named'}{more}"
    if view.result is not None:
        yield f"{wording.VERDICTS[view.result.verdict]}: {plain(view.result.summary, 500)}"
        yield from (
            f"{wording.percent(each.confidence)} {plain(each.title, 200)}"
            for each in view.result.proposals[:3]
        )
    yield from (_said(each) for each in view.answers)
    yield f"all that was asked, answered and decided: `firstcause audit export --incident {incident.id}`"


def _said(said: Said) -> str:
    about = plain(said.title or said.text, 200)
    return f"<@{said.by}> at {_at(said.at)}: {said.decision.replace('_', ' ')}{f', {about}' if about else ''}"


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
