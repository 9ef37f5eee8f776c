"""What kubelet and kube-state-metrics would say about the shop's pods, read from the processes behind them.

Serves Prometheus inside the lab's own process. Must not know about faults.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from wsgiref.simple_server import make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric, UntypedMetricFamily
from prometheus_client.registry import Collector

from tests.lab.cluster import MEMORY_LIMIT_BYTES, NAMESPACE, Pod
from tests.lab.pgexporter import Quiet

LABELS = ("namespace", "pod", "container", "service", "node")

Pods = Callable[[], list[tuple[Pod, int]]]


def cpu_seconds(pid: int) -> float:
    # The command, in parentheses, may hold anything; the fields after it are numbers.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> float:
    return float(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Containers(Collector):
    """One container a pod, one process a container."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods

    def collect(self) -> Iterable[Metric]:
        cpu = UntypedMetricFamily("container_cpu_usage_seconds_total", "CPU time used", labels=LABELS)
        memory = GaugeMetricFamily("container_memory_working_set_bytes", "Memory in use", labels=LABELS)
        limit = GaugeMetricFamily("container_spec_memory_limit_bytes", "Memory limit", labels=LABELS)
        restarts = UntypedMetricFamily("kube_pod_container_status_restarts_total", "Restarts", labels=LABELS)
        ready = GaugeMetricFamily("kube_pod_status_ready", "Ready to serve", labels=LABELS)
        for pod, pid in self._pods():
            labels = [NAMESPACE, pod.name, pod.service, pod.service, pod.node]
            try:
                cpu.add_metric(labels, cpu_seconds(pid))
                memory.add_metric(labels, resident_bytes(pid))
            except (FileNotFoundError, ProcessLookupError):  # ended between the list and the look
                continue
            limit.add_metric(labels, MEMORY_LIMIT_BYTES)
            restarts.add_metric(labels, pod.restarts)
            ready.add_metric(labels, float(pod.ready is not None))
        return [cpu, memory, limit, restarts, ready]


class PodMetrics:
    """The endpoint itself."""

    def __init__(self, pods: Pods) -> None:
        registry = CollectorRegistry()
        registry.register(Containers(pods))
        self._server = make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=Quiet)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
