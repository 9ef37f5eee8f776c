"""What survives: killed processes, several at once, full disks, older and newer stores."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr

from bot.desk import AuditKind, JobKind, Lease, LostLeaseError
from bot.errors import BadInputError
from bot.investigation import Investigator, Progress
from bot.store import VERSION, Store, Where
from bot.store.chain import GENESIS
from bot.store.desk import StoredDesk
from bot.store.engine import Database
from bot.store.tables import METADATA
from bot.store.trail import verify
from connectors.contract import Reading, Source
from connectors.questions import StatementPlan
from graph.planning import sweep
from tests.bot.store.dying import DELIVERY, NOW, OPENED
from tests.graph.fakes import INCIDENT, FakeSources, reading, toy_weigh

ROOT = Path(__file__).resolve().parents[3]
QUESTION = StatementPlan(database="shop", queryid="1")


@pytest.fixture
def desk(where: Where) -> Iterator[StoredDesk]:
    opened = StoredDesk(where)
    yield opened
    opened.close()


def process(what: str, where: Where, *more: str) -> subprocess.Popen[str]:
    store = where.get_secret_value() if isinstance(where, SecretStr) else str(where)
    command = [sys.executable, "-m", "tests.bot.store.dying", what, store, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_process_killed_inside_a_transaction_leaves_nothing_and_locks_nobody_out(
    desk: StoredDesk, where: Where
) -> None:
    with process("kill", where) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == "written\n"
        dying.kill()
    with desk.begin() as within:
        assert within.inbox.read(DELIVERY.key) is None
        assert within.incidents.recent(10) == []
        assert within.inbox.keep(DELIVERY)
        within.incidents.open(OPENED)
    assert desk.outgoing(["slack.post"], NOW, 30) is None
    assert (verify(desk.database).entries, verify(desk.database).broken) == (1, None)


def test_two_processes_take_each_job_once_and_append_to_one_chain(desk: StoredDesk, where: Where) -> None:
    subjects = {f"INC-{n}" for n in range(30)}
    with desk.begin() as within:
        for subject in subjects:
            within.jobs.put(JobKind.INVESTIGATE, subject, NOW)
    workers = [process("work", where, name) for name in ("one", "two")]
    taken = [worker.communicate(timeout=120)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert len(taken[0]) + len(taken[1]) == len(subjects)
    assert {*taken[0], *taken[1]} == subjects
    assert (verify(desk.database).entries, verify(desk.database).broken) == (len(subjects), None)


def test_an_investigation_writes_nothing_more_once_its_lease_is_lost(desk: StoredDesk) -> None:
    with desk.begin() as within:
        within.jobs.put(JobKind.INVESTIGATE, "INC-1", NOW)
    old = desk.claim("one", NOW, 0)
    assert old is not None
    record = Store(desk.database)
    record.open("INC-1.1", INCIDENT)
    fenced = record.under(old)
    fenced.put_answer("INC-1.1", QUESTION, reading(QUESTION))
    assert desk.claim("two", NOW, 30) is not None
    with pytest.raises(LostLeaseError):
        fenced.put_weighing("INC-1.1", toy_weigh(INCIDENT, []))
    assert isinstance(record.answer("INC-1.1", QUESTION), Reading)
    assert verify(desk.database).entries == 1


def test_an_investigation_ends_where_its_lease_is_lost(desk: StoredDesk) -> None:
    with desk.begin() as within:
        within.jobs.put(JobKind.INVESTIGATE, "INC-1", NOW)
    lease = desk.claim("one", NOW, 0)
    assert lease is not None
    taken: list[Lease | None] = []

    def listen(event: Progress) -> None:
        if event.stage == "ask" and not taken:
            taken.append(desk.claim("two", NOW, 30))

    record = Store(desk.database)
    runs = Investigator(FakeSources(), record.under(lease), listen=listen, weigh=toy_weigh)
    with pytest.raises(LostLeaseError):
        runs.investigate(INCIDENT)
    assert taken
    assert taken[0] is not None
    runs = Investigator(FakeSources(), record.under(taken[0]), weigh=toy_weigh)
    assert runs.investigate(INCIDENT).status == "awaiting_confirmation"


def _full(database: Database, *, full: bool) -> None:
    """Have the file not grow any more, as on a full disk, or grow again."""
    with database._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() if full else 2**30
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_changes_nothing_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    desk = StoredDesk(tmp_path / "store.db")
    large = DELIVERY.model_copy(update={"body": {"text": "x" * 100_000}})

    def keep() -> bool:
        with desk.begin() as within:
            within.incidents.open(OPENED)
            return within.inbox.keep(large)

    _full(desk.database, full=True)
    with pytest.raises(OSError, match="full"):
        keep()
    with desk.begin() as within:
        assert within.inbox.read(large.key) is None
        assert within.incidents.recent(10) == []
    _full(desk.database, full=False)
    assert keep()
    assert verify(desk.database).broken is None
    desk.close()


def test_a_server_that_is_away_is_an_oserror_without_the_password() -> None:
    url = SecretStr("postgresql://me:s3cr3t@127.0.0.1:1/none")
    with pytest.raises(BadInputError) as caught:
        StoredDesk(url)
    assert "s3cr3t" not in str(caught.value)
    assert "cannot be used" in str(caught.value)


# --- older and newer stores ---------------------------------------------------------------------------------
VERSION_1 = """
CREATE TABLE investigations (thread TEXT PRIMARY KEY, incident TEXT NOT NULL, seal TEXT) STRICT;
CREATE TABLE answers (
    thread TEXT NOT NULL REFERENCES investigations ON DELETE CASCADE,
    id TEXT NOT NULL,
    question TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT,
    retry INTEGER NOT NULL DEFAULT 0,
    query TEXT NOT NULL DEFAULT '',
    at TEXT,
    notes TEXT NOT NULL DEFAULT '[]',
    sha256 TEXT NOT NULL DEFAULT '',
    answer BLOB,
    PRIMARY KEY (thread, id)
) STRICT;
CREATE TABLE weighings (
    thread TEXT NOT NULL REFERENCES investigations ON DELETE CASCADE,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (thread, id)
) STRICT;
CREATE TABLE labels (
    n INTEGER PRIMARY KEY,
    thread TEXT NOT NULL REFERENCES investigations ON DELETE CASCADE,
    body TEXT NOT NULL,
    UNIQUE (thread, body)
) STRICT;
PRAGMA user_version = 1;
"""
COLUMNS = {
    "investigations": "thread, incident, seal",
    "answers": "thread, id, question, source, reason, retry, query, at, notes, sha256, answer",
    "weighings": "thread, id, body",
    "labels": "n, thread, body",
}


def as_version_1(new: Path, old: Path) -> None:
    """The record in a store, as the first version of this program would have kept it."""
    with closing(sqlite3.connect(old, isolation_level=None)) as file:
        file.executescript(VERSION_1)
        file.execute("ATTACH ? AS new", (str(new),))
        for table, columns in COLUMNS.items():
            file.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table} ORDER BY rowid")


def shape(path: Path) -> dict[str, object]:
    """Every column, key and trigger of a file, without the way they were written."""
    with closing(sqlite3.connect(path)) as file:
        found: dict[str, object] = dict(
            file.execute("SELECT name, replace(sql, char(10), ' ') FROM sqlite_master WHERE type = 'trigger'")
        )
        for (table,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = file.execute(f"PRAGMA table_info({table})").fetchall()
            keys = file.execute(f"PRAGMA foreign_key_list({table})").fetchall()
            indexes = file.execute(f"PRAGMA index_list({table})").fetchall()
            found[table] = (
                [(name, kind, key or nulls) for _, name, kind, nulls, _, key in columns],
                [(key[2], key[3], key[6]) for key in keys],
                sorted((name, unique) for _, name, unique, origin, _ in indexes if origin == "c"),
            )
        found["version"] = file.execute("SELECT version_num FROM alembic_version").fetchall()
        found["user version"] = file.execute("PRAGMA user_version").fetchall()
        found["head"] = file.execute("SELECT * FROM audit_head").fetchall()
        return found


def test_a_store_of_the_first_version_is_taken_over_without_loss(tmp_path: Path) -> None:
    questions = sweep(INCIDENT, tuple(Source))
    with Store(tmp_path / "new.db") as record:
        record.open("thread", INCIDENT)
        for question in reversed(questions):
            record.put_answer("thread", question, reading(question))
        weighing = record.put_weighing("thread", toy_weigh(INCIDENT, []))
        before = record.asked("thread")
    as_version_1(tmp_path / "new.db", tmp_path / "old.db")
    with Store(tmp_path / "old.db") as record:
        after = record.asked("thread")
        assert [each.question for each in after] == [each.question for each in before]
        hashes = [each.answer.sha256 for each in after if isinstance(each.answer, Reading)]
        assert hashes == [each.answer.sha256 for each in before if isinstance(each.answer, Reading)]
        assert record.get_weighing("thread", weighing) == toy_weigh(INCIDENT, [])
    assert shape(tmp_path / "old.db") == {**shape(tmp_path / "new.db"), "head": [(1, 0, GENESIS)]}


def test_the_tables_are_what_the_code_says_they_are(where: Where, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="alembic")
    with Store(where) as record, record.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_database_of_a_newer_version_is_refused(server_url: SecretStr) -> None:
    with Store(server_url) as record, record.database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{VERSION + 1:04}'")
    with pytest.raises(BadInputError, match="newer version"):
        Store(server_url)


def test_a_file_that_only_holds_told_changes_becomes_a_store(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as file:
        file.execute(
            "CREATE TABLE changes "
            "(id TEXT PRIMARY KEY, at TEXT NOT NULL, told_at TEXT NOT NULL, body TEXT NOT NULL)"
        )
        file.execute("INSERT INTO changes VALUES ('1', 'a', 'b', '{}')")
    desk = StoredDesk(tmp_path / "store.db")
    with desk.begin() as within:
        within.audit.append(AuditKind.CLICK, "INC-1", {}, NOW)
    with desk.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM changes").scalar_one() == 1
    desk.close()


def test_a_store_that_one_process_opens_twice_keeps_its_log_when_another_process_closes_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    serving = StoredDesk(path)
    StoredDesk(path).close()  # as the source of told changes does beside the desk
    with serving.begin() as within:
        assert within.inbox.keep(DELIVERY)
    beside = (
        f"import sqlite3; c = sqlite3.connect({str(path)!r}); "
        "c.execute('SELECT * FROM sqlite_master'); c.close()"
    )
    subprocess.run([sys.executable, "-c", beside], check=True)
    assert Path(f"{path}-wal").exists()
    with serving.begin() as within:
        assert not within.inbox.keep(DELIVERY)
    serving.close()


def test_a_store_whose_file_was_moved_or_replaced_takes_nothing_that_nobody_could_read_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    desk = StoredDesk(path)
    assert desk.usable()
    path.rename(tmp_path / "moved.db")
    with pytest.raises(OSError, match="was moved, removed or replaced"), desk.begin():
        pass
    StoredDesk(path).close()
    assert not desk.usable(), "another file stands there now"
    desk.close()
