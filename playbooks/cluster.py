"""Judges over the cluster's objects and events: killed, crashing, evicted, unschedulable, or innocent.

Source: Kubernetes documentation, "Pod Lifecycle", "Node-pressure Eviction", "Debug Running Pods".
Rollouts make noise of their own (probes fail while a pod starts): that alone is no symptom. Must not
judge changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.answers import ClusterEvent, ClusterState, Container, Node, Pod
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, short, unknown
from playbooks.model import Entity
from playbooks.neighbours import judge_neighbours
from playbooks.observations import Observations, Observed

BEFORE_ONSET = timedelta(minutes=2)
"""An onset is an estimate; what happened just before it may be its beginning."""
WITHOUT_ONSET = timedelta(minutes=30)

Test = Callable[[Container], bool]


def _waits(*reasons: str) -> Test:
    return lambda container: (container.waiting_reason or "") in reasons


def _never(_: Container) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Sight:
    """One kind of trouble: how a container shows it, which events tell of it, how loudly it speaks.

    `words`: texts of which an event's message must hold one (none: any message). `least`: how often events
    must have come. `absence`: whether not seeing it says anything.
    """

    judge: str
    told: str
    container: Test
    reasons: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    least: int = 1
    strength: float = 5.0
    absence: bool = True


SIGHTS = (
    Sight(
        "pod_crash_loop",
        "in a crash loop",
        _waits("CrashLoopBackOff"),
        frozenset({"BackOff"}),
        words=("restarting failed",),
        strength=7.0,
    ),
    Sight(
        "image_pull_failed",
        "without an image to run",
        _waits("ErrImagePull", "ImagePullBackOff", "InvalidImageName"),
        frozenset({"Failed", "BackOff"}),
        words=("pull image", "pulling image", "ImagePull"),
        strength=7.0,
    ),
    Sight(
        "container_config_error",
        "without a configuration to start with",
        _waits("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
        frozenset({"FailedMount", "Failed"}),
        words=("configmap", "secret", "MountVolume", "couldn't find key"),
        strength=6.0,
    ),
    Sight(
        "pod_evicted",
        "evicted",
        _never,
        frozenset({"Evicted", "Preempted", "TaintManagerEviction"}),
        strength=6.0,
    ),
    Sight("pod_unschedulable", "without a node to run on", _never, frozenset({"FailedScheduling"}), least=2),
    Sight("probe_failures", "failing its probes", _never, frozenset({"Unhealthy"}), least=3, strength=4.0),
    Sight("cpu_throttled_event", "throttled", _never, frozenset({"CPUThrottlingHigh"}), absence=False),
)


@dataclass(frozen=True, slots=True)
class _Place:
    """The service's part of the cluster since shortly before the onset."""

    observed: Observed[ClusterState]
    scene: Scene
    since: datetime
    pods: tuple[Pod, ...]
    events: tuple[ClusterEvent, ...]
    nodes: tuple[Node, ...]

    def facts(self, pod: str = "", node: str = "") -> dict[str, str]:
        """What commands about this place need."""
        first = next((p for p in self.pods if p.name == pod), self.pods[0] if self.pods else None)
        workload = (first.workload or "") if first else ""
        if workload and "/" not in workload:
            workload = f"deployment/{workload}"
        namespace = self.scene.namespace or (first.namespace if first else "")
        facts = {"namespace": namespace, "workload": workload.lower(), "pod": pod, "node": node}
        return {name: value for name, value in facts.items() if value}


def judge_cluster(observations: Observations, scene: Scene) -> tuple[DetailedFinding, ...]:
    """Every finding about the service's pods and nodes, and `cluster_innocent` when nothing was seen.

    `cluster_innocent` and every "no" need pods of the service in the answer: silence is not health.
    """
    shared = judge_neighbours(observations, scene)
    observed = observations.first(ClusterState)
    judges = (
        "pod_oom_killed", "pod_restarted", "node_pressure", "replicas_at_most", *(s.judge for s in SIGHTS),
    )  # fmt: skip
    if observed is None:
        return (*shared, *(unknown(judge, "the cluster was not asked", scene) for judge in judges))
    place = _place(observed, scene)
    if not place.pods and not place.events:
        why = f"no pod or event of {scene.service or 'the service'} is known"
        return (*shared, *(unknown(judge, why, scene) for judge in judges))
    findings = (
        _oom_killed(place),
        _restarted(place),
        _node_pressure(place),
        _at_most(place),
        *(_sight(sight, place) for sight in SIGHTS),
    )
    return (*shared, *findings, _innocent(findings, place))


