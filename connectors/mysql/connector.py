"""The MySQL and MariaDB connector: locks, statements, tables, indexes and sessions of one database."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from connectors import answers as a
from connectors import questions as q
from connectors.answers import Answer
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.errors import RefusedError
from connectors.governor import SourceFailedError
from connectors.live import Check
from connectors.mysql import role, vocabulary
from connectors.mysql.limits import Limits
from connectors.mysql.wall import Address, Row, Session, Wall
from connectors.redaction import redacted

LATEST = timedelta(hours=1)
"""A server knows the present alone: asked about a moment longer ago, it has no answer."""
_OWN_SCHEMA = (
    "performance_schema is off: set performance_schema = ON in the server's configuration and restart it"
)
_AT_THE_DOOR = "check `host`, `port` and `database`: mysql must connect with them from this machine"
_STATES = {"Sleep": "idle", "Query": "active", "Execute": "active"}


class MySqlConnector:
    """Answers questions about one database, through the wall. Safe to ask from several threads."""

    def __init__(
        self,
        address: Address,
        limits: Limits | None = None,
        *,
        sample_seconds: float = 1.5,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._wall = Wall(address, limits)
        self._database = address.database
        self._sample_seconds = sample_seconds
        self._clock = clock

    @property
    def name(self) -> str:
        """The instance's name."""
        return f"mysql/{self._database}"

    @property
    def questions(self) -> frozenset[type[Question]]:
        """The kinds of question it can answer."""
        return frozenset(_KINDS)

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """Look at the database as it stands; None where the question names another one."""
        kind = _KINDS.get(type(question))
        if (
            kind is None
            or not isinstance(question, q.DatabaseQuestion)
            or question.database != self._database
        ):
            return None
        if self._clock() - now > LATEST:
            why = f"{self.name}: a live server knows the present only, not {now:%FT%TZ}"
            return Unavailable(Source.DATABASE, why)
        try:
            with self._wall.session() as session:
                asked = _Asked(session, now, self._sample_seconds)
                answer = kind(asked)
        except SourceFailedError as failure:
            return Unavailable(Source.DATABASE, f"{self.name}: {failure.reason}", failure.retry)
        except RefusedError as refusal:
            return Unavailable(Source.DATABASE, f"{self.name}: {refusal}")
        return Reading(
            source=Source.DATABASE,
            question=question,
            query="\n".join(dict.fromkeys(asked.sent)),
            at=now,
            answer=answer,
            sha256=sha256(answer),
            notes=tuple(asked.notes),
        )

    def check(self, *, now: datetime) -> Sequence[Check]:
        """Whether the server can be asked, what its role may do, and what would show more."""
        del now  # a check looks at the present
        began = time.monotonic()
        try:
            with self._wall.session() as session:
                server = session.rows(vocabulary.SERVER)[0]
                shown = [str(next(iter(row.values()))) for row in session.rows(vocabulary.GRANTS)]
        except (SourceFailedError, RefusedError) as failure:
            fix = role.grants("firstcause", self._database) if "role" in str(failure) else _AT_THE_DOOR
            return (Check("reachable", "failed", str(failure), fix, time.monotonic() - began),)
        reached = Check("reachable", "ok", f"{server['version']}", "", time.monotonic() - began)
        return (reached, _role_check(shown), _counters_check(server))

    def close(self) -> None:
        """Open nothing any more."""
        self._wall.close()


def _role_check(shown: list[str]) -> Check:
    more = role.beyond(shown)
    if not more:
        return Check("role", "ok", "can look, and not at rows")
    fix = "grant only what `firstcause sql-role --server mysql` prints"
    return Check("role", "warning", f"may do more than look: {', '.join(more[:5])}", fix)


def _counters_check(server: Row) -> Check:
    if int(server["performance_schema"]):
        return Check("statement counters", "ok", "performance_schema is on")
    return Check("statement counters", "warning", "performance_schema is off", _OWN_SCHEMA)


class _Asked:
    """One question under way: its session, what was sent, what limits the answer."""

    def __init__(self, session: Session, now: datetime, sample_seconds: float) -> None:
        self.session = session
        self.now = now
        self.sample_seconds = sample_seconds
        self.sent: list[str] = []
        self.notes: list[str] = []

    def rows(self, sql: str) -> tuple[Row, ...]:
        self.sent.append(sql)
        return self.session.rows(sql)


def _statements(asked: _Asked) -> Answer:
    """Two samples, some time apart: their difference is what runs now. The server keeps no history."""
    if not int(asked.rows(vocabulary.SERVER)[0]["performance_schema"]):
        raise SourceFailedError(_OWN_SCHEMA, counts=False)
    began = time.monotonic()
    first = asked.rows(vocabulary.STATEMENTS)
    time.sleep(asked.sample_seconds)
    apart = time.monotonic() - began
    second = asked.rows(vocabulary.STATEMENTS)
    asked.notes.append(f"two samples {apart:.1f} s apart: the server keeps no history of its counters")
    earlier = asked.now - timedelta(seconds=apart)
    return a.StatementSnapshots(snapshots=(_snapshot(earlier, first), _snapshot(asked.now, second)))


