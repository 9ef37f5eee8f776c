"""What is read from the API, kind by kind, and the RBAC rule that each needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object. `cached`: an answer from the API server's watch cache is fresh enough."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    cached: bool = False

    def path(self, namespace: str | None = None) -> str:
        """Where its list is; all namespaces when none is named."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission: a verb on a resource, in a namespace or (None) in the whole cluster."""

    verb: str
    group: str
    resource: str
    namespace: str | None = None

    @property
    def what(self) -> str:
        """In words: "list replicasets.apps in namespace shop"."""
        named = f"{self.resource}.{self.group}" if self.group else self.resource
        where = f"in namespace {self.namespace}" if self.namespace else "cluster-wide"
        return f"{self.verb} {named} {where}"

    @property
    def rule(self) -> str:
        """The rule of a Role or ClusterRole that gives it, as YAML on one line."""
        return f'{{apiGroups: ["{self.group}"], resources: ["{self.resource}"], verbs: ["{self.verb}"]}}'


PODS = Resource("", "v1", "pods", "Pod")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False, cached=True)
EVENTS = Resource("", "v1", "events", "Event")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision", cached=True)
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", cached=True)
SERVICES = Resource("", "v1", "services", "Service", cached=True)
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", cached=True)
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", cached=True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
JOBS = Resource("batch", "v1", "jobs", "Job")
SECRETS = Resource("", "v1", "secrets", "Secret")
ARGO_APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications", "Application")
FLUX_KUSTOMIZATIONS = Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization")
FLUX_HELM_RELEASES = Resource("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease")

SNAPSHOT = (
    PODS, EVENTS, NODES, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, CONTROLLER_REVISIONS,
    AUTOSCALERS, QUOTAS, SERVICES, ENDPOINT_SLICES, VOLUME_CLAIMS, NETWORK_POLICIES, CONFIG_MAPS,
)  # fmt: skip
"""What a snapshot of the cluster is made of."""

CHANGES = (
    DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, CONTROLLER_REVISIONS, PODS, EVENTS, CONFIG_MAPS,
    JOBS, NODES, AUTOSCALERS, SERVICES, NETWORK_POLICIES,
)  # fmt: skip
"""What tells of changes."""

GITOPS = (ARGO_APPLICATIONS, FLUX_KUSTOMIZATIONS, FLUX_HELM_RELEASES)
"""What Argo CD and Flux tell of changes, where they are installed."""


def listing(resource: Resource, namespace: str | None) -> Grant:
    """The permission to list a kind."""
    return Grant("list", resource.group, resource.plural, namespace if resource.namespaced else None)


def everything(*, helm: bool) -> tuple[Resource, ...]:
    """Every kind that may be listed, each once; Secrets for Helm's history alone."""
    extra = (SECRETS,) if helm else ()
    return tuple(dict.fromkeys((*SNAPSHOT, *CHANGES, *GITOPS, *extra)))
