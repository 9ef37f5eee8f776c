"""Learns from hours in which nothing was wrong: how loud does this site get when it is well?

Investigates moments of the past that somebody vouches for, as if an alert had fired, and keeps each as a
fault-free hour. Together they weigh a few labels at most, and only ever lower confidences.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bot import configuration, live
from bot.casework import Place
from bot.errors import BadInputError
from bot.investigation import Options, Outcome, QuietHour
from bot.live_incident import Request
from bot.settings import Settings

LATEST = timedelta(hours=1)
"""The last hour is left alone: whatever is going on now is not vouched for."""

LOUD = 0.5


@dataclass(frozen=True)
class Wishes:
    """What to learn from: moments of the last `since`, so many, evenly spaced."""

    service: str
    since: timedelta
    moments: int
    configuration: Path | None
    store: Path | None
    as_json: bool
    until: datetime | None = None


@dataclass(frozen=True)
class Heard:
    """One moment: what would have been said of it. `known` when it was learned from before."""

    at: datetime
    verdict: str
    title: str
    confidence: float
    known: bool


def run(wishes: Wishes, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Learn, and tell what would have been said at each moment.

    Raises:
        BadInputError: the configuration, the service or the span cannot be used.
    """
    settings = Settings()
    read = configuration.load(configuration.find(wishes.configuration, settings))
    chosen = wishes.store or read.store
    place = Place(chosen or settings.store_path, chosen is not None)
    times = moments(_end(wishes.until, now()), wishes.since, wishes.moments)
    errors = Console(stderr=True, highlight=False, markup=False, no_color=settings.no_color or None)
    asked = Request(at=times[-1], service=wishes.service)
    site = live.prepared(read, asked, place, errors.print)
    try:
        shown = track(times, "quiet hours", console=errors, disable=not errors.is_terminal, transient=True)
        heard = [_learned(site, Request(at=at, service=wishes.service)) for at in shown]
    finally:
        site.sources.close()
    _told(heard, wishes.as_json, settings)


def _end(until: datetime | None, now: datetime) -> datetime:
    if until is not None and until > now:
        raise BadInputError(f"--until {until:%Y-%m-%dT%H:%M:%SZ} lies in the future")
    return until or now - LATEST


def moments(end: datetime, since: timedelta, count: int) -> list[datetime]:
    """So many moments of the span before its end, evenly spaced, the earliest first.

    They lie on a grid of the clock: the same command a little later vouches for the same moments.

    Raises:
        BadInputError: the span is too short for so many.
    """
    if not 1 <= count <= 200:
        raise BadInputError(f"--moments must lie between 1 and 200, not {count}")
    if since < count * timedelta(minutes=30):
        raise BadInputError(f"--since is too short for {count} moments: each takes half an hour")
    seconds = max(int(since / count / timedelta(minutes=1)), 30) * 60
    last = datetime.fromtimestamp(end.timestamp() // seconds * seconds, UTC)
    return [last - n * timedelta(seconds=seconds) for n in reversed(range(count))]


def _learned(site: live.Site, request: Request) -> Heard:
    begun = site.begin(request)
    work, options = begun.work, Options(seconds=begun.budget_seconds, confirm="ask")
    known = site.record.sealed(work.thread) is not None and bool(site.record.labels(work.thread))
    if known:
        return _heard(request.at, work.shown(), known)
    outcome = work.investigate(options, lambda _: None)
    if outcome.status == "awaiting_confirmation":
        outcome = work.answer(outcome.thread, QuietHour(), options, lambda _: None)
    return _heard(request.at, outcome, known)


def _heard(at: datetime, outcome: Outcome, known: bool) -> Heard:
    first = next(iter(outcome.weighing.proposals), None)
    title, confidence = (first.title, first.confidence) if first else ("", 0.0)
    return Heard(at, outcome.weighing.verdict.value, title, confidence, known)


def _told(heard: Sequence[Heard], as_json: bool, settings: Settings) -> None:
    console = Console(highlight=False, markup=False, no_color=settings.no_color or None)
    loud = [each for each in heard if each.verdict == "cause" and each.confidence >= LOUD]
    if as_json:
        rows = [
            {
                "at": f"{each.at:%FT%TZ}",
                "verdict": each.verdict,
                "first": each.title,
                "confidence": round(each.confidence, 6),
                "known": each.known,
            }
            for each in heard
        ]
        document = {"moments": rows, "called_a_cause": len(loud)}
        console.file.write(json.dumps(document, ensure_ascii=False) + "\n")
        return
    table = Table("moment (UTC)", "verdict", "first", "confidence", box=None)
    for each in heard:
        table.add_row(f"{each.at:%F %H:%M}", each.verdict, each.title, f"{each.confidence:.0%}")
    console.print(table)
    console.print(
        f"{len(loud)} of {len(heard)} quiet moments would have been called a cause at {LOUD:.0%} or more."
        " Kept: later confidences take it into account."
    )
