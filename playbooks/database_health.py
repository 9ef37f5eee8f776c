"""Judges over a server's state: keys that run out, vacuum held back, replication, checkpoints, settings.

Each speaks of one reading and says unknown where the numbers lie between. Sources: PostgreSQL manual,
"Routine Vacuuming", "Sequence Manipulation", "Monitoring Statistics", "WAL Configuration", "Replication".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from connectors.database_answers import (
    ConnectionUse,
    KeySpace,
    OldTransaction,
    OldTransactions,
    ReplicationState,
    ServerSettings,
    Standby,
    VacuumHealth,
    VacuumTable,
    WriteAhead,
)
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, number, of_database, short, unknown
from playbooks.model import Entity
from playbooks.observations import Observations, Observed

KEY_GONE, KEY_NEAR = 0.995, 0.9
OLD_SECONDS, YOUNG_SECONDS = 900.0, 120.0
"""A transaction older than the first holds vacuum back enough to matter; one younger than the second, no."""
BEHIND = 5.0
"""Dead rows in multiples of what makes autovacuum start: it has been due that often."""
LEAST_DEAD = 50_000.0
IDS = 2.0**31
WRAP_SURE, WRAP_NEAR = 0.95, 0.5
"""Parts of the transaction ids that are used up: the server warns, and later refuses writes, at the end."""
LAG_SECONDS, LAG_BYTES = 30.0, 256 * 2.0**20
RETAINED_BYTES = 4 * 2.0**30
STORM_SHARE, STORM_SECONDS = 0.6, 90.0
"""Checkpoints that WAL forces, as a share of all, and their distance: then they follow too closely."""


def judge_health(observations: Observations, scene: Scene) -> tuple[DetailedFinding, ...]:
    """Every finding about the server's state, in a fixed order."""
    return tuple(judge(observations, scene) for judge in _JUDGES)


def most_connections(observations: Observations, database: str | None) -> int | None:
    """The server's max_connections less what it reserves, where known."""
    observed = of_database(observations, ConnectionUse, database)
    return observed.answer.most if observed else None


# --- keys -----------------------------------------------------------------------------------------------
def _keys(observations: Observations, scene: Scene) -> DetailedFinding:
    judge = "keys_exhausted"
    observed = of_database(observations, KeySpace, scene.database)
    if observed is None or not observed.answer.keys:
        return unknown(judge, "nobody asked how many keys are left", scene)
    worst = max(observed.answer.keys, key=lambda key: (key.used, key.sequence))
    text = (
        f"{worst.table or worst.sequence}.{worst.column or 'nextval'} ({worst.kind or 'unknown type'})"
        f" has used {worst.used:.1%} of its {number(worst.largest)} values"
    )
    if KEY_NEAR <= worst.used < KEY_GONE:
        return unknown(judge, f"near its end, not there: {text}", scene)
    gone = worst.used >= KEY_GONE
    ruling = Ruling(
        judge=judge,
        state="yes" if gone else "no",
        why=text,
        strength=8.0 if gone else 5.0,
        entity=Entity(kind="table", name=worst.table or worst.sequence) if gone else None,
    )
    facts = {"table": worst.table, "schema": worst.db_schema, "columns": worst.column}
    return finding(ruling, scene, [cite(observed.reading, text)], facts if gone else None)


# --- vacuum ---------------------------------------------------------------------------------------------
def _old_transaction(observations: Observations, scene: Scene) -> DetailedFinding:
    judge = "old_transaction"
    observed = of_database(observations, OldTransactions, scene.database)
    if observed is None:
        return unknown(judge, "nobody asked for old transactions", scene)
    oldest = max(observed.answer.transactions, key=lambda each: (each.seconds, each.pid), default=None)
    if oldest is None or oldest.seconds < YOUNG_SECONDS:
        text = "no transaction is older than two minutes"
        ruling = Ruling(judge=judge, state="no", why=text, strength=4.0)
        return finding(ruling, scene, [cite(observed.reading, text)])
    text = _told(oldest)
    if oldest.seconds < OLD_SECONDS:
        return unknown(judge, f"no clear answer: {text}", scene)
    ruling = Ruling(
        judge=judge,
        state="yes",
        why=text,
        strength=3.0 + min(4.0, oldest.seconds / 3_600),
        entity=Entity(kind="session", name=str(oldest.pid or oldest.name)),
    )
    facts = {"pid": str(oldest.pid) if oldest.pid else "", "application": short(oldest.application, 60)}
    return finding(ruling, scene, [cite(observed.reading, text)], facts)


