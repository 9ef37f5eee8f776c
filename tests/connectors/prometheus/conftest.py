from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.http import Endpoint
from connectors.prometheus.connector import PrometheusConnector
from tests.connectors.prometheus import servers
from tests.connectors.prometheus.conventions import everything
from tests.connectors.prometheus.recorded import as_scraped, recorded
from tests.lab.supervisor import Supervisor


@pytest.fixture(scope="session")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """Starts servers for the whole run of these tests and ends every one of them."""
    absent = servers.missing()
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    supervisor = Supervisor(tmp_path_factory.mktemp("logs"))
    yield supervisor
    supervisor.stop_all()


@pytest.fixture(scope="session")
def prometheus_url(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Prometheus that holds a recorded case and the conventions' series."""
    return servers.start_prometheus(_root(tmp_path_factory), supervisor, _held())


@pytest.fixture(scope="session")
def victoria_url(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A VictoriaMetrics that holds the same."""
    return servers.start_victoria(_root(tmp_path_factory), supervisor, _held())


@pytest.fixture(scope="session", params=["prometheus", "victoria"])
def metrics_url(request: pytest.FixtureRequest) -> str:
    """Each of the two servers."""
    url = request.getfixturevalue(f"{request.param}_url")
    assert isinstance(url, str)
    return url


@pytest.fixture
def connector(metrics_url: str) -> Iterator[PrometheusConnector]:
    """A connector to each of the servers."""
    connector = PrometheusConnector(Endpoint("prometheus/main", metrics_url))
    yield connector
    connector.close()


def _root(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("server") / "root"


def _held() -> list[servers.Series]:
    return [*as_scraped(recorded()[2]), *everything()]
