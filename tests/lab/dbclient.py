"""How a service of the shop talks to its database: a pool, spans and pool metrics around every statement.

It runs the SQL that a service's source gives it, word for word, and must not know any statement itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import psycopg
from opentelemetry import trace
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from tests.lab import instruments
from tests.lab.telemetry import Journal

TRACER = trace.get_tracer("shopkit.database")
SLOW_SECONDS = 0.2
SERVER = "shop-db"

Row = DictRow


@cache
def span_attributes(sql: str) -> dict[str, str]:
    """What OpenTelemetry's database conventions say about a statement."""
    operation = sql.split(None, 1)[0].upper()
    table = re.search(r"\b(?:FROM|INTO|UPDATE)\s+([a-z_]+)", sql, re.IGNORECASE)
    attributes = {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "db.operation.name": operation,
        "db.query.text": " ".join(sql.split()),
        "server.address": SERVER,
        "peer.service": SERVER,
    }
    if table:
        attributes["db.collection.name"] = table.group(1)
    return attributes


class Session:
    """One connection, for as long as a caller holds it."""

    def __init__(self, connection: AsyncConnection[Row], journal: Journal) -> None:
        self.connection = connection
        self._journal = journal

    async def fetch(self, sql: str, *parameters: object) -> list[Row]:
        attributes = span_attributes(sql)
        name = f"{attributes['db.operation.name']} {attributes.get('db.collection.name', '')}".strip()
        began = time.perf_counter()
        with TRACER.start_as_current_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes):
            # The statement is the repository's own text; values travel apart from it as $1, $2 …
            cursor = await self.connection.execute(sql.encode(), parameters)
            rows = await cursor.fetchall() if cursor.description else []
        elapsed = time.perf_counter() - began
        if elapsed > SLOW_SECONDS:
            self._journal.warning(
                f"slow statement took {elapsed * 1000:.0f} ms: {attributes['db.query.text']}",
                logger="shopkit.database",
                duration_ms=round(elapsed * 1000, 1),
            )
        return rows


class Database:
    """A pool of connections to the shop's database."""

    def __init__(self, dsn: str, application: str, pool: dict[str, float], journal: Journal) -> None:
        self._journal = journal
        self._timeout = pool.get("timeout_seconds", 5.0)
        self._max = int(pool.get("max_size", 10))
        self._pool: AsyncConnectionPool[AsyncConnection[Row]] = AsyncConnectionPool(
            dsn,
            min_size=min(2, self._max),
            max_size=self._max,
            timeout=self._timeout,
            open=False,
            connection_class=AsyncConnection[Row],
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "cursor_factory": AsyncRawCursor,
                "application_name": application,
            },
        )

    async def open(self) -> None:
        await self._pool.open(wait=True)
        instruments.POOL_MAX.set(self._max)
        instruments.POOL_CONNECTIONS.labels("used").set_function(self._used)
        instruments.POOL_CONNECTIONS.labels("idle").set_function(lambda: self._stat("pool_available"))
        instruments.POOL_PENDING.set_function(lambda: self._stat("requests_waiting"))

    async def close(self) -> None:
        await self._pool.close()

    def _stat(self, name: str) -> float:
        return float(self._pool.get_stats().get(name, 0))

    def _used(self) -> float:
        return self._stat("pool_size") - self._stat("pool_available")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection for the length of a block."""
        session = await self.acquire()
        try:
            yield session
        finally:
            await self.release(session)

    async def acquire(self) -> Session:
        """A connection from the pool, to be released by the caller."""
        return Session(await self._acquire(), self._journal)

    async def release(self, session: Session) -> None:
        await self._pool.putconn(session.connection)

    async def _acquire(self) -> AsyncConnection[Row]:
        """The wait for a connection is a span of its own."""
        began = time.perf_counter()
        with TRACER.start_as_current_span(
            "pool acquire", attributes={"db.client.connection.pool.name": SERVER}
        ):
            try:
                return await self._pool.getconn()
            except PoolTimeout:
                instruments.POOL_TIMEOUTS.inc()
                raise
            finally:
                instruments.observe(instruments.POOL_WAIT, time.perf_counter() - began)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        async with self.session() as session, session.connection.transaction():
            yield session

    async def fetch(self, sql: str, *parameters: object) -> list[Row]:
        async with self.session() as session:
            return await session.fetch(sql, *parameters)


DatabaseError = psycopg.Error
