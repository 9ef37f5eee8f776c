"""The forms in which a change may be told: CloudEvents (CDEvents), PagerDuty change events, our own. Pure.

A body that is of none of them, or lacks what a change must have, is a `BadChangeError` with one clear line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import cast, get_args
from urllib.parse import unquote

from connectors.answers import Change, ChangeKind
from connectors.errors import ConnectorError
from connectors.json_shapes import instant_of, items, mapping, text
from connectors.redaction import redacted
from connectors.revisions import revision_in_image, revision_in_tag

KINDS: tuple[str, ...] = get_args(ChangeKind)
_MOST_TEXT = 500
_SERVICE_FIELDS = ("service", "service_name", "app", "application", "component", "workload", "deployment")
_WORDS: tuple[tuple[ChangeKind, str], ...] = (
    ("flag", r"feature.?flags?|flags?|toggles?|experiment|ld-flag|rollout percentage"),
    ("migration", r"migrat\w+|schema|ddl|alembic|flyway|liquibase"),
    ("scale", r"scal(?:e|ed|ing)|replicas?|autoscal\w+"),
    ("infrastructure", r"terraform|infrastructure|node.?pool|network|dns|firewall|cluster"),
    ("config", r"config\w*|settings?|secret|environment variable|parameter"),
    ("deploy", r"deploy\w*|releas\w+|roll(?:ed)?.?(?:out|back)|upgrad\w+|build|merged?|ship\w*"),
)
_KIND_WORDS = tuple((kind, re.compile(rf"\b(?:{words})\b", re.IGNORECASE)) for kind, words in _WORDS)
_CDEVENT = re.compile(r"dev\.cdevents\.(\w{1,40})\.(\w{1,40})\.\d+\.\d+\.\d+[\w.-]{0,20}")
_CD_KINDS: dict[str, ChangeKind] = {
    "service": "deploy",
    "environment": "infrastructure",
    "change": "other",
    "artifact": "other",
}
_CD_SHOWN = {
    "service": frozenset({"deployed", "upgraded", "rolledback", "removed", "published"}),
    "environment": frozenset({"created", "modified", "deleted"}),
    "change": frozenset({"merged"}),
}


class BadChangeError(ConnectorError):
    """A body that tells no change; the message says in one line what is missing."""


def kind_of(said: str, summary: str = "") -> ChangeKind:
    """The kind a teller named, else the one its words speak of."""
    if said in KINDS:
        return cast("ChangeKind", said)
    for words in (said, summary):
        for kind, pattern in _KIND_WORDS:
            if words and pattern.search(words[:_MOST_TEXT]):
                return kind
    return "other"


def service_of(fields: Mapping[str, object]) -> str | None:
    """The service that fields name, whichever of the usual names they use."""
    return next((named for name in _SERVICE_FIELDS if (named := text(fields, name).strip())), None)


def read_change(body: object, headers: Mapping[str, str], now: datetime) -> Change | None:
    """The change a body tells; None where it is an event that changes nothing that runs (a test's end, say).

    Args:
        body: the JSON body.
        headers: the request's headers, lower case: a CloudEvent's attributes may be there (binary mode).
        now: the moment of receipt: a change that tells no time, or a later one, is taken to be of now.

    Raises:
        BadChangeError: the body is of no form known here.
    """
    fields = mapping(body)
    if not fields:
        raise BadChangeError("the body must be a JSON object that tells one change")
    attributes = _cloud_event(fields, headers)
    if attributes is not None:
        return _of_cloud_event(attributes, now)
    if "payload" in fields and isinstance(fields["payload"], dict):
        return _of_pagerduty(fields, now)
    if mapping(fields.get("context")).get("type") is not None:  # a CDEvent without its envelope
        return _of_cd_event(fields, {}, now)
    return _of_own_form(fields, now)


# --- our own form -----------------------------------------------------------------------------------
def _of_own_form(fields: Mapping[str, object], now: datetime) -> Change:
    """The line of changes.jsonl that CASE.md describes: id, at, kind, service, summary, version, commit."""
    unknown = sorted(
        set(fields) - {"id", "at", "kind", "service", "summary", "version", "commit", "pods", "link"}
    )
    if unknown:
        raise BadChangeError(
            f"unknown field {unknown[0][:60]!r}: a change has id, at, kind, service, summary, version,"
            " commit, pods and link; CloudEvents and PagerDuty change events are understood too"
        )
    summary = text(fields, "summary")
    if not summary and not text(fields, "service"):
        raise BadChangeError("a change needs at least a summary or a service")
    said = text(fields, "kind")
    if said and said not in KINDS:
        raise BadChangeError(f"kind is {said[:60]!r}: it must be one of {', '.join(KINDS)}")
    if "at" in fields and instant_of(fields["at"]) is None:
        raise BadChangeError("at must be a time in ISO 8601, such as 2026-06-18T15:06:00Z")
    return _change(
        fields,
        now,
        at=instant_of(fields.get("at")),
        kind=kind_of(said, summary),
        summary=summary,
        service=text(fields, "service") or None,
        pods=tuple(str(pod) for pod in items(fields.get("pods"))[:200]),
    )


# --- PagerDuty's change-event form (Events API v2, /v2/change/enqueue) --------------------------------
def _of_pagerduty(fields: Mapping[str, object], now: datetime) -> Change:
    payload = mapping(fields["payload"])
    summary = text(payload, "summary")
    if not summary:
        raise BadChangeError("payload.summary is missing: PagerDuty's change event needs one")
    details = mapping(payload.get("custom_details"))
    links = [mapping(each) for each in items(fields.get("links"))]
    told = dict(details) | {"link": next((href for each in links if (href := text(each, "href"))), "")}
    return _change(
        told,
        now,
        at=instant_of(payload.get("timestamp")),
        kind=kind_of(text(details, "kind") or text(details, "type"), summary),
        summary=summary,
        service=service_of(details),
    )


# --- CloudEvents 1.0, CDEvents among them ---------------------------------------------------------------
def _cloud_event(fields: Mapping[str, object], headers: Mapping[str, str]) -> Mapping[str, object] | None:
    """A CloudEvent's attributes with its data, from structured or binary mode; None where it is none."""
    if "ce-specversion" in headers:
        attributes: dict[str, object] = {
            name.removeprefix("ce-"): unquote(value)
            for name, value in headers.items()
            if name.startswith("ce-")
        }
        return attributes | {"data": fields}
    return fields if "specversion" in fields and "type" in fields else None


def _of_cloud_event(event: Mapping[str, object], now: datetime) -> Change | None:
    for name in ("id", "source", "type"):
        if not text(event, name):
            raise BadChangeError(f"the CloudEvent has no {name}, which CloudEvents 1.0 requires")
    data = mapping(event.get("data"))
    if _CDEVENT.fullmatch(text(event, "type")):
        return _of_cd_event(data, event, now)
    inner = dict(data) | {"id": f"{text(event, 'source')}#{text(event, 'id')}"}
    summary = (
        text(data, "summary") or text(data, "message") or f"{text(event, 'type')} {text(event, 'subject')}"
    )
    said = text(data, "kind")
    return _change(
        inner,
        now,
        at=instant_of(event.get("time")) or instant_of(data.get("at")),
        kind=kind_of(said if said in KINDS else text(event, "type").replace(".", " "), summary),
        summary=summary.strip(),
        service=service_of(data) or text(event, "subject").rpartition("/")[2] or None,
    )


def _of_cd_event(data: Mapping[str, object], envelope: Mapping[str, object], now: datetime) -> Change | None:
    """https://cdevents.dev/docs: context {id, source, type, timestamp}, subject {id, content}, customData."""
    context, subject = mapping(data.get("context")), mapping(data.get("subject"))
    named = _CDEVENT.fullmatch(text(context, "type") or text(envelope, "type"))
    if named is None:
        raise BadChangeError(
            "context.type is of no CDEvent: dev.cdevents.SUBJECT.PREDICATE.VERSION is expected"
        )
    what, happened = named.groups()
    if happened not in _CD_SHOWN.get(what, ()):
        return None
    content, own = mapping(subject.get("content")), mapping(data.get("customData"))
    artifact = unquote(text(content, "artifactId"))
    where = text(mapping(content.get("environment")), "id")
    service = text(subject, "id").rpartition("/")[2]
    return _change(
        dict(own) | {"id": f"{text(context, 'source')}#{text(context, 'id') or text(envelope, 'id')}"},
        now,
        at=instant_of(context.get("timestamp")) or instant_of(envelope.get("time")),
        kind=_CD_KINDS[what],
        summary=text(own, "summary") or f"{what} {service} {happened}" + (f" in {where}" if where else ""),
        service=service if what == "service" else service_of(own),
        version=_clean(_version_of(artifact) or "", 128) or None,
    )


def _version_of(artifact: str) -> str | None:
    """The version of a package URL (pkg:oci/app@sha256:…?tag=v1.2) or of an image's name."""
    if not artifact:
        return None
    tag = re.search(r"[?&]tag=([\w.+-]{1,128})", artifact)
    if tag is not None:
        return tag.group(1)
    version = artifact.partition("?")[0].rpartition("@")[2] if "@" in artifact else ""
    return revision_in_tag(version) or revision_in_image(artifact)


# --- what every form comes to ---------------------------------------------------------------------------
def _change(  # noqa: PLR0913 - one argument a field that the forms name differently
    told: Mapping[str, object],
    now: datetime,
    *,
    at: datetime | None,
    kind: ChangeKind,
    summary: str,
    service: str | None,
    pods: tuple[str, ...] = (),
    version: str | None = None,
) -> Change:
    commit = _clean(text(told, "commit") or text(told, "sha") or text(told, "revision"), 64)
    when = min(at or now, now)
    link = _clean(text(told, "link"), 2_000)
    known = version or _clean(text(told, "version"), 128) or None
    said = _clean(summary, _MOST_TEXT)
    whose = _clean(service or "", 253) or None
    return Change(
        id=_named(text(told, "id")) or _derived(whose, when, said, commit or known or ""),
        at=when,
        kind=kind,
        service=whose,
        summary=said,
        version=known,
        commit=commit or (revision_in_tag(known) if known else None),
        pods=tuple(_clean(pod, 253) for pod in pods),
        link=link if link.startswith(("https://", "http://")) else None,
    )


def _clean(said: str, most: int) -> str:
    """A text that can be kept: without secrets, and without the halves of characters that JSON may hold."""
    return redacted(said.encode("utf-8", "replace").decode())[:most]


def _named(given: str) -> str:
    """The id as it was given; one that holds a secret is told by its hash, so that two of them stay two."""
    clean = _clean(given, 300)
    if clean == given:
        return given
    return "told:" + hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:16]


def _derived(service: str | None, at: datetime, summary: str, revision: str) -> str:
    """An id that the same telling gets again: a sender that retries tells one change."""
    said = "\n".join((service or "", f"{at:%FT%TZ}", summary, revision))
    return "told:" + hashlib.sha256(said.encode()).hexdigest()[:16]
