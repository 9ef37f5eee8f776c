"""The incident desk: what the serving processes keep and share, and how they change it.

What came in, which incidents are open, what is to be done, what is to be sent, and the record of it all.
Every change is made inside one `Desk.begin()`: it happens wholly or, when the process dies, not at all.
`bot.store` keeps it in SQLite or PostgreSQL; `now` is an argument everywhere, and instants are aware.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import Field, JsonValue

from connectors.contract import Frozen, Instant

Body = dict[str, JsonValue]


class LostLeaseError(Exception):
    """Another worker holds the job now; whatever this one was about to write must not be written."""


class DeliveryKind(StrEnum):
    """Where something came in from."""

    PAGERDUTY = "pagerduty"
    ALERTMANAGER = "alertmanager"
    INCIDENT = "incident"
    SLACK_COMMAND = "slack_command"
    SLACK_MENTION = "slack_mention"
    SLACK_SHORTCUT = "slack_shortcut"
    SLACK_ACTION = "slack_action"
    SLACK_VIEW = "slack_view"


class Delivery(Frozen):
    """Something that came in, kept before it is answered.

    `key` names it for ever: a second delivery of the same key is the same one ("pagerduty:WEBHOOK-ID",
    "slack:TRIGGER-ID"). `body` is what was said, checked and redacted; secrets never get here.
    """

    key: str
    kind: DeliveryKind
    received_at: Instant
    body: Body


class JobKind(StrEnum):
    """What a worker does."""

    HANDLE = "handle"  # one delivery (subject: its key)
    INVESTIGATE = "investigate"  # one incident (subject: its id)
    DECIDE = "decide"  # one person's answer to an incident (subject: the delivery's key)
    SHOW = "show"  # one incident's card, drawn again (subject: its id)
    CHART = "chart"  # the chart of what was found in one incident (subject: its id)


class Job(Frozen):
    """Work that is to be done at least once; doing it again must do no harm.

    There is at most one waiting job of a kind for a subject. `group` (the service) is what concurrency is
    limited by. `attempts`: how often it was begun, this time included; what it fails at is tried again for
    as long as a worker says so.
    """

    id: int
    kind: JobKind
    subject: str
    group: str = ""
    attempts: int = 0
    not_before: Instant


class Lease(Frozen):
    """The right to do a job until `until`.

    `token` grows with every lease of a job: who holds a lower one lost it.
    """

    job: Job
    worker: str
    token: int
    until: Instant


class IncidentState(StrEnum):
    """How an incident stands."""

    OPEN = "open"  # waits for its investigation
    INVESTIGATING = "investigating"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    CLOSED = "closed"  # a person decided
    CANCELLED = "cancelled"


LIVE = (IncidentState.OPEN, IncidentState.INVESTIGATING, IncidentState.AWAITING_CONFIRMATION)
"""States in which an alert may still join."""


class Desked(Frozen):
    """An incident as the desk knows it; what was found out about it is in the record, under `thread`.

    `id` is short enough to be typed ("INC-42"). `alert` is the trigger as received, redacted, that the
    investigation begins from; `joined` counts the alerts that were folded into it. `refs` names it elsewhere:
    {"pagerduty": id, "alertmanager": groupKey}. `resolved_at`: the pager says that it is over, which is a
    signal, never a confirmation. `place` is where its card is: {"channel": …, "ts": …, "thread_ts": …}.
    `asked_by`: the Slack user who asked, empty for a pager. `rounds` counts the investigations that were
    begun for it, `begun` how often the latest was begun or taken over without coming to an end; `again`: one
    more is due. `note` is what its card says besides, a line each: why alerts were folded, who took it over.
    `failed`: why there is no result, and how to begin again. `answers` is what people said, each a
    `bot.cardview.Said` as JSON, the oldest first.
    """

    id: str
    state: IncidentState = IncidentState.OPEN
    service: str
    title: str
    text: str = ""
    started_at: Instant
    opened_at: Instant
    last_alert_at: Instant
    resolved_at: Instant | None = None
    since_seconds: float | None = None
    alert: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    services: tuple[str, ...] = ()
    joined: int = 1
    refs: dict[str, str] = Field(default_factory=dict)
    thread: str = ""
    place: dict[str, str] = Field(default_factory=dict)
    asked_by: str = ""
    priority: str = ""
    rounds: int = 0
    begun: int = 0
    again: bool = False
    note: str = ""
    failed: str = ""
    answers: tuple[Body, ...] = ()


class Message(Frozen):
    """A side effect that is to happen once. `key` is its idempotency key.

    `operation` names the sender and what it does ("slack.post", "slack.update", "slack.upload",
    "slack.respond", "slack.ephemeral", "pagerduty.note"). `after` is the key of a message whose result this
    one needs: it waits for it. A `latest` message may be put again under its key and replaces what was put
    before: only the newest state of a card is worth sending; what changed while it was sent is sent again.
    """

    key: str
    incident: str
    operation: str
    payload: Body
    after: str | None = None
    latest: bool = False


class Outgoing(Frozen):
    """A message under lease, to be sent now.

    `known`: the result of the message it comes `after`. `attempts`: this one included. `first_tried_at`: None
    at the first; later it may have been sent already.
    """

    message: Message
    token: int
    version: int
    attempts: int
    first_tried_at: Instant | None = None
    known: Body = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """It happened; `result` is what later messages need ("ts", "channel")."""

    result: Body = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Later:
    """It did not happen, or nobody can say; try again in `seconds`."""

    why: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Never:
    """It was refused for good: sending it again cannot help."""

    why: str


class Sender(Protocol):
    """Carries out messages of some operations, for one thread at a time. Expected failures are values."""

    def operations(self) -> Sequence[str]:
        """The operations it carries out."""

    def send(self, outgoing: Outgoing) -> Sent | Later | Never:
        """Carry it out. After a crash it may be called again for what happened already: it must notice."""


class AuditKind(StrEnum):
    """What the record holds."""

    DELIVERY = "delivery"
    INCIDENT = "incident"
    QUESTION = "question"  # asked, with its query and its answer's hash
    WEIGHING = "weighing"
    MESSAGE = "message"
    CLICK = "click"
    DECISION = "decision"
    ERASED = "erased"


class Inbox(Protocol):
    """What came in."""

    def keep(self, delivery: Delivery) -> bool:
        """Keep it with its job and its audit entry; False where its key is known already."""

    def read(self, key: str) -> Delivery | None:
        """A delivery by its key."""


class Jobs(Protocol):
    """What is to be done."""

    def put(self, kind: JobKind, subject: str, now: datetime, group: str = "") -> bool:
        """Have it done; False where the same job waits already. A running one is done again afterwards."""

    def done(self, lease: Lease) -> None:
        """It is done.

        Raises:
            LostLeaseError: another worker took it over.
        """

    def again(self, lease: Lease, at: datetime, why: str) -> None:
        """It could not be done; try again then.

        Raises:
            LostLeaseError: another worker took it over.
        """

    def held(self, lease: Lease) -> None:
        """Nothing, while the lease is this worker's: called in the transaction that writes what the job did.

        Raises:
            LostLeaseError: another worker took it over.
        """


class Incidents(Protocol):
    """The incidents of the desk."""

    def open(self, incident: Desked) -> Desked:
        """Open an incident; an empty id is given the next number ("INC-42"), an empty thread the id."""

    def get(self, incident: str) -> Desked | None:
        """An incident by its id, in any case of letters.

        Nobody else changes it before the transaction ends.
        """

    def by_ref(self, system: str, ref: str) -> Desked | None:
        """The newest incident that is called so elsewhere."""

    def live(self, since: datetime) -> Sequence[Desked]:
        """Incidents in a live state whose last alert is not older, the newest first.

        Others who ask so wait until this transaction ends: two alerts never open two incidents of one
        trouble.
        """

    def recent(self, limit: int) -> Sequence[Desked]:
        """The newest incidents of any state."""

    def put(self, incident: Desked) -> None:
        """Write it as it stands now.

        Raises:
            KeyError: it was never opened.
        """


class Outbox(Protocol):
    """What is to be sent."""

    def put(self, message: Message, now: datetime) -> bool:
        """Have it sent; False where its key was put before (and it is not `latest`, or says nothing new)."""

    def result(self, key: str) -> Body | None:
        """What sending it gave; None while it has not been sent."""


class Audit(Protocol):
    """The append-only record."""

    def append(self, kind: AuditKind, incident: str, body: Mapping[str, JsonValue], now: datetime) -> None:
        """Add an entry to the chain. `body` is redacted and small: hashes stand for what is large."""


class Transaction(Protocol):
    """The desk, inside one transaction."""

    @property
    def inbox(self) -> Inbox:
        """What came in."""

    @property
    def jobs(self) -> Jobs:
        """What is to be done."""

    @property
    def incidents(self) -> Incidents:
        """The incidents."""

    @property
    def outbox(self) -> Outbox:
        """What is to be sent."""

    @property
    def audit(self) -> Audit:
        """The record."""


class Desk(Protocol):
    """Where it is all kept. Safe to use from several threads and processes.

    Raises OSError where the store cannot be read or written (a full disk, a database that is away): nothing
    was changed then, and it may be tried again.
    """

    def begin(self) -> AbstractContextManager[Transaction]:
        """One transaction: what is done inside happens wholly or not at all."""

    def claim(
        self,
        worker: str,
        now: datetime,
        seconds: float,
        per_group: int = 1,
        kinds: Sequence[JobKind] = tuple(JobKind),
    ) -> Lease | None:
        """The next job of these kinds that may be done, under a lease of `seconds`.

        Jobs whose lease ran out are taken over. A group with `per_group` running jobs waits; an empty group
        is not limited. What is quick (anything but INVESTIGATE) comes first.
        """

    def renew(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        """Hold the job for longer.

        Raises:
            LostLeaseError: another worker took it over.
        """

    def outgoing(self, operations: Sequence[str], now: datetime, seconds: float) -> Outgoing | None:
        """The next message that is due, under a lease of `seconds`."""

    def settle(self, outgoing: Outgoing, outcome: Sent | Later | Never, now: datetime) -> None:
        """Write down how sending went; where the lease was lost, only the audit keeps it."""

    def counts(self, now: datetime) -> Mapping[str, float]:
        """What `/metrics` says of the store.

        `jobs_STATE` (waiting, running), `messages_STATE` (waiting, sent, dead), `incidents_STATE`: how many;
        `jobs_oldest_seconds`, `messages_oldest_seconds`: how long the oldest unfinished one has been there;
        `audit_entries`.
        """

    def take_over(self) -> None:
        """End every lease at once: whoever calls this knows that no other process works here."""

    def erase(self, before: datetime, why: str, now: datetime) -> int:
        """Erase what was read and said before then; the audit says so, and its chain of hashes holds.

        Returns how many of the audit's bodies went; doing it again erases nothing more.
        """

    def usable(self) -> bool:
        """Whether something could be written now."""
