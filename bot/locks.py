"""One process at a time works on an investigation: a lock that the kernel releases when its holder dies.

LangGraph does not prevent two processes from advancing one thread; both would run the next node.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import BusyError
from connectors.contract import digest

if TYPE_CHECKING:
    from bot.store.engine import Database


@contextmanager
def held(directory: Path, thread: str) -> Iterator[None]:
    """Hold the thread's lock; its file names the holder for those who are refused.

    Raises:
        BusyError: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / f"{digest(thread.encode())[:16]}.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read(20).strip() or "unknown"
            raise BusyError(f"another process (pid {pid}) is working on this investigation") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def held_on_server(database: Database, thread: str) -> Iterator[None]:
    """Hold the thread's advisory lock: the server releases it when the holder's connection ends.

    Raises:
        BusyError: another process holds it.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    key = {"key": int.from_bytes(bytes.fromhex(digest(thread.encode())[:16]), signed=True)}
    with database.session() as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            raise BusyError("another process is working on this investigation")
        try:
            yield
        finally:
            with suppress(SQLAlchemyError):  # a connection that is gone holds no lock any more
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)


@contextmanager
def only_one(directory: Path, what: str) -> Iterator[bool]:
    """Whether this process is the only one that does so, until the context ends, however it does."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / f"{what}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Wait for whoever is here, then keep the others waiting: for the moment in which a store is made."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "store.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
