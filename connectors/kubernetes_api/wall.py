"""The wall around the official client: it can send nothing but reads and the two reviews of its own rights.

A GET is not yet a read: `exec`, `attach`, `portforward` and `proxy` are reached by GET too. So paths are let
through by a list of what reads, and everything else, redirects included, ends here. The wall stands at the
lowest point that requests pass, the connection pool, and where the client could be talked out of it.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from connectors.errors import ConnectorError
from connectors.kubernetes_api.resources import everything

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,252})"
_ABOUT = re.compile(rf"/version|/readyz(?:/{_NAME})?|/api(?:/v1)?|/apis(?:/{_NAME}(?:/{_NAME})?)?")
_OBJECTS = re.compile(
    rf"(?:/api|/apis/(?P<group>{_NAME}))/{_NAME}(?:/namespaces/{_NAME})?"
    rf"/(?P<plural>[a-z]+)(?:/{_NAME}(?P<log>/log)?)?"
)
_READABLE = frozenset((each.group, each.plural) for each in everything(helm=True))
_REVIEWS = frozenset(
    f"/apis/authorization.k8s.io/v1/{review}"
    for review in ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
)


class ForbiddenRequestError(ConnectorError):
    """A request that could change something was about to be sent."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the cluster: a kubeconfig and one of its contexts, or (neither given) from inside of it.

    `secrets`: whether Secrets may be read at all.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    secrets: bool = False


def refuse_changes(method: str, url: str, access: Access) -> None:
    """Raise unless the request reads.

    Raises:
        ForbiddenRequestError: it does not, or it is not known to.
    """
    path = unquote(urlsplit(url).path)
    if method.upper() == "POST" and path in _REVIEWS:
        return
    if method.upper() == "GET" and _reads(path, access):
        return
    raise ForbiddenRequestError(f"{method} {path} is not a known read and is not sent")


def _reads(path: str, access: Access) -> bool:
    if _ABOUT.fullmatch(path):
        return True
    found = _OBJECTS.fullmatch(path)
    if found is None or (found["group"] or "", found["plural"]) not in _READABLE:
        return False
    if found["plural"] == "secrets" and not access.secrets:
        raise ForbiddenRequestError("secrets are not read: Helm history is switched off")
    return found["log"] is None or found["plural"] == "pods"


class _ReadingPool:
    """A connection pool that sends reads only, follows no redirect and repeats nothing by itself."""

    def __init__(self, pool: Any, host: str, access: Access) -> None:
        self.__pool, self.__host, self.__access = pool, host.rstrip("/"), access

    def request(self, method: str, url: str, **more: Any) -> Any:
        """Send a read to the one host."""
        if not url.startswith(f"{self.__host}/"):
            raise ForbiddenRequestError("a request to another host is not sent")
        refuse_changes(method, url.removeprefix(self.__host), self.__access)
        return self.__pool.request(method, url, **{**more, "redirect": False, "retries": False})

    def clear(self) -> None:
        """Give the connections back."""
        self.__pool.clear()


def opened(access: Access, connections: int) -> ApiClient:
    """The official client behind the wall.

    Raises:
        kubernetes.config.ConfigException: there is no such configuration.
    """
    from kubernetes import config
    from kubernetes.client import Configuration

    load: Any = config

    settings = Configuration()
    if access.kubeconfig is None and access.context is None:
        load.load_incluster_config(client_configuration=settings)
    else:
        file = str(access.kubeconfig) if access.kubeconfig is not None else None
        load.load_kube_config(file, access.context, settings, persist_config=False)
    settings.connection_pool_maxsize = connections
    settings.retries = False
    return _walled(settings, access)


def _walled(settings: Any, access: Access) -> ApiClient:
    from kubernetes.client import ApiClient

    class ReadingClient(ApiClient):
        """The official client, except that it reads."""

        def call_api(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            refuse_changes(method, url.removeprefix(settings.host), access)
            return super().call_api(method, url, *args, **kwargs)

        def __setattr__(self, name: str, value: object) -> None:
            # kubernetes.stream takes this method's place to open a web socket, which can run commands.
            if name in {"call_api", "rest_client"} and "rest_client" in vars(self):
                raise ForbiddenRequestError("the way of a request is not to be replaced")
            super().__setattr__(name, value)

    client = ReadingClient(settings)
    rest: Any = client.rest_client
    rest.pool_manager = _ReadingPool(rest.pool_manager, settings.host, access)
    return client


class Door:
    """Opens the client when it is first needed, and anew when its credentials were refused."""

    def __init__(self, access: Access, connections: int) -> None:
        self.access = access
        self._connections = connections
        self._lock = threading.Lock()
        self._client: ApiClient | None = None

    def client(self) -> ApiClient:
        """The client, the same one for everyone."""
        with self._lock:
            if self._client is None:
                self._client = opened(self.access, self._connections)
            return self._client

    def renew(self, refused: ApiClient) -> None:
        """Forget a client whose credentials were refused: the next one reads the configuration again."""
        with self._lock:
            if self._client is refused:
                self._client = None
        refused.rest_client.close()

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.rest_client.close()
