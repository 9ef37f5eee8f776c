from __future__ import annotations

from pathlib import Path

from tests.lab.loadgen import PERIOD_SECONDS, Customers, Demand, shape


def test_the_same_seed_draws_the_same_wishes() -> None:
    first, second = Customers(7), Customers(7)
    assert [first.wish(Demand()) for _ in range(50)] == [second.wish(Demand()) for _ in range(50)]


def test_all_five_kinds_of_request_are_wished_for() -> None:
    customers = Customers(1)
    wishes = [customers.wish(Demand()) for _ in range(300)]
    assert len({(wish.method, wish.path.rstrip("0123456789")) for wish in wishes}) == 5


def test_the_day_has_a_high_and_a_low_and_repeats() -> None:
    high, low = shape(PERIOD_SECONDS / 4, 0), shape(3 * PERIOD_SECONDS / 4, 0)
    assert high > 1.3
    assert low < 0.7
    assert abs(shape(PERIOD_SECONDS, 0) - shape(0, 0)) < 1e-9


def test_noise_never_stops_the_traffic() -> None:
    assert shape(0, -5) > 0


def test_a_demand_survives_its_file(tmp_path: Path) -> None:
    Demand(rate=3).save(tmp_path / "demand.json")
    assert '"rate": 3' in (tmp_path / "demand.json").read_text()
