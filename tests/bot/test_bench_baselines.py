from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bot.bench import baselines
from bot.bench.baselines import View
from connectors.answers import Change, Floats, SeriesKey, SeriesSet

START = datetime(2026, 6, 18, 14, 0, tzinfo=UTC)


def latency(service: str) -> SeriesKey:
    return SeriesKey("request_latency_seconds:p99", (("service", service),))


def view(rows: dict[str, Floats], since: int, edges: tuple[tuple[str, str], ...] = ()) -> View:
    names = tuple(rows)
    values = np.stack([rows[name] for name in names])
    times = START.timestamp() + 60.0 * np.arange(values.shape[1], dtype=np.float64)
    return View(
        case="set/one",
        alerted="web",
        series=SeriesSet(tuple(latency(name) for name in names), times, values),
        services=names,
        symptom=(names.index("web"),) if "web" in names else (),
        since=since,
        edges=edges,
        changes=None,
    )


def usual(n: int, level: float = 1.0) -> Floats:
    return level + 0.1 * np.sin(np.arange(n))


def risen(n: int, since: int, by: float, level: float = 1.0) -> Floats:
    return usual(n, level) + by * (np.arange(n) >= since)


def test_baro_and_nsigma_name_the_service_that_left_its_usual_range_farthest() -> None:
    seen = view({"web": risen(60, 55, 1), "cart": risen(60, 55, 5), "mail": usual(60)}, 55)
    assert baselines.baro(seen).services == ("cart", "web", "mail")
    assert baselines.nsigma(seen).services == ("cart", "web", "mail")


def test_baro_keeps_its_scale_where_the_baseline_had_an_outlier_and_nsigma_loses_it() -> None:
    spiked = risen(60, 55, 1.0)
    spiked[10] = 500.0
    seen = view({"cart": spiked, "mail": risen(60, 55, 0.8)}, 55)
    assert baselines.baro(seen).services[0] == "cart"
    assert baselines.nsigma(seen).services[0] == "mail"


def test_a_series_without_samples_in_a_window_accuses_nobody() -> None:
    silent = usual(60)
    silent[55:] = np.nan
    seen = view({"cart": silent, "mail": risen(60, 55, 1)}, 55)
    assert baselines.baro(seen).services == ("mail", "cart")


def test_a_scale_of_zero_counts_as_one() -> None:
    flat = np.ones(60)
    flat[55:] = 3.0
    seen = view({"cart": flat, "mail": risen(60, 55, 5)}, 55)
    assert baselines.baro(seen).services == ("mail", "cart")


def test_ties_are_broken_by_names_and_not_by_order() -> None:
    names = ["a", "b", "c", "d", "e"]
    here = baselines.ranked(dict.fromkeys(names, 0.0), "set/one")
    assert here == baselines.ranked(dict.fromkeys(reversed(names), 0.0), "set/one")
    others = {baselines.ranked(dict.fromkeys(names, 0.0), f"set/{i}") for i in range(20)}
    assert len(others) > 1


def test_the_incident_is_the_last_five_minutes_or_three_samples() -> None:
    minutes = START.timestamp() + 60.0 * np.arange(60, dtype=np.float64)
    assert baselines.incident_start(minutes, float(minutes[-1])) == 55
    sparse = START.timestamp() + 300.0 * np.arange(60, dtype=np.float64)
    assert baselines.incident_start(sparse, float(sparse[-1])) == 57
    assert baselines.incident_start(sparse[:2], float(sparse[1])) == 0


def test_correlation_follows_the_symptom_and_leaves_the_alerted_service_out() -> None:
    seen = view({"web": risen(60, 55, 3), "cart": risen(60, 55, 2), "mail": usual(60)}, 55)
    assert baselines.correlation(seen).services == ("cart", "mail")


def test_correlation_is_one_for_a_scaled_copy_and_unknown_for_a_constant() -> None:
    target = risen(20, 15, 2)
    found = baselines.pearson(np.stack([3 * target + 7, -target, np.ones(20)]), target)
    assert found[:2].tolist() == pytest.approx([1.0, -1.0])
    assert np.isnan(found[2])


def test_the_random_walk_ends_at_the_callee_that_moves_with_the_symptom() -> None:
    edges = (("web", "cart"), ("web", "mail"), ("cart", "db"))
    rows = {"web": risen(60, 55, 3), "cart": risen(60, 55, 2), "mail": usual(60), "db": risen(60, 55, 4)}
    seen = view(rows, 55, edges)
    assert baselines.random_walk(seen).services[0] == "db"
    assert baselines.random_walk(seen).services[-1] == "mail"


def test_a_walk_without_a_call_graph_says_that_it_cannot() -> None:
    assert baselines.random_walk(view({"web": usual(60)}, 55)).why_not == "no call graph"


def test_the_latest_deploy_is_blamed_whatever_else_changed() -> None:
    def change(minute: int, service: str, kind: str = "deploy") -> Change:
        at = START + timedelta(minutes=minute)
        return Change.model_validate(
            {"id": f"c{minute}", "at": at, "kind": kind, "service": service, "commit": f"sha{minute}"}
        )

    seen = replace(
        view({"web": usual(60)}, 55),
        changes=(change(5, "web"), change(20, "cart"), change(40, "mail", "flag")),
    )
    found = baselines.latest_deploy(seen)
    assert found.services == ("cart", "web")
    assert found.change == "sha20"


def test_methods_without_their_data_say_why() -> None:
    seen = replace(view({"web": usual(60)}, 55), series=None, services=(), symptom=())
    reasons = {method: rank(seen).why_not for method, rank in baselines.METHODS.items()}
    assert all(reasons.values())
