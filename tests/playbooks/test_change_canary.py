"""Canary against stable: the only comparison in which nothing differs but the change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from connectors.answers import Change, ClusterState, Pod, SeriesSet, SpanSet
from playbooks.change_canary import AGAINST, canary
from playbooks.change_candidates import Candidate
from playbooks.change_reach import Step
from playbooks.changes import ChangeJudgement, judge_changes
from playbooks.look import FaultLook
from playbooks.parts import levels, shares
from tests.playbooks.judged import Span, key, span_set
from tests.playbooks.test_changes_kit import ONSET, Scenario, at, commit, deploy, moved, patch

SPLIT = ONSET.timestamp()
DEPLOY = Change(id="d", at=at(-3), kind="deploy", service="checkout", commit="guilty", version="v2")


def traced(
    bad: dict[str, float], requests: int = 40, names: str = "service.version", slow: bool = False
) -> SpanSet:
    """Requests to parts of checkout before and after the onset, of which a share then goes wrong."""
    spans: list[Span] = []
    for side, base in enumerate((SPLIT - 1200.0, SPLIT + 5.0)):
        for part, share in bad.items():
            for n in range(requests):
                wrong = side == 1 and n < share * requests
                spans.append(
                    Span(
                        "checkout",
                        "POST /orders",
                        base + 10.0 * n,
                        (2.0 if wrong and slow else 0.1) * (1.0 + 0.01 * (n % 7)),
                        trace=f"{side}{part}{n}",
                        status=2 if wrong and not slow else 1,
                        attributes={names: part},
                    )
                )
    return span_set(spans)


def look_of(spans: SpanSet | None = None, series: SeriesSet | None = None) -> FaultLook:
    plain = Scenario(
        name="",
        service="checkout",
        alert="checkout errors above 5 %",
        moved=(moved("checkout", "errors", "http_requests_total code=500", 12),),
        changes=(),
        commits=(),
        guilty=None,
    ).look()
    return replace(
        plain,
        shares=shares(spans, SPLIT) if spans is not None else (),
        levels=levels(series, SPLIT) if series is not None else (),
    )


def step(
    look: FaultLook, change: Change = DEPLOY, cluster: ClusterState | None = None, shared: bool = False
) -> Step:
    candidate = Candidate("guilty", change, None, change.service, change.at, named=True, sure=True)
    return canary(candidate, look, cluster, shared)


@pytest.mark.parametrize("slow", [False, True], ids=["failing", "slow"])
def test_a_new_version_that_alone_suffers_is_strong_evidence(slow: bool) -> None:
    said = step(look_of(traced({"v1": 0.0, "v2": 0.6}, slow=slow)))
    assert said.value > 2.5
    assert "24 of 40 requests to the new pods" in said.why


def test_old_and_new_failing_alike_is_strong_evidence_against() -> None:
    said = step(look_of(traced({"v1": 0.5, "v2": 0.5})))
    assert said.value == AGAINST
    assert "the others suffer as much" in said.why


def test_equal_pods_hardly_acquit_what_spoils_a_shared_table() -> None:
    look = look_of(traced({"v1": 0.5, "v2": 0.5}))
    assert -1.0 < step(look, shared=True).value < 0.0


def test_where_no_version_suffers_nothing_is_said() -> None:
    assert step(look_of(traced({"v1": 0.0, "v2": 0.0}))).value == 0.0


def test_few_requests_and_small_differences_say_nothing() -> None:
    assert step(look_of(traced({"v1": 0.0, "v2": 1.0}, requests=5))).value == 0.0
    assert step(look_of(traced({"v1": 0.10, "v2": 0.15}))).value == 0.0


def test_a_version_that_is_not_the_changes_own_says_nothing_for_it() -> None:
    """v3 suffers; the change brought v2, which fares like v1."""
    assert step(look_of(traced({"v1": 0.0, "v2": 0.0, "v3": 0.7}))).value <= 0.0


def test_pods_are_told_by_the_change_or_by_the_cluster() -> None:
    spans = traced({"checkout-6f-aa": 0.0, "checkout-7b-bb": 0.6}, names="k8s.pod.name")
    by_change = DEPLOY.model_copy(update={"version": None, "pods": ("checkout-7b-bb",)})
    assert step(look_of(spans), by_change).value > 2.5
    pods = [
        Pod(namespace="shop", name=name, service="checkout", started_at=at(began))
        for name, began in (("checkout-6f-aa", -6000), ("checkout-7b-bb", -2))
    ]
    nameless = DEPLOY.model_copy(update={"version": None})
    assert step(look_of(spans), nameless).value == 0.0
    assert step(look_of(spans), nameless, ClusterState(pods=tuple(pods))).value > 2.5


def metered(new: float, old: float) -> SeriesSet:
    times = SPLIT + 15.0 * np.arange(-80, 40, dtype=np.float64)
    noise = 1.0 + 0.03 * np.sin(np.arange(len(times)))
    after = times >= SPLIT
    latency = "http_request_duration_seconds:avg"
    asked, failed = "http_requests:rate1m", "http_request_errors:rate1m"
    rows = {
        key(latency, service="checkout", version="v1"): np.where(after, old, 0.1) * noise,
        key(latency, service="checkout", version="v2"): np.where(after, new, np.nan) * noise,
        key(asked, service="checkout", version="v1"): 50.0 * noise,
        key(asked, service="checkout", version="v2"): np.where(after, 5.0, np.nan) * noise,
        key(failed, service="checkout", version="v1"): 0.05 * noise,
        key(failed, service="checkout", version="v2"): np.where(after, 0.005, np.nan) * noise,
    }
    return SeriesSet(tuple(rows), times, np.array(list(rows.values())))


def test_without_traces_metrics_of_each_version_tell_the_same() -> None:
    assert step(look_of(series=metered(0.9, 0.1))).value > 1.5
    assert step(look_of(series=metered(0.9, 0.9))).value < -1.5
    assert step(look_of(series=metered(0.1, 0.1))).value == 0.0


def test_errors_are_counted_a_request_so_that_a_small_canary_is_not_called_healthy() -> None:
    found = {(x.value, x.measure): x.now for x in levels(metered(0.9, 0.1), SPLIT)}
    assert found["v1", "errors"] == pytest.approx(found["v2", "errors"], rel=0.05)


def _judged(look: FaultLook) -> ChangeJudgement:
    plain = patch("checkout/a.py", "-a = f(b)\n+a = g(b, c)")
    late = patch("checkout/b.py", "-d = f(b)\n+d = g(b, e)")
    commits = (commit("guilty", -60, "work", plain), commit("late", -50, "work", late))
    changes = (DEPLOY, deploy("checkout", -1, "late"))
    return judge_changes(look, changes, commits, None, ())


def test_a_canary_decides_between_two_diffs_that_say_nothing() -> None:
    without = _judged(look_of()).probability("guilty")
    convicted = _judged(look_of(traced({"v1": 0.0, "v2": 0.6}))).probability("guilty")
    acquitted = _judged(look_of(traced({"v1": 0.5, "v2": 0.5}))).probability("guilty")
    assert convicted > 0.8 > without > 0.05 > acquitted


def test_parts_of_a_service_with_one_version_are_not_listed() -> None:
    assert shares(traced({"v1": 0.5}), SPLIT) == ()


def test_a_pod_that_began_long_after_the_rollout_is_not_the_changes_own() -> None:
    spans = traced({"checkout-6f-aa": 0.0, "checkout-7b-bb": 0.6}, names="k8s.pod.name")
    late = Pod(
        namespace="shop", name="checkout-7b-bb", service="checkout", started_at=at(-3) + timedelta(hours=1)
    )
    nameless = DEPLOY.model_copy(update={"version": None})
    assert step(look_of(spans), nameless, ClusterState(pods=(late,))).value == 0.0
