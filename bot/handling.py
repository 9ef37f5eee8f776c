"""What one delivery does to the desk: begins an incident, joins one, tells how it goes, or asks for work.

Everything happens in the caller's transaction and nothing is asked of anybody outside: handling is quick,
and done twice it does no harm, because a delivery whose job is done is not handled again. What a pager calls
resolved is written down as that, and confirms nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import JsonValue, ValidationError

from bot import alerts, hearing, live_incident
from bot.alerts import Trigger
from bot.desk import (
    LIVE,
    AuditKind,
    Body,
    Delivery,
    DeliveryKind,
    Desked,
    IncidentState,
    JobKind,
    Message,
    Transaction,
)
from bot.errors import BadInputError
from bot.hearing import REOPENED
from bot.live_incident import Request
from bot.safetext import one_line
from bot.service_map import ServiceMap
from bot.slack.heard import Asked, Back, Chosen
from bot.slack.mrkdwn import plain
from bot.storms import ROUNDS, Alarm, Placed, Rules, alerting, joined, place
from playbooks.callgraph import CallGraph

_TITLE = 300
_BEFORE_SAID = timedelta(minutes=10)
"""Somebody notices before they write."""


@dataclass(frozen=True)
class Scene:
    """What deliveries are judged by: the services and their calls as they are known, and how alerts fold."""

    services: ServiceMap
    calls: CallGraph
    rules: Rules


class TooEarlyError(Exception):
    """What a pager says of an incident came before the incident itself: handle it again in a moment."""


def handle(within: Transaction, delivery: Delivery, scene: Scene, now: datetime, last: bool = True) -> None:
    """Carry out what a delivery means; what cannot be understood is on record, and changes nothing.

    Raises:
        TooEarlyError: it is about an incident that is not known, and this is not the `last` attempt.
    """
    _Handling(within, delivery, scene, now, last).run()


@dataclass(frozen=True)
class _Handling:
    within: Transaction
    delivery: Delivery
    scene: Scene
    now: datetime
    last: bool

    def run(self) -> None:
        heard = hearing.heard(self.delivery)
        if heard is not None:
            self._pager(heard)
            return
        try:
            if self.delivery.kind in (DeliveryKind.SLACK_ACTION, DeliveryKind.SLACK_VIEW):
                self._chosen(Chosen.of(self.delivery))
            else:
                self._asked(Asked.of(self.delivery))
        except ValidationError as error:
            self._wrote(AuditKind.DELIVERY, "", {"event": "not understood", "fields": error.error_count()})

    # --- pagers -----------------------------------------------------------------------------------------
    def _pager(self, heard: hearing.Heard) -> None:
        if heard.meaning is hearing.Meaning.BEGUN:
            self._alarm(heard)
            return
        incident = called(self.within, heard.refs)
        if incident is None and not self.last:
            raise TooEarlyError(heard.event)
        if incident is None:
            self._wrote(AuditKind.INCIDENT, "", {"event": heard.event, "known": False})
            return
        # That one of the alerts that were folded is over says nothing of the others.
        folded = not set(heard.refs.items()) & set(incident.refs.items())
        changed = incident if folded else self._told(incident, heard)
        self._wrote(AuditKind.INCIDENT, incident.id, {"event": heard.event, "priority": changed.priority})
        if changed != incident:
            self.within.incidents.put(changed)
            self._draw(incident.id)

    def _told(self, incident: Desked, heard: hearing.Heard) -> Desked:
        """The incident with what its pager says of it."""
        update: dict[str, object] = {}
        if heard.priority and heard.priority != incident.priority:
            update["priority"] = heard.priority
        if heard.meaning is hearing.Meaning.ENDED and incident.resolved_at is None:
            update["resolved_at"] = heard.trigger.resolved_at or self.delivery.received_at
        return incident.model_copy(update=update)

    def _alarm(self, heard: hearing.Heard) -> None:
        services = self._services(heard)
        at = self.delivery.received_at
        alarm = Alarm(at, services, dict(heard.trigger.labels), heard.refs, heard.trigger.started_at)
        # The live ones are asked for first: whoever asks is alone with the answer, so that two alerts of one
        # trouble, handled at once, do not open two incidents.
        known = list(self.within.incidents.live(at - self.scene.rules.window))
        same = called(self.within, heard.refs)
        known += [same] if same is not None and same.id not in {each.id for each in known} else []
        placed = place(alarm, _by_name(known, same, heard.refs), self.scene.calls, self.scene.rules)
        if placed.incident is None:
            services, trigger = _new_first(heard, services, same, at)
            self._open(
                Desked(
                    id="",
                    service=services[0] if services else "",
                    title=one_line(trigger.title or "an alert", _TITLE),
                    text=trigger.text,
                    started_at=min(trigger.started_at or at, at),
                    opened_at=self.now,
                    last_alert_at=at,
                    alert=heard.alert,
                    labels=dict(trigger.labels),
                    services=services,
                    refs=dict(heard.refs),
                    priority=heard.priority,
                )
            )
        else:
            found = next(each for each in known if each.id == placed.incident.id)
            placed = replace(placed, incident=found)
            reopened = heard.event == REOPENED and found.state not in LIVE
            self._join(found, alarm, placed)
            if reopened:
                self._anew(joined(found, alarm, placed))

    def _services(self, heard: hearing.Heard) -> tuple[str, ...]:
        """The services named, by the names this program has for them; the one that is meant first."""
        try:
            request = Request(at=self.delivery.received_at, alert=heard.alert.encode())
            meant = live_incident.known(request, self.scene.services)
        except BadInputError:
            meant = None
        found = [meant.name] if meant is not None else []
        for name in heard.services:
            known = self.scene.services.find(name)
            found.append(known.name if known is not None else name)
        if meant is not None and heard.services and self.scene.services.find(heard.services[0]) is None:
            found.remove(heard.services[0])  # another name of the one that is meant
        return tuple(dict.fromkeys(found))

    def _join(self, incident: Desked, alarm: Alarm, placed: Placed) -> None:
        decided = incident.state not in LIVE
        changed = joined(incident, alarm, placed)
        # What was folded is found by its own name later; the incident keeps the name that it began with.
        self.within.incidents.put(changed.model_copy(update={"refs": {**changed.refs, **alarm.refs}}))
        self.within.incidents.put(changed)
        retry = incident.failed != "" and not decided and incident.rounds < ROUNDS
        if not decided and (placed.again or retry):
            self._investigate(changed)
        body: dict[str, JsonValue] = {
            "event": "joined",
            "fold": placed.fold.value,
            "why": placed.why,
            "services": list(alarm.services),
            "again": placed.again,
        }
        self._wrote(AuditKind.INCIDENT, incident.id, body)
        self._draw(incident.id)

    # --- people -----------------------------------------------------------------------------------------
    def _asked(self, asked: Asked) -> None:
        if asked.do == "diagnose":
            self._diagnose(asked)
            return
        incident = meant(self.within, asked)
        if incident is None:
            self._answer(asked.back, "", unknown(asked.incident))
        elif asked.do == "cancel":
            self._cancel(incident, asked)
        else:
            self.within.jobs.put(JobKind.DECIDE, self.delivery.key, self.now)

    def _diagnose(self, asked: Asked) -> None:
        known = self.scene.services.find(asked.service)
        service = known.name if known is not None else asked.service
        running = [
            each
            for each in self.within.incidents.live(self.now - self.scene.rules.window)
            if service in alerting(each) and each.state is not IncidentState.AWAITING_CONFIRMATION
        ]
        if running and not running[-1].failed:
            incident = running[-1]
            self._wrote(AuditKind.INCIDENT, incident.id, {"event": "asked for again", "by": asked.back.user})
            self._answer(
                asked.back, incident.id, f"{incident.id} is looking at {plain(service, 80)} already."
            )
            return
        said = asked.said_at
        lasted = self.now - said + _BEFORE_SAID if said is not None and said <= self.now else None
        since = asked.since_seconds or (lasted.total_seconds() if lasted is not None else None)
        where = place_of(asked.back)
        self._open(  # the card is the answer
            Desked(
                id="",
                service=service,
                title=one_line(asked.text, _TITLE) or service,
                text=asked.text,
                started_at=self.now - timedelta(seconds=since or 0.0),
                opened_at=self.now,
                last_alert_at=self.now,
                since_seconds=since,
                services=(service,),
                refs=slack_refs(where),
                place=where,
                asked_by=asked.back.user,
            )
        )

    def _cancel(self, incident: Desked, asked: Asked) -> None:
        if incident.state not in LIVE:
            self._answer(asked.back, incident.id, f"{incident.id} is {standing(incident.state)} already.")
            return
        self.within.incidents.put(
            incident.model_copy(update={"state": IncidentState.CANCELLED, "again": False})
        )
        self._wrote(AuditKind.DECISION, incident.id, {"decision": "cancel", "by": asked.back.user})
        self._answer(asked.back, incident.id, f"{incident.id} is cancelled.")
        self._draw(incident.id)

    def _chosen(self, chosen: Chosen) -> None:
        body: dict[str, JsonValue] = {
            "decision": chosen.decision,
            "by": chosen.back.user,
            "weighing": chosen.weighing,
            "proposal": chosen.proposal,
            "allowed_by": chosen.allowed_by,
            "unread": list(chosen.unread),
        }
        self._wrote(AuditKind.CLICK, chosen.incident, body)
        incident = self.within.incidents.get(chosen.incident)
        if incident is None:
            self._answer(chosen.back, "", unknown(chosen.incident))
        elif chosen.decision == "ask_again":
            self._ask_again(incident, chosen)
        else:
            self.within.jobs.put(JobKind.DECIDE, self.delivery.key, self.now)

    def _ask_again(self, incident: Desked, chosen: Chosen) -> None:
        why = ""
        if incident.state is IncidentState.INVESTIGATING or incident.again:
            why = f"{incident.id} is being looked at right now."
        elif incident.state not in LIVE:
            # Their card is an old one: whoever may not decide must not undo what somebody decided.
            how = f"`/diagnose {plain(incident.service, 80)}` looks at it anew"
            why = f"{incident.id} is {standing(incident.state)} already; {how}."
        if why:
            self._answer(chosen.back, incident.id, why)
            return
        self._anew(incident)
        self._draw(incident.id)

    def _anew(self, incident: Desked) -> None:
        again = incident.model_copy(update={"again": True, "failed": "", "state": IncidentState.OPEN})
        self.within.incidents.put(again)
        self._investigate(again)

    # --- the desk ---------------------------------------------------------------------------------------
    def _open(self, incident: Desked) -> None:
        opened = self.within.incidents.open(incident)
        body: dict[str, JsonValue] = {
            "event": "opened",
            "service": opened.service,
            "services": list(opened.services),
            "by": opened.asked_by or self.delivery.kind.value,
        }
        self._wrote(AuditKind.INCIDENT, opened.id, body)
        self._investigate(opened)
        self._draw(opened.id)

    def _investigate(self, incident: Desked) -> None:
        self.within.jobs.put(JobKind.INVESTIGATE, incident.id, self.now, incident.service)

    def _draw(self, incident: str) -> None:
        self.within.jobs.put(JobKind.SHOW, incident, self.now)

    def _answer(self, back: Back, incident: str, text: str) -> None:
        respond(self.within, f"answer:{self.delivery.key}", incident, back.payload(text), self.now)

    def _wrote(self, kind: AuditKind, incident: str, body: Mapping[str, JsonValue]) -> None:
        self.within.audit.append(kind, incident, {"delivery": self.delivery.key, **body}, self.now)


def _new_first(
    heard: hearing.Heard, services: tuple[str, ...], before: Desked | None, at: datetime
) -> tuple[tuple[str, ...], Trigger]:
    """What a group that was looked at before has come to name since, and what is said of that."""
    known = alerting(before) if before is not None else ()
    ordered = tuple(sorted(services, key=lambda name: name in known))
    if ordered == services:
        return services, heard.trigger
    return ordered, alerts.read(heard.alert.encode(), at, ordered[0])


def _by_name(known: Sequence[Desked], same: Desked | None, refs: Mapping[str, str]) -> list[Desked]:
    """The incidents, that which the alert's was folded into by the alert's name for it."""
    return [
        each.model_copy(update={"refs": {**each.refs, **refs}})
        if same is not None and each.id == same.id
        else each
        for each in known
    ]


def called(within: Transaction, refs: Mapping[str, str]) -> Desked | None:
    """The newest incident that is called so elsewhere."""
    found = (within.incidents.by_ref(system, ref) for system, ref in refs.items())
    return next((each for each in found if each is not None), None)


def meant(within: Transaction, asked: Asked) -> Desked | None:
    """The incident that somebody names, or in whose thread they speak."""
    if asked.incident:
        return within.incidents.get(asked.incident)
    return called(within, slack_refs(place_of(asked.back)))


def respond(within: Transaction, key: str, incident: str, payload: Body, now: datetime) -> None:
    """Tell one person something, once."""
    within.outbox.put(Message(key=key, incident=incident, operation="slack.respond", payload=payload), now)


def place_of(back: Back) -> dict[str, str]:
    """Where the card of an incident goes that was asked for there."""
    where = {"channel": back.channel, "thread_ts": back.thread_ts or back.ts}
    return {name: value for name, value in where.items() if value}


def slack_refs(where: Mapping[str, str]) -> dict[str, str]:
    """What an incident is called in Slack: the thread that its card begins or stands in."""
    thread = where.get("thread_ts") or where.get("ts")
    return {"slack": f"{where['channel']}/{thread}"} if where.get("channel") and thread else {}


def unknown(incident: str) -> str:
    """What somebody is told who names an incident that nobody knows."""
    if not incident:
        return "Say which incident: this thread belongs to none."
    return f"There is no incident {plain(incident, 40)}."


def standing(state: IncidentState) -> str:
    """How an incident stands, in words."""
    return state.value.replace("_", " ")
