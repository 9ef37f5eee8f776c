"""A Kubernetes cluster as a source: its state, its changes and, where wanted, its pods' logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from connectors.answers import Answer, Timeline
from connectors.codec import sha256
from connectors.contract import Question, Reading, Unavailable
from connectors.governor import Limits, SourceFailedError
from connectors.kubernetes_api import doctor, gitops, helm, podlogs
from connectors.kubernetes_api.api import Api
from connectors.kubernetes_api.changes import changes
from connectors.kubernetes_api.gathering import Gathered, Namespaces, gather
from connectors.kubernetes_api.plane import plane
from connectors.kubernetes_api.resources import CHANGES, GITOPS, PODS, REPLICA_SETS, SNAPSHOT, Resource
from connectors.kubernetes_api.wall import Access
from connectors.kubernetes_json import listed, mapping, text
from connectors.kubernetes_objects import narrowed, read_cluster
from connectors.kubernetes_owners import Objects, ServiceOf, no_catalogue
from connectors.live import Check
from connectors.questions import ChangeTimeline, ClusterSnapshot, LogSample

_STALE = timedelta(minutes=5)
_CORE = {ClusterSnapshot: ("Pod",), ChangeTimeline: ("ReplicaSet", "Deployment")}


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """What is read beyond the usual.

    `logs`: pod logs answer questions about logs. `helm`: "off" never touches Secrets; "metadata" reads the
    labels of Helm's; "values" also opens them to say which values changed. `log_limits`: how much of a log.
    `service_of`: the service that a namespace's workload is, before its labels are asked.
    """

    logs: bool = False
    helm: helm.HelmMode = "off"
    log_limits: podlogs.LogLimits = field(default_factory=podlogs.LogLimits)
    service_of: ServiceOf = no_catalogue


class KubernetesConnector:
    """Asks one cluster through the official client. Safe to use from several threads.

    With a kubeconfig or a context, as kubectl would; with neither, from inside of the cluster. `namespaces`
    are those that may be read; with none, the whole cluster. Nothing connects before the first question.
    """

    def __init__(  # noqa: PLR0913 - one argument for each line of the source's configuration
        self,
        name: str,
        kubeconfig: Path | None = None,
        context: str | None = None,
        namespaces: tuple[str, ...] = (),
        limits: Limits | None = None,
        options: KubernetesOptions | None = None,
    ) -> None:
        self._name = name
        self.options = options or KubernetesOptions()
        self.namespaces = namespaces
        access = Access(kubeconfig, context, secrets=self.options.helm != "off")
        self.api = Api(name, access, limits or Limits())

    @property
    def name(self) -> str:
        """The instance's name in the configuration."""
        return self._name

    @property
    def questions(self) -> frozenset[type[Question]]:
        """Snapshots and changes; logs where they were switched on."""
        logs: frozenset[type[Question]] = frozenset({LogSample} if self.options.logs else ())
        return logs | {ClusterSnapshot, ChangeTimeline}

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """The answer with nothing later than `now`; None about namespaces of another cluster."""
        try:
            if isinstance(question, ClusterSnapshot):
                return self._snapshot(question, now)
            if isinstance(question, ChangeTimeline):
                return self._timeline(question, now)
            if isinstance(question, LogSample) and self.options.logs:
                return self._logs(question, now)
        except SourceFailedError as failure:
            return Unavailable(question.source, failure.reason, failure.retry)
        return None

    def check(self, *, now: datetime) -> Sequence[Check]:
        """Whether the cluster answers, what may be read of it, and the exact rule for what may not."""
        return doctor.check(self, now=now)

    def close(self) -> None:
        """Give the connections back."""
        self.api.close()

    def scope(self, wanted: Sequence[str] = ()) -> Namespaces:
        """The namespaces to read for a question that names some; () where they are not ours."""
        if not self.namespaces:
            return tuple(wanted) or (None,)
        return tuple(each for each in self.namespaces if not wanted or each in wanted)

    def _snapshot(self, question: ClusterSnapshot, now: datetime) -> Reading | Unavailable | None:
        scope = self.scope(question.namespaces)
        if not scope:
            return None
        gathered = gather(self.api, SNAPSHOT, scope)
        failed = _core_failure(question, gathered)
        if failed is not None:
            return failed
        checks, notes = plane(self.api)
        state = read_cluster(gathered.items, now, self.options.service_of, gathered.unread)
        state = narrowed(state, question.namespaces, question.window, now).model_copy(
            update={"plane": checks}
        )
        kinds = "pods,events,deploy,rs,sts,ds,controllerrevisions,hpa,quota,svc,endpointslices,pvc,netpol,cm"
        query = _kubectl(kinds, scope) + "\nkubectl get nodes\nkubectl get --raw '/readyz?verbose'"
        return _reading(question, state, query, now, (*gathered.notes(), *notes, *self._age(now)))

    def _timeline(self, question: ChangeTimeline, now: datetime) -> Reading | Unavailable:
        scope = self.scope()
        installed, notes = self.installed()
        gathered = gather(self.api, CHANGES, scope, optional=installed)
        failed = _core_failure(question, gathered)
        if failed is not None:
            return failed
        objects = Objects(gathered.items, now, self.options.service_of)
        brought = gitops.carried(objects)
        if self.options.helm != "off":
            since = question.window.start - timedelta(minutes=10)
            history = helm.history(self.api, scope, self.options.helm, (since, now))
            brought, notes = [*brought, *history.carried], (*notes, *history.notes)
        told = Timeline(changes=changes(objects, question.window, brought))
        query = _kubectl("deploy,rs,sts,ds,controllerrevisions,events,cm,jobs,hpa", scope)
        kept = "what the cluster no longer keeps is not told of: old revisions, events of more than 1 h ago"
        return _reading(question, told, query, now, (*gathered.notes(), *notes, kept, *self._age(now)))

    def _logs(self, question: LogSample, now: datetime) -> Reading | Unavailable:
        gathered = gather(self.api, (PODS, REPLICA_SETS), self.scope())
        failed = gathered.failed("Pod")
        if failed is not None:
            return Unavailable(question.source, failed.reason, failed.retry)
        state = read_cluster(gathered.items, now, self.options.service_of)
        taken = podlogs.sample(self.api, state, question, now, self.options.log_limits)
        if taken.failures:
            first = taken.failures[0]
            return Unavailable(question.source, first.reason, first.retry)
        notes = (*gathered.notes(), *taken.notes)
        return _reading(question, taken.logs, taken.query or _kubectl("pods", self.scope()), now, notes)

    def installed(self) -> tuple[tuple[Resource, ...], tuple[str, ...]]:
        """Which of Argo CD's and Flux's kinds the cluster knows, in the version that it prefers."""
        try:
            groups = listed(self.api.get("/apis").json(), "groups")
        except SourceFailedError as failure:
            return (), (f"partly: Argo CD and Flux: {failure.reason}",)
        versions = {
            text(group, "name"): text(mapping(group, "preferredVersion"), "version") for group in groups
        }
        found = [replace(each, version=versions[each.group]) for each in GITOPS if versions.get(each.group)]
        return tuple(found), ()

    def _age(self, now: datetime) -> tuple[str, ...]:
        """A note when the cluster shows itself as it stands long after the time asked about."""
        clock = self.api.clock
        if clock is None or clock - now <= _STALE:
            return ()
        return (f"the cluster is seen as it stood at {clock:%FT%TZ}, not at {now:%FT%TZ}",)


def _core_failure(question: Question, gathered: Gathered) -> Unavailable | None:
    """Why there is no answer at all: what the question is about could not be read."""
    failures = [gathered.failed(kind) for kind in _CORE[type(question)]]
    told = [each for each in failures if each is not None]
    if len(told) < len(failures):
        return None
    return Unavailable(question.source, told[0].reason, any(each.retry for each in told))


def _kubectl(kinds: str, scope: Namespaces) -> str:
    """What a person can run to see the same objects."""
    return "\n".join(
        f"kubectl get {kinds} {f'-n {each}' if each else '--all-namespaces'} -o json" for each in scope
    )


def _reading(question: Question, answer: Answer, query: str, now: datetime, notes: Sequence[str]) -> Reading:
    window_end = getattr(question, "window").end  # noqa: B009 - every question of this source has a window
    return Reading(
        source=question.source,
        question=question,
        query=query,
        at=min(window_end, now),
        answer=answer,
        sha256=sha256(answer),
        notes=tuple(dict.fromkeys(notes)),
    )
