from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import SeriesSet
from connectors.questions import SeriesSweep
from playbooks.loudness import loudness
from playbooks.observations import Observations
from playbooks.suspects import FEATURES, Suspects, examine
from tests.playbooks.judged import (
    CALLS,
    CALM,
    SAMPLES,
    TROUBLED,
    Shop,
    Trouble,
    key,
    noisy,
    read,
    series,
    stepped,
    with_series,
)

EVERYTHING = "metrics traces logs edges"


def _examined(shop: Shop, kinds: str = EVERYTHING) -> Suspects:
    return examine(shop.incident(), Observations(shop.readings(kinds)))


def _features(suspects: Suspects, service: str) -> dict[str, float]:
    row = suspects.features[suspects.services.index(service)]
    return {name: float(value) for name, value in zip(FEATURES, row, strict=True)}


def _loudest(suspects: Suspects, feature: str) -> str:
    return suspects.services[int(np.argmax(suspects.features[:, FEATURES.index(feature)]))]


@dataclass(frozen=True)
class Sign:
    """Trouble of one service and the feature that must name it, from some of the sources."""

    name: str
    trouble: Trouble
    service: str
    features: tuple[str, ...]
    kinds: str = EVERYTHING


SLOW, NET = Trouble(own={"payments": 0.2}), Trouble(network={"payments": 0.1})
FAILS, RAISES = Trouble(failing={"payments": 0.3}), Trouble(raising={"catalogue": 0.6})
SIGNS = (
    Sign("slow code", SLOW, "payments", ("self_time", "self_share", "latency_share")),
    Sign("slow code by traces alone", SLOW, "payments", ("self_time", "self_share"), "traces"),
    Sign("slow code by metrics alone", SLOW, "payments", ("latency_share",), "metrics edges"),
    Sign("network delay", NET, "payments", ("gap",), "traces"),
    Sign("slow database", Trouble(waits={"checkout": 0.2}), "checkout", ("wait_share", "self_time")),
    Sign("processor", Trouble(cpu={"catalogue": 2.0}), "catalogue", ("cpu",)),
    Sign("leak", Trouble(leak={"catalogue": 0.8}), "catalogue", ("memory", "ramp")),
    Sign("errors", FAILS, "payments", ("error_origin", "errors_share")),
    Sign("errors by metrics alone", FAILS, "payments", ("errors_share",), "metrics edges"),
    Sign("an exception in the logs alone", RAISES, "catalogue", ("log_errors", "log_mix")),
)


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.name)
def test_the_service_at_fault_shows_it_most(sign: Sign) -> None:
    suspects = _examined(Shop(sign.trouble), sign.kinds)
    for feature in sign.features:
        assert _loudest(suspects, feature) == sign.service, feature
        assert _features(suspects, sign.service)[feature] > 0.3, feature


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.name)
def test_what_does_not_concern_a_service_stays_silent(sign: Sign) -> None:
    suspects = _examined(Shop(sign.trouble), sign.kinds)
    bystander = "catalogue" if sign.service != "catalogue" else "payments"
    for feature in sign.features:
        assert _features(suspects, bystander)[feature] < 0.5 * _features(suspects, sign.service)[feature]


def test_a_service_whose_numbers_fell_to_zero_is_not_accused_for_it() -> None:
    row = _features(_examined(Shop(Trouble(idle=("catalogue",))), "metrics edges"), "catalogue")
    assert (
        row["latency"]
        == row["errors"]
        == row["cpu"]
        == row["memory"]
        == row["pressure"]
        == row["ramp"]
        == 0.0
    )
    assert row["latency_share"] == row["errors_share"] == 0.0


def test_an_idle_service_does_not_hide_the_guilty_one() -> None:
    suspects = _examined(Shop(Trouble(own={"payments": 0.2}, idle=("catalogue",))), "metrics edges")
    assert _loudest(suspects, "latency_share") == "payments"


def test_a_callers_latency_is_its_callees_where_that_explains_it() -> None:
    suspects = _examined(Shop(Trouble(own={"payments": 0.2})), "metrics edges")
    assert _features(suspects, "payments")["latency_share"] > 0.7
    assert _features(suspects, "gateway")["latency_share"] < 0.2
    assert _features(suspects, "checkout")["latency_share"] < 0.2


@pytest.mark.parametrize("noise", range(6))
def test_nothing_is_loud_in_a_calm_shop(noise: int) -> None:
    suspects = _examined(Shop(CALM, noise=noise))
    loud = [i for i, name in enumerate(FEATURES) if name not in {"alerted", "network"}]
    assert float(suspects.features[:, loud].max()) < 2.0


def test_the_alerted_service_is_known_even_if_nothing_tells_of_it() -> None:
    shop = Shop()
    suspects = examine(shop.incident(), Observations(()))
    assert suspects.services == ("gateway",)
    assert _features(suspects, "gateway")["alerted"] == 1.0
    assert suspects.features.sum() == 1.0