def _told(oldest: OldTransaction) -> str:
    who = f"process {oldest.pid}" if oldest.pid else oldest.name
    doing = f", {oldest.state}" if oldest.state else ""
    return (
        f"{oldest.holder} {who} ({short(oldest.application, 60) or 'no application name'}{doing}) holds a "
        f"transaction open for {oldest.seconds / 60:.0f} min: vacuum removes no row that died since"
    )


def _vacuum(observations: Observations, scene: Scene) -> DetailedFinding:
    judge = "vacuum_behind"
    observed = of_database(observations, VacuumHealth, scene.database)
    if observed is None:
        return unknown(judge, "nobody asked how far vacuum is behind", scene)
    tables = [table for table in observed.answer.tables if table.dead_rows >= LEAST_DEAD]
    worst = max(tables, key=lambda table: (_due(table), table.table), default=None)
    if worst is None or _due(worst) < 1.5:
        text = "no table has more dead rows than autovacuum lets be"
        ruling = Ruling(judge=judge, state="no", why=text, strength=4.0)
        return finding(ruling, scene, [cite(observed.reading, text)])
    off = "" if worst.autovacuum and observed.answer.enabled else "; autovacuum is off for it"
    text = (
        f"{worst.table} has {number(worst.dead_rows)} dead rows beside {number(worst.live_rows)} live ones, "
        f"{_due(worst):.1f} times what makes autovacuum start{off}"
    )
    if _due(worst) < BEHIND:
        return unknown(judge, f"no clear answer: {text}", scene)
    ruling = Ruling(
        judge=judge,
        state="yes",
        why=text,
        strength=min(8.0, 3.0 + _due(worst) / 5),
        entity=Entity(kind="table", name=worst.table),
    )
    facts = {"table": worst.table, "schema": worst.db_schema, "rows": number(worst.dead_rows)}
    return finding(ruling, scene, [cite(observed.reading, text)], facts)


def _due(table: VacuumTable) -> float:
    return table.dead_rows / max(table.vacuum_after, 1.0)


def _wraparound(observations: Observations, scene: Scene) -> DetailedFinding:
    judge = "ids_exhausted"
    observed = of_database(observations, VacuumHealth, scene.database)
    if observed is None:
        return unknown(judge, "nobody asked how old the oldest transaction id is", scene)
    used = max(observed.answer.xid_age, observed.answer.multixact_age) / IDS
    text = f"{used:.1%} of the transaction ids are used up before the oldest row is frozen"
    if WRAP_NEAR <= used < WRAP_SURE:
        return unknown(judge, f"near the end, not there: {text}", scene)
    gone = used >= WRAP_SURE
    ruling = Ruling(
        judge=judge,
        state="yes" if gone else "no",
        why=text,
        strength=8.0 if gone else 5.0,
        entity=Entity(kind="database", name=scene.database or "database") if gone else None,
    )
    return finding(ruling, scene, [cite(observed.reading, text)])


# --- replication and WAL --------------------------------------------------------------------------------
def _replication(observations: Observations, scene: Scene) -> DetailedFinding:
    judge = "replication_behind"
    observed = of_database(observations, ReplicationState, scene.database)
    if observed is None:
        return unknown(judge, "nobody asked how far standbys are behind", scene)
    state = observed.answer
    worst = max(state.standbys, key=lambda each: (_lag(each), each.lag_bytes), default=None)
    own = state.replay_delay_seconds or 0.0
    slot = max((s for s in state.slots if not s.active), key=lambda s: s.retained_bytes, default=None)
    if own >= LAG_SECONDS and state.in_recovery:
        return _behind(f"this standby replays {own:.0f} s behind its primary", scene, observed, "standby")
    if worst is not None and (_lag(worst) >= LAG_SECONDS or worst.lag_bytes >= LAG_BYTES):
        name = short(worst.application, 60) or "a standby"
        text = f"{name} is {_lag(worst):.0f} s and {number(worst.lag_bytes / 2**20)} MiB behind"
        return _behind(text, scene, observed, name)
    if slot is not None and slot.retained_bytes >= RETAINED_BYTES:
        text = f"slot {slot.slot} has no reader and keeps {number(slot.retained_bytes / 2**30)} GiB of WAL"
        return _behind(text, scene, observed, slot.slot)
    text = f"{len(state.standbys)} standbys and {len(state.slots)} slots, none far behind"
    ruling = Ruling(judge=judge, state="no", why=text, strength=4.0)
    return finding(ruling, scene, [cite(observed.reading, text)])


