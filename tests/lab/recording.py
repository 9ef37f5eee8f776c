"""Runs a scenario against the shop and leaves a case behind: baseline, fault, alert, snapshot, files.

Must not know what a scenario does, nor write its truth anywhere but into truth.yaml.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.lab import casefile, manifests, probes, series
from tests.lab.casefile import Observed, Window
from tests.lab.shop import Progress, Shop, utc_now
from tests.lab.stage import Scenario
from tests.lab.telemetry import iso
from tests.lab.webhook import Delivery


class NoAlertError(Exception):
    """The scenario ran, and no alert reached the webhook."""


class TooLargeError(Exception):
    """The recorded case is larger than a case may be."""


@dataclass(frozen=True)
class Pace:
    """How long the parts of a run last, in seconds."""

    warm_up: float = 60
    baseline: float = 600
    patience: float = 300
    afterwards: float = 60


@dataclass(frozen=True)
class Notes:
    """What must be written down while the shop still runs."""

    observed: Observed
    database_log: Path


def wait_for_alert(shop: Shop, alert: str, since: datetime, patience: float) -> Delivery:
    deadline = time.monotonic() + patience
    while True:
        delivery = shop.inbox.first(alert, since)
        if delivery is not None:
            return delivery
        if time.monotonic() > deadline:
            raise NoAlertError(f"{alert} did not fire within {patience:.0f} s")
        shop.wait(0.5)


def play(shop: Shop, scenario: Scenario, pace: Pace, case: Path) -> Notes:
    """The whole incident, up to the last moment at which the shop must be alive."""
    scenario.arrange(shop)
    shop.progress(f"warming up for {pace.warm_up:.0f} s")
    shop.wait(pace.warm_up)
    start = utc_now()
    shop.progress(f"baseline of {pace.baseline:.0f} s")
    scenario.baseline(shop, pace.baseline)
    before = probes.snapshot(shop.postgres.dsn(probes.APPLICATION))
    began = utc_now()
    shop.progress(f"scenario {scenario.name} begins")
    scenario.inject(shop)
    shop.progress(f"waiting for {scenario.alert}")
    delivery = wait_for_alert(shop, scenario.alert, began, pace.patience)
    shop.progress(
        f"{scenario.alert} arrived {(delivery.at - began).total_seconds():.0f} s after the scenario began"
    )
    scenario.after_alert(shop)
    readings = before + _snapshot(shop, before)
    at = utc_now()
    kubernetes = manifests.snapshot(shop.cluster, at)
    shop.wait(pace.afterwards)
    window = Window(start, at, utc_now())
    shop.progress("writing the case")
    step = shop.options.levels.scrape_seconds
    count = series.write(shop.monitoring.url, start, window.end, step, case / "metrics.parquet")
    shop.progress(f"{count} series")
    (case / "database").mkdir()
    shop.postgres.dump_schema(case / "database" / "shop.sql")
    observed = Observed(
        scenario.name,
        window,
        delivery.body,
        kubernetes,
        [change for change in shop.changes if change.at <= iso(at)],
        shop.repository.commits(),
        readings,
        list(shop.deployed),
        shop.options.sampling,
    )
    return Notes(observed, shop.postgres.log)


def _snapshot(shop: Shop, before: list[probes.Recorded]) -> list[probes.Recorded]:
    dsn = shop.postgres.dsn(probes.APPLICATION)
    after = probes.snapshot(dsn)
    return after + probes.plans(dsn, before, after)


def record(shop: Shop, scenario: Scenario, pace: Pace, target: Path) -> Path:
    """Run `scenario` in a shop that is not yet up and write the case to `target`, all of it or nothing."""
    case = shop.root / "case"
    case.mkdir()
    with shop:
        notes = play(shop, scenario, pace, case)
    # Only now have all processes written the last of their spans and logs.
    window, telemetry = notes.observed.window, shop.root / "telemetry"
    casefile.write_documents(case, notes.observed)
    casefile.write_lines(case / "traces.jsonl.gz", casefile.requests(telemetry, window))
    casefile.write_lines(case / "logs.jsonl.gz", casefile.logs(telemetry, window, notes.database_log))
    shop.repository.export(case / "repository")
    casefile.write_yaml(case / "truth.yaml", scenario.truth().document())
    if casefile.size(case) > casefile.LARGEST_BYTES:
        raise TooLargeError(
            f"the case has {casefile.size(case):,} bytes; record fewer traces or a shorter baseline"
        )
    publish(case, target, shop.progress)
    return target


def publish(case: Path, target: Path, progress: Progress) -> None:
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(case, target)
    for path in sorted(target.rglob("*")):
        if path.is_file() and path.parent == target:
            progress(f"  {path.stat().st_size:>10,}  {path.name}")
    progress(f"  {casefile.size(target):>10,}  in all: {target}")
