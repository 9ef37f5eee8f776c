"""What people say to an incident and want to know of it: a DECIDE job each.

An answer is put on record before anything else, so that a worker that dies here loses none; done twice, it
is noticed and shown as what it was. Whoever comes second is told who was first.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue, ValidationError

from bot import drawing
from bot.cardview import CardView, Said
from bot.desk import AuditKind, Delivery, DeliveryKind, Desked, IncidentState, JobKind, Lease, Transaction
from bot.errors import BusyError
from bot.handling import meant, respond, standing
from bot.investigation import (
    Confirm,
    Decision,
    Investigator,
    NothingWrong,
    Outcome,
    Partly,
    RuleOut,
    SomethingElse,
)
from bot.postmortem import material
from bot.result import of_outcome
from bot.slack.heard import Asked, Chosen
from bot.station import Held, Station
from graph.decisions import label
from graph.errors import NotWaitingError, UnknownProposalError
from graph.record import Record, weighing_bytes, weighing_id

log = logging.getLogger(__name__)

_BUSY = timedelta(seconds=2)
_ENOUGH = 60
"""Attempts after which somebody who waits is told to try again themselves: two minutes."""

STALE = "The card has changed since: answer what it shows now."


def answer(station: Station, lease: Lease) -> None:
    """Do one DECIDE job.

    Raises:
        LostLeaseError: another worker took it over.
        OSError: the store cannot be used now.
    """
    with station.desk.begin() as within:
        within.jobs.held(lease)
        delivery = within.inbox.read(lease.job.subject)
        if delivery is None:  # erased since
            within.jobs.done(lease)
            return
    try:
        if delivery.kind in (DeliveryKind.SLACK_ACTION, DeliveryKind.SLACK_VIEW):
            _Answering(station, lease, delivery, Chosen.of(delivery)).run()
        else:
            _shown(station, lease, delivery, Asked.of(delivery))
    except ValidationError:
        with station.desk.begin() as within:
            within.jobs.done(lease)


def decision_of(chosen: Chosen) -> Decision:
    """What a click says, as the investigation hears it."""
    match chosen.decision:
        case "confirm":
            return Confirm(proposal=chosen.proposal)
        case "partly":
            return Partly(proposal=chosen.proposal, text=chosen.text)
        case "rule_out":
            return RuleOut(proposal=chosen.proposal or "")
        case "nothing_wrong":
            return NothingWrong()
        case _:
            return SomethingElse(text=chosen.text, cause=chosen.cause or None, service=chosen.service or None)


@dataclass(frozen=True)
class _Answering:
    station: Station
    lease: Lease
    delivery: Delivery
    chosen: Chosen

    def run(self) -> None:
        desked = self._desked()
        if desked is None:
            return
        record = self.station.records()
        investigator = Investigator(self.station.around.sources, record, now=self.station.now)
        decision = decision_of(self.chosen)
        if self._was_ours(record, desked, decision):
            self._went_on(investigator, record, desked, decision)
            return
        before = investigator.standing(desked.thread)
        if before is None or self._is_stale(before):
            self._told(desked, STALE)
            return
        try:
            with Held(self.station, self.lease):
                outcome = investigator.answer(desked.thread, decision)
        except BusyError:
            self._later()
        except (NotWaitingError, UnknownProposalError):
            self._told(desked, _first(desked))
        else:
            self._decided(desked, before, outcome, decision)

    def _is_stale(self, outcome: Outcome) -> bool:
        """Whether they answered a card that shows something else by now."""
        shown = weighing_id(weighing_bytes(outcome.weighing))
        return self.chosen.weighing not in ("", shown)

    def _went_on(
        self, investigator: Investigator, record: Record, desked: Desked, decision: Decision
    ) -> None:
        """Finish what a worker that died had begun: the answer is on record already."""
        incident = record.incident(desked.thread)
        assert incident is not None
        try:
            with Held(self.station, self.lease):
                outcome = investigator.investigate(incident, desked.thread)
        except BusyError:
            self._later()
        else:
            self._decided(desked, None, outcome, decision)

    def _desked(self) -> Desked | None:
        """The incident, where it waits for this answer; otherwise they are told why not."""
        with self.station.desk.begin() as within:
            within.jobs.held(self.lease)
            desked = within.incidents.get(self.chosen.incident)
            if desked is None:
                within.jobs.done(self.lease)
                return None
            why = self._refused(desked)
            if why:
                self._respond(within, desked, why)
                within.jobs.done(self.lease)
                return None
        return desked

    def _refused(self, desked: Desked) -> str:
        if desked.state is IncidentState.CLOSED:
            return _first(desked)
        if desked.state is not IncidentState.AWAITING_CONFIRMATION:
            return f"{desked.id} is {standing(desked.state)}: nothing was kept of your answer."
        return ""

    def _was_ours(self, record: Record, desked: Desked, decision: Decision) -> bool:
        """Whether this very answer is on record: its worker died before it could say so."""
        labels = record.labels(desked.thread)
        if self.lease.job.attempts < 2 or not labels:
            return False
        last = labels[-1]
        try:
            said = label(decision, last.weighing, record.get_weighing(desked.thread, last.weighing))
        except UnknownProposalError:
            return False
        return said == last and self.chosen.weighing in ("", last.weighing)

    def _decided(self, before: Desked, shown: Outcome | None, outcome: Outcome, decision: Decision) -> None:
        """Write down who said what, and have the card show it."""
        station, now, by = self.station, self.station.now(), self.chosen.back.user
        said = Said.of(decision, of_outcome(shown or outcome), by, self.delivery.received_at)
        closed = outcome.status == "closed"
        earlier = tuple(Said.model_validate(each) for each in before.answers)
        found = CardView.found(before, outcome, (*earlier, said), station.url)
        messages = [] if closed else drawing.beside(station.voice, found)
        with station.desk.begin() as within:
            within.jobs.held(self.lease)
            desked = within.incidents.get(before.id) or before
            answers = (*desked.answers, said.model_dump(mode="json"))
            state = IncidentState.CLOSED if closed else desked.state
            desked = desked.model_copy(update={"answers": answers, "state": state})
            within.incidents.put(desked)
            self._wrote(within, said)
            station.outcomes.put(desked, outcome)
            whole = tuple(Said.model_validate(each) for each in answers)
            drawing.draw(
                within, station.voice, found.model_copy(update={"incident": desked, "answers": whole}), now
            )
            for message in messages:
                within.outbox.put(message, now)
            if not closed:
                within.jobs.put(JobKind.CHART, desked.id, now)
            within.jobs.done(self.lease)

    def _wrote(self, within: Transaction, said: Said) -> None:
        body: dict[str, JsonValue] = {
            "delivery": self.delivery.key,
            "decision": said.decision,
            "by": said.by,
            "proposal": said.proposal,
            "weighing": self.chosen.weighing,
            "unread": list(self.chosen.unread),
        }
        within.audit.append(AuditKind.DECISION, self.chosen.incident, body, self.station.now())

    def _later(self) -> None:
        """Somebody else works on it at this moment."""
        if self.lease.job.attempts >= _ENOUGH:
            with self.station.desk.begin() as within:
                self._respond(within, None, "It is still being worked on: answer again in a minute.")
                within.jobs.done(self.lease)
            return
        with self.station.desk.begin() as within:
            within.jobs.again(self.lease, self.station.now() + _BUSY, "another process is working on it")

    def _told(self, desked: Desked, text: str) -> None:
        with self.station.desk.begin() as within:
            within.jobs.held(self.lease)
            self._respond(within, desked, text)
            within.jobs.done(self.lease)

    def _respond(self, within: Transaction, desked: Desked | None, text: str) -> None:
        incident = desked.id if desked is not None else self.chosen.incident
        # The only mention is of who answered before: every other one is taken out.
        first = [str(each["by"]) for each in desked.answers] if desked is not None else []
        payload = self.chosen.back.payload(text) | {"mentions": list(dict.fromkeys(first))}
        respond(within, f"answer:{self.delivery.key}", incident, payload, self.station.now())


def _first(desked: Desked) -> str:
    """What somebody is told who comes second."""
    if not desked.answers:
        return STALE
    first = Said.model_validate(desked.answers[-1])
    what = first.decision.replace("_", " ")
    return f"<@{first.by}> answered first ({what}), at {first.at:%H:%M} UTC. {STALE}"


def _shown(station: Station, lease: Lease, delivery: Delivery, asked: Asked) -> None:
    """Show one person how an incident stands."""
    now = station.now()
    with station.desk.begin() as within:
        desked = meant(within, asked)
    view = station.view(desked) if desked is not None else None
    with station.desk.begin() as within:
        within.jobs.held(lease)
        if view is not None:
            shown = asked.back.payload(material(view)) | {"mentions": [each.by for each in view.answers]}
            if asked.do == "show":
                shown = asked.back.payload("") | drawing.shown(view)
            respond(within, f"answer:{delivery.key}", view.incident.id, shown, now)
        within.jobs.done(lease)
