"""Personal data is in tables, in running statements and in statistics; none of it leaves the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from bot.cardview import CardView
from bot.desk import Desked, IncidentState
from bot.investigation import Investigator, Options
from bot.pagerduty.note import note
from bot.slack.card import card
from bot.slack.thread import thread
from bot.store import Store
from connectors import questions as q
from connectors.codec import canonical, encode, unpack
from connectors.contract import Question, Reading, Window
from connectors.live import LiveSources
from connectors.postgres.connector import Instance, PostgresConnector
from playbooks.model import Incident, ServiceEntry
from tests.connectors.postgres import shop
from tests.connectors.postgres.servers import Server

pytestmark = pytest.mark.live

NOW = datetime.now(UTC)
WINDOW = Window(start=NOW - timedelta(hours=1), end=NOW)
GIVEN = {"window": WINDOW, "database": "shop"}
SEARCH = (
    f"SELECT id FROM customers WHERE name = '{shop.NAME}' AND card = '{shop.CARD}' AND email = '{shop.EMAIL}'"
)


def every_question(queryid: str) -> list[Question]:
    kinds = [
        kind
        for kind in vars(q).values()
        if isinstance(kind, type) and issubclass(kind, q.DatabaseQuestion) and kind is not q.DatabaseQuestion
    ]
    given = GIVEN | {"queryid": queryid}
    return [kind.model_validate({n: v for n, v in given.items() if n in kind.model_fields}) for kind in kinds]


def test_no_answer_to_any_question_holds_what_a_customer_wrote(server: Server) -> None:
    with (
        psycopg.connect(server.dsn(), application_name=f"job for {shop.EMAIL}") as holder,
        server.admin() as admin,
    ):
        admin.execute("ANALYZE customers")
        holder.execute(f"/* {shop.NAME} */ {SEARCH}".encode())
        holder.execute(f"SELECT '{shop.NAME}', count(*) FROM customers".encode())
        admin.execute(f"COMMENT ON TABLE customers IS '{shop.NAME}'".encode())
        # pg_stat_statements normalises no utility statement before 16, and keeps a literal's first text
        admin.execute(f"SELECT 1 AS \"x\" WHERE '{shop.CARD}' <> ''".encode())
        known = admin.execute(
            "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE '%FROM customers WHERE name%'"
        ).fetchone()
        assert known is not None
        live = PostgresConnector(Instance("shop", server.dsn("firstcause_plans"), sample_seconds=0.1))
        questions = every_question(str(known[0]))
        readings = [live.ask(question, now=NOW) for question in questions]
    assert len(readings) == len(questions) >= 18
    assert [reply for reply in readings if not isinstance(reply, Reading)] == []
    for reading in readings:
        assert isinstance(reading, Reading)
        stored = canonical(reading.answer) + repr((reading.query, reading.notes)).encode()
        assert unpack(encode(reading.answer)) == canonical(reading.answer)
        assert not [value for value in shop.PERSONAL if value.encode() in stored], reading.question


def test_an_administrator_s_role_sees_no_more_of_it(server: Server) -> None:
    live = PostgresConnector(Instance("shop", server.dsn("postgres"), sample_seconds=0.1))
    for question in every_question("1"):
        reply = live.ask(question, now=NOW)
        text = repr(reply)
        assert not [value for value in shop.PERSONAL if value in text], question


def test_neither_store_nor_slack_nor_pager_gets_any_of_it(server: Server, tmp_path: Path) -> None:
    incident = Incident(
        id="live/shop", title="checkout is slow", at=NOW, window=WINDOW, service="checkout",
        services=(ServiceEntry(name="checkout", database="shop"),),
    )  # fmt: skip
    with psycopg.connect(server.dsn(), application_name=f"job for {shop.EMAIL}") as holder:
        holder.execute(f"/* {shop.NAME} */ {SEARCH}".encode())
        live = PostgresConnector(Instance("shop", server.dsn("firstcause_plans"), sample_seconds=0.1))
        with Store(tmp_path / "store.db") as store:
            outcome = Investigator(LiveSources([live]), store, Options()).investigate(incident)
            read = [each.answer for each in store.asked(outcome.thread) if isinstance(each.answer, Reading)]
            answers = b"".join(canonical(reading.answer) for reading in read)  # the file has them packed
            assert len(read) >= 10
        live.close()
    desked = Desked(
        id="INC-1", state=IncidentState.AWAITING_CONFIRMATION, service="checkout", title=incident.title,
        started_at=NOW, opened_at=NOW, last_alert_at=NOW,
    )  # fmt: skip
    view = CardView.found(desked, outcome)
    said = repr((card(view), thread(view), note(view)))
    kept = answers + b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert "checkout" in said
    assert b"StatementStatistics" in kept
    assert not [value for value in shop.PERSONAL if value in said or value.encode() in kept]


def test_the_dump_of_the_schema_can_be_loaded_again(server: Server) -> None:
    live = PostgresConnector(Instance("shop", server.dsn("firstcause")))
    reply = live.ask(q.SchemaDump(database="shop"), now=NOW)
    assert isinstance(reply, Reading), reply
    (file,) = reply.answer.files  # type: ignore[union-attr]  # a dump is files
    with server.admin("postgres") as connection:
        connection.execute("CREATE DATABASE copy")
        try:
            with server.admin("copy") as copy:
                copy.execute(file.text.encode())
                listed = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
                columns = (
                    "SELECT table_name, column_name, data_type, is_nullable, column_default"
                    " FROM information_schema.columns c JOIN pg_class k ON k.relname = c.table_name"
                    " AND k.relkind = 'r' WHERE table_schema = 'public' ORDER BY 1, 2"
                )
                with server.admin() as original:
                    for sql in (listed, columns):
                        assert copy.execute(sql).fetchall() == original.execute(sql).fetchall()
        finally:
            connection.execute("DROP DATABASE copy WITH (FORCE)")
