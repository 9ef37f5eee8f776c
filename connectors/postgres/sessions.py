"""Who is connected, waits, blocks and holds old transactions: read from pg_stat_activity and pg_locks."""

from __future__ import annotations

import time
from datetime import timedelta

from connectors import answers as a
from connectors import database_answers as d
from connectors.postgres.channel import Row
from connectors.postgres.inquiry import Inquiry, typed
from connectors.postgres.literals import without_literals
from connectors.redaction import redacted

LOOKS = 3
"""Looks at the activity: waits come and go within seconds."""

_ACTIVITY = """
    SELECT coalesce(state, '') AS state, coalesce(wait_event_type, '') AS wait_event_type,
           coalesce(wait_event, '') AS wait_event, coalesce(application_name, '') AS application,
           count(*)::int4 AS count,
           coalesce(max(extract(epoch FROM clock_timestamp() - coalesce(xact_start, state_change))),
                    0)::float8 AS oldest_seconds
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type <> 'parallel worker'
    GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 4, 1, 2, 3"""

_LOCKS = """
    SELECT b.pid AS blocked_pid, b.query AS blocked_query,
           extract(epoch FROM clock_timestamp() - coalesce(b.state_change, b.query_start))::float8
             AS blocked_seconds,
           p.pid AS blocker_pid, h.query AS blocker_query,
           coalesce(h.state, CASE WHEN p.pid = 0 THEN 'prepared transaction' END) AS blocker_state,
           h.application_name AS blocker_application,
           extract(epoch FROM clock_timestamp() - coalesce(h.xact_start, h.query_start))::float8
             AS blocker_seconds
    FROM pg_stat_activity b CROSS JOIN LATERAL unnest(pg_blocking_pids(b.pid)) AS p(pid)
         LEFT JOIN pg_stat_activity h ON h.pid = p.pid
    WHERE b.datname = current_database() AND b.wait_event_type = 'Lock'
    ORDER BY 3 DESC NULLS LAST, 1, 4 LIMIT 200"""

_SERVER = """
    SELECT (SELECT setting::int4 FROM pg_settings WHERE name = 'max_connections') AS most,
           (SELECT sum(setting::int4)::int4 FROM pg_settings
            WHERE name IN ('superuser_reserved_connections', 'reserved_connections')) AS reserved,
           (SELECT count(*)::int4 FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
           (SELECT datconnlimit::int4 FROM pg_database WHERE datname = current_database())
             AS database_limit"""

_HOLDERS = """
    SELECT coalesce(application_name, '') AS application, coalesce(state, '') AS state,
           count(*)::int4 AS count,
           coalesce(max(extract(epoch FROM clock_timestamp() - state_change)), 0)::float8 AS oldest_seconds
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""

_OLD = """
    SELECT 'session' AS holder, pid, coalesce(state, '') AS state,
           coalesce(application_name, '') AS application, query,
           coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS seconds,
           coalesce(greatest(age(backend_xmin), age(backend_xid)), 0)::float8 AS xid_age
    FROM pg_stat_activity
    WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND backend_type = 'client backend'
          AND pid <> pg_backend_pid()
    ORDER BY 7 DESC, 6 DESC LIMIT 50"""

_PREPARED = """
    SELECT 'prepared' AS holder, gid AS name, database AS application,
           extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds,
           age(transaction)::float8 AS xid_age
    FROM pg_prepared_xacts ORDER BY 5 DESC LIMIT 50"""

_SLOTS = """
    SELECT 'slot' AS holder, slot_name AS name, CASE WHEN active THEN 'active' ELSE 'inactive' END AS state,
           greatest(age(xmin), age(catalog_xmin))::float8 AS xid_age
    FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL ORDER BY 4 DESC LIMIT 50"""

_STANDBYS = """
    SELECT 'standby' AS holder, application_name AS application, coalesce(state, '') AS state,
           age(backend_xmin)::float8 AS xid_age
    FROM pg_stat_replication WHERE backend_xmin IS NOT NULL ORDER BY 4 DESC LIMIT 50"""


def activity(inquiry: Inquiry) -> a.ActivitySnapshots:
    """Several looks, some time apart, the last of them at `now`."""
    began = time.monotonic()
    looks = []
    for number in range(LOOKS):
        if number:
            time.sleep(inquiry.sample_seconds / LOOKS)
        looks.append((time.monotonic() - began, typed(a.ActivityGroup, inquiry.rows(_ACTIVITY))))
    last = looks[-1][0]
    return a.ActivitySnapshots(
        snapshots=tuple(
            a.ActivitySnapshot(
                at=inquiry.now - timedelta(seconds=last - at), groups=tuple(map(_named, groups))
            )
            for at, groups in looks
        )
    )


def locks(inquiry: Inquiry) -> a.Locks:
    """Who waits for whom: following the blockers leads to the root."""
    return a.Locks(locks=typed(a.Lock, (_without_values(row) for row in inquiry.rows(_LOCKS))))


def connections(inquiry: Inquiry) -> d.ConnectionUse:
    """How full the server is."""
    server = {name: value for name, value in inquiry.one(_SERVER).items() if value is not None}
    groups = typed(d.ConnectionGroup, map(_without_values, inquiry.rows(_HOLDERS)))
    return d.ConnectionUse.model_validate({**server, "groups": groups})


def old_transactions(inquiry: Inquiry) -> d.OldTransactions:
    """Sessions, prepared transactions, slots and standbys, the oldest first."""
    rows = [row for sql in (_OLD, _PREPARED, _SLOTS, _STANDBYS) for row in inquiry.rows(sql)]
    found = typed(d.OldTransaction, map(_without_values, rows))
    return d.OldTransactions(
        transactions=tuple(sorted(found, key=lambda each: (-each.xid_age, -each.seconds, each.pid)))
    )


def _named(group: a.ActivityGroup) -> a.ActivityGroup:
    return group.model_copy(update={"application": redacted(group.application)})


_STATEMENTS = ("query", "blocked_query", "blocker_query")
_NAMES = ("application", "blocker_application", "name")


def _without_values(row: Row) -> Row:
    """The row with no literal in its statements and no secret in its names."""
    taken = dict(row)
    taken.update({name: without_literals(row[name]) for name in _STATEMENTS if row.get(name)})
    taken.update({name: redacted(row[name]) for name in _NAMES if row.get(name)})
    return taken
