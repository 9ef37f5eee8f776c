"""Real metrics servers for the tests: Prometheus with blocks filled in, VictoriaMetrics with lines sent."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from tests.lab.programs import find
from tests.lab.supervisor import Supervisor, answers, free_port, wait_until

Sample = tuple[float, float]
Series = tuple[str, Mapping[str, str], Sequence[Sample]]


def missing() -> list[str]:
    return [name for name in ("prometheus", "promtool", "victoria-metrics") if find(name) is None]


def _name(metric: str, labels: Mapping[str, str]) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    inner = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return f"{metric}{{{inner}}}" if inner else metric


def openmetrics(series: Iterable[Series], *, milliseconds: bool = False) -> str:
    """Text with time stamps: families together, as promtool wants them."""
    lines = []
    for metric, labels, samples in sorted(series, key=lambda each: each[0]):
        name = _name(metric, labels)
        lines += [f"{name} {value!r} {round(at * 1000) if milliseconds else at}" for at, value in samples]
    return "\n".join([*lines, "" if milliseconds else "# EOF\n"])


def start_prometheus(
    root: Path, supervisor: Supervisor, series: Iterable[Series], config: Mapping[str, object] | None = None
) -> str:
    """A Prometheus that holds the series; gives its URL."""
    root.mkdir(parents=True)
    text = openmetrics(series)
    if text.count("\n") > 1:
        (root / "series.txt").write_text(text)
        subprocess.run(
            [
                "promtool",
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--max-block-duration=24h",
                str(root / "series.txt"),
                str(root / "tsdb"),
            ],
            check=True,
            capture_output=True,
        )
    (root / "prometheus.yml").write_text(yaml.safe_dump(dict(config or {})))
    port = free_port()
    running = supervisor.start(
        f"prometheus-{root.name}",
        [
            "prometheus",
            f"--config.file={root / 'prometheus.yml'}",
            f"--storage.tsdb.path={root / 'tsdb'}",
            "--storage.tsdb.retention.time=50y",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        ],
    )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/-/ready"), "Prometheus", 20, running)
    return url


def start_victoria(root: Path, supervisor: Supervisor, series: Iterable[Series]) -> str:
    """A VictoriaMetrics that holds the series; gives its URL."""
    root.mkdir(parents=True)
    port = free_port()
    running = supervisor.start(
        f"victoria-{root.name}",
        [
            "victoria-metrics",
            f"-storageDataPath={root / 'data'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=50y",
            "-search.latencyOffset=0s",
            "-memory.allowedPercent=10",
        ],
    )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/health"), "VictoriaMetrics", 20, running)
    body = openmetrics(series, milliseconds=True).encode()
    request = urllib.request.Request(f"{url}/api/v1/import/prometheus", data=body, method="POST")
    urllib.request.urlopen(request, timeout=30).close()
    urllib.request.urlopen(f"{url}/internal/force_flush", timeout=30).close()
    return url
