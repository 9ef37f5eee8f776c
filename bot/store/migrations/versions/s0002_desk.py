"""The desk beside the record, and answers that number themselves; told changes, where nobody told any yet."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = """
CREATE TABLE audit (
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    incident TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (seq)
) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_of_incident ON audit (incident);
CREATE TABLE audit_head (
    one INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (one),
    CONSTRAINT one_head CHECK (one = 1)
) STRICT;
CREATE TABLE IF NOT EXISTS changes (
    id TEXT NOT NULL,
    at TEXT NOT NULL,
    told_at TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX IF NOT EXISTS changes_at ON changes (at);
CREATE TABLE deliveries (
    "key" TEXT NOT NULL,
    kind TEXT NOT NULL,
    received_at TEXT NOT NULL,
    body TEXT,
    PRIMARY KEY ("key")
) STRICT;
CREATE INDEX deliveries_received_at ON deliveries (received_at);
CREATE TABLE incidents (
    n INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id TEXT,
    state TEXT NOT NULL,
    thread TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    last_alert_at TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (id)
) STRICT;
CREATE INDEX incidents_live ON incidents (state, last_alert_at);
CREATE INDEX incidents_of_thread ON incidents (thread);
CREATE TABLE jobs (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    grouped TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    put_at REAL NOT NULL,
    not_before REAL NOT NULL,
    waits REAL NOT NULL,
    running INTEGER NOT NULL,
    worker TEXT NOT NULL,
    token INTEGER NOT NULL,
    until REAL NOT NULL,
    seconds REAL NOT NULL,
    once_more REAL,
    why TEXT NOT NULL,
    CONSTRAINT one_job_of_a_kind UNIQUE (kind, subject)
) STRICT;
CREATE TABLE messages (
    n INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    incident TEXT NOT NULL,
    operation TEXT NOT NULL,
    payload TEXT,
    "after" TEXT,
    latest INTEGER NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_tried_at REAL,
    put_at REAL NOT NULL,
    not_before REAL NOT NULL,
    waits REAL NOT NULL,
    token INTEGER NOT NULL,
    until REAL NOT NULL,
    seconds REAL NOT NULL,
    result TEXT,
    why TEXT NOT NULL,
    PRIMARY KEY (n),
    CONSTRAINT message_state CHECK (state IN ('waiting', 'sent', 'dead')),
    UNIQUE ("key")
) STRICT;
CREATE INDEX messages_after ON messages ("after");
CREATE INDEX messages_of_state ON messages (state, operation);
CREATE TABLE answers_anew (
    n INTEGER NOT NULL,
    thread TEXT NOT NULL,
    id TEXT NOT NULL,
    question TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT,
    retry INTEGER NOT NULL,
    "query" TEXT NOT NULL,
    at TEXT,
    notes TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    answer BLOB,
    PRIMARY KEY (n),
    CONSTRAINT answers_of_thread UNIQUE (thread, id),
    FOREIGN KEY(thread) REFERENCES investigations (thread) ON DELETE CASCADE
) STRICT;
CREATE TABLE audit_bodies (
    seq INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (seq),
    FOREIGN KEY(seq) REFERENCES audit (seq)
) STRICT;
CREATE TABLE incident_refs (
    system TEXT NOT NULL,
    ref TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (system, ref, n),
    FOREIGN KEY(n) REFERENCES incidents (n) ON DELETE CASCADE
) STRICT;
"""

_ANSWERS = "thread, id, question, source, reason, retry, query, at, notes, sha256, answer"

_GENESIS = "2376aaeb7343a79abf4848f7cdbde5d8268a042c939409d4f504eced28407d3a"

_GUARDS = (
    "CREATE TRIGGER audit_stands BEFORE UPDATE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    "CREATE TRIGGER audit_stays BEFORE DELETE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    "CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit "
    "WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq) "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    "CREATE TRIGGER audit_bodies_stand BEFORE UPDATE ON audit_bodies "
    "BEGIN SELECT RAISE(ABORT, 'a body is erased, never changed'); END",
)


def upgrade() -> None:
    """Make what is new, and number the answers by the order in which they came."""
    connection = op.get_bind()
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(
        f"INSERT INTO answers_anew (n, {_ANSWERS}) SELECT rowid, {_ANSWERS} FROM answers ORDER BY rowid"  # noqa: S608  own column names
    )
    connection.exec_driver_sql("DROP TABLE answers")
    connection.exec_driver_sql("ALTER TABLE answers_anew RENAME TO answers")
    for statement in _GUARDS:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"INSERT INTO audit_head VALUES (1, 0, '{_GENESIS}')")  # noqa: S608  own value