def _lag(standby: Standby) -> float:
    return standby.replay_lag_seconds or 0.0


def _behind(text: str, scene: Scene, observed: Observed[ReplicationState], name: str) -> DetailedFinding:
    entity = Entity(kind="database", name=name)
    ruling = Ruling(judge="replication_behind", state="yes", why=text, strength=6.0, entity=entity)
    return finding(ruling, scene, [cite(observed.reading, text)])


def _checkpoints(observations: Observations, scene: Scene) -> DetailedFinding:
    """Counters since the reset: they tell a habit, so a storm of minutes in weeks of calm stays unknown."""
    judge = "checkpoints_forced"
    observed = of_database(observations, WriteAhead, scene.database)
    if observed is None or not observed.answer.since_seconds:
        return unknown(judge, "nobody asked how often the server checkpoints", scene)
    wal = observed.answer
    count = wal.checkpoints_timed + wal.checkpoints_requested
    if count < 3:
        return unknown(judge, f"only {count:.0f} checkpoints since the statistics were reset", scene)
    share, apart = wal.checkpoints_requested / count, (observed.answer.since_seconds or 0.0) / count
    text = (
        f"{share:.0%} of {count:.0f} checkpoints were forced, {apart:.0f} s apart on average: max_wal_size"
        f" is {number(wal.max_wal_size_bytes / 2**20)} MiB"
    )
    storm = share >= STORM_SHARE and apart <= STORM_SECONDS
    calm = share <= STORM_SHARE / 2 and apart >= 2 * STORM_SECONDS
    if not storm and not calm:
        return unknown(judge, f"no clear answer: {text}", scene)
    ruling = Ruling(
        judge=judge,
        state="yes" if storm else "no",
        why=text,
        strength=6.0 if storm else 1.0,
        entity=Entity(kind="database", name=scene.database or "database") if storm else None,
    )
    return finding(ruling, scene, [cite(observed.reading, text)])


# --- settings -------------------------------------------------------------------------------------------
def _settings(observations: Observations, scene: Scene) -> DetailedFinding:
    judge = "settings_reloaded"
    observed = of_database(observations, ServerSettings, scene.database)
    if observed is None or observed.answer.loaded_seconds is None or scene.onset is None:
        return unknown(judge, "nobody asked when the settings were last read", scene)
    held = observed.answer
    loaded = observed.reading.at - timedelta(seconds=held.loaded_seconds or 0.0)
    apart = (scene.onset - loaded).total_seconds()
    waiting = [each.name for each in held.settings if each.pending_restart or each.error]
    more = f"; waiting or refused: {', '.join(waiting[:5])}" if waiting else ""
    if not -60 <= apart <= 3_600:
        text = f"the settings were last read {number(abs(apart) / 60)} min from the onset{more}"
        ruling = Ruling(judge=judge, state="no", why=text, strength=2.0)
        return finding(ruling, scene, [cite(observed.reading, text)])
    text = f"the server read its settings anew {apart / 60:.0f} min before the onset{more}"
    ruling = Ruling(judge=judge, state="yes", why=text, strength=3.0)
    return finding(ruling, scene, [cite(observed.reading, text)])


_JUDGES: tuple[Callable[[Observations, Scene], DetailedFinding], ...] = (
    _keys,
    _old_transaction,
    _vacuum,
    _wraparound,
    _replication,
    _checkpoints,
    _settings,
)
