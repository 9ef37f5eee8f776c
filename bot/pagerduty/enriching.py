"""An incident of the desk with what PagerDuty knows beyond its webhook."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from bot.desk import Desked
from bot.pagerduty.details import IncidentDetails, PagerDutyDetails
from connectors.contract import Unavailable

log = logging.getLogger(__name__)


class Enriching:
    """Asks PagerDuty about incidents that are its own; without an answer they stay as they are.

    `known` says whether a service of that name is known here.
    """

    def __init__(self, details: PagerDutyDetails, known: Callable[[str], bool]) -> None:
        self._details = details
        self._known = known

    def __call__(self, incident: Desked) -> Desked:
        """The incident, with what its alerts say."""
        ref = incident.refs.get("pagerduty")
        if not ref:
            return incident
        found = self._details.details(ref)
        if isinstance(found, Unavailable):
            log.warning("%s is investigated without its alerts: %s", incident.id, found.reason)
            return incident
        return enriched(incident, found, self._known)


def enriched(incident: Desked, details: IncidentDetails, known: Callable[[str], bool]) -> Desked:
    """The incident with the labels of its first alert, and with their service where its own is a stranger."""
    update: dict[str, object] = {}
    if not (incident.service and known(incident.service)):
        named = next((each for each in details.services if known(each)), None)
        if named is not None:
            update["service"] = named
    labels = next((alert.labels for alert in details.alerts if alert.labels), {})
    if labels and incident.alert is not None:
        update["alert"] = _labelled(incident.alert, labels)
    return incident.model_copy(update=update)


def _labelled(alert: str, labels: dict[str, str]) -> str:
    """The webhook with the labels where PagerDuty itself writes them; what it says already stands."""
    body = json.loads(alert)
    data = body.get("event", {}).get("data")
    if not isinstance(data, dict):
        return alert
    said = data.get("body")
    own = said.get("details") if isinstance(said, dict) else None
    data["body"] = {"details": {**labels, **(own if isinstance(own, dict) else {})}}
    return json.dumps(body)
