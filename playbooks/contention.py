"""Judges over sessions: who blocks whom, whether connections run out, who sits idle in a transaction.

Sources: PostgreSQL manual, "pg_stat_activity", "Viewing Locks", "Connections and Authentication".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.answers import ActivityGroup, ActivitySnapshot, ActivitySnapshots, Lock, Locks
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, of_database, short, unknown
from playbooks.model import Entity
from playbooks.observations import Observations, Observed
from playbooks.statements import Unread, read_statement

LEAST_BLOCKED_SECONDS = 1.0
LONG_IDLE_SECONDS = 30.0
RESERVED = 3
"""superuser_reserved_connections by default."""
_WRITES_TO = re.compile(
    r"\b(?:update|insert\s+into|delete\s+from|truncate(?:\s+table)?|lock(?:\s+table)?|alter\s+table|from)"
    r"\s+(?:only\s+|if\s+exists\s+){0,2}(\"?[a-z_][\w$.\"]{0,126})"
    r"|\bindex\s.{0,160}\bon\s+(?:only\s+)?(\"?[a-z_][\w$.\"]{0,126})",
    re.IGNORECASE,
)
_KEYWORDS = frozenset("only if select set table".split())


@dataclass(frozen=True, slots=True)
class Chain:
    """The session at the root of a lock queue, and everyone who waits for it, directly or not.

    `queries`: what the waiters want to run.
    """

    root: Lock
    blocked: int
    longest_seconds: float
    queries: tuple[str, ...] = ()


def lock_chains(locks: Sequence[Lock]) -> tuple[Chain, ...]:
    """Follow every waiter to the session that waits for nobody; the longest queue first.

    In a cycle (a deadlock that PostgreSQL has not broken yet) the smallest process id stands for the root.
    """
    by_blocked: dict[int, list[Lock]] = {}
    for lock in locks:
        by_blocked.setdefault(lock.blocked_pid, []).append(lock)
    waiting: dict[int, list[Lock]] = {}
    roots: dict[int, Lock] = {}
    for lock in sorted(locks, key=lambda x: (x.blocked_pid, x.blocker_pid)):
        last = _root(lock, by_blocked)
        roots.setdefault(last.blocker_pid, last)
        waiting.setdefault(last.blocker_pid, []).append(lock)
    chains = [
        Chain(
            roots[pid],
            len({w.blocked_pid for w in held}),
            max(w.blocked_seconds for w in held),
            tuple(w.blocked_query for w in held),
        )
        for pid, held in waiting.items()
    ]
    return tuple(sorted(chains, key=lambda c: (-c.blocked, -c.longest_seconds, c.root.blocker_pid)))


def _root(lock: Lock, by_blocked: dict[int, list[Lock]]) -> Lock:
    seen = {lock.blocked_pid: lock}
    current = lock
    while current.blocker_pid in by_blocked:
        if current.blocker_pid in seen:
            return min(seen.values(), key=lambda x: x.blocker_pid)
        current = min(by_blocked[current.blocker_pid], key=lambda x: x.blocker_pid)
        seen[current.blocked_pid] = current
    return current


def judge_locks(observations: Observations, scene: Scene) -> DetailedFinding:
    """Whether sessions queue for a lock, and who holds it."""
    observed = of_database(observations, Locks, scene.database)
    if observed is None:
        return unknown("lock_chain", "nobody asked who waits for whom", scene)
    chains = lock_chains(observed.answer.locks)
    if not chains or chains[0].longest_seconds < LEAST_BLOCKED_SECONDS:
        text = f"nobody waits a second or more for a lock ({len(observed.answer.locks)} waiters)"
        ruling = Ruling(judge="lock_chain", state="no", why=text, strength=5.0)
        return finding(ruling, scene, [cite(observed.reading, text)])
    return _lock_finding(chains[0], observed, scene)


def _lock_finding(chain: Chain, observed: Observed[Locks], scene: Scene) -> DetailedFinding:
    root = chain.root
    holder = short(root.blocker_application, 60) or "no application name"
    text = (
        f"{chain.blocked} sessions wait, the longest {chain.longest_seconds:.0f} s, for process "
        f"{root.blocker_pid} ({holder}, {root.blocker_state or 'unknown state'} for "
        f"{root.blocker_seconds:.0f} s): {short(root.blocker_query, 120)}"
    )
    table = locked_table(chain)
    if table:
        text += f"; they wait for {table}"
    ruling = Ruling(
        judge="lock_chain",
        state="yes",
        why=text,
        strength=2.0 + min(4.0, chain.blocked / 2) + min(4.0, chain.longest_seconds / 15),
        entity=Entity(kind="table", name=table) if table else None,
    )
    facts = {
        "table": table,
        "pid": str(root.blocker_pid),
        "application": short(root.blocker_application, 60),
        "statement": short(root.blocker_query),
    }
    return finding(ruling, scene, [cite(observed.reading, text)], facts)


def locked_table(chain: Chain) -> str:
    """The table that the waiters have in common, best one that the holder named too; empty if untold.

    The holder's last statement need not be the one that took the lock, so it decides only between equals.
    """
    wanted = Counter(table for query in chain.queries for table in _tables(query))
    held = _tables(chain.root.blocker_query)
    if not wanted:
        return min(held) if len(held) == 1 else ""
    return min(wanted, key=lambda table: (-wanted[table], table not in held, table))


def _tables(query: str) -> frozenset[str]:
    """The tables of a statement; of one that is cut or no query, by the words before their names."""
    said = read_statement(query)
    if not isinstance(said, Unread) and said.tables:
        return frozenset(table.name for table in said.tables)
    names = (a or b for a, b in _WRITES_TO.findall(query[:2000]))
    bare = (name.rsplit(".", 1)[-1].strip('"') for name in names)
    return frozenset(name for name in bare if name and name.lower() not in _KEYWORDS)


def judge_connections(
    observations: Observations, scene: Scene, max_connections: int | None = None
) -> tuple[DetailedFinding, ...]:
    """Whether the server's connections run out, and whether sessions sit idle in a transaction.

    Args:
        observations: the readings.
        scene: what is judged.
        max_connections: the server's setting, None where unknown (then only a rise can be told).
    """
    observed = of_database(observations, ActivitySnapshots, scene.database)
    judges = ("connections_exhausted", "idle_in_transaction", "lock_waits")
    if observed is None or not observed.answer.snapshots:
        return tuple(unknown(judge, "no activity of sessions is known", scene) for judge in judges)
    ordered = sorted(observed.answer.snapshots, key=lambda s: s.at)
    during = [s for s in ordered if scene.onset is None or s.at >= scene.onset]
    if not during:
        return tuple(unknown(judge, "no activity since the onset is known", scene) for judge in judges)
    return (
        _exhausted(during, observed, scene, max_connections),
        _idle(during, observed, scene),
        _lock_waits(during, observed, scene),
    )


def _sessions(snapshot: ActivitySnapshot) -> int:
    return sum(g.count for g in snapshot.groups)


def _exhausted(
    during: Sequence[ActivitySnapshot],
    observed: Observed[ActivitySnapshots],
    scene: Scene,
    most: int | None,
) -> DetailedFinding:
    peak = max(_sessions(s) for s in during)
    if most is None:
        return unknown("connections_exhausted", f"{peak} sessions; max_connections is not known", scene)
    part = peak / max(1, most - RESERVED)
    text = f"{peak} of {most} connections are taken ({part:.0%} of those not reserved)"
    if 0.8 <= part < 0.95:
        return unknown("connections_exhausted", f"no clear answer: {text}", scene)
    full = part >= 0.95
    ruling = Ruling(
        judge="connections_exhausted",
        state="yes" if full else "no",
        why=text,
        strength=6.0 if full else 4.0,
        entity=Entity(kind="database", name=scene.database or "database") if full else None,
    )
    return finding(ruling, scene, [cite(observed.reading, text)])


@dataclass(frozen=True, slots=True)
class _Held:
    count: int
    oldest_seconds: float
    application: str


def _held(snapshot: ActivitySnapshot) -> _Held:
    groups = [g for g in snapshot.groups if g.state.startswith("idle in transaction")]
    if not groups:
        return _Held(0, 0.0, "")
    oldest = max(groups, key=lambda g: (g.oldest_seconds, g.application))
    return _Held(sum(g.count for g in groups), oldest.oldest_seconds, oldest.application)


def _idle(
    during: Sequence[ActivitySnapshot], observed: Observed[ActivitySnapshots], scene: Scene
) -> DetailedFinding:
    held = max((_held(s) for s in during), key=lambda h: (h.oldest_seconds, h.count, h.application))
    text = (
        f"{held.count} sessions idle in transaction, the oldest for {held.oldest_seconds:.0f} s"
        f" ({short(held.application, 60) or 'no application name'})"
    )
    long = held.oldest_seconds >= LONG_IDLE_SECONDS
    if not long and held.oldest_seconds >= LONG_IDLE_SECONDS / 3:
        return unknown("idle_in_transaction", f"no clear answer: {text}", scene)
    ruling = Ruling(
        judge="idle_in_transaction",
        state="yes" if long else "no",
        why=text if long else f"no session holds a transaction open for long: {text}",
        strength=2.0 + min(4.0, held.oldest_seconds / 60) + min(3.0, held.count / 5) if long else 3.0,
        entity=Entity(kind="pool", name=short(held.application, 60) or "sessions") if long else None,
    )
    facts = {"application": short(held.application, 60)} if long else None
    return finding(ruling, scene, [cite(observed.reading, text)], facts)


def _waits(snapshot: ActivitySnapshot) -> int:
    return sum(g.count for g in snapshot.groups if _waits_for_lock(g))


def _waits_for_lock(group: ActivityGroup) -> bool:
    return group.wait_event_type == "Lock"


def _lock_waits(
    during: Sequence[ActivitySnapshot], observed: Observed[ActivitySnapshots], scene: Scene
) -> DetailedFinding:
    """Sampled waits: a queue that lasts shows in most samples, chance in one."""
    seen = [_waits(s) for s in during]
    lasting = sum(count > 0 for count in seen) / len(seen)
    text = f"sessions wait for locks in {lasting:.0%} of {len(seen)} samples, at most {max(seen)} at once"
    if 0 < lasting < 0.5 and max(seen) < 5:
        return unknown("lock_waits", f"no clear answer: {text}", scene)
    waits = lasting > 0
    ruling = Ruling(
        judge="lock_waits",
        state="yes" if waits else "no",
        why=text,
        strength=2.0 + min(6.0, max(seen) * lasting) if waits else 4.0,
    )
    return finding(ruling, scene, [cite(observed.reading, text)])
