"""Who calls whom, as a service mesh, a tracing backend's service graph or clients' own metrics tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from connectors.answers import CallGraphEdges
from connectors.prometheus.client import Vector
from connectors.prometheus.identity import Identities
from connectors.prometheus.selection import selector

_NOBODY = frozenset({"", "unknown", "user", "PassthroughCluster", "BlackHoleCluster"})
_WHO = "service,service_name,app,job,instance,namespace,pod,container,workload,deployment"


@dataclass(frozen=True, slots=True)
class Convention:
    """A family of counters of calls, and the labels that tell the ends apart."""

    name: str
    metrics: tuple[str, ...]
    by: str
    callee: tuple[str, ...]
    caller: str | None = None


CONVENTIONS = (
    Convention(
        "istio",
        ("istio_requests_total", "istio_tcp_connections_opened_total"),
        "source_workload,source_workload_namespace,destination_workload,destination_workload_namespace,"
        "destination_service_name",
        ("destination_workload", "destination_service_name"),
        "source_workload",
    ),
    Convention(
        "service graph",
        ("traces_service_graph_request_total", "servicegraph_request_total"),
        "client,server",
        ("server",),
        "client",
    ),
    Convention(
        "clients' metrics",
        (
            "http_client_request_duration_seconds_count",
            "http_client_request_duration_milliseconds_count",
            "http_client_requests_seconds_count",
            "rpc_client_duration_milliseconds_count",
            "grpc_client_handled_total",
        ),
        f"{_WHO},peer,peer_service,server_address,net_peer_name,client_name,rpc_service,grpc_service",
        ("peer_service", "peer", "server_address", "net_peer_name", "client_name"),
    ),
)


def edge_queries(names: Iterable[str], conditions: str) -> list[tuple[Convention, str]]:
    """An instant query for each convention that the server holds series of: calls in the last hour."""
    present = frozenset(names)
    queries = []
    for convention in CONVENTIONS:
        held = [name for name in convention.metrics if name in present]
        if held:
            of = selector(held, conditions)
            queries.append((convention, f"sum by ({convention.by}) (rate({of}[1h])) > 0"))
    return queries


def read_edges(
    answers: Sequence[tuple[Convention, Vector]], identities: Identities, known: Callable[[str], bool]
) -> CallGraphEdges:
    """Edges between services. An address of a client's metric counts where it names a known service."""
    edges = set()
    for convention, found in answers:
        for labels, _ in found.rows:
            caller, callee = _ends(convention, labels, identities)
            if convention.caller is None and not known(callee):
                continue
            if caller and caller not in _NOBODY and callee not in _NOBODY and caller != callee:
                edges.add((caller, callee))
    return CallGraphEdges(edges=tuple(sorted(edges)))


def _ends(
    convention: Convention, labels: Mapping[str, str], identities: Identities
) -> tuple[str | None, str]:
    callee = next(
        (labels[name] for name in convention.callee if labels.get(name) not in (None, *_NOBODY)), ""
    )
    if convention.caller is None:
        own = {name: value for name, value in labels.items() if name not in convention.callee}
        return identities.service(own), callee.split(".")[0].split(":")[0]
    caller = labels.get(convention.caller, "")
    if caller in _NOBODY or not callee:
        return None, callee
    return (
        identities.of_workload(caller, labels.get("source_workload_namespace", "")),
        identities.of_workload(callee, labels.get("destination_workload_namespace", "")),
    )
