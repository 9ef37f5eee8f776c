from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from connectors.answers import SeriesSet, SpanSet
from graph.judgement import weigh
from graph.model import Verdict, Weighing
from playbooks.model import Symptom
from tests.playbooks.judged import CALM, NOW, Shop, Trouble, with_answer

SLOW = Trouble(own={"gateway": 0.3})


def _over(shop: Shop, samples: int) -> Weighing:
    """The shop's trouble, over since so many samples: its last ones are what they were before."""

    def healed(answer: object) -> object:
        if isinstance(answer, SeriesSet):
            values = answer.values.copy()
            values[:, -samples:] = values[:, 40 : 40 + samples]
            return SeriesSet(answer.keys, answer.times, values)
        return answer

    incident = shop.incident(symptom=Symptom.LATENCY, started_at=NOW - timedelta(minutes=5))
    return weigh(incident, with_answer(shop.readings("metrics edges"), healed))  # type: ignore[arg-type]


@pytest.mark.parametrize("noise", range(3))
def test_a_clear_fault_is_a_cause(noise: int) -> None:
    weighing = weigh(Shop(SLOW, noise=noise).incident(), Shop(SLOW, noise=noise).readings())
    assert weighing.verdict is Verdict.CAUSE
    assert weighing.summary.startswith(("Almost certain:", "Very likely:"))


@pytest.mark.parametrize("noise", range(3))
def test_a_symptom_that_is_over_has_recovered(noise: int) -> None:
    weighing = _over(Shop(SLOW, noise=noise), 10)
    assert weighing.verdict is Verdict.RECOVERED
    assert weighing.none_of_these >= 0.5
    assert sum(p.confidence for p in weighing.proposals) == pytest.approx(1.0 - weighing.none_of_these)


@pytest.mark.parametrize("noise", range(3))
def test_a_symptom_that_paused_for_a_moment_has_not_recovered(noise: int) -> None:
    assert _over(Shop(SLOW, noise=noise), 2).verdict is not Verdict.RECOVERED


@pytest.mark.parametrize("noise", range(12))
def test_a_calm_shop_is_never_a_confident_cause(noise: int) -> None:
    shop = Shop(CALM, noise=noise)
    weighing = weigh(shop.incident(), shop.readings())
    assert weighing.verdict in {Verdict.NO_FAULT, Verdict.UNKNOWN} or weighing.proposals[0].confidence < 0.8


def test_calm_shops_are_mostly_called_so() -> None:
    shops = [Shop(CALM, noise=noise) for noise in range(20)]
    told = [weigh(shop.incident(), shop.readings()).verdict for shop in shops]
    assert sum(verdict in {Verdict.NO_FAULT, Verdict.UNKNOWN} for verdict in told) >= 10


def test_where_what_is_usual_was_hardly_seen_nobody_says_that_nothing_is_wrong() -> None:
    """A shop that started in the later half of the window: its cold start is all that was usual."""
    calm = next(
        shop
        for noise in range(20)
        if weigh((shop := Shop(CALM, noise=noise)).incident(symptom=Symptom.LATENCY), shop.readings()).verdict
        is Verdict.NO_FAULT
    )

    def started_late(answer: object) -> object:
        if isinstance(answer, SeriesSet):
            values = answer.values.copy()
            values[:, : int(0.6 * values.shape[1])] = np.nan
            return SeriesSet(answer.keys, answer.times, values)
        return answer

    weighing = weigh(calm.incident(symptom=Symptom.LATENCY), with_answer(calm.readings(), started_late))  # type: ignore[arg-type]
    assert weighing.verdict is not Verdict.NO_FAULT
    if weighing.verdict is Verdict.UNKNOWN:
        assert "hardly seen" in weighing.summary


def test_without_the_alerted_services_own_series_nobody_says_that_nothing_is_wrong() -> None:
    shop = Shop(CALM)
    assert weigh(shop.incident(), shop.readings("traces")).verdict is not Verdict.NO_FAULT
    assert weigh(shop.incident(), ()).verdict is Verdict.UNKNOWN


def test_a_fault_that_only_logs_show_is_not_called_no_fault() -> None:
    shop = Shop(Trouble(raising={"catalogue": 0.6}))
    assert weigh(shop.incident(), shop.readings()).verdict is Verdict.CAUSE


def test_where_everything_is_as_thin_as_the_rest_it_does_not_know() -> None:
    """Many services, none of which stands out, and nothing but their names."""
    shop = Shop(CALM, traces=(3, 3))
    weighing = weigh(shop.incident(service=None), shop.readings("edges"))
    assert weighing.verdict is Verdict.UNKNOWN


def test_under_every_verdict_the_summary_is_one_line() -> None:
    for weighing in (
        _over(Shop(SLOW), 10),
        weigh(Shop().incident(), ()),
        weigh(Shop().incident(), Shop().readings()),
    ):
        assert weighing.summary
        assert weighing.summary.isprintable()


def test_a_recovery_does_not_depend_on_traces() -> None:
    shop = Shop(SLOW)
    spans = [r for r in shop.readings() if isinstance(r.answer, SpanSet)]
    assert spans
    assert np.isfinite(_over(shop, 12).none_of_these)
