"""What metrics, traces and logs say of one service, as typed scores: the mechanisms' common desk.

Filled by whoever measured; read by `playbooks.mechanisms`. Computes nothing but the lookup by name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Callee:
    """Someone the service calls, and how much more time it waits for them.

    `score`: standardised rise of the time spent in client spans to them (None: unknown). `monitored`: whether
    the callee is a service that is itself observed; false means external. `errors`: standardised rise of
    the share of failed calls to them. `share`: part of the service's extra time that is spent there, 0 to 1.
    """

    name: str
    score: float | None = None
    monitored: bool = True
    errors: float | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSignals:
    """Robust standardised scores of one service: 0 is nothing, 3 is notable, beyond 6 is strong.

    None is "unknown" and moves nothing; it is never the same as 0, which says that somebody looked and
    found nothing. A score below 0 (it fell) counts as "no" for a signal that is named after a rise.

    Attributes:
        service: the service that the scores speak of.
        own_latency: self time (span time without callees) rose.
        network_gap: client span minus the callee's server span rose, on edges into or out of the service.
        error_origin: errors begin here, not in a callee.
        log_mix: the mix of log statements a trace changed, errors aside.
        log_new_errors: new or many more error lines or exceptions.
        cpu_up: processor use rose.
        cpu_throttled: the CFS quota throttles the containers more.
        memory_up: the working set is higher.
        memory_ramp: the working set climbs steadily (a slope, not a step).
        restarts: containers restarted more often.
        traffic_up: requests to the service rose.
        traffic_down: requests to the service fell.
        disk_up: disk use or disk time rose.
        network_io: bytes or errors on the network interface changed.
        pool_waiting: callers wait for a connection of the client's pool.
        queue_up: a queue's length or the age of its oldest message rose.
        db_time: time in database client spans rose.
        downstream_time: time in other client spans rose (the largest of `callees`).
        latency_up: the service's server latency rose, callees included.
        errors_up: the service's error share rose.
        uniform_load: the traffic of every service rose alike.
        retries_up: calls a request to the same callee rose.
        cache_misses: the hit rate of a cache fell, or calls behind the cache rose against requests.
        node_busy: processor or memory of the node under the service is near its capacity.
        callees: whom the service waits for, in any order.
        change_mechanism: the mechanism that the likeliest guilty change would cause, by the change judge.
        change_probability: how likely it is that this change is guilty, 0 to 1.
        no_change: the mechanism and probability are those of "no change is guilty".
    """

    service: str
    own_latency: float | None = None
    network_gap: float | None = None
    error_origin: float | None = None
    log_mix: float | None = None
    log_new_errors: float | None = None
    cpu_up: float | None = None
    cpu_throttled: float | None = None
    memory_up: float | None = None
    memory_ramp: float | None = None
    restarts: float | None = None
    traffic_up: float | None = None
    traffic_down: float | None = None
    disk_up: float | None = None
    network_io: float | None = None
    pool_waiting: float | None = None
    queue_up: float | None = None
    db_time: float | None = None
    downstream_time: float | None = None
    latency_up: float | None = None
    errors_up: float | None = None
    uniform_load: float | None = None
    retries_up: float | None = None
    cache_misses: float | None = None
    node_busy: float | None = None
    callees: tuple[Callee, ...] = ()
    change_mechanism: str | None = None
    change_probability: float | None = None
    no_change: bool = False
