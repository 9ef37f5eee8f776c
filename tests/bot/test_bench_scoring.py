from __future__ import annotations

from pathlib import Path

import pytest

from bot.bench import summary
from bot.bench.answers import Answer, Named, Ranking, Run
from bot.bench.cases import Case, Truth
from bot.bench.scoring import Claim, Score, claim, rank_of, score
from graph.model import Verdict
from playbooks.model import Entity

SHA = "559e94ce0000000000000000000000000000abcd"
DECOY = "78ad4135000000000000000000000000000000ff"
CAUSE = Truth(verdict=Verdict.CAUSE, services=("cart", "cart-db"))


def named(service: str | None, confidence: float = 0.5, change: str | None = None) -> Named:
    return Named(
        service=service,
        cause="missing_index",
        entity=Entity(kind="node", name="n1"),
        change=change,
        confidence=confidence,
    )


def answer(*proposals: Named, verdict: Verdict = Verdict.CAUSE, none: float = 0.1) -> Answer:
    return Answer(verdict=verdict, proposals=proposals, none_of_these=none, calibrated=False)


def scored(truth: Truth, given: Answer | None, *aliases: tuple[str, str], error: str = "") -> Score:
    case = Case("set", "one", Path("one"), truth)
    return score(case, Run(answer=given, error=error, aliases=aliases))


def test_the_rank_is_that_of_the_first_right_service_among_distinct_ones() -> None:
    found = scored(CAUSE, answer(named("web"), named("web"), named("cart-db"), named("cart")))
    assert found.rank == 2
    assert found.rank_by_proposal == 3


def test_a_service_that_is_not_named_has_no_rank() -> None:
    assert scored(CAUSE, answer(named("web"))).rank is None
    assert scored(CAUSE, answer()).rank is None


def test_a_proposal_without_a_service_takes_a_place_of_its_own() -> None:
    found = scored(CAUSE, answer(named(None), named(None), named("cart")))
    assert found.rank == 2


def test_an_entity_with_the_services_name_is_not_the_service() -> None:
    assert rank_of(["node cart"], ["cart"]) is None


def test_without_services_in_the_truth_nothing_is_ranked() -> None:
    assert not scored(Truth(verdict=Verdict.CAUSE), answer(named("cart"))).ranked


@pytest.mark.parametrize(
    ("rank", "expected"), [(1, 1.0), (2, 0.8), (3, 0.6), (4, 0.4), (5, 0.2), (6, 0.0), (None, 0.0)]
)
def test_avg5_is_the_mean_of_ac_1_to_ac_5(rank: int | None, expected: float) -> None:
    assert summary.avg5(rank) == pytest.approx(expected)


def test_a_claim_is_the_first_proposals_service() -> None:
    assert claim(answer(named("web", 0.7), named("cart", 0.2)), CAUSE) == Claim(confidence=0.7, right=False)


@pytest.mark.parametrize("quiet", [Verdict.RECOVERED, Verdict.NO_FAULT])
def test_under_a_quiet_verdict_the_claim_is_the_verdict_with_none_of_these(quiet: Verdict) -> None:
    said = answer(named("cart", 0.05), verdict=quiet, none=0.9)
    assert claim(said, Truth(verdict=quiet)) == Claim(confidence=0.9, right=True)
    assert claim(said, CAUSE) == Claim(confidence=0.9, right=False)


def test_naming_a_service_where_nothing_is_wrong_is_wrong() -> None:
    found = scored(Truth(verdict=Verdict.NO_FAULT), answer(named("cart", 0.9)))
    assert found.claim == Claim(confidence=0.9, right=False)
    assert found.confidently_wrong
    assert not found.verdict_right


def test_no_proposal_is_no_claim_but_still_a_miss() -> None:
    found = scored(CAUSE, answer(verdict=Verdict.UNKNOWN))
    assert found.claim is None
    assert found.surely
    assert not found.confidently_wrong


def test_where_even_the_truth_is_unknown_confidence_is_not_scored() -> None:
    found = scored(Truth(verdict=Verdict.UNKNOWN), answer(named("cart", 0.9), verdict=Verdict.UNKNOWN))
    assert found.claim is None
    assert not found.surely
    assert found.verdict_right


def test_confidently_wrong_begins_at_point_eight() -> None:
    assert scored(CAUSE, answer(named("web", 0.8))).confidently_wrong
    assert not scored(CAUSE, answer(named("web", 0.7999))).confidently_wrong
    assert not scored(CAUSE, answer(named("cart", 0.99))).confidently_wrong


def test_a_failed_case_is_wrong_wherever_it_is_scored() -> None:
    truth = Truth(
        verdict=Verdict.CAUSE, services=("cart",), cause="missing_index", commit=SHA, decoys=(DECOY,)
    )
    found = scored(truth, None, error="its process ended")
    assert (found.rank, found.verdict_right, found.cause_right, found.change_right) == (None,) + (False,) * 3
    assert found.decoy_blamed is False
    assert found.claim is None
    assert found.surely


@pytest.mark.parametrize(
    ("guilty", "blamed", "right"),
    [
        (SHA, SHA, True),
        (SHA, SHA[:7], True),
        (SHA[:8], SHA, True),
        (SHA, SHA[:6], False),
        (SHA, DECOY, False),
        (SHA, None, False),
        ("none", None, True),
        ("none", SHA, False),
        ("rollout-7", "rollout-7", True),
        ("rollout-77", "rollout-7", False),
        ("rollout-7", SHA, True),
        (SHA, "rollout-7", True),
        (SHA, "rollout-9", False),
    ],
)
def test_the_guilty_change_is_recognised_by_any_of_its_names(
    guilty: str, blamed: str | None, right: bool
) -> None:
    truth = Truth(verdict=Verdict.CAUSE, services=("cart",), commit=guilty)
    aliases = [("rollout-7", SHA), ("rollout-9", DECOY), ("rollout-9", SHA)]
    assert scored(truth, answer(named("cart", change=blamed)), *aliases).change_right is right