def _place(observed: Observed[ClusterState], scene: Scene) -> _Place:
    state = observed.answer
    since = (scene.onset - BEFORE_ONSET) if scene.onset else (scene.now - WITHOUT_ONSET)
    pods = tuple(sorted((p for p in state.pods if _of_service(p, scene)), key=lambda p: p.name))
    names = {p.name for p in pods}
    stems = {_stem(p) for p in pods} - {""}
    events = tuple(e for e in state.events if e.at >= since and _about(e, names, stems, scene.service or ""))
    on = {p.node for p in pods if p.node}
    nodes = tuple(sorted((n for n in state.nodes if n.name in on), key=lambda n: n.name))
    return _Place(observed, scene, since, pods, events, nodes)


def _of_service(pod: Pod, scene: Scene) -> bool:
    if scene.namespace and pod.namespace != scene.namespace:
        return False
    return scene.service is None or scene.service in {pod.service, _stem(pod)}


def _stem(pod: Pod) -> str:
    return (pod.workload or "").rsplit("/", 1)[-1]


def _about(event: ClusterEvent, names: set[str], stems: set[str], service: str) -> bool:
    """Also of pods that are gone: a Deployment's pods carry its name before two generated parts."""
    if event.name in names | stems or (service and event.name == service):
        return True
    owner = event.name.rsplit("-", 2)[0]
    return event.kind in {"Pod", "ReplicaSet", ""} and owner in stems | {service}


def _verdict(place: _Place, ruling: Ruling, facts: dict[str, str] | None = None) -> DetailedFinding:
    return finding(ruling, place.scene, [cite(place.observed.reading, ruling.why)], facts)


def _quiet(place: _Place, judge: str, told: str) -> DetailedFinding:
    """A no, when there are pods that could have shown it."""
    if not place.pods:
        return unknown(judge, "no pod of the service is known", place.scene)
    if unread := {"Event", "Pod"} & set(place.observed.answer.unread):
        return unknown(judge, f"not all was read: {', '.join(sorted(unread))}", place.scene)
    why = f"none of {len(place.pods)} pods was {told} since {place.since:%H:%M:%S}"
    return _verdict(place, Ruling(judge=judge, state="no", why=why, strength=4.0))


def _sight(sight: Sight, place: _Place) -> DetailedFinding:
    pods = [p.name for p in place.pods if any(sight.container(c) for c in p.containers)]
    events = [e for e in place.events if _fits(sight, e)]
    times = sum(e.count for e in events)
    if not pods and times < sight.least:
        if sight.absence and times == 0:
            return _quiet(place, sight.judge, sight.told)
        return unknown(sight.judge, f"{times} events, too few to tell", place.scene)
    named = pods[0] if pods else events[-1].name
    last = f": {short(events[-1].message, 140)}" if events else ""
    why = f"{named} is {sight.told} ({len(pods)} pods, {times} events){last}"
    entity = Entity(kind="pod", name=named)
    strength = sight.strength + min(2.0, 0.5 * max(len(pods), times))
    ruling = Ruling(judge=sight.judge, state="yes", why=why, strength=strength, entity=entity)
    return _verdict(place, ruling, place.facts(pod=named))


def _fits(sight: Sight, event: ClusterEvent) -> bool:
    message = event.message.lower()
    return event.reason in sight.reasons and (
        not sight.words or any(word.lower() in message for word in sight.words)
    )


def _exited(place: _Place, reason: str | None) -> list[tuple[Pod, Container]]:
    """Containers that ended since; an end without a time counts only with a reason that names it."""
    return [
        (pod, c)
        for pod in place.pods
        for c in pod.containers
        if (reason is None or c.last_exit_reason == reason)
        and (c.last_exit_at >= place.since if c.last_exit_at else reason is not None)
    ]


def _oom_killed(place: _Place) -> DetailedFinding:
    killed = _exited(place, "OOMKilled")
    events = [e for e in place.events if "OOM" in e.reason or "oomkilled" in e.message.lower()]
    if not killed and not events:
        return _quiet(place, "pod_oom_killed", "killed for want of memory")
    name = killed[0][0].name if killed else events[-1].name
    limits = {c.memory_limit_bytes for _, c in killed if c.memory_limit_bytes}
    limit = f" at a limit of {max(limits) / 2**20:.0f} MiB" if limits else ""
    why = f"{name} was killed for want of memory{limit} ({len(killed)} containers, {len(events)} events)"
    strength = 6.0 + min(3.0, 0.5 * (len(killed) + len(events)))
    entity = Entity(kind="pod", name=name)
    ruling = Ruling(judge="pod_oom_killed", state="yes", why=why, strength=strength, entity=entity)
    return _verdict(place, ruling, place.facts(pod=name))


