"""The draw of traces: balanced whatever the onset, over routes, failures and durations; without chance."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Window
from connectors.sampling_plan import (
    GRID_SECONDS,
    Candidate,
    Pick,
    Population,
    Slice,
    Stratum,
    draw,
    slice_of,
    slices,
    weights,
)

NOW = datetime(2026, 6, 18, 15, 6, 7, tzinfo=UTC)
HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
PIECES = slices(HOUR, NOW)


def candidate(
    number: int, at: float, seconds: float = 0.1, name: str = "GET /", error: bool = False
) -> Candidate:
    piece = slice_of(PIECES, at)
    assert piece is not None
    return Candidate(f"{number:032x}", at, seconds, Stratum(piece.number, "shop", name, error))


def steady(every: float = 1.0) -> list[Candidate]:
    first, last = PIECES[-1].start, PIECES[0].end
    return [
        candidate(n, first + n * every, seconds=(n * 37 % 101) / 100)
        for n in range(int((last - first) / every))
    ]


@given(st.integers(2, 400_000), st.integers(0, 10_000))
def test_slices_cover_the_window_without_gap_or_overlap(length: int, offset: int) -> None:
    now = NOW - timedelta(seconds=offset, microseconds=offset)
    window = Window(start=now - timedelta(seconds=length), end=now)
    pieces = slices(window, now)
    assert pieces[-1].start == int(window.start.timestamp())
    assert now.timestamp() <= pieces[0].end < now.timestamp() + 1
    assert all(older.end == newer.start for newer, older in pairwise(pieces))
    assert all(piece.start < piece.end for piece in pieces)
    assert all(piece.end % GRID_SECONDS == 0 for piece in pieces[1:])
    assert len(pieces) <= 16


def test_slices_end_at_now_where_the_window_goes_on() -> None:
    later = Window(start=HOUR.start, end=NOW + timedelta(hours=5))
    assert slices(later, NOW) == PIECES


@pytest.mark.parametrize("minutes", [5, 10, 20, 30, 45])
def test_both_sides_of_any_onset_get_a_fair_share(minutes: float) -> None:
    onset = (NOW - timedelta(minutes=minutes)).timestamp()
    starts = {each.trace: each.start for each in steady()}
    picks = draw(steady(), 500)
    during = sum(starts[pick.trace] >= onset for pick in picks) / len(picks)
    assert len(picks) == 500
    assert 0.15 <= during <= 0.85


@pytest.mark.parametrize("cut", [50, 100, 250])
def test_any_beginning_of_the_draw_is_balanced_too(cut: int) -> None:
    picks = draw(steady(), 500)[:cut]
    per_slice = Counter(pick.stratum.slice for pick in picks)
    assert set(per_slice) == {piece.number for piece in PIECES}
    assert max(per_slice.values()) - min(per_slice.values()) <= 2


def test_rare_routes_and_failures_are_drawn_among_many_others() -> None:
    rare = [candidate(10**6 + n, NOW.timestamp() - 60 - n, name="DELETE /cart") for n in range(2)]
    failed = [candidate(10**7, NOW.timestamp() - 90, error=True)]
    drawn = {pick.trace for pick in draw([*steady(0.25), *rare, *failed], 100)}
    assert {each.trace for each in (*rare, *failed)} <= drawn


def test_the_fastest_and_the_slowest_of_a_stratum_are_drawn() -> None:
    at = NOW.timestamp() - 100
    many = [candidate(n, at, seconds=n / 10) for n in range(1, 400)]
    drawn = {int(pick.trace, 16) for pick in draw(many, 20)}
    assert {1, 399} <= drawn
    ordered = sorted(drawn)
    assert max(b - a for a, b in pairwise(ordered)) < 30


def test_what_a_thin_slice_cannot_give_others_give() -> None:
    thin = [each for each in steady() if each.stratum.slice != 0] + [candidate(10**6, NOW.timestamp() - 5)]
    assert len(draw(thin, 500)) == 500


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.booleans()), max_size=60),
    st.integers(0, 80),
)
def test_a_draw_is_as_large_as_it_can_be_and_without_repeats(
    rows: list[tuple[int, str, bool]], most: int
) -> None:
    found = [
        Candidate(f"{n:032x}", 0.0, n / 7 % 1, Stratum(piece, "s", name, error))
        for n, (piece, name, error) in enumerate(rows)
    ]
    picks = draw(found, most)
    assert len(picks) == len({pick.trace for pick in picks}) == min(most, len(rows))
    assert draw(reversed(found), most) == picks


def test_weights_add_up_to_everything_that_was_found() -> None:
    everything = steady()
    picks = draw(everything, 200)
    found = weights(everything, picks, Population({piece.number for piece in PIECES}))
    assert found is not None
    assert sum(found.values()) == pytest.approx(len(everything))


def test_weights_follow_the_stores_own_counts_where_a_search_was_cut() -> None:
    at = NOW.timestamp() - 60
    found = [candidate(n, at, error=n % 4 == 0) for n in range(40)]
    picks = draw(found, 20)
    known = Population((), {(found[0].stratum.slice, "shop", "GET /"): 4_000.0})
    given_weights = weights(found, picks, known)
    assert given_weights is not None
    failed = sum(weight for trace, weight in given_weights.items() if int(trace, 16) % 4 == 0)
    assert sum(given_weights.values()) == pytest.approx(4_000)
    assert failed == pytest.approx(1_000)


def test_a_search_for_failures_does_not_make_failures_look_frequent() -> None:
    at = NOW.timestamp() - 60
    piece = candidate(0, at).stratum.slice
    usual = [candidate(n, at, error=n == 0) for n in range(20)]
    sought = [
        Candidate(f"{n:032x}", at, 0.1, Stratum(piece, "shop", "GET /", True), chance=False)
        for n in range(20, 40)
    ]
    everything = [*usual, *sought]
    picks = [Pick(each.trace, each.stratum) for each in everything]
    found = weights(everything, picks, Population((), {(piece, "shop", "GET /"): 2_000.0}))
    assert found is not None
    assert sum(found[each.trace] for each in everything if each.stratum.error) == pytest.approx(100)


def test_weights_are_unknown_where_nobody_counted() -> None:
    everything = steady()
    assert weights(everything, draw(everything, 50), Population(())) is None


def test_an_instant_outside_of_the_window_has_no_slice() -> None:
    assert slice_of((Slice(0, 10, 20),), 20.0) is None
    assert slice_of((Slice(0, 10, 20),), 19.9) == Slice(0, 10, 20)
