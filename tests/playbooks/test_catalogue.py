"""The catalogue of causes and its commands: complete, sound, refused with one clear line when wrong."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.catalogue import FOLDER, CatalogueError, Playbook, load_catalogue
from playbooks.commands import Command, render, words
from playbooks.messages import JUDGES
from playbooks.scores import WORDS

REQUIRED = frozenset(
    """
    bad_data bad_deploy cache_failure certificate_expired config_change connection_pool_exhausted
    cpu_saturation crash_loop disk_full dns_failure downstream_dependency exception_in_code
    external_provider lock_contention memory_leak missing_index network_delay no_fault node_pressure
    queue_backlog recovered retry_storm slow_query stale_statistics traffic_surge wrong_result
    """.split()
)
OTHER_JUDGES = frozenset(
    """
    checkpoints_forced connections_exhausted container_config_error cpu_throttled_event dead_rows_read
    idle_in_transaction ids_exhausted image_pull_failed index_defeated index_gain
    index_in_no_migration index_invalid index_missing index_promised_absent keys_exhausted
    lock_chain lock_waits migration_locks no_fault node_moved_together node_pressure old_transaction
    pod_crash_loop pod_evicted pod_oom_killed pod_restarted pod_unschedulable probe_failures
    provider_status queue_consumer_slow queue_lag recovered replicas_at_most plan_flipped replication_behind
    sequential_scans settings_reloaded statement_more_calls statement_new statement_same_work statement_slower
    statement_spans_slower statements_slower_alike statistics_stale vacuum_behind
    """.split()
)
BOOKS = load_catalogue().playbooks


def test_every_cause_that_was_promised_has_a_playbook() -> None:
    assert {book.id for book in BOOKS} >= REQUIRED


@pytest.mark.parametrize("book", BOOKS, ids=lambda b: b.id)
def test_every_sign_names_a_judge_that_exists(book: Playbook) -> None:
    signals = {f"signal.{name}" for name in WORDS}
    assert {sign.judge for sign in book.signs} <= signals | OTHER_JUDGES | set(JUDGES)


@pytest.mark.parametrize("book", BOOKS, ids=lambda b: b.id)
def test_every_cause_can_be_contradicted(book: Playbook) -> None:
    assert any(sign.if_no < 0 for sign in book.signs)


@pytest.mark.parametrize("book", BOOKS, ids=lambda b: b.id)
def test_every_first_step_blocks_nobody(book: Playbook) -> None:
    assert not book.next_steps[0].blocking


@pytest.mark.parametrize("book", BOOKS, ids=lambda b: b.id)
def test_the_last_check_can_be_filled_from_the_service_alone(book: Playbook) -> None:
    assert render(book.checks[-1], {"service": "checkout"})


GOOD = (FOLDER / "dns_failure.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("id: dns_failure", "id: other", "its id is other"),
        ("prior: -4.0", "prior: [", "parsing"),
        ("prior: -4.0", "prior: -4.0\ncolour: red", "colour"),
        ("prior: -4.0", "prior: low", "prior"),
        ("if_yes: 5.0", "if_yes: 50.0", "within"),
        ("{name: LogPatterns", "{name: Horoscope", "no such question: Horoscope"),
        ("-l k8s-app=kube-dns -o wide", "-l {colour} -o wide", "unknown placeholder {colour}"),
        ("kubectl -n kube-system logs", "kubectl -n {namespace} logs", "last check"),
        ("judge: signal.change", "judge: message_dns", "stands twice"),
    ],
)
def test_a_wrong_playbook_is_refused_in_one_line_that_names_it(
    old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    assert old in GOOD
    (tmp_path / "dns_failure.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(tmp_path, tmp_path / "weights.json")
    message = str(caught.value)
    assert message.startswith("dns_failure.yaml: ")
    assert complaint in message
    assert "\n" not in message


def test_fitted_weights_replace_declared_ones_and_name_their_version(tmp_path: Path) -> None:
    weights = tmp_path / "weights.json"
    cause = {"prior": -1.5, "signs": {"message_dns": [2.5, -0.5]}}
    weights.write_text(json.dumps({"format": 1, "version": "v7", "causes": {"dns_failure": cause}}))
    fitted = load_catalogue(weights=weights)
    book = fitted.get("dns_failure")
    assert book is not None
    assert (fitted.weights_version, book.prior) == ("v7", -1.5)
    assert [(s.if_yes, s.if_no) for s in book.signs if s.judge == "message_dns"] == [(2.5, -0.5)]
    assert load_catalogue().weights_version is None or load_catalogue() != fitted


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 2, "version": "x", "causes": {}}',
        '{"format": 1, "version": "x", "causes": {"a": {}}}',
    ],
)
def test_wrong_weights_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "weights.json").write_text(text)
    with pytest.raises(CatalogueError, match=r"weights\.json: "):
        load_catalogue(weights=tmp_path / "weights.json")


# --- commands -----------------------------------------------------------------------------------------------
KUBECTL = Command(tool="kubectl", text="kubectl -n {namespace} describe pod {pod}")


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_no_value_leaves_its_word_in_a_shell(namespace: str, pod: str) -> None:
    made = render(KUBECTL, {"namespace": namespace, "pod": pod})
    if made is not None:
        assert shlex.split(made) == ["kubectl", "-n", namespace, "describe", "pod", pod]


@given(st.text(min_size=1, max_size=60))
def test_no_value_leaves_its_constant_in_sql(table: str) -> None:
    from pglast.parser import parse_sql

    made = render(Command(tool="psql", text="SELECT {table:literal}, {table:ident}"), {"table": table})
    if made is not None:
        sql = shlex.split(made)[-1]
        assert len(parse_sql(sql)) == 1


@pytest.mark.parametrize("value", ["", "-rf", "a\nb", "x" * 400, "a\x1b[31m"])
def test_a_value_that_cannot_be_a_plain_word_leaves_the_command_out(value: str) -> None:
    assert render(KUBECTL, {"namespace": "shop", "pod": value}) is None


def test_a_missing_fact_leaves_the_command_out() -> None:
    assert render(KUBECTL, {"namespace": "shop"}) is None


def test_promql_label_values_are_escaped() -> None:
    made = render(Command(tool="promql", text='up{service="{service:label}"}'), {"service": 'a"} or up{x="'})
    assert made is not None
    assert shlex.split(made)[-1] == 'up{service="a\\"} or up{x=\\""}'


def test_a_session_setting_comes_before_and_outside_a_transaction() -> None:
    made = render(
        Command(tool="psql", text="{ddl:sql}", before="SET lock_timeout = '5s'"), {"ddl": "SELECT 1"}
    )
    assert made == "psql -X -c 'SET lock_timeout = '\"'\"'5s'\"'\"'' -c 'SELECT 1'"


def test_foreign_text_is_never_sql_of_our_own() -> None:
    assert render(Command(tool="psql", text="{statement:sql}"), {"statement": "SELECT 1"}) is None


def test_a_sentence_holds_only_printable_text() -> None:
    assert words("in {service}", {"service": "a\nb\x1b"}) == "in a b "