def _snapshot(at: datetime, rows: tuple[Row, ...]) -> a.StatementSnapshot:
    statements = (
        a.Statement(
            queryid=str(row["queryid"]),
            query=in_postgres_words(str(row["query"])),
            calls=float(row["calls"]),
            total_exec_time_ms=float(row["total_exec_time_ms"]),
            rows=float(row["rows_sent"]),
        )
        for row in rows
    )
    return a.StatementSnapshot(at=at, statements=tuple(statements))


@lru_cache(maxsize=2048)
def in_postgres_words(digest: str) -> str:
    """A digest's text as the judges read statements: double quotes for backticks, `$n` for `?`.

    What cannot be put so keeps its own words; it holds no values either way.
    """
    import sqlglot

    text = re.sub(r"\(\s*\.\.\.\s*\)", "(?)", digest[:20_000])
    try:
        text = sqlglot.transpile(text, read="mysql", write="postgres")[0]
    except (sqlglot.errors.SqlglotError, RecursionError, IndexError):
        text = text.replace("`", "")
    numbers = iter(range(1, 10_000))
    return redacted(re.sub(r"\?|%s", lambda _: f"${next(numbers)}", text))


def _tables(asked: _Asked) -> Answer:
    """Every table; `seq_tup_read` counts rows fetched without an index since the server's start."""
    tables = (
        a.Table(
            table=str(row["name"]),
            db_schema="",
            live_rows=float(row["live_rows"] or 0),
            total_bytes=float(row["total_bytes"] or 0),
            seq_tup_read=float(row["seq_tup_read"]),
        )
        for row in asked.rows(vocabulary.TABLES)
    )
    asked.notes.append("numbers of rows are the storage engine's estimates")
    return a.TableSnapshots(snapshots=(a.TableSnapshot(at=asked.now, tables=tuple(tables)),))


def _indexes(asked: _Asked) -> Answer:
    columns: dict[tuple[str, str], list[str]] = {}
    unique: dict[tuple[str, str], bool] = {}
    for row in asked.rows(vocabulary.INDEXES):
        key = (str(row["name"]), str(row["index_name"]))
        columns.setdefault(key, []).append(str(row["column_name"] or "(expression)"))
        unique[key] = not int(row["non_unique"])
    return a.Indexes(
        indexes=tuple(
            a.Index(
                table=table,
                index=index,
                columns=tuple(names),
                db_schema="",
                unique=unique[table, index],
                dialect="mysql",
            )
            for (table, index), names in columns.items()
        )
    )


def _activity(asked: _Asked) -> Answer:
    """Two samples of the sessions; a session's user stands for its application, which MySQL does not know."""
    shots = []
    for n in range(2):
        if n:
            time.sleep(asked.sample_seconds / 2)
        groups = tuple(
            a.ActivityGroup(
                state=_STATES.get(str(row["command"]), str(row["command"]).lower()),
                wait_event_type="Lock" if "lock" in str(row["state"]).lower() else "",
                wait_event=str(row["state"])[:100],
                application=str(row["application"]),
                count=int(row["sessions"]),
                oldest_seconds=float(row["oldest_seconds"] or 0),
            )
            for row in asked.rows(vocabulary.ACTIVITY)
        )
        shots.append(a.ActivitySnapshot(at=asked.now - timedelta(seconds=1 - n), groups=groups))
    return a.ActivitySnapshots(snapshots=tuple(shots))


def _locks(asked: _Asked) -> Answer:
    sql = vocabulary.LOCKS_MARIADB if asked.session.kind == "mariadb" else vocabulary.LOCKS_MYSQL
    return a.Locks(
        locks=tuple(
            a.Lock(
                blocked_pid=int(row["blocked_pid"]),
                blocked_query=_without_values(row["blocked_query"]),
                blocked_seconds=float(row["blocked_seconds"] or 0),
                blocker_pid=int(row["blocker_pid"]),
                blocker_query=_without_values(row["blocker_query"]),
                blocker_state="idle in transaction" if row["blocker_state"] == "Sleep" else "active",
                blocker_application=str(row["blocker_application"] or ""),
                blocker_seconds=float(row["blocker_seconds"] or 0),
            )
            for row in asked.rows(sql)
        )
    )


def _without_values(query: object) -> str:
    """A running statement without its literals: they are customers' data."""
    if not query:
        return ""
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(str(query)[:20_000], read="mysql")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return "[a statement that cannot be read]"
    bare = tree.transform(lambda node: exp.Placeholder() if isinstance(node, exp.Literal) else node)
    return in_postgres_words(bare.sql(dialect="mysql", comments=False))


_KINDS: dict[type[Question], Callable[[_Asked], Answer]] = {
    q.StatementStatistics: _statements,
    q.TableStatistics: _tables,
    q.IndexList: _indexes,
    q.Activity: _activity,
    q.LockChain: _locks,
}
