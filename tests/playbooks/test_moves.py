"""What moved everywhere alike accuses nobody; load from outside is told at the entry."""

from __future__ import annotations

import pytest

from connectors.answers import Change, SeriesSet, Timeline
from connectors.contract import Reading
from graph.judgement import weigh
from playbooks.model import Symptom
from playbooks.observations import Observations
from playbooks.suspects import FEATURES, Suspects, examine
from tests.playbooks.judged import TROUBLED, Shop, Trouble, with_answer, with_series
from tests.playbooks.noise import FAMILIES, SHAPES, Extra, Quiet

STAR = SHAPES["star of twelve, an hour by the minute"]
LEAVES = tuple(name for name in STAR.calls if name != STAR.entry)


def _times(readings: tuple[Reading, ...], what: dict[str, float]) -> tuple[Reading, ...]:
    """Every series whose name holds a word, so many times as high since the onset."""

    def grown(series: SeriesSet) -> SeriesSet:
        values = series.values.copy()
        for row, key in enumerate(series.keys):
            for word, factor in what.items():
                values[row, -TROUBLED:] *= factor if word in key.metric else 1.0
        return SeriesSet(series.keys, series.times, values)

    return with_series(readings, grown)


def _harmless(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """The deploys, without what was deployed."""

    def bare(change: Change) -> Change:
        return change.model_copy(update={"commit": None})

    return with_answer(
        readings,
        lambda a: Timeline(changes=tuple(bare(c) for c in a.changes)) if isinstance(a, Timeline) else a,
    )


def _feature(suspects: Suspects, service: str, name: str) -> float:
    return float(suspects.features[suspects.services.index(service), FEATURES.index(name)])


@pytest.mark.parametrize("noise", range(4))
@pytest.mark.parametrize("symptom", [Symptom.LATENCY, Symptom.UNKNOWN])
def test_everything_twice_as_slow_at_once_does_not_blame_the_deploy_a_minute_before(
    noise: int, symptom: Symptom
) -> None:
    shop = Shop(noise=noise)
    readings = _harmless(_times(shop.readings("metrics edges changes"), {"duration": 2.0}))
    told = weigh(shop.incident(symptom=symptom), readings)
    assert told.verdict.value == "unknown"
    assert max(p.confidence for p in told.proposals) < 0.5


@pytest.mark.parametrize("noise", range(4))
def test_load_that_grows_everywhere_is_the_entrys_surge_and_no_deploys(noise: int) -> None:
    shop = Shop(noise=noise)
    grown = {"http_requests": 2.5, "cpu": 2.5, "duration": 1.8}
    readings = _harmless(_times(shop.readings("metrics edges changes"), grown))
    told = weigh(shop.incident(symptom=Symptom.LATENCY), readings)
    first = told.proposals[0]
    assert (first.service, first.cause, first.change) == ("gateway", "traffic_surge", None)
    assert first.confidence >= 0.5
    assert sum(p.confidence for p in told.proposals if p.change) < 0.1


def test_load_that_grows_behind_the_entry_alone_is_no_surge_from_outside() -> None:
    shop = Shop()
    readings = shop.readings("metrics edges")

    def behind(series: SeriesSet) -> SeriesSet:
        values = series.values.copy()
        for row, key in enumerate(series.keys):
            if key.metric.startswith("http_requests") and key.get("service") != "gateway":
                values[row, -TROUBLED:] *= 3.0
        return SeriesSet(series.keys, series.times, values)

    seen = Observations(with_series(readings, behind))
    assert _feature(examine(shop.incident(), seen), "gateway", "surge") == 0.0


def test_a_slow_service_and_those_that_wait_for_it_are_not_everything() -> None:
    shop = Shop(Trouble(own={"payments": 0.2}))
    suspects = examine(shop.incident(), Observations(shop.readings("metrics edges")))
    assert _feature(suspects, "payments", "latency") > 3.0


def test_one_service_that_moves_further_than_all_is_still_heard() -> None:
    extras = [Extra(name, "duration", 0.5) for name in STAR.calls]
    extras[3] = Extra(LEAVES[2], "duration", 5.0)
    quiet = Quiet(STAR, FAMILIES["white"], 3, tuple(extras), last=6)
    told = weigh(quiet.incident(), quiet.readings())
    assert told.proposals[0].service == LEAVES[2]
    others = [p.confidence for p in told.proposals[1:]]
    assert max(others) < told.proposals[0].confidence / 3


@pytest.mark.parametrize("seed", range(4))
def test_both_of_two_faults_that_have_nothing_to_do_with_each_other_are_proposed(seed: int) -> None:
    extras = (
        Extra(LEAVES[2], "duration", 4.0),
        Extra(LEAVES[7], "errors", 20.0),
        Extra(STAR.entry, "duration", 2.0),
        Extra(STAR.entry, "errors", 8.0),
    )
    quiet = Quiet(STAR, FAMILIES["AR .7"], seed, extras, last=6)
    told = weigh(quiet.incident(Symptom.UNKNOWN), quiet.readings())
    assert {LEAVES[2], LEAVES[7]} <= {p.service for p in told.proposals[:3]}
    second = next(p.service for p in told.proposals[1:3] if p.service in LEAVES)
    assert f"Independently, {second} moved too" in told.summary


def test_one_fault_and_those_who_wait_for_it_are_not_called_two() -> None:
    shop = Shop(Trouble(own={"payments": 0.2}))
    told = weigh(shop.incident(symptom=Symptom.LATENCY), shop.readings("metrics edges"))
    assert told.proposals[0].service == "payments"
    assert "Independently" not in told.summary
