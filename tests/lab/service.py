"""One process of the shop: runs the source of one service out of the checked-out tree of its deployed commit.

Started by the lab with a specification file. Must not hold behaviour of its own beyond /healthz and /metrics.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.lab import kit
from tests.lab.peers import Registry
from tests.lab.telemetry import Journal, start_tracing


@dataclass(frozen=True)
class Spec:
    """Everything a service process is told."""

    service: str
    version: str
    commit: str
    pod: str
    node: str
    namespace: str
    port: int
    tree: str
    registry: str
    dsn: str
    traces: str
    logs: str
    sampling: float

    def save(self, path: Path) -> Path:
        path.write_text(json.dumps(asdict(self)))
        return path


def load_source(tree: Path, service: str) -> Any:
    """Import services/NAME/app.py of the deployed tree; what it calls `shopkit` is this lab's kit."""
    sys.modules["shopkit"] = kit
    path = tree / "services" / service / "app.py"
    specification = importlib.util.spec_from_file_location(f"shop_{service}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def load_settings(tree: Path, service: str) -> Mapping[str, Any]:
    settings = yaml.safe_load((tree / "services" / service / "config.yaml").read_text())
    assert isinstance(settings, dict)
    return settings


async def healthz(request: Request) -> Response:
    del request
    return Response("ok")


async def metrics(request: Request) -> Response:
    encoder, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encoder(REGISTRY), media_type=content_type)


def resource(spec: Spec) -> dict[str, str]:
    return {
        "service.name": spec.service,
        "service.version": spec.version,
        "k8s.namespace.name": spec.namespace,
        "k8s.pod.name": spec.pod,
        "k8s.node.name": spec.node,
    }


def application(spec: Spec) -> Starlette:
    provider = start_tracing(resource(spec), Path(spec.traces), spec.sampling)
    journal = Journal(Path(spec.logs), spec.service, {"pod": spec.pod, "version": spec.version})
    settings = load_settings(Path(spec.tree), spec.service)
    database = kit.Database(spec.dsn, spec.service, settings.get("pool", {}), journal)
    peers = kit.Peers(Registry(Path(spec.registry)), settings.get("http", {}).get("timeout_seconds", 10))
    service = kit.Service(spec.service, settings, database, peers, journal)
    load_source(Path(spec.tree), spec.service).build(service)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if "pool" in settings:
            await database.open()
        journal.info(f"{spec.service} {spec.version} is ready", logger=spec.service, commit=spec.commit)
        yield
        journal.info(f"{spec.service} {spec.version} stops", logger=spec.service)
        await peers.close()
        if "pool" in settings:
            await database.close()
        provider.shutdown()
        journal.close()

    routes = [Route("/healthz", healthz), Route("/metrics", metrics), *service.routes]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    spec = Spec(**json.loads(Path(sys.argv[1]).read_text()))
    uvicorn.run(
        application(spec),
        host="127.0.0.1",
        port=spec.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
