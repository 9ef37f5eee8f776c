"""A server's state: keys, vacuum, transaction ids, replication, checkpoints, settings, connections."""

from __future__ import annotations

from typing import Any

import pytest

from connectors import database_answers as d
from connectors.answers import ActivityGroup
from connectors.contract import Reading
from connectors.questions import (
    CheckpointsAndWal,
    ConnectionsInUse,
    DatabaseQuestion,
    KeysLeft,
    LongTransactions,
    ReplicationLag,
    SettingsInForce,
    VacuumState,
)
from playbooks.database import judge_database
from playbooks.mechanisms import ServiceSignals, judge_mechanisms
from playbooks.model import Finding
from playbooks.wording import word
from tests.playbooks.test_database_kit import SCENE, activity, by_judge, observed, reading


def _read(kind: type[DatabaseQuestion], answer: Any) -> Reading:
    return reading(kind(database="shop"), answer)


def _judged(*readings: Reading) -> dict[str, Finding]:
    return by_judge(judge_database(observed(*readings), SCENE))


def _key(used: float) -> Reading:
    key = d.KeyColumn(
        sequence="orders_id_seq", table="orders", column="id", kind="integer", largest=2**31 - 1, used=used
    )
    return _read(KeysLeft, d.KeySpace(keys=(key,)))


@pytest.mark.parametrize(("used", "state"), [(1.0, "yes"), (0.999, "yes"), (0.93, "unknown"), (0.2, "no")])
def test_a_key_is_called_exhausted_only_at_its_end(used: float, state: str) -> None:
    assert _judged(_key(used))["keys_exhausted"].state == state


def _old(seconds: float) -> Reading:
    held = d.OldTransaction(pid=77, application="report", state="idle in transaction", seconds=seconds)
    return _read(LongTransactions, d.OldTransactions(transactions=(held,)))


@pytest.mark.parametrize(("seconds", "state"), [(4_000, "yes"), (300, "unknown"), (10, "no")])
def test_a_transaction_is_old_after_a_quarter_of_an_hour(seconds: float, state: str) -> None:
    assert _judged(_old(seconds))["old_transaction"].state == state


def _dead(rows: float, age: float = 1e6) -> Reading:
    table = d.VacuumTable(table="orders", live_rows=1e6, dead_rows=rows, vacuum_after=200_050)
    return _read(VacuumState, d.VacuumHealth(tables=(table,), xid_age=age))


@pytest.mark.parametrize(("rows", "state"), [(3e6, "yes"), (6e5, "unknown"), (1e5, "no")])
def test_vacuum_is_behind_when_it_was_due_several_times(rows: float, state: str) -> None:
    assert _judged(_dead(rows))["vacuum_behind"].state == state


@pytest.mark.parametrize(("age", "state"), [(2.1e9, "yes"), (1.5e9, "unknown"), (2e8, "no")])
def test_transaction_ids_are_called_exhausted_only_at_their_end(age: float, state: str) -> None:
    assert _judged(_dead(0, age))["ids_exhausted"].state == state


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (d.ReplicationState(standbys=(d.Standby(application="b", replay_lag_seconds=90),)), "yes"),
        (d.ReplicationState(standbys=(d.Standby(application="b", lag_bytes=2.0**30),)), "yes"),
        (d.ReplicationState(in_recovery=True, replay_delay_seconds=300), "yes"),
        (d.ReplicationState(slots=(d.Slot(slot="cdc", retained_bytes=9 * 2.0**30),)), "yes"),
        (d.ReplicationState(slots=(d.Slot(slot="cdc", active=True, retained_bytes=9 * 2.0**30),)), "no"),
        (d.ReplicationState(standbys=(d.Standby(application="b", replay_lag_seconds=0.2),)), "no"),
        (d.ReplicationState(), "no"),
    ],
)
def test_a_standby_or_an_unread_slot_that_is_far_behind_is_told(state: d.ReplicationState, says: str) -> None:
    assert _judged(_read(ReplicationLag, state))["replication_behind"].state == says


@pytest.mark.parametrize(
    ("timed", "forced", "since", "state"),
    [(1, 40, 1_200, "yes"), (300, 2, 90_000, "no"), (10, 10, 2_000, "unknown"), (0, 1, 10, "unknown")],
)
def test_checkpoints_follow_too_closely_when_wal_forces_them(
    timed: float, forced: float, since: float, state: str
) -> None:
    wal = d.WriteAhead(since_seconds=since, checkpoints_timed=timed, checkpoints_requested=forced)
    assert _judged(_read(CheckpointsAndWal, wal))["checkpoints_forced"].state == state


@pytest.mark.parametrize(("loaded", "state"), [(600, "yes"), (100_000, "no"), (None, "unknown")])
def test_settings_read_shortly_before_the_onset_are_told(loaded: float | None, state: str) -> None:
    held = d.ServerSettings(loaded_seconds=loaded)
    assert _judged(_read(SettingsInForce, held))["settings_reloaded"].state == state


def test_how_many_connections_the_server_allows_decides_whether_they_are_exhausted() -> None:
    full = activity(ActivityGroup(state="idle", application="checkout", count=97))
    assert _judged(full)["connections_exhausted"].state == "unknown"
    use = _read(ConnectionsInUse, d.ConnectionUse(most=100, reserved=3, used=97))
    assert _judged(full, use)["connections_exhausted"].state == "yes"


def _first(*readings: Reading) -> str:
    findings = judge_database(observed(*readings), SCENE)
    ranked = judge_mechanisms(ServiceSignals(service="checkout"), findings)
    return ranked[0].cause


@pytest.mark.parametrize(
    ("readings", "cause"),
    [
        ((_key(1.0),), "sequence_exhausted"),
        ((_dead(4e6), _old(7_200)), "vacuum_blocked"),
        ((_dead(0, 2.12e9),), "transaction_ids_exhausted"),
    ],
)
def test_the_state_names_its_cause(readings: tuple[Reading, ...], cause: str) -> None:
    assert _first(*readings) == cause


@pytest.mark.parametrize("readings", [(_key(0.3),), (_dead(1e5), _old(5)), (_dead(0, 1e8),), ()])
def test_a_healthy_server_names_none_of_them_at_all(readings: tuple[Reading, ...]) -> None:
    findings = judge_database(observed(*readings), SCENE)
    causes = {m.cause for m in judge_mechanisms(ServiceSignals(service="checkout"), findings)}
    rare = {
        "sequence_exhausted",
        "vacuum_blocked",
        "transaction_ids_exhausted",
        "replication_lag",
        "checkpoint_storm",
    }
    assert not causes & rare


def test_the_next_step_for_a_full_key_names_its_table_and_changes_nothing() -> None:
    findings = judge_database(observed(_key(1.0)), SCENE)
    mechanism = judge_mechanisms(ServiceSignals(service="checkout"), findings)[0]
    worded = word(mechanism, "checkout")
    assert worded.title == "orders.id has run out of values"
    assert worded.command is not None
    assert "SELECT pg_get_serial_sequence" in worded.command
    assert not worded.blocking
