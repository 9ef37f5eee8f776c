"""Live systems as the subject of an investigation at a terminal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot import alerts, configuration, live
from bot.casework import Casework, Place
from bot.errors import BadInputError
from bot.investigation import Outcome
from bot.live_incident import Request
from bot.settings import Settings
from connectors.redaction import redacted

MOST_ALERT_BYTES = 2**20


@dataclass
class LiveSystems:
    """What somebody asked about live systems.

    `alert` is a file, or "-" for stdin. `save` is the directory that the investigation is saved in as
    a case; it must not exist yet, or be empty. `budget` is the wished one, in seconds.
    """

    configuration: Path | None
    service: str | None
    since: timedelta | None
    alert: str | None
    at: datetime | None
    about: str = ""
    save: Path | None = None
    budget: float | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _live: live.Live | None = None

    def open(self, chosen: Path | None, settings: Settings, note: Callable[[str], None]) -> Casework:
        """Read the configuration, connect, and begin the incident.

        Raises:
            BadInputError: the configuration, the alert, the service or the place to save at cannot be used.
        """
        path = configuration.find(self.configuration, settings)
        read = _in_time(configuration.load(path), self.budget or settings.budget_seconds)
        self._refuse_to_overwrite()
        store = chosen or read.store
        self._live = live.opened(
            read,
            self._request(read.investigation.baseline),
            Place(store or settings.store_path, store is not None),
            note,
        )
        for caveat in self._live.begun.manifest.source_notes:
            note(caveat)
        return self._live.work

    def budget_seconds(self) -> float:
        """What the configuration says."""
        assert self._live is not None
        return self._live.budget_seconds

    def taken_up(self) -> str:
        """The command with the instant in it: another now is another investigation."""
        assert self._live is not None
        incident = self._live.begun.incident
        parts = ["firstcause", "investigate", "--at", f"{incident.at:%Y-%m-%dT%H:%M:%SZ}"]
        parts += ["--service", incident.service or ""] if self.alert is None else ["--alert", self.alert]
        parts += ["--since", f"{self.since.total_seconds():.0f}s"] if self.since is not None else []
        parts += ["--about", self.about] if self.about else []
        return f"`{shlex.join(parts)}` with the same options"

    def done(self, work: Casework, outcome: Outcome, note: Callable[[str], None]) -> None:
        """Say whom to ask where nobody answered, and save the investigation where that was asked for.

        Raises:
            BadInputError: it cannot be written there.
        """
        if "ok" not in outcome.coverage.values():
            note("no source answered, so nothing could be judged: `firstcause doctor` says what mends that")
        if self.save is None or self._live is None:
            return
        from bot import saving

        saving.save(self.save, self._live.begun, work.record.asked(outcome.thread), note)

    def close(self) -> None:
        """Give the connections back."""
        if self._live is not None:
            self._live.sources.close()

    def _request(self, baseline: timedelta | None) -> Request:
        at = self.at or self.now()
        if at > self.now():
            raise BadInputError(f"--at {at:%Y-%m-%dT%H:%M:%SZ} lies in the future")
        return Request(
            at=at.replace(microsecond=0),
            service=self.service,
            since=self.since,
            alert=alerts.without_secrets(_alert(self.alert)),
            about=redacted(self.about),
            baseline=baseline,
        )

    def _refuse_to_overwrite(self) -> None:
        if self.save is not None and (
            self.save.is_file() or (self.save.is_dir() and any(self.save.iterdir()))
        ):
            raise BadInputError(f"{self.save}: exists already, and is not overwritten; name a new directory")


_FOR_DISCOVERY = 0.25
"""The part of the budget that finding out who is meant may take, before the investigation itself."""


def _in_time(read: configuration.Configuration, wished: float | None) -> configuration.Configuration:
    """The configuration with a discovery that leaves the budget to the investigation."""
    budget = wished or read.investigation.budget.total_seconds()
    longest = min(
        read.investigation.discovery, timedelta(seconds=_FOR_DISCOVERY * budget / 2)
    )  # it may run twice
    return replace(read, investigation=read.investigation.model_copy(update={"discovery": longest}))


def _alert(written: str | None) -> bytes | None:
    """The alert's bytes, from a file or stdin."""
    if written is None:
        return None
    try:
        if written == "-":
            data = sys.stdin.buffer.read(MOST_ALERT_BYTES + 1)
        else:
            with Path(written).open("rb") as file:
                data = file.read(MOST_ALERT_BYTES + 1)
    except OSError as error:
        raise BadInputError(f"--alert {written}: cannot be read: {error.strerror}") from error
    if not data.strip():
        raise BadInputError(f"--alert {written}: is empty")
    if len(data) > MOST_ALERT_BYTES:
        raise BadInputError(f"--alert {written}: larger than {MOST_ALERT_BYTES >> 10} KiB")
    return data
