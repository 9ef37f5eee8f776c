"""Work that others do in the shop's database: sessions left open, statements run once or over and over.

It runs what a scenario gives it, as the owner of the tables, and must not know any statement itself.
"""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg

Session = psycopg.Connection[tuple[object, ...]]


class Jobs:
    """All sessions that are none of the services'."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._held: list[Session] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def hold_open(self, application: str, statements: list[str]) -> None:
        """Begin a transaction, run the statements, and then just sit there."""
        session = psycopg.connect(self._dsn, application_name=application)
        self._held.append(session)
        for statement in statements:
            session.execute(statement.encode())

    def run(self, application: str, statements: list[str]) -> None:
        """Run the statements, each in a transaction of its own; returns when they are done."""
        with psycopg.connect(self._dsn, application_name=application, autocommit=True) as session:
            for statement in statements:
                session.execute(statement.encode())

    def repeat(self, application: str, statement: str, seconds: float) -> None:
        """Run the statement again and again in the background, with so many seconds between two runs."""
        thread = threading.Thread(target=self._repeat, args=(application, statement, seconds), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, application: str, statement: str, seconds: float) -> None:
        with (
            suppress(psycopg.OperationalError),  # the server ends before its clients do
            psycopg.connect(self._dsn, application_name=application, autocommit=True) as session,
        ):
            while not self._over.wait(seconds):
                session.execute(statement.encode())

    def stop(self) -> None:
        self._over.set()
        for session in self._held:
            session.close()
        for thread in self._threads:
            thread.join(timeout=10)
