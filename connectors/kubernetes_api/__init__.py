"""A live Kubernetes cluster as a source: read-only, bounded, and plain about what it may not see."""

from connectors.kubernetes_api.connector import KubernetesConnector, KubernetesOptions

__all__ = ["KubernetesConnector", "KubernetesOptions"]
