"""What `firstcause serve` runs: one process that listens, works and speaks, and ends gracefully.

Its endpoints answer as soon as what they heard is kept; its crew does the rest. Everything that matters is
in the store: a process that dies leaves nothing behind that another cannot go on with.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.routing import Route

from bot import configuration, live, logs
from bot.crew import Crew
from bot.desk import Desked, Sender
from bot.drawing import Voice
from bot.errors import BadInputError
from bot.serve_fields import ServeFields
from bot.settings import Settings
from bot.station import Station
from bot.storms import Rules
from bot.surroundings import Surroundings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from bot.pagerduty.details import PagerDutyDetails
    from bot.slack.socket_mode import SocketMode
    from bot.store import Database, Where

log = logging.getLogger(__name__)

REQUESTS_SECONDS = 10
"""How long requests under way may take to their end when the process is stopped."""


@dataclass(frozen=True)
class Ears:
    """How Slack is heard: over HTTP by routes, or by a web socket."""

    routes: Sequence[Route] = ()
    socket: SocketMode | None = None


@dataclass(frozen=True)
class Served:
    """One process, put together: what it answers with, and who works behind it."""

    app: FastAPI
    crew: Crew
    station: Station
    ears: Ears


def run(config: Path | None, listen: str | None, check: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished, investigations finished or given back.

    Raises:
        BadInputError: there is nothing to serve, nowhere to listen, or no store.
    """
    settings = Settings()
    chosen = configuration.load(configuration.find(config, settings))
    fields = chosen.serve
    host, port = address(listen or fields.listen)
    where = settings.store or chosen.store or settings.store_path
    with ExitStack() as closing:
        database = _store(where, closing)
        served = composed(chosen, where, database, closing)
        listener = listening(host, port)
        said = f"firstcause: listening on {_url(host, listener)}, for {', '.join(heard(served.app, fields))}"
        if check:
            listener.close()
            print("\n".join(_told(said.replace("listening", "would listen"), chosen, fields, where)))  # noqa: T201
            return
        _take_over(database, served.station, closing)
        print(f"{said}; Ctrl-C ends it", file=sys.stderr, flush=True)  # noqa: T201
        with listener:
            _serve(served, listener, fields)


def composed(
    chosen: configuration.Configuration, where: Where, database: Database, closing: ExitStack
) -> Served:
    """The process of a configuration; nothing runs yet.

    Raises:
        BadInputError: nobody could be heard, or a source cannot be used.
    """
    from bot.store import Store
    from bot.store.changes import PostedChanges
    from bot.store.desk import StoredDesk
    from bot.web.application import application
    from bot.web.parts import Parts

    fields = chosen.serve
    sources = live.connected(chosen, where)
    closing.callback(sources.close)
    around = Surroundings(chosen, sources, Rules(fields.storms.window, fields.storms.neighbours), _now)
    parts = Parts(StoredDesk(database), PostedChanges(database))
    station = Station(
        name=f"{socket.gethostname()}:{os.getpid()}",
        desk=parts.desk,
        records=lambda: Store(database),
        around=around,
        voice=Voice(fields),
        measures=parts.measures,
        now=_now,
        pager=_pager(fields),
        lease_seconds=fields.lease.total_seconds(),
        enriched=_enriching(fields, around),
    )
    crew = Crew(station, senders(fields), fields)
    ears = _ears(fields, station)
    ready = {"crew": crew.wrong} | ({"slack": ears.socket.beginning} if ears.socket else {})
    app = application(fields, replace(parts, ready=ready, routes=ears.routes))
    return Served(app, crew, station, ears)


def _pager(fields: ServeFields) -> PagerDutyDetails | None:
    """Who tells more of PagerDuty's incidents than its webhooks do."""
    if fields.pagerduty is None or fields.pagerduty.token is None:
        return None
    from bot.pagerduty.calls import Calls
    from bot.pagerduty.details import PagerDutyDetails

    return PagerDutyDetails(Calls(fields.pagerduty.token.get_secret_value(), fields.pagerduty.api))


def _ears(fields: ServeFields, station: Station) -> Ears:
    """What hears Slack."""
    if fields.slack is None:
        return Ears()
    from bot.slack.app import SlackApp

    app = SlackApp(fields.slack, station.desk, station.around, now=station.now)
    if fields.slack.app_token is not None:
        from bot.slack.socket_mode import SocketMode

        heard_by = SocketMode(app)
        station.measures.slack(lambda: not heard_by.problem())
        return Ears(socket=heard_by)
    from bot.slack.endpoint import SlackEndpoint

    assert fields.slack.signing_secret is not None
    try:
        endpoint = SlackEndpoint(app.bolt, fields.slack.signing_secret.get_secret_value())
    except ValueError as error:
        raise BadInputError(f"serve.slack.signing_secret: {error}") from error
    return Ears(endpoint.routes())


def senders(fields: ServeFields) -> Sequence[tuple[Sender, int]]:
    """Who sends, and in how many threads."""
    found: list[tuple[Sender, int]] = []
    if fields.slack is not None:
        from bot.slack.sending import SlackSender

        found.append((SlackSender(fields.slack.bot_token.get_secret_value(), fields.slack.api), 2))
    pagerduty = fields.pagerduty
    if pagerduty is not None and pagerduty.notes and pagerduty.token is not None:
        from bot.pagerduty.calls import Calls
        from bot.pagerduty.notes import PagerDutyNotes

        calls = Calls(pagerduty.token.get_secret_value(), pagerduty.api, pagerduty.email)
        found.append((PagerDutyNotes(calls), 1))
    return found