def test_without_any_reading_and_service_there_is_nobody_to_suspect() -> None:
    suspects = examine(Shop().incident(service=None), Observations(()))
    assert suspects.services == ()
    assert suspects.features.shape == (0, len(FEATURES))


def test_every_service_that_any_source_knows_may_be_at_fault() -> None:
    for kinds in ("metrics", "traces", "logs", "edges"):
        assert set(_examined(Shop(), kinds).services) == set(CALLS), kinds


def test_a_clients_latency_does_not_accuse_the_service_that_waits() -> None:
    client = key("http_client_request_duration_seconds:p99", service="checkout")
    told = series({client: stepped(noisy(0.1, "client"), 1.0)})
    question = SeriesSweep(window=Shop().incident().window)
    suspects = examine(Shop().incident(), Observations((read(question, told),)))
    assert _features(suspects, "checkout")["latency"] == 0.0


def test_a_constant_series_never_accuses() -> None:
    flat = {
        key(f"container_{what}", service="catalogue"): np.full(SAMPLES, 7.0) for what in ("cpu", "memory_rss")
    }
    readings = Shop().readings("metrics edges")

    def more(told: SeriesSet) -> SeriesSet:
        added = series(flat)
        return SeriesSet(told.keys + added.keys, told.times, np.vstack((told.values, added.values)))

    plain = examine(Shop().incident(), Observations(readings))
    padded = examine(Shop().incident(), Observations(with_series(readings, more)))
    assert padded.services == plain.services
    assert (padded.features == plain.features).all()


def test_a_service_told_in_milliseconds_has_no_larger_share_than_one_told_in_seconds() -> None:
    shop = Shop(Trouble(own={"payments": 0.2, "catalogue": 0.02}))

    def in_ms(told: SeriesSet) -> SeriesSet:
        keys, values = list(told.keys), told.values.copy()
        for row, found in enumerate(told.keys):
            if found.get("service") == "catalogue" and "seconds:" in found.metric:
                keys[row] = key(found.metric.replace("_seconds:", "_milliseconds:"), service="catalogue")
                values[row] *= 1000.0
        return SeriesSet(tuple(keys), told.times, values)

    readings = with_series(shop.readings("metrics edges"), in_ms)
    suspects = examine(shop.incident(), Observations(readings))
    assert _loudest(suspects, "latency_share") == "payments"


def test_a_databases_steady_counter_is_no_ramp() -> None:
    blocks = key("pg_stat_database_blks_read", datname="shop", service="checkout")
    told = series({blocks: np.cumsum(noisy(500.0, "blocks"))})
    question = SeriesSweep(window=Shop().incident().window)
    suspects = examine(Shop().incident(), Observations((read(question, told),)))
    assert _features(suspects, "checkout")["ramp"] < 0.5


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.integers(0, 999),
    st.lists(st.tuples(st.integers(0, 23), st.integers(0, SAMPLES), st.integers(0, SAMPLES)), max_size=12),
)
def test_missing_samples_never_make_a_feature_unknown(seed: int, blocks: list[tuple[int, int, int]]) -> None:
    shop = Shop(Trouble(own={"payments": 0.1}), noise=seed)

    def holed(told: SeriesSet) -> SeriesSet:
        values = told.values.copy()
        for row, a, b in blocks:
            values[row, min(a, b) : max(a, b)] = np.nan
        return SeriesSet(told.keys, told.times, values)

    suspects = examine(shop.incident(), Observations(with_series(shop.readings("metrics edges"), holed)))
    assert np.isfinite(suspects.features).all()
    assert (suspects.features >= 0.0).all()


def test_a_metrics_source_that_lost_everything_accuses_nobody() -> None:
    def lost(told: SeriesSet) -> SeriesSet:
        return SeriesSet(told.keys, told.times, np.full_like(told.values, np.nan))

    suspects = examine(Shop().incident(), Observations(with_series(Shop().readings("metrics"), lost)))
    assert suspects.features.sum() == 1.0  # the alert alone


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_loudness_is_never_negative_and_rises_with_the_shift(a: float, b: float) -> None:
    assert loudness(a) >= 0.0
    if np.isfinite([a, b]).all() and a <= b:
        assert loudness(a) <= loudness(b)


def test_the_windows_of_series_and_spans_agree_on_the_onset() -> None:
    shop = Shop(Trouble(own={"gateway": 0.3}))
    measured = _examined(shop).measured
    assert measured.symptom.onset is not None
    assert abs(measured.symptom.onset - shop.onset) <= 30.0
    assert abs(measured.split - shop.onset) <= 60.0
    assert abs(measured.symptom.template.first - (SAMPLES - TROUBLED)) <= 2
