from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from connectors.governor import Limits
from connectors.kubernetes_api import KubernetesConnector, KubernetesOptions
from tests.doubles.kube.server import TOKEN, KubeServer
from tests.doubles.kube.shop import shop
from tests.doubles.kube.store import Store

QUICK = Limits(timeout_seconds=5.0, rest_seconds=1.0)
Connect = Callable[..., KubernetesConnector]


@pytest.fixture(scope="session")
def shop_store() -> Store:
    """The shop's objects, validated once; a test that changes them makes a store of its own."""
    store = Store()
    store.put(*shop())
    return store


@pytest.fixture
def server(shop_store: Store) -> Iterator[KubeServer]:
    with KubeServer(store=shop_store).running() as running:
        yield running


@pytest.fixture
def connect(server: KubeServer, tmp_path: Path) -> Iterator[Connect]:
    """Connects to the double as its bot."""
    with ExitStack() as closing:

        def connected(
            options: KubernetesOptions | None = None,
            *,
            namespaces: tuple[str, ...] = ("shop",),
            limits: Limits = QUICK,
            token: str = TOKEN,
            to: KubeServer | None = None,
        ) -> KubernetesConnector:
            file = (to or server).kubeconfig(tmp_path, token)
            made = KubernetesConnector("kubernetes/double", file, "double", namespaces, limits, options)
            closing.callback(made.close)
            return made

        yield connected
