"""The schema as it stands: made at once in an empty store, reached by migrations from an older one."""

from __future__ import annotations

from sqlalchemy import Connection

from bot.store.chain import GENESIS
from bot.store.tables import METADATA, VERSION, audit_head

_VERSION_TABLE = (
    "CREATE TABLE IF NOT EXISTS alembic_version "
    "(version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)"
)

GUARDS = {
    "sqlite": (
        "CREATE TRIGGER audit_stands BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
        "CREATE TRIGGER audit_stays BEFORE DELETE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
        "CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit "
        "WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq) "
        "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
        "CREATE TRIGGER audit_bodies_stand BEFORE UPDATE ON audit_bodies "
        "BEGIN SELECT RAISE(ABORT, 'a body is erased, never changed'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$",
        "CREATE TRIGGER audit_stands BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
        "CREATE TRIGGER audit_bodies_stand BEFORE UPDATE ON audit_bodies "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    ),
}
"""What makes the audit append-only, whoever writes: a body may be erased, an entry never."""


def make(connection: Connection, version: int) -> None:
    """Bring the tables from this version to the present one, inside the caller's transaction."""
    if version == 0:
        METADATA.create_all(connection)
        for statement in GUARDS[connection.dialect.name]:
            connection.exec_driver_sql(statement)
        connection.execute(audit_head.insert().values(one=1, seq=0, hash=GENESIS))
        _stamp(connection, VERSION)
        return
    if version == 1:
        _stamp(connection, 1)  # that version did not know Alembic
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _stamp(connection: Connection, version: int) -> None:
    connection.exec_driver_sql(_VERSION_TABLE)
    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{version:04}')")  # noqa: S608  own number
