"""What an investigation is doing, live on stderr: a small display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bot.investigation import Progress
from bot.safetext import one_line

_DOING: Final = {
    "scope": "looking at what the alert names",
    "gather": "asking every source",
    "weigh": "weighing causes",
    "ask": "asking what would tell them apart",
    "propose": "writing the proposal",
    "confirm": "",
    "close": "",
}


class Listener(Protocol):
    """Hears what happens, from any thread, between `with` and its end."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Stop showing."""
        ...

    def __call__(self, event: Progress) -> None:
        """Hear of one event."""
        ...


def listener(console: Console) -> Listener:
    """The listener that fits the console."""
    return _Display(console) if console.is_terminal else _Lines(console)


class _Lines:
    """One line a stage, with what came of its questions, and one for every source that gives no answer."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._guard = threading.Lock()
        self._told: set[tuple[str, str]] = set()
        self._stage = ""
        self._answered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        return None

    def __call__(self, event: Progress) -> None:
        with self._guard:
            if event.stage != self._stage:
                self._turn(event.stage)
            self._answered += event.state == "answered"
            if event.source is not None and event.state == "unavailable":
                self._miss(event.stage, event.source.value, one_line(event.reason, 200))

    def _turn(self, stage: str) -> None:
        if self._answered:
            self._say(f"{self._stage}: {self._answered} answered")
        self._stage, self._answered = stage, 0
        if _DOING[stage]:
            self._say(f"{stage}: {_DOING[stage]}")

    def _miss(self, stage: str, source: str, reason: str) -> None:
        if (source, reason) not in self._told:
            self._told.add((source, reason))
            self._say(f"{stage}: {source} unavailable: {reason}")

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class _Display:
    """The stage that runs, and each source with how many of its questions were answered."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, transient=True, refresh_per_second=12)
        self._guard = threading.Lock()
        self._spinner = Spinner("dots", text="starting")
        self._asked: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._missing: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, event: Progress) -> None:
        with self._guard:
            self._take(event)
            self._live.update(self._drawn())

    def _take(self, event: Progress) -> None:
        self._spinner.update(text=Text(f"{event.stage}: {_DOING[event.stage]}"))
        if event.source is None or not event.question:
            return
        if event.state == "started":
            self._asked[event.source.value] += 1
        elif event.state == "answered":
            self._answered[event.source.value] += 1
        else:
            self._missing[event.source.value] = one_line(event.reason, 100)

    def _drawn(self) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row(self._spinner)
        sources = Table.grid(padding=(0, 2, 0, 0))
        for source in sorted(self._asked.keys() | self._answered.keys() | self._missing.keys()):
            sources.add_row(Text(f"  {source}", style="dim"), self._state(source))
        table.add_row(sources)
        return table

    def _state(self, source: str) -> Text:
        answered = self._answered[source]
        if source in self._missing and not answered:
            return Text(f"unavailable: {self._missing[source]}", style="yellow")
        waiting = self._asked[source] - answered - (1 if source in self._missing else 0)
        return Text(f"{answered} answered" + (f", {waiting} open" if waiting > 0 else ""))
