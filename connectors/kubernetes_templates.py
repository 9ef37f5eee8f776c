"""Pod templates: what a container is given, and what differs between two of them. Pure.

No secret leaves: values that look like one are replaced before anything else sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from connectors.kubernetes_json import Object, listed, mapping, text, texts
from connectors.redaction import redacted

_SECRET = re.compile(
    r"secret|token|passw|passphrase|pwd|credential|private|cookie|dsn|salt|api_?key|(?:^|_)key(?:$|_id$)",
    re.IGNORECASE,
)
# Bounded and anchored, so that no value makes it quadratic.
_USERINFO = re.compile(
    r"(?P<scheme>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,200}):[^\s@]{1,500}@", re.IGNORECASE
)
_LONGEST_VALUE = 4_096
_SHOWN = 80
_MOST_DIFFERENCES = 40
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
RESTARTED = "kubectl.kubernetes.io/restartedAt"
REDACTED = "(redacted)"


def environment(container: Object) -> tuple[tuple[str, str], ...]:
    """Names and plain values of a container's environment; what looks like a secret is not passed on."""
    return tuple((text(item, "name"), _value(item)) for item in listed(container, "env"))


def plain(name: str, value: str) -> str:
    """The value of a setting as it may be shown: a secret is not passed on."""
    if value and _SECRET.search(name):
        return REDACTED
    value = value[:_LONGEST_VALUE]
    return _USERINFO.sub(rf"\g<scheme>:{REDACTED}@", value) if "://" in value else value


def shown(name: str, value: str) -> str:
    """The value as it may stand in a line of text: short, and without personal data."""
    value = redacted(plain(name, value)).replace("\n", "⏎")
    return value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"


def differences(before: Object, after: Object) -> tuple[str, ...]:
    """What changed from one pod template to the next, a line for each setting."""
    old, new = dict(_settings(before)), dict(_settings(after))
    changed = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    lines = [_line(name, old.get(name), new.get(name)) for name in changed]
    if len(lines) > _MOST_DIFFERENCES:
        lines = [*lines[:_MOST_DIFFERENCES], f"and {len(lines) - _MOST_DIFFERENCES} more"]
    return tuple(lines)


def configuration_references(template: Object) -> frozenset[str]:
    """The ConfigMaps that a pod template takes its settings or files from."""
    spec = mapping(template, "spec")
    found = {text(mapping(volume, "configMap"), "name") for volume in listed(spec, "volumes")}
    for volume in listed(spec, "volumes"):
        projected = listed(mapping(volume, "projected"), "sources")
        found |= {text(mapping(source, "configMap"), "name") for source in projected}
    for container in (*listed(spec, "containers"), *listed(spec, "initContainers")):
        found |= {text(mapping(each, "configMapRef"), "name") for each in listed(container, "envFrom")}
        keys = (mapping(each, "valueFrom", "configMapKeyRef") for each in listed(container, "env"))
        found |= {text(key, "name") for key in keys}
    return frozenset(found - {""})


def handler(probe: Object) -> str:
    """What a probe does: "httpGet :8080/healthz", "tcpSocket :5432", "exec pg_isready"."""
    if http := mapping(probe, "httpGet"):
        return f"httpGet :{text(http, 'port')}{text(http, 'path')}"
    if tcp := mapping(probe, "tcpSocket"):
        return f"tcpSocket :{text(tcp, 'port')}"
    if grpc := mapping(probe, "grpc"):
        return f"grpc :{text(grpc, 'port')}"
    command = mapping(probe, "exec").get("command")
    return shown("", "exec " + " ".join(map(str, command))) if isinstance(command, list) else ""


def _value(item: Object) -> str:
    origin = mapping(item, "valueFrom")
    if not origin:
        return plain(text(item, "name"), text(item, "value"))
    kind, reference = next(iter(origin.items()))
    name = text(reference, "name") if isinstance(reference, dict) else ""
    return f"(from {kind} {name})" if name else f"(from {kind})"


def _settings(template: Object) -> Iterator[tuple[str, str]]:
    """Every setting of a pod template that matters to its behaviour, under a name to show."""
    spec = mapping(template, "spec")
    groups = (("", listed(spec, "containers")), ("init ", listed(spec, "initContainers")))
    alone = len(listed(spec, "containers")) == 1
    for prefix, containers in groups:
        for container in containers:
            name = text(container, "name")
            where = f"{prefix}{name} " if prefix or not alone else ""
            yield from ((where + key, value) for key, value in _of_container(container))
    for volume in listed(spec, "volumes"):
        yield f"volume {text(volume, 'name')}", _volume(volume)
    for name in ("serviceAccountName", "priorityClassName", "terminationGracePeriodSeconds", "nodeSelector"):
        if name in spec:
            yield name, str(spec[name])
    restarted = texts(mapping(template, "metadata"), "annotations").get(RESTARTED)
    if restarted:
        yield "restarted", restarted


def _of_container(container: Object) -> Iterator[tuple[str, str]]:
    yield "image", text(container, "image")
    for name in ("command", "args"):
        if isinstance(value := container.get(name), list):
            yield name, redacted(" ".join(map(str, value)))
    yield from environment(container)
    yield from _taken_over(container)
    for bound, values in mapping(container, "resources").items():
        if isinstance(values, dict):
            yield from ((f"{bound}.{resource}", str(amount)) for resource, amount in values.items())
    for kind in _PROBES:
        if probe := mapping(container, kind):
            yield kind, _probe(probe)


def _taken_over(container: Object) -> Iterator[tuple[str, str]]:
    """The ConfigMaps and Secrets that become the environment as a whole."""
    for each in listed(container, "envFrom"):
        for kind in ("configMapRef", "secretRef"):
            if name := text(mapping(each, kind), "name"):
                yield f"envFrom {kind} {name}", "set"


def _probe(probe: Object) -> str:
    return (
        f"{handler(probe)} timeout {probe.get('timeoutSeconds', 1)}s every {probe.get('periodSeconds', 10)}s"
        f" failures {probe.get('failureThreshold', 3)}"
    )


def _volume(volume: Object) -> str:
    for kind, source in volume.items():
        if kind != "name" and isinstance(source, dict):
            named: Mapping[str, object] = source
            return f"{kind} {named.get('name') or named.get('secretName') or named.get('claimName') or ''}"
    return ""


def _line(name: str, old: str | None, new: str | None) -> str:
    key = name.rsplit(" ", 1)[-1]
    if old is None:
        return f"{name} added: {shown(key, new or '')}"
    if new is None:
        return f"{name} removed (was {shown(key, old)})"
    if old == REDACTED == new:
        return f"{name} changed"
    return f"{name} {shown(key, old)} -> {shown(key, new)}"
