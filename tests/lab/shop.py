"""The shop as a whole: everything started, rolled out, and ended again.

Knows how to run and change the shop, not what is wrong with it (scenarios) nor what to keep of it
(recording).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from tests.lab import loadgen, provider
from tests.lab.cluster import MEMORY_LIMIT_BYTES, NAMESPACE, Cluster, Pod, manifest
from tests.lab.database import Postgres, sizes
from tests.lab.jobs import Jobs
from tests.lab.monitoring import Levels, Monitoring, Target
from tests.lab.peers import write_registry
from tests.lab.podmetrics import PodMetrics, resident_bytes
from tests.lab.repository import Beginning, Edit, Repository
from tests.lab.service import Spec
from tests.lab.supervisor import Running, StartError, Supervisor, answers, free_port, tail, wait_until
from tests.lab.telemetry import iso
from tests.lab.webhook import Inbox

FIRST_VERSIONS = {
    "catalogue": "3.2.0",
    "cart": "1.5.1",
    "payments": "1.12.4",
    "checkout": "1.8.2",
    "gateway": "2.11.0",
}
PROJECT = Path(__file__).resolve().parents[2]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What may differ between two runs of the lab."""

    rows: int = 3_000_000
    seed: int = 1
    rate: float = 7.0
    sampling: float = 0.4
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True)
class Change:
    """One line of changes.jsonl."""

    id: str
    at: str
    kind: str
    service: str
    summary: str
    version: str
    commit: str
    pods: list[str]
    link: str


@dataclass
class Deployed:
    """A running service."""

    pod: Pod
    spec: Spec
    process: Running


def utc_now() -> datetime:
    return datetime.now(UTC)


