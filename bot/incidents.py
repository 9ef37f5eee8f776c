"""From what a case says of itself and what its alert says to the incident that is investigated. Pure."""

from __future__ import annotations

from bot import alerts
from bot.symptoms import recognise
from connectors.case import Manifest
from playbooks.model import Incident, ServiceEntry, Symptom

_UNREAD = "the alert is of no form this program knows: the case's own description is all it goes by"


def of_case(manifest: Manifest, alert: bytes | None) -> Incident:
    """The incident a recorded case holds. The manifest's service counts before the alert's.

    Raises:
        BadInputError: the alert is not JSON.
    """
    trigger = alerts.Trigger(form="none")
    if alert is not None:
        trigger = alerts.read(alert, manifest.at, manifest.service)
    symptom = trigger.symptom
    return Incident(
        id=manifest.id,
        title=manifest.title if manifest.title != manifest.id else trigger.title or manifest.title,
        at=manifest.at,
        window=manifest.window,
        service=manifest.service or trigger.service,
        symptom=recognise(manifest.title) if symptom is Symptom.UNKNOWN else symptom,
        text=trigger.text,
        metric=trigger.metric,
        started_at=trigger.started_at,
        resolved_at=trigger.resolved_at,
        labels=trigger.labels,
        services=_catalogue(manifest),
        caveats=manifest.source_notes + ((_UNREAD,) if trigger.form == "unknown" else ()),
    )


def _catalogue(manifest: Manifest) -> tuple[ServiceEntry, ...]:
    return tuple(
        ServiceEntry(
            name=name,
            namespace=entry.namespace,
            workload=entry.workload,
            database=entry.database,
            repository=entry.repository,
        )
        for name, entry in sorted(manifest.services.items())
    )
