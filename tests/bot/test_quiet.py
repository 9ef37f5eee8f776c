"""`firstcause quiet`: moments that are vouched for, against a real Prometheus with a recorded incident."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bot import quiet
from bot.errors import BadInputError
from bot.store import Store
from graph.calibration import load_calibration
from graph.experience import own_calibration
from graph.ranking import load_weights
from tests.bot.test_live_prometheus import Site, prometheus, pytestmark, site

__all__ = ["prometheus", "pytestmark", "site"]
NOW = datetime(2026, 6, 10, 12, 7, tzinfo=UTC)


def test_moments_are_evenly_spaced_leave_the_last_hour_and_repeat() -> None:
    times = quiet.moments(NOW, timedelta(days=7), 20)
    assert len(times) == 20
    assert len({later - earlier for earlier, later in pairwise(times)}) == 1
    assert times[-1] <= NOW
    assert times[0] >= NOW - timedelta(days=8)
    assert quiet.moments(NOW + timedelta(minutes=10), timedelta(days=7), 20) == times


@pytest.mark.parametrize(
    ("since", "count"), [(timedelta(hours=2), 20), (timedelta(days=7), 0), (timedelta(days=7), 500)]
)
def test_a_span_without_room_for_the_moments_is_one_clear_line(since: timedelta, count: int) -> None:
    with pytest.raises(BadInputError, match=r"--(since|moments)"):
        quiet.moments(NOW, since, count)


def test_what_was_heard_in_quiet_hours_is_kept_once_and_never_raises_a_confidence(site: Site) -> None:
    site.configured(f"sources:\n  - {{kind: prometheus, url: '{site.url}'}}\n")
    arguments = (
        "quiet",
        "--service",
        "checkout",
        "--since",
        "1h",
        "--moments",
        "2",
        "--until",
        site.at,
        "--json",
    )
    first = site.run(*arguments)
    assert first.returncode == 0, first.stderr
    heard = json.loads(first.stdout)
    assert [each["known"] for each in heard["moments"]] == [False, False]
    again = json.loads(site.run(*arguments).stdout)
    assert [each["known"] for each in again["moments"]] == [True, True]
    store = Store(_store(site.home))
    said = store.said()
    assert [label.decision for each in said for label in each.labels] == ["quiet_hour", "quiet_hour"]
    shipped = load_calibration()
    own = own_calibration(shipped, said, load_weights().digest, "another")
    assert own.offset <= shipped.offset
    assert own.labels == 0  # an hour is no confirmed incident


def _store(home: Path) -> Path:
    return home / "state" / "firstcause" / "firstcause.db"