class Shop:
    """A running shop; a context manager that leaves nothing behind."""

    def __init__(
        self, root: Path, options: Options, progress: Progress, beginning: Beginning | None = None
    ) -> None:
        root.chmod(0o711)  # the database's own user has to get through
        self.root = root
        self.options = options
        self.progress = progress
        self.beginning = beginning or Beginning()
        self.changes: list[Change] = []
        self.deployed: dict[str, Deployed] = {}
        for name in ("logs", "telemetry", "specs"):
            (root / name).mkdir()
        self.supervisor = Supervisor(root / "logs")
        self.repository = Repository(root / "repository", root / "trees")
        self.cluster = Cluster(utc_now, options.seed)
        self.postgres = Postgres(root / "postgres", self.supervisor, self.beginning.settings)
        self.jobs = Jobs(self.postgres.dsn())
        self.monitoring = Monitoring(root / "monitoring", self.supervisor, options.levels)
        self.inbox = Inbox()
        self.pod_metrics = PodMetrics(self._pods)
        self.demand = loadgen.Demand(**(sizes(options.rows).__dict__ | {"rate": options.rate}))
        self._registry = root / "registry.json"
        self._urls: dict[str, str] = {}

    def __enter__(self) -> Shop:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self.stop()

    def _start(self) -> None:
        began = time.monotonic()
        manifests = {name: manifest(name) for name in FIRST_VERSIONS}
        commit = self.repository.build_history(manifests, utc_now(), self.beginning)
        self.progress("starting PostgreSQL")
        self.postgres.start()
        self.migrate(commit)
        self.progress(f"loading {self.options.rows:,} orders and what belongs to them")
        self.postgres.load(self.options.rows)
        self.progress("starting Prometheus, Alertmanager and the five services")
        self.inbox.start()
        self.pod_metrics.start()
        self.monitoring.start(self.inbox.url)
        self._start_provider()
        self._first_rollout(commit)
        self._start_exporters()
        self._start_load()
        self.progress(f"the shop is up after {time.monotonic() - began:.0f} s")

    def stop(self) -> None:
        self.jobs.stop()
        self.supervisor.stop_all()
        self.inbox.stop()
        self.pod_metrics.stop()

    def _module(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"tests.lab.{name}", *arguments]

    def _start_module(self, process: str, name: str, *arguments: str) -> Running:
        env = {
            "PYTHONPATH": str(PROJECT),
            "PROMETHEUS_DISABLE_CREATED_SERIES": "true",
            "PYTHONWARNINGS": "ignore",
        }
        return self.supervisor.start(process, self._module(name, *arguments), env)

    def _start_provider(self) -> None:
        port = free_port()
        self.set_provider_pace(provider.Pace())
        running = self._start_module(
            "provider", "provider", str(port), str(self._pace), str(self.options.seed)
        )
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the provider", 20, running)
        self._urls[provider.HOST] = f"http://127.0.0.1:{port}"

    @property
    def _pace(self) -> Path:
        return self.root / "provider.json"

    def set_provider_pace(self, pace: provider.Pace) -> None:
        pace.save(self._pace)

    def set_demand(self, demand: loadgen.Demand) -> None:
        demand.save(self.root / "demand.json")

    def _start_exporters(self) -> None:
        port = free_port()
        self._start_module("pgexporter", "pgexporter", str(port), self.postgres.dsn("firstcause"))
        # A database is named by `datname` on its series, so its target names no service.
        self.monitoring.add_target(
            "postgres", Target(port, {"namespace": NAMESPACE, "instance": "shop-db-0"})
        )
        self.monitoring.add_target("pods", Target(self.pod_metrics.port, {"instance": "kubelet"}))

    def _start_load(self) -> None:
        self.set_demand(self.demand)
        files = (str(self._registry), str(self.root / "demand.json"))
        self._start_module("load", "loadgen", *files, str(self.options.seed))

    def _first_rollout(self, commit: str) -> None:
        write_registry(self._registry, self._urls)
        started = [self._launch(name, version, commit) for name, version in FIRST_VERSIONS.items()]
        for deployed in started:
            self._take_over(deployed)

    def _launch(self, service: str, version: str, commit: str) -> Deployed:
        pod = self.cluster.roll_out(service, version, commit)
        spec = Spec(
            service=service,
            version=version,
            commit=commit,
            pod=pod.name,
            node=pod.node,
            namespace=NAMESPACE,
            port=free_port(),
            tree=str(self.repository.tree(commit)),
            registry=str(self._registry),
            dsn=self.postgres.dsn(),
            traces=str(self.root / "telemetry" / f"{pod.name}.traces.jsonl"),
            logs=str(self.root / "telemetry" / f"{pod.name}.logs.jsonl"),
            sampling=self.options.sampling,
        )
        return Deployed(pod, spec, self._start_service(spec))

    def _start_service(self, spec: Spec) -> Running:
        path = spec.save(self.root / "specs" / f"{spec.pod}.json")
        return self._start_module(spec.pod, "service", str(path))

    def _take_over(self, deployed: Deployed) -> None:
        """Wait until the new process is ready and send it all traffic."""
        spec, pod = deployed.spec, deployed.pod
        self._wait_ready(deployed)
        labels = {
            "service": spec.service,
            "pod": pod.name,
            "namespace": spec.namespace,
            "node": pod.node,
            "version": spec.version,
            "instance": f"{pod.ip}:8080",
        }
        self.monitoring.add_target(pod.name, Target(spec.port, labels))
        self._urls[spec.service] = f"http://127.0.0.1:{spec.port}"
        write_registry(self._registry, self._urls)
        self.deployed[spec.service] = deployed

    def commit(self, message: str, edits: list[Edit]) -> str:
        return self.repository.commit(message, edits)

    def migrate(self, commit: str) -> None:
        """Apply the migrations of a commit that are not yet applied.

        Raises:
            MigrationError: one failed; those after it were not tried.
        """
        self.beginning.framework.apply(self.repository.tree(commit), self.postgres.dsn())

    def roll_out(self, service: str, version: str, commit: str, kind: str = "deploy") -> None:
        """Replace a service's process by one that runs another commit."""
        old = self.deployed[service]
        began = utc_now()
        new = self._launch(service, version, commit)
        number = self.cluster.current(service).number
        self.changes.append(
            Change(
                id=f"{service}-{number}",
                at=iso(began),
                kind=kind,
                service=service,
                summary=f"{service} {old.spec.version} -> {version}",
                version=version,
                commit=commit,
                pods=[new.pod.name],
                link=f"https://deploys.shop.example/{service}/{number}",
            )
        )
        self._take_over(new)
        time.sleep(0.7)  # calls that already read the old address are on their way
        self.cluster.retire_old(service)
        self.monitoring.remove_target(old.pod.name)
        self.supervisor.stop(old.process)
        self.progress(f"rolled out {service} {version}")

    def wait(self, seconds: float) -> None:
        """Let the shop run; a process that ends by itself ends the run."""
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            self._enforce_memory_limits()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(1.0, left))

    def _wait_ready(self, deployed: Deployed) -> None:
        url = f"http://127.0.0.1:{deployed.spec.port}/healthz"
        wait_until(lambda: answers(url), deployed.pod.name, 30, deployed.process)
        self.cluster.mark_ready(deployed.pod)

    def _enforce_memory_limits(self) -> None:
        """What a kubelet does: kill the container that outgrew its limit, start it again in the same pod."""
        for deployed in self.deployed.values():
            if resident_bytes(deployed.process.pid) > MEMORY_LIMIT_BYTES:
                self.supervisor.kill(deployed.process)
                self.cluster.out_of_memory(deployed.pod)
                self.progress(f"{deployed.pod.name} was out of memory")
                deployed.process = self._start_service(deployed.spec)
                self._wait_ready(deployed)

    def check(self) -> None:
        for running in self.supervisor.dead():
            raise StartError(f"{running.name} ended by itself:\n{tail(running.log)}")

    def _pods(self) -> list[tuple[Pod, int]]:
        return [(deployed.pod, deployed.process.pid) for deployed in list(self.deployed.values())]

    def urls(self) -> dict[str, str]:
        """Where a person can look."""
        return {
            "gateway": self._urls["gateway"] + "/api/products?category=1",
            "prometheus": self.monitoring.url,
            "alertmanager": self.monitoring.alertmanager_url,
            "database": self.postgres.dsn(),
            "reader": self.postgres.dsn("firstcause"),
            "state": str(self.root),
        }


assert os.name == "posix"  # process groups and the parent-death signal are what cleanliness rests on