def test_a_change_is_not_scored_where_the_truth_does_not_say() -> None:
    assert scored(CAUSE, answer(named("cart", change=SHA))).change_right is None


def test_saying_nothing_does_not_clear_the_changes_but_a_quiet_verdict_does() -> None:
    truth = Truth(verdict=Verdict.NO_FAULT, commit="none")
    assert scored(truth, answer(verdict=Verdict.UNKNOWN)).change_right is False
    assert scored(truth, answer(verdict=Verdict.NO_FAULT)).change_right is True


def test_a_decoy_is_blamed_from_a_confidence_of_one_half_at_any_rank() -> None:
    truth = Truth(verdict=Verdict.CAUSE, services=("cart",), decoys=(DECOY,))
    second = scored(truth, answer(named("cart", 0.5), named("web", 0.5, DECOY)))
    assert (second.decoy_blamed, second.decoy_first) == (True, False)
    unsure = scored(truth, answer(named("web", 0.49, DECOY)))
    assert (unsure.decoy_blamed, unsure.decoy_first) == (False, True)
    assert scored(CAUSE, answer(named("web", 0.9, DECOY))).decoy_blamed is None


def test_the_first_proposal_alone_decides_about_cause_and_entity() -> None:
    truth = Truth(verdict=Verdict.CAUSE, cause="missing_index", entity=Entity(kind="node", name="n2"))
    found = scored(truth, answer(named("cart")))
    assert (found.cause_right, found.entity_right) == (True, False)


def test_a_baseline_that_cannot_rank_is_left_out_and_counted() -> None:
    runs = [
        Run(answer=answer(named("cart")), baselines={"baro": Ranking(services=("web", "cart"))}),
        Run(answer=answer(named("cart")), baselines={"baro": Ranking(why_not="no metrics")}),
    ]
    scores = [score(Case("set", str(i), Path(str(i)), CAUSE), run) for i, run in enumerate(runs)]
    (found,) = summary.summarise(scores, seed=0)
    assert found.baselines["baro"].figures["ac3"].n == 1
    assert found.baselines["baro"].figures["ac3"].value == 1.0
    assert found.baselines["baro"].figures["ac1"].value == 0.0
    assert found.baselines["baro"].silent == {"no metrics": 1}


def test_sums_of_known_scores_are_known() -> None:
    given = [
        answer(named("cart", 0.9)),
        answer(named("web", 0.85), named("cart", 0.1)),
        answer(named("web", 0.4)),
        None,
    ]
    scores = [
        score(Case("a" if i < 2 else "b", str(i), Path(str(i)), CAUSE), Run(answer=each))
        for i, each in enumerate(given)
    ]
    a, b, pooled = summary.summarise(scores, seed=3)
    assert [each.set for each in (a, b, pooled)] == ["a", "b", "all"]
    assert (a.figures["ac1"].value, a.figures["ac3"].value, b.figures["ac1"].value) == (0.5, 1.0, 0.0)
    assert pooled.figures["ac1"].value == 0.25
    assert pooled.figures["avg5"].value == pytest.approx(0.45)
    assert pooled.figures["brier"].n == 3
    assert pooled.figures["brier"].value == pytest.approx((0.01 + 0.7225 + 0.16) / 3, abs=1e-4)
    assert pooled.figures["confidently_wrong"].value == 0.25
    assert pooled.confidently_wrong == ["a/1"]
    assert pooled.figures["accuracy_at_50"].value == 0.5
    assert [point.coverage for point in pooled.risk_coverage] == [0.25, 0.5, 0.75, 1.0]
    assert pooled.risk_coverage[-1].confidence is None
    assert pooled.verdicts == {"cause": {"cause": 3, "error": 1}}


def test_sets_are_scored_where_one_is_said_and_the_ece_stands_beside_what_chance_would_show() -> None:
    first, second = named("web", 0.6), named("cart", 0.3)
    said = [answer(first, second).model_copy(update={"likely": n}) for n in (0, 1, 2)]
    scores = [score(Case("a", str(i), Path(str(i)), CAUSE), Run(answer=each)) for i, each in enumerate(said)]
    assert [each.set_holds for each in scores] == [None, False, True]
    (found,) = summary.summarise(scores, seed=3)
    assert found.figures["set_said"].value == pytest.approx(2 / 3, abs=1e-4)
    assert found.figures["set_holds"].value == 0.5
    assert (found.figures["set_places"].value, found.figures["set_places"].n) == (1.5, 2)
    expected = found.figures["ece_expected"]
    assert expected.interval == "simulation"
    assert found.ece_if_calibrated is not None
    assert expected.value == found.ece_if_calibrated.mean
    # Three claims of 0.6: one to three of them right is a gap of 0.27, 0.07 or 0.4, none of 0.6.
    assert expected.value == pytest.approx(0.2246, abs=0.02)


def test_a_single_set_is_not_summed_up_twice() -> None:
    scores = [score(Case("a", "1", Path("1"), CAUSE), Run(answer=answer(named("cart"))))]
    assert [each.set for each in summary.summarise(scores, seed=0)] == ["a"]


def test_figures_without_labels_stay_empty() -> None:
    scores = [score(Case("a", "1", Path("1"), Truth(verdict=Verdict.UNKNOWN)), Run(answer=answer()))]
    (found,) = summary.summarise(scores, seed=0)
    assert found.figures["ac1"].value is None
    assert found.figures["brier"].n == 0
    assert found.ece_if_calibrated is None
    assert found.risk_coverage == []
