"""What `firstcause doctor` says of a cluster: reachable, fresh, its clock, and each right with its rule."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from connectors.contract import Reading, Window
from connectors.governor import SourceFailedError
from connectors.kubernetes_api.resources import (
    CHANGES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SNAPSHOT,
    Grant,
    listing,
)
from connectors.kubernetes_json import Object, mapping, text
from connectors.live import Check
from connectors.questions import ClusterSnapshot

if TYPE_CHECKING:
    from connectors.kubernetes_api.connector import KubernetesConnector

_MINUTES = timedelta(minutes=15)
_SKEW_SECONDS = 5.0
_NEEDED = frozenset({PODS.plural, REPLICA_SETS.plural})
_BOUNDARY = "docs/sources/kubernetes-rbac.yaml"
_TOO_MUCH = (
    Grant("delete", "", "pods"),
    Grant("create", "", "pods/exec"),
    Grant("patch", "apps", "deployments"),
)


def check(connector: KubernetesConnector, *, now: datetime) -> Sequence[Check]:
    """Everything worth knowing before an incident; what cannot be reached is not asked further."""
    reachable = _reachable(connector)
    if reachable.state == "failed":
        return (reachable,)
    return (
        reachable,
        *_clock(connector, now),
        *_rights(connector),
        *_excess(connector),
        _real(connector, now),
    )


def _reachable(connector: KubernetesConnector) -> Check:
    began = time.monotonic()
    try:
        version = connector.api.get("/version").json()
    except SourceFailedError as failure:
        seconds = time.monotonic() - began
        fix = "kubectl --kubeconfig FILE --context NAME version must work from this machine"
        return Check("reachable", "failed", failure.reason, fix, seconds)
    seconds = time.monotonic() - began
    return Check("reachable", "ok", f"Kubernetes {text(version, 'gitVersion')[:40]}", "", seconds)


def _clock(connector: KubernetesConnector, now: datetime) -> Iterator[Check]:
    clock = connector.api.clock
    if clock is None:
        yield Check("clock", "warning", "the API server does not tell the time")
        return
    skew = (clock - now).total_seconds()
    if abs(skew) <= _SKEW_SECONDS:
        yield Check("clock", "ok", f"{skew:+.0f} s against ours")
    else:
        fix = "synchronise both clocks (NTP): what happened first is told by them"
        yield Check("clock", "warning", f"{skew:+.0f} s against ours", fix)


def _wanted(connector: KubernetesConnector) -> list[Grant]:
    options = connector.options
    secrets = (SECRETS,) if options.helm != "off" else ()
    resources = dict.fromkeys((*SNAPSHOT, *CHANGES, *connector.installed()[0], *secrets))
    wanted = [listing(resource, namespace) for resource in resources for namespace in connector.scope()]
    for namespace in connector.scope():
        wanted += [Grant("get", "", "pods/log", namespace)] if options.logs else []
        wanted += [Grant("get", "", "secrets", namespace)] if options.helm == "values" else []
    return list(dict.fromkeys(wanted))


def _rights(connector: KubernetesConnector) -> Iterator[Check]:
    """How many of the rights are there, as the API server itself says, and each that is not."""
    wanted = _wanted(connector)
    with ThreadPoolExecutor(connector.api.limits.concurrent, thread_name_prefix="rights") as pool:
        replies = list(pool.map(lambda grant: _allowed(connector, grant), wanted))
    given = sum(allowed is True for allowed, _ in replies)
    spent = sum(seconds for _, seconds in replies)
    yield Check("rights", "ok" if given else "failed", f"{given} of {len(wanted)} granted", "", spent)
    for grant, (allowed, seconds) in zip(wanted, replies, strict=True):
        if isinstance(allowed, SourceFailedError):
            yield Check(f"may {grant.what}", "warning", allowed.reason, "", seconds)
        elif not allowed:
            needed: Literal["failed", "warning"] = "failed" if grant.resource in _NEEDED else "warning"
            fix = f"add to the {_role(grant)}: {grant.rule} ({_BOUNDARY})"
            yield Check(f"may {grant.what}", needed, "not allowed", fix, seconds)


def _role(grant: Grant) -> str:
    return f"Role in namespace {grant.namespace}" if grant.namespace else "ClusterRole"


def _excess(connector: KubernetesConnector) -> Iterator[Check]:
    """Rights that are not needed and would do harm in other hands."""
    namespace = connector.scope()[0]
    surplus = [Grant(each.verb, each.group, each.resource, namespace) for each in _TOO_MUCH]
    if connector.options.helm == "off":
        surplus.append(Grant("list", "", SECRETS.plural, namespace))
    held = [grant for grant in surplus if _allowed(connector, grant)[0] is True]
    for grant in held:
        fix = f"take it away: {grant.rule} is not needed ({_BOUNDARY} is enough)"
        yield Check("least privilege", "warning", f"may {grant.what}", fix)
    if not held:
        yield Check("least privilege", "ok", "may neither change anything nor read secrets it does not need")


def _allowed(connector: KubernetesConnector, grant: Grant) -> tuple[bool | SourceFailedError, float]:
    """A SelfSubjectAccessReview: a POST that changes nothing."""
    resource, _, subresource = grant.resource.partition("/")
    about: Object = {"verb": grant.verb, "group": grant.group, "resource": resource}
    about |= {"subresource": subresource} if subresource else {}
    about |= {"namespace": grant.namespace} if grant.namespace else {}
    began = time.monotonic()
    body: Object = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": about},
    }
    try:
        reply = connector.api.review("selfsubjectaccessreviews", body)
    except SourceFailedError as failure:
        return failure, time.monotonic() - began
    return mapping(reply, "status").get("allowed") is True, time.monotonic() - began


def _real(connector: KubernetesConnector, now: datetime) -> Check:
    """One real question."""
    began = time.monotonic()
    reply = connector.ask(ClusterSnapshot(window=Window(start=now - _MINUTES, end=now)), now=now)
    seconds = time.monotonic() - began
    if not isinstance(reply, Reading):
        return Check("snapshot", "failed", getattr(reply, "reason", "no answer"), "", seconds)
    pods, events = getattr(reply.answer, "pods", ()), getattr(reply.answer, "events", ())
    partly = [note for note in reply.notes if note.startswith("partly:")]
    found = f"{len(pods)} pods, {len(events)} events in 15 min" + (
        f"; {len(partly)} parts missing" if partly else ""
    )
    return Check("snapshot", "warning" if partly or not pods else "ok", found, "", seconds)
