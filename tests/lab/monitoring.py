"""A real Prometheus and a real Alertmanager over the shop: targets, recording rules, alert rules, webhook.

Must not interpret what they say. Thresholds are the shop's service levels, the same for every scenario.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from tests.lab.cluster import NAMESPACE
from tests.lab.programs import require
from tests.lab.supervisor import Supervisor, answers, free_port, wait_until

OWN_ROUTES = 'route!~"/healthz|/metrics"'
SERVER = "http_server_request_duration_seconds"
CLIENT = "http_client_request_duration_seconds"


@dataclass(frozen=True)
class Levels:
    """What the shop promises, and how long a breach must last before somebody is woken."""

    scrape_seconds: int = 5
    latency_seconds: float = 0.4
    error_ratio: float = 0.05
    quiet_rate: float = 5.2
    hold_seconds: int = 60


@dataclass(frozen=True)
class Target:
    """One /metrics endpoint and the labels that say whose it is."""

    port: int
    labels: Mapping[str, str]


def family(level: str, name: str, source: str, by: str) -> list[dict[str, str]]:
    """Rate, error ratio and two quantiles of one histogram, grouped `by`."""
    selector = f"{{{OWN_ROUTES}}}" if source == SERVER else ""
    failing = f'{{{OWN_ROUTES},code=~"5.."}}' if source == SERVER else '{code=~"5..|error|timeout"}'
    rate = f"sum by ({by}) (rate({source}_count{selector}[1m]))"
    errors = f"sum by ({by}) (rate({source}_count{failing}[1m]))"
    rules = [
        {"record": f"{level}:{name}_requests:rate1m", "expr": rate},
        {"record": f"{level}:{name}_errors:ratio1m", "expr": f"({errors} or 0 * {rate}) / {rate}"},
    ]
    for label, quantile in (("p50", 0.5), ("p99", 0.99)):
        buckets = f"sum by ({by}, le) (rate({source}_bucket{selector}[1m]))"
        rules.append(
            {
                "record": f"{level}:{name}_latency_seconds:{label}_1m",
                "expr": f"histogram_quantile({quantile}, {buckets})",
            }
        )
    return rules


def alert(
    name: str, expression: str, levels: Levels, labels: dict[str, str], text: dict[str, str]
) -> dict[str, object]:
    return {
        "alert": name,
        "expr": expression,
        "for": f"{levels.hold_seconds}s",
        "labels": {"severity": "page", "team": "shop"} | labels,
        "annotations": text | {"runbook_url": f"https://runbooks.shop.example/{name}"},
    }


def alerts(service: str, levels: Levels) -> list[dict[str, object]]:
    """The two pages a service can send."""
    p99 = f'service:http_server_latency_seconds:p99_1m{{service="{service}"}}'
    ratio = f'service:http_server_errors:ratio1m{{service="{service}"}}'
    title = service.capitalize()
    milliseconds = round(levels.latency_seconds * 1000)
    return [
        alert(
            f"{title}LatencyHigh",
            f"{p99} > {levels.latency_seconds}",
            levels,
            {"service": service, "namespace": NAMESPACE},
            {
                "summary": f"{service} p99 latency above {milliseconds} ms",
                "description": f"p99 of {service} is {{{{ $value | humanizeDuration }}}}.",
            },
        ),
        alert(
            f"{title}ErrorsHigh",
            f"{ratio} > {levels.error_ratio}",
            levels,
            {"service": service, "namespace": NAMESPACE},
            {
                "summary": f"{service} fails more than {levels.error_ratio:.0%} of its requests",
                "description": f"{{{{ $value | humanizePercentage }}}} of requests to {service} fail.",
            },
        ),
    ]


def quiet(levels: Levels) -> dict[str, object]:
    """A page for too few customers; its level is a plain number, as such rules so often have."""
    return alert(
        "GatewayTrafficLow",
        f'service:http_server_requests:rate1m{{service="gateway"}} < {levels.quiet_rate}',
        replace(levels, hold_seconds=min(20, levels.hold_seconds)),
        {"service": "gateway", "namespace": NAMESPACE},
        {
            "summary": f"gateway serves fewer than {levels.quiet_rate} requests a second",
            "description": "{{ $value | humanize }} requests a second reach the gateway.",
        },
    )


def restarts(levels: Levels) -> dict[str, object]:
    """A page for a container that ended and was started again; its labels are the series' own."""
    return alert(
        "ContainerRestarted",
        f'increase(kube_pod_container_status_restarts_total{{namespace="{NAMESPACE}"}}[5m]) > 0',
        replace(levels, hold_seconds=0),
        {},
        {
            "summary": "a container of {{ $labels.service }} restarted",
            "description": "Pod {{ $labels.pod }} on {{ $labels.node }} restarted.",
        },
    )


