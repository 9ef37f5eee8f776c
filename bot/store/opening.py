"""Opens a store: makes a new one, brings an older one up to date, refuses a newer one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import BadInputError
from bot.locks import one_at_a_time
from bot.store.engine import Database, Where, engine_of_file, engine_of_url
from bot.store.schema import make
from bot.store.tables import VERSION

_HEADER = b"SQLite format 3\0"
_OPENING = 0x66697273
"""The advisory lock of those who make or migrate a store, on PostgreSQL."""


def database_of(where: Where | Database) -> Database:
    """The database there, made or brought up to date.

    Raises:
        BadInputError: it cannot be used, or was written by a newer version.
    """
    match where:
        case Database():
            return where
        case Path():
            return _of_file(where)
        case _:
            return _of_server(where)


def locks_of(path: Path) -> Path:
    """The directory of a store's locks, beside its file."""
    return path.with_name(path.name + ".locks")


def _refuse_other_files(path: Path) -> None:
    """Refuse what is no database before anything is put beside it; an empty file may become one.

    A store that has its locks beside it is left to SQLite: to open and close its file here would let go of
    what this process holds of it elsewhere (fcntl(2): a close ends all of a process's locks on the file), and
    the next process to close it, believing itself the last, would take the log away under our feet.
    """
    if locks_of(path).is_dir():
        return
    try:
        with path.open("rb") as file:
            begins = file.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadInputError(f"the store {path} cannot be used: {error.strerror}") from error
    if begins and begins != _HEADER:
        raise BadInputError(f"the store {path} cannot be used: it is another kind of file")


def _of_file(path: Path) -> Database:
    _refuse_other_files(path)
    try:
        with one_at_a_time(locks_of(path)):  # SQLite does not wait while another process turns WAL on
            path.touch(mode=0o600)  # evidence is private; SQLite's other files take this mode over
            engine = engine_of_file(path)
            try:
                with engine.connect() as connection:
                    found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
                if found < VERSION:
                    with engine.execution_options(writes=True).begin() as connection:
                        make(connection, found)
                        connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
            except BaseException:
                engine.dispose()
                raise
    except SQLAlchemyError as error:
        raise BadInputError(f"the store {path} cannot be used: {_words(error)}") from error
    except (sqlite3.Error, OSError) as error:
        raise BadInputError(f"the store {path} cannot be used: {error}") from error
    if found > VERSION:
        engine.dispose()
        raise BadInputError(_newer(str(path), found))
    return Database(engine, path)


def _of_server(url: SecretStr) -> Database:
    engine = engine_of_url(url)
    name = engine.url.render_as_string(hide_password=True).replace("+psycopg", "")
    try:
        with engine.begin() as connection:
            found = _version(connection)
            if found < VERSION:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _OPENING})
                found = _version(connection)  # another process may have made it meanwhile
                if found < VERSION:
                    make(connection, found)
    except SQLAlchemyError as error:
        engine.dispose()
        raise BadInputError(f"the store {name} cannot be used: {_words(error)}") from error
    if found > VERSION:
        engine.dispose()
        raise BadInputError(_newer(name, found))
    return Database(engine, None)


def _version(connection: Connection) -> int:
    """The version of the tables on a server, 0 where there are none."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return 0
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return int(found or 0)


def _newer(name: str, found: int) -> str:
    return f"the store {name} was written by a newer version (schema {found}, here {VERSION})"


def _words(error: SQLAlchemyError) -> str:
    return " ".join(str(getattr(error, "orig", error)).split())[:300]