def _enriching(fields: ServeFields, around: Surroundings) -> Callable[[Desked], Desked]:
    """What is asked of the pager before an investigation: within a lease, so not for long."""
    pagerduty = fields.pagerduty
    if pagerduty is None or pagerduty.token is None:
        return lambda incident: incident
    from bot.pagerduty.calls import Calls
    from bot.pagerduty.details import PagerDutyDetails
    from bot.pagerduty.enriching import Enriching

    calls = Calls(pagerduty.token.get_secret_value(), pagerduty.api, seconds=3)
    return Enriching(PagerDutyDetails(calls), lambda name: around.find(name) is not None)


def heard(app: FastAPI, fields: ServeFields) -> list[str]:
    """Everything that is listened for, in words."""
    quiet = {"/healthz", "/readyz", "/metrics", "/openapi.json"}
    found = [
        f"{min(route.methods)} {route.path}"
        for route in app.routes
        if isinstance(route, Route) and route.methods and route.path not in quiet
    ]
    if fields.slack is not None and fields.slack.app_token is not None:
        found.append("Slack (Socket Mode)")
    return found


def _serve(served: Served, listener: socket.socket, fields: ServeFields) -> None:
    import uvicorn

    from bot.web.punctual import PunctualProtocol

    logs.set_up(fields.log)
    # What was built so far lives until the end; what comes is looked through: this process lasts.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    server = uvicorn.Server(
        uvicorn.Config(
            served.app,
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=REQUESTS_SECONDS,
            # bot.web.shelter turns away with a word when to come again; this is for floods of connections.
            limit_concurrency=1_000,
            http=PunctualProtocol,
        )
    )
    with _signals(server, served.station):
        served.crew.start()
        if served.ears.socket is not None:
            served.ears.socket.start()
        try:
            server.run(sockets=[listener])
        finally:
            if served.ears.socket is not None:
                served.ears.socket.stop()
            served.crew.stop(fields.drain.total_seconds())
    log.info("ended")


@contextmanager
def _signals(server: object, station: Station) -> Iterator[None]:
    """SIGTERM and SIGINT end the process gracefully, with the code 0; a second one ends it at once."""

    def ended(_number: int, _frame: object) -> None:
        if station.stopping.is_set():
            os._exit(1)
        station.stopping.set()
        server.should_exit = True  # type: ignore[attr-defined]  # uvicorn's

    before = {each: signal.signal(each, ended) for each in (signal.SIGTERM, signal.SIGINT)}
    server.capture_signals = _nothing  # type: ignore[attr-defined]  # it would end by the signal
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _store(where: Where, closing: ExitStack) -> Database:
    from bot.store import database_of

    if isinstance(where, Path):
        where.parent.mkdir(parents=True, exist_ok=True)
    database = database_of(where)
    closing.callback(database.close)
    return database


def _take_over(database: Database, station: Station, closing: ExitStack) -> None:
    """Go on at once with what a process that died had begun, where nobody else serves from the file."""
    from bot.locks import only_one
    from bot.store.opening import locks_of

    if database.path is None:
        return
    if closing.enter_context(only_one(locks_of(database.path), "serve")):
        station.desk.take_over()
    else:
        print(  # noqa: T201
            "firstcause: another process serves from this store; several share one better by store_url",
            file=sys.stderr,
        )


def _told(said: str, chosen: configuration.Configuration, fields: ServeFields, where: Where) -> Iterator[str]:
    """What `--check` prints."""
    yield said
    yield f"store: {where if isinstance(where, Path) else 'PostgreSQL (store_url)'}"
    yield f"sources: {', '.join(each.title for each in chosen.sources)}"
    if fields.slack is not None:
        from bot.slack.checking import checked

        channels = [fields.slack.channel or "none (serve.slack.channel)"]
        channels += [f"{channel} for {service}" for service, channel in fields.slack.channels.items()]
        yield f"cards: {', '.join(channels)}"
        for each in checked(fields.slack):
            mend = f"; {each.fix}" if each.fix else ""
            yield f"slack: {each.about}: {each.state}: {each.found}{mend}"
    if fields.pagerduty is not None:
        yield f"notes in PagerDuty: {'yes' if fields.pagerduty.notes else 'no'}"
    storms = fields.storms
    yield (
        f"investigations at once: {storms.concurrent}, of one service {storms.per_service}; alerts "
        f"fold within {storms.window.total_seconds():.0f} s, and within "
        f"{storms.neighbours} steps of the call graph"
    )


def _url(host: str, listener: socket.socket) -> str:
    where = f"[{host}]" if ":" in host else host
    return f"http://{where}:{listener.getsockname()[1]}"


def _now() -> datetime:
    return datetime.now(UTC)


def listening(host: str, port: int) -> socket.socket:
    """A socket that is listened on, so that nothing is said to listen that does not.

    Raises:
        BadInputError: the address is taken, or not one of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = found[0]
        # Named TCP, or asyncio leaves Nagle's algorithm on: 40 ms a request.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise BadInputError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen()
    except OSError as error:
        listener.close()
        raise BadInputError(
            f"cannot listen on {host}:{port}: {error.strerror}; --listen names another address"
        ) from error
    return listener


def address(listen: str) -> tuple[str, int]:
    """Host and port.

    Raises:
        BadInputError: it is not HOST:PORT.
    """
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) <= 65535):
        raise BadInputError(f"--listen {listen}: write HOST:PORT, such as 127.0.0.1:8088")
    return host.strip("[]"), int(port)
