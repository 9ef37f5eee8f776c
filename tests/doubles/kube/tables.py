"""Objects as the tables that kubectl prints: columns and cells of the server, not of kubectl."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
Column = tuple[str, str, str, int]
_NAME = ("Name", "string", "name", 0)
_AGE = ("Age", "string", "", 0)
_TEMPLATE = (("Containers", "string", "", 1), ("Images", "string", "", 1), ("Selector", "string", "", 1))


def _strings(names: str, priority: int) -> tuple[Column, ...]:
    return tuple((name, "string", "", priority) for name in names.split(","))


COLUMNS: dict[str, tuple[Column, ...]] = {
    "Deployment": (_NAME, *_strings("Ready,Up-to-date,Available,Age", 0), *_TEMPLATE),
    "ReplicaSet": (
        _NAME,
        *((name, "integer", "", 0) for name in ("Desired", "Current", "Ready")),
        _AGE,
        *_TEMPLATE,
    ),
    "Pod": (
        _NAME,
        *_strings("Ready,Status,Restarts,Age", 0),
        *_strings("IP,Node,Nominated Node,Readiness Gates", 1),
    ),
    "Event": (
        *_strings("Last Seen,Type,Reason,Object", 0),
        *_strings("Subobject,Source", 1),
        ("Message", "string", "", 0),
        *_strings("First Seen,Count", 1),
        ("Name", "string", "name", 1),
    ),
    "Node": (
        _NAME,
        *_strings("Status,Roles,Age,Version", 0),
        *_strings("Internal-IP,External-IP,OS-Image,Kernel-Version,Container-Runtime", 1),
    ),
}


def table(kind: str, items: list[Object], meta: Object, now: datetime) -> Object:
    columns = COLUMNS.get(kind, (_NAME, _AGE))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [
            {"name": name, "type": type_, "format": format_, "priority": priority}
            for name, type_, format_, priority in columns
        ],
        "rows": [
            {
                "cells": _CELLS.get(kind, _plain)(item, now),
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": item["metadata"],
                },
            }
            for item in items
        ],
    }


def ago(text: str | None, now: datetime) -> str:
    """A duration as kubectl writes it: coarser, the longer it is."""
    if not text:
        return "<unknown>"
    seconds = int((now - datetime.fromisoformat(text)).total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    steps = (
        (120, f"{seconds}s"),
        (600, f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"),
        (10_800, f"{minutes}m"),
        (28_800, f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"),
        (172_800, f"{hours}h"),
        (691_200, f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"),
    )
    return next((said for below, said in steps if seconds < below), f"{days}d")


def _age(item: Object, now: datetime) -> str:
    return ago(item["metadata"].get("creationTimestamp"), now)


def _plain(item: Object, now: datetime) -> list[Any]:
    return [item["metadata"]["name"], _age(item, now)]


def _of_template(item: Object) -> list[str]:
    containers = item["spec"]["template"]["spec"]["containers"]
    selector = item["spec"]["selector"].get("matchLabels", {})
    return [
        ",".join(each["name"] for each in containers),
        ",".join(each["image"] for each in containers),
        ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
    ]


def _deployment(item: Object, now: datetime) -> list[Any]:
    status = item.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{item['spec'].get('replicas', 1)}"
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    return [item["metadata"]["name"], ready, updated, available, _age(item, now), *_of_template(item)]


def _replica_set(item: Object, now: datetime) -> list[Any]:
    status = item.get("status", {})
    counts = [item["spec"].get("replicas", 1), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [item["metadata"]["name"], *counts, _age(item, now), *_of_template(item)]


def _pod(item: Object, now: datetime) -> list[Any]:
    status = item.get("status", {})
    states = status.get("containerStatuses", [])
    ready = sum(bool(each.get("ready")) for each in states)
    restarts = sum(each.get("restartCount", 0) for each in states)
    ends = [
        each["lastState"]["terminated"]["finishedAt"]
        for each in states
        if each.get("lastState", {}).get("terminated")
    ]
    waiting = [each["state"]["waiting"]["reason"] for each in states if each.get("state", {}).get("waiting")]
    said = f"{restarts} ({ago(max(ends), now)} ago)" if restarts and ends else str(restarts)
    node = item["spec"].get("nodeName") or "<none>"
    return [
        item["metadata"]["name"],
        f"{ready}/{len(item['spec']['containers'])}",
        waiting[0] if waiting else status.get("phase", ""),
        said,
        _age(item, now),
        status.get("podIP") or "<none>",
        node,
        "<none>",
        "<none>",
    ]


def _event(item: Object, now: datetime) -> list[Any]:
    about = item["involvedObject"]
    source = item.get("source", {})
    return [
        ago(item.get("lastTimestamp") or item.get("eventTime"), now),
        item.get("type", ""),
        item.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        ", ".join(filter(None, (source.get("component"), source.get("host")))),
        (item.get("message") or "").strip(),
        ago(item.get("firstTimestamp") or item.get("eventTime"), now),
        item.get("count", 1),
        item["metadata"]["name"],
    ]


def _node(item: Object, now: datetime) -> list[Any]:
    status = item.get("status", {})
    info = status.get("nodeInfo", {})
    ready = [each["status"] for each in status.get("conditions", []) if each["type"] == "Ready"]
    said = (
        {"True": "Ready", "False": "NotReady", "Unknown": "NotReady"}.get(ready[0], "Unknown")
        if ready
        else "Unknown"
    )
    if item.get("spec", {}).get("unschedulable"):
        said += ",SchedulingDisabled"
    addresses = {each["type"]: each["address"] for each in status.get("addresses", [])}
    return [
        item["metadata"]["name"],
        said,
        "<none>",
        _age(item, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


_CELLS = {"Deployment": _deployment, "ReplicaSet": _replica_set, "Pod": _pod, "Event": _event, "Node": _node}


def utc_now() -> datetime:
    return datetime.now(UTC)
