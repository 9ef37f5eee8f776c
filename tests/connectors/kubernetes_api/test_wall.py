"""The client cannot be made to send anything that changes a cluster, however it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.kubernetes_api.wall import Access, ForbiddenRequestError, opened, refuse_changes
from tests.doubles.kube.server import Fault, KubeServer

WHOLE: dict[str, Any] = {"spec": {"selector": {}, "template": {"spec": {"containers": []}}}}
POD = "/api/v1/namespaces/shop/pods/checkout-7c8d9e6f5-q8r7s"


@pytest.fixture
def client(server: KubeServer, tmp_path: Path) -> Iterator[Any]:
    made: Any = opened(Access(server.kubeconfig(tmp_path), "double"), 2)
    yield made
    made.rest_client.close()


def _core(client: Any) -> Any:
    from kubernetes.client import CoreV1Api

    return CoreV1Api(client)


def _apps(client: Any) -> Any:
    from kubernetes.client import AppsV1Api

    return AppsV1Api(client)


def _stream_exec(client: Any) -> Any:
    from kubernetes import stream

    run: Any = stream.stream
    return run(_core(client).connect_get_namespaced_pod_exec, "p", "shop", command=["rm", "-rf", "/"])


def _dynamic_create(client: Any) -> Any:
    path = "/api/v1/namespaces/shop/pods"
    return client.call_api("POST", client.configuration.host + path, body={"kind": "Pod"})


def _raw(method: str, path: str) -> Callable[[Any], Any]:
    return lambda client: client.rest_client.request(method, client.configuration.host + path)


def _pool(method: str, path: str) -> Callable[[Any], Any]:
    return lambda client: client.rest_client.pool_manager.request(method, client.configuration.host + path)


def _another_way(client: Any) -> Any:
    client.call_api = lambda *_: None


def _another_rest(client: Any) -> Any:
    client.rest_client = object()


ATTEMPTS: dict[str, Callable[[Any], Any]] = {
    "delete": lambda c: _core(c).delete_namespaced_pod("checkout-7c8d9e6f5-q8r7s", "shop"),
    "delete all": lambda c: _core(c).delete_collection_namespaced_pod("shop"),
    "create": lambda c: _core(c).create_namespaced_config_map("shop", {"metadata": {"name": "x"}}),
    "evict": lambda c: _core(c).create_namespaced_pod_eviction("p", "shop", {"metadata": {"name": "p"}}),
    "patch": lambda c: _apps(c).patch_namespaced_deployment("checkout", "shop", {"spec": {"replicas": 0}}),
    "scale": lambda c: _apps(c).patch_namespaced_deployment_scale(
        "checkout", "shop", {"spec": {"replicas": 0}}
    ),
    "replace": lambda c: _apps(c).replace_namespaced_deployment("checkout", "shop", WHOLE),
    "exec by GET": lambda c: _core(c).connect_get_namespaced_pod_exec("p", "shop", command=["sh"]),
    "exec by web socket": _stream_exec,
    "proxy by GET": lambda c: _core(c).connect_get_namespaced_service_proxy("checkout", "shop"),
    "port forward": lambda c: _core(c).connect_get_namespaced_pod_portforward("p", "shop"),
    "attach": lambda c: _core(c).connect_get_namespaced_pod_attach("p", "shop"),
    "node proxy": lambda c: _core(c).connect_get_node_proxy_with_path("worker-1", "run/shop/p/app"),
    "secrets": lambda c: _core(c).list_namespaced_secret("shop"),
    "secrets by the old watch": _pool("GET", "/api/v1/watch/secrets"),
    "a review of others' rights": _raw("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
    "a token": lambda c: _core(c).create_namespaced_service_account_token("default", "shop", {"spec": {}}),
    "PUT below the client": _raw("PUT", POD),
    "DELETE below the rest client": _pool("DELETE", POD),
    "a method in small letters": _pool("delete", POD),
    "OPTIONS": _pool("OPTIONS", POD),
    "exec with an escaped slash": _pool("GET", f"{POD}%2Fexec?command=sh"),
    "exec with a doubled slash": _pool("GET", f"{POD}//exec?command=sh"),
    "exec behind dots": _pool("GET", f"{POD}/log/../exec?command=sh"),
    "a review with a tail": _pool("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x"),
    "create by the generic call": _dynamic_create,
    "another way to send": _another_way,
    "another rest client": _another_rest,
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_nothing_but_reads_leaves_the_process(
    client: Any, server: KubeServer, attempt: Callable[[Any], Any]
) -> None:
    with pytest.raises(ForbiddenRequestError):
        attempt(client)
    assert server.requests == []


def test_another_host_never_sees_the_token(client: Any, server: KubeServer) -> None:
    with pytest.raises(ForbiddenRequestError):
        client.rest_client.request("GET", "http://127.0.0.1:1/api/v1/pods")
    with pytest.raises(ForbiddenRequestError):
        client.rest_client.request("GET", f"{server.url}.evil.example/api/v1/pods")


def test_a_redirect_is_not_followed(client: Any, server: KubeServer) -> None:
    server.faults = [Fault("redirect", r"/pods\b", times=1, to=f"{server.url}/api/v1/secrets")]
    answer = client.rest_client.request("GET", f"{server.url}/api/v1/pods")
    assert (answer.status, len(server.requests)) == (307, 1)


@pytest.mark.parametrize(
    "path",
    [
        "/version", "/readyz?verbose=true", "/api", "/apis", "/apis/apps/v1", "/api/v1/pods?limit=1",
        "/api/v1/namespaces/shop/events", f"{POD}/log?container=app",
        "/apis/apps/v1/namespaces/shop/replicasets", "/apis/argoproj.io/v1alpha1/applications",
    ],
)  # fmt: skip
def test_a_read_is_let_through(path: str) -> None:
    refuse_changes("GET", path, Access())


def test_helm_opens_the_wall_to_secrets_and_to_nothing_else() -> None:
    helm = Access(secrets=True)
    refuse_changes("GET", "/api/v1/namespaces/shop/secrets/sh.helm.release.v1.shop.v3", helm)
    with pytest.raises(ForbiddenRequestError):
        refuse_changes("POST", "/api/v1/namespaces/shop/secrets", helm)
    with pytest.raises(ForbiddenRequestError):
        refuse_changes("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles", helm)


def test_the_double_would_have_noticed(server: KubeServer, tmp_path: Path) -> None:
    """Without the wall the same call arrives: the tests above can fail."""
    from kubernetes import config
    from kubernetes.client.exceptions import ApiException

    load: Any = config
    bare = load.new_client_from_config(str(server.kubeconfig(tmp_path)), persist_config=False)
    with bare, pytest.raises(ApiException):
        _apps(bare).patch_namespaced_deployment("checkout", "shop", {"spec": {"replicas": 0}})
    assert server.writes == ["PATCH /apis/apps/v1/namespaces/shop/deployments/checkout"]
