"""Who calls whom, and how much of a caller's trouble its callees explain.

Pure. Edges come from traces, from series that name both ends, or from a topology; none of them is preferred.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallGraph:
    """Caller to callees and back; services sorted, so that nothing depends on the order of discovery."""

    callees: Mapping[str, tuple[str, ...]]
    callers: Mapping[str, tuple[str, ...]]

    def reachable(self, start: str | None) -> dict[str, int]:
        """Services that a call to `start` can reach, with the fewest hops; empty when unknown."""
        if start is None or (start not in self.callees and start not in self.callers):
            return {}
        hops = {start: 0}
        queue = deque([start])
        while queue:
            caller = queue.popleft()
            for callee in self.callees.get(caller, ()):
                if callee not in hops:
                    hops[callee] = hops[caller] + 1
                    queue.append(callee)
        return hops


def call_graph(edges: Iterable[tuple[str, str]]) -> CallGraph:
    """Build the graph; an edge to itself is no call between services."""
    callees: dict[str, set[str]] = defaultdict(set)
    callers: dict[str, set[str]] = defaultdict(set)
    for caller, callee in edges:
        if caller != callee:
            callees[caller].add(callee)
            callers[callee].add(caller)
    return CallGraph(
        {name: tuple(sorted(found)) for name, found in sorted(callees.items())},
        {name: tuple(sorted(found)) for name, found in sorted(callers.items())},
    )


def own_part(graph: CallGraph, excess: Mapping[str, float]) -> dict[str, float]:
    """Each service's excess less what its callees explain, never negative.

    A callee's excess is charged to its callers in proportion to their own excess. The unit is the caller's:
    extra seconds a second, failed requests a second.
    """
    own = {}
    for service, amount in excess.items():
        explained = 0.0
        for callee in graph.callees.get(service, ()):
            callers = sum(max(excess.get(c, 0.0), 0.0) for c in graph.callers.get(callee, ()))
            if callers > 0 and amount > 0:
                explained += max(excess.get(callee, 0.0), 0.0) * amount / callers
        own[service] = max(amount - explained, 0.0)
    return own