def rules(levels: Levels) -> dict[str, object]:
    recording = [
        *family("service", "http_server", SERVER, "namespace, service"),
        *family("service_route", "http_server", SERVER, "namespace, service, method, route"),
        *family("service_peer", "http_client", CLIENT, "namespace, service, peer"),
    ]
    pages = [*alerts("checkout", levels), *alerts("gateway", levels), quiet(levels), restarts(levels)]
    interval = f"{levels.scrape_seconds}s"
    return {
        "groups": [
            {"name": "recording", "interval": interval, "rules": recording},
            {"name": "pages", "interval": interval, "rules": pages},
        ]
    }


class Monitoring:
    """Both servers, and the list of targets that rollouts change."""

    def __init__(self, root: Path, supervisor: Supervisor, levels: Levels) -> None:
        self._root = root
        self._supervisor = supervisor
        self.levels = levels
        self._targets: dict[str, Target] = {}
        self.prometheus_port = free_port()
        self.alertmanager_port = free_port()
        root.mkdir(parents=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.prometheus_port}"

    @property
    def alertmanager_url(self) -> str:
        return f"http://127.0.0.1:{self.alertmanager_port}"

    def add_target(self, name: str, target: Target) -> None:
        self._targets[name] = target
        self._write_targets()

    def remove_target(self, name: str) -> None:
        self._targets.pop(name, None)
        self._write_targets()

    def _write_targets(self) -> None:
        groups = [
            {"targets": [f"127.0.0.1:{target.port}"], "labels": dict(target.labels)}
            for target in self._targets.values()
        ]
        fresh = self._root / "targets.json.new"
        fresh.write_text(json.dumps(groups))
        fresh.replace(self._root / "targets.json")

    def start(self, webhook: str) -> None:
        self._write_targets()
        self._start_alertmanager(webhook)
        self._start_prometheus()

    def _start_alertmanager(self, webhook: str) -> None:
        config = {
            "route": {
                "receiver": "investigate",
                "group_by": ["alertname", "service"],
                "group_wait": "2s",
                "group_interval": "10s",
                "repeat_interval": "4h",
            },
            "receivers": [
                {"name": "investigate", "webhook_configs": [{"url": webhook, "send_resolved": True}]},
            ],
        }
        path = self._root / "alertmanager.yml"
        path.write_text(yaml.safe_dump(config))
        running = self._supervisor.start(
            "alertmanager",
            [
                require("alertmanager"),
                f"--config.file={path}",
                f"--storage.path={self._root / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{self.alertmanager_port}",
                "--web.external-url=http://alertmanager.shop.example",
                "--cluster.listen-address=",
            ],
        )
        wait_until(lambda: answers(f"{self.alertmanager_url}/-/ready"), "Alertmanager", 20, running)

    def _start_prometheus(self) -> None:
        interval = f"{self.levels.scrape_seconds}s"
        config = {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": f"{max(1, self.levels.scrape_seconds - 1)}s",
                "evaluation_interval": interval,
            },
            "rule_files": ["rules.yml"],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager_port}"]}]}]
            },
            "scrape_configs": [{"job_name": "shop", "file_sd_configs": [{"files": ["targets.json"]}]}],
        }
        (self._root / "rules.yml").write_text(yaml.safe_dump(rules(self.levels), sort_keys=False))
        path = self._root / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        running = self._supervisor.start(
            "prometheus",
            [
                require("prometheus"),
                f"--config.file={path}",
                f"--storage.tsdb.path={self._root / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
                "--web.external-url=http://prometheus.shop.example",
                "--enable-feature=exemplar-storage",
            ],
        )
        wait_until(lambda: answers(f"{self.url}/-/ready"), "Prometheus", 20, running)