def _restarted(place: _Place) -> DetailedFinding:
    """Containers that ended by themselves; a rollout replaces pods and restarts none."""
    ended = [(p, c) for p, c in _exited(place, None) if c.last_exit_reason != "Completed"]
    if not ended:
        return _quiet(place, "pod_restarted", "restarted")
    pod, container = max(ended, key=lambda pc: (pc[1].restarts, pc[0].name))
    reason = container.last_exit_reason or "no reason given"
    last = short(reason, 60)
    why = f"{len(ended)} containers restarted, most {pod.name} ({container.restarts} times, last: {last})"
    entity = Entity(kind="pod", name=pod.name)
    strength = 3.0 + min(4.0, float(len(ended)))
    ruling = Ruling(judge="pod_restarted", state="yes", why=why, strength=strength, entity=entity)
    return _verdict(place, ruling, place.facts(pod=pod.name))


_NODE_REASONS = frozenset(
    {
        "NodeNotReady",
        "EvictionThresholdMet",
        "SystemOOM",
        "NodeHasDiskPressure",
        "NodeHasInsufficientMemory",
        "NodeHasInsufficientPID",
        "NodeUnderPressure",
        "MemoryPressure",
        "DiskPressure",
        "FreeDiskSpaceFailed",
    }
)


def _node_pressure(place: _Place) -> DetailedFinding:
    troubled = [n for n in place.nodes if n.troubles]
    on = {n.name for n in place.nodes} | {p.node for p in place.pods if p.node}
    events = [
        e
        for e in place.observed.answer.events
        if e.at >= place.since and e.reason in _NODE_REASONS and (e.name in on or e in place.events)
    ]
    if not troubled and not events:
        if not place.nodes or {"Event", "Node"} & set(place.observed.answer.unread):
            return unknown("node_pressure", "the nodes under the service are not known", place.scene)
        why = f"none of the {len(place.nodes)} nodes under the service reports trouble"
        return _verdict(place, Ruling(judge="node_pressure", state="no", why=why, strength=4.0))
    named = [n.name for n in troubled] + [e.name for e in events if e.name in on] + sorted(on)
    node = named[0] if named else ""
    what = ", ".join(troubled[0].troubles) if troubled else short(events[-1].message, 140)
    why = f"node {node} reports {what} ({len(events)} events)"
    entity = Entity(kind="node", name=node) if node else None
    ruling = Ruling(judge="node_pressure", state="yes", why=why, strength=6.0, entity=entity)
    return _verdict(place, ruling, place.facts(node=node))


def _at_most(place: _Place) -> DetailedFinding:
    """An autoscaler at its ceiling: by its own condition where autoscalers are known, else by events."""
    judge = "replicas_at_most"
    workloads = {(p.namespace, p.workload) for p in place.pods if p.workload}
    scalers = [s for s in place.observed.answer.autoscalers if (s.namespace, s.workload) in workloads]
    for scaler in scalers:
        if any(c.type == "ScalingLimited" and c.reason == "TooManyReplicas" for c in scaler.conditions):
            why = f"autoscaler {scaler.name} wants more than its {scaler.most} replicas"
            why += f" ({', '.join(scaler.metrics)})" if scaler.metrics else ""
            return _verdict(place, Ruling(judge=judge, state="yes", why=why, strength=5.0), place.facts())
    words = ("maxreplicas", "maximum replica", "at max", "scalinglimited")
    told = [
        e
        for e in place.events
        if e.kind == "HorizontalPodAutoscaler"
        and any(word in f"{e.reason} {e.message}".lower() for word in words)
    ]
    if not told:
        return unknown(judge, "no event of an autoscaler speaks of its ceiling", place.scene)
    why = f"the autoscaler is at its ceiling: {short(told[-1].message, 140)}"
    return _verdict(place, Ruling(judge=judge, state="yes", why=why, strength=5.0), place.facts())


def _innocent(findings: Sequence[DetailedFinding], place: _Place) -> DetailedFinding:
    seen = [f for f in findings if f.state == "yes"]
    if not place.pods:
        return unknown("cluster_innocent", "no pod of the service is known", place.scene)
    ready = sum(p.ready is not False for p in place.pods)
    if not seen and {"Event", "Pod"} & set(place.observed.answer.unread):
        return unknown("cluster_innocent", "not all of the cluster could be read", place.scene)
    if seen:
        why = f"the cluster shows: {'; '.join(f.judge for f in seen)}"
        return _verdict(place, Ruling(judge="cluster_innocent", state="no", why=why, strength=4.0))
    why = f"the cluster is quiet: {ready} of {len(place.pods)} pods ready, none killed, restarted or evicted"
    return _verdict(place, Ruling(judge="cluster_innocent", state="yes", why=why, strength=4.0))
