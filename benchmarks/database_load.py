"""What an investigation adds to the load of the database it looks into.

    python -m benchmarks.database_load [ROWS [BASELINE_SECONDS]]

The lab's shop runs under load with a real PostgreSQL, an index goes missing with a deploy, the alert arrives
(ROWS must be large enough for that: 2 million by default), and `firstcause record` investigates live. Before
and after, an administrator reads pg_stat_statements by role: what our role ran (statements, seconds, buffers)
stands beside what the shop ran in the same time. Planning is counted too
(`pg_stat_statements.track_planning`), since an EXPLAIN is little else. The time in the database is the sum
over all statements, so questions asked side by side count one by one; sampling activity waits between its
samples outside of any statement.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.live_lab import investigated, say
from tests.lab import casefile, recording, stage
from tests.lab.database import READER
from tests.lab.monitoring import Levels
from tests.lab.recording import Pace
from tests.lab.shop import Options, Shop

COUNTERS = """
    SELECT r.rolname = %s AS ours, sum(s.calls)::float8,
           sum(s.total_exec_time + s.total_plan_time)::float8 / 1e3,
           sum(s.shared_blks_hit + s.shared_blks_read)::float8,
           sum(s.temp_blks_read + s.temp_blks_written)::float8
    FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid GROUP BY 1"""


@dataclass(frozen=True)
class Load:
    """What a role ran: statements, seconds, 8 kB buffers touched, buffers of temporary files."""

    statements: float = 0.0
    seconds: float = 0.0
    buffers: float = 0.0
    temporary: float = 0.0

    def __sub__(self, other: Load) -> Load:
        pairs = zip(vars(self).items(), vars(other).values(), strict=True)
        return Load(**{name: mine - theirs for (name, mine), theirs in pairs})


@dataclass(frozen=True)
class Moment:
    """The counters at one time."""

    at: float
    ours: Load
    shop: Load


def counted(dsn: str) -> Moment:
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(COUNTERS, (READER,)).fetchall()
    loads = {bool(ours): Load(*map(float, values)) for ours, *values in rows}
    return Moment(time.monotonic(), loads.get(True, Load()), loads.get(False, Load()))


def measured(shop: Shop, home: Path, pace: Pace) -> tuple[Moment, Moment]:
    """The counters around an investigation of the broken shop."""
    case = shop.root / "case"
    case.mkdir()
    with psycopg.connect(shop.postgres.dsn(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET pg_stat_statements.track_planning = on")
        connection.execute("SELECT pg_reload_conf()")
    notes = recording.play(shop, stage.scenario("missing-index-after-deploy"), pace, case)
    casefile.write_documents(case, notes.observed)
    home.chmod(0o711)
    before: list[Moment] = []
    document = investigated(
        shop, case, home, pace.baseline, begins=lambda: before.append(counted(shop.postgres.dsn()))
    )
    proposals = document.get("proposals")
    for each in proposals[:3] if isinstance(proposals, list) else []:
        say(f"  {each['confidence']:.2f} {each['title']}")
    return before[0], counted(shop.postgres.dsn())


def told(before: Moment, after: Moment) -> None:
    ours, shop = after.ours - before.ours, after.shop - before.shop
    print(f"in {after.at - before.at:.1f} s (`firstcause record`)")
    print("| | statements | seconds | buffers | temporary buffers |\n|---|---|---|---|---|")
    for title, load in (("investigation", ours), ("shop", shop)):
        print(
            f"| {title} | {load.statements:,.0f} | {load.seconds:,.3f} | {load.buffers:,.0f} "
            f"| {load.temporary:,.0f} |"
        )
    shares = [
        100 * mine / max(theirs, 1e-9)
        for mine, theirs in zip(vars(ours).values(), vars(shop).values(), strict=True)
    ]
    print("| share | " + " | ".join(f"{share:.2f} %" for share in shares[:3]) + " | |")


def main(rows: str = "2000000", baseline: str = "60") -> None:
    levels = Levels(scrape_seconds=2, hold_seconds=10)
    options = Options(rows=int(rows), rate=15, sampling=1, levels=levels)
    with ExitStack() as stack:
        root, home = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firstcause-load-", dir="/tmp")))
            for _ in range(2)
        )
        with Shop(root, options, say) as shop:
            pace = Pace(warm_up=15, baseline=float(baseline), afterwards=0)
            told(*measured(shop, home, pace))


if __name__ == "__main__":
    main(*sys.argv[1:])
