"""The lab broken for real and investigated while it runs: the live ranking beside that of the recorded case.

    python -m benchmarks.live_lab [SCENARIO [ROWS [BASELINE_SECONDS]]]

Prometheus and PostgreSQL are the lab's own, real; the repository is its Git clone; deploys are told as
changes; spans and objects are served by the doubles of Tempo and of the Kubernetes API. Once the alert has
arrived, the command investigates (`firstcause record --service checkout --since 1m`), what it saved is
replayed, and the case that the lab recorded of the same minutes is investigated: three rankings of one
incident. Exits with 1 where their first proposals differ. SCENARIO is slow-dependency by default, which
takes about four minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bot.store.changes import PostedChanges
from connectors.answers import Change
from tests.doubles.kube.server import KubeServer
from tests.doubles.serving import serving
from tests.doubles.tempo import TempoDouble
from tests.lab import casefile, manifests, recording, stage
from tests.lab.monitoring import Levels
from tests.lab.recording import Pace
from tests.lab.shop import Options, Shop

ROOT = Path(__file__).resolve().parents[1]


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def told(shop: Shop, store: Path) -> None:
    """The shop's deploys, as its pipeline would have told them."""
    changes = PostedChanges(store)
    fields = ("id", "at", "kind", "service", "summary", "version", "commit", "pods", "link")
    for change in shop.changes:
        known = {name: getattr(change, name) for name in fields}
        changes.keep(Change.model_validate(known), datetime.now(UTC))
    changes.close()


def tempo_of(shop: Shop) -> TempoDouble:
    """A Tempo that holds what the shop's processes have exported so far."""
    double = TempoDouble()
    for path in sorted((shop.root / "telemetry").glob("*.traces.jsonl")):
        for line in path.read_text().splitlines():
            double.memory.write(json.loads(line))
    return double


def cluster_of(shop: Shop) -> KubeServer:
    """An API server that holds the shop's objects."""
    double = KubeServer()
    items = manifests.snapshot(shop.cluster, datetime.now(UTC))["items"]
    assert isinstance(items, list)
    double.store.put(*items)
    return double


def configured(shop: Shop, tempo: str, kubeconfig: Path, usual: float) -> None:
    """The configuration beside the kubeconfig; `usual` is how long the shop has run well, in seconds."""
    (kubeconfig.parent / "firstcause.yaml").write_text(
        "sources:\n"
        f"  - {{kind: prometheus, url: '{shop.monitoring.url}'}}\n"
        f"  - {{kind: tempo, url: '{tempo}'}}\n"
        f"  - {{kind: postgres, database: shop, dsn: '{shop.postgres.dsn('firstcause')}'}}\n"
        f"  - {{kind: kubernetes, kubeconfig: '{kubeconfig}'}}\n"
        f"  - {{kind: git, path: '{shop.repository.root}'}}\n"
        "  - {kind: changes}\n"
        f"investigation: {{baseline: {usual:.0f}s}}\n"
        "store: store.db\n"
    )


def command(home: Path, *arguments: str) -> dict[str, object]:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "bot.commands", *arguments, "--json"],
        check=False, capture_output=True, text=True, cwd=home, timeout=180,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    say(f"{' '.join(arguments[:3])}: exit {done.returncode} after {time.monotonic() - began:.1f} s")
    for line in done.stderr.splitlines():
        say(f"  {line}")
    found: dict[str, object] = json.loads(done.stdout) if done.stdout else {}
    return found


def investigated(
    shop: Shop, case: Path, home: Path, usual: float, begins: Callable[[], None] = lambda: None
) -> dict[str, object]:
    """Investigate the running shop, and save what was read; `begins` is called just before."""
    told(shop, home / "store.db")
    with serving(tempo_of(shop).app) as tempo, cluster_of(shop).running() as cluster:
        configured(shop, tempo, cluster.kubeconfig(home), usual)
        command(home, "doctor")
        command(home, "services")
        about = casefile.title((case / "alert.json").read_bytes())
        begins()
        return command(
            home, "record", "--service", "checkout", "--since", "1m", "--about", about, "--out", "saved"
        )


def rankings(name: str, options: Options, pace: Pace) -> dict[str, dict[str, object]]:
    """The live ranking, its replay, and that of the case the lab recorded."""
    scenario = stage.scenario(name)
    with ExitStack() as stack:
        root, home = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firstcause-lab-", dir="/tmp")))
            for _ in range(2)
        )
        case = root / "case"
        case.mkdir()
        with Shop(root, options, say) as shop:
            notes = recording.play(shop, scenario, pace, case)
            casefile.write_documents(case, notes.observed)
            home.chmod(0o711)
            live = investigated(shop, case, home, pace.baseline)
        window, telemetry = notes.observed.window, root / "telemetry"
        casefile.write_lines(case / "traces.jsonl.gz", casefile.requests(telemetry, window))
        casefile.write_lines(case / "logs.jsonl.gz", casefile.logs(telemetry, window, notes.database_log))
        shop.repository.export(case / "repository")
        return {
            "live": live,
            "live, replayed": command(home, "investigate", "--case", "saved"),
            "recorded": command(home, "investigate", "--case", str(case)),
        }


def main(name: str = "slow-dependency", rows: str = "20000", baseline: str = "120") -> int:
    levels = Levels(scrape_seconds=2, hold_seconds=20)
    options = Options(rows=int(rows), rate=15, sampling=1, levels=levels)
    found = rankings(name, options, Pace(warm_up=20, baseline=float(baseline), afterwards=0))
    firsts = []
    for title, document in found.items():
        proposals = document.get("proposals")
        listed = proposals if isinstance(proposals, list) else []
        print(f"{title}: {document.get('verdict')}, coverage {document.get('coverage')}")
        for each in listed[:3]:
            about = [each[name] for name in ("cause", "service", "entity", "change")]
            print(f"  {each['confidence']:.4f}", *about)
        firsts.append([(each["cause"], each["service"]) for each in listed[:1]])
    return 0 if firsts[0] == firsts[1] == firsts[2] != [] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
