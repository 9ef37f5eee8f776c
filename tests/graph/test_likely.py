from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from graph.calibration import load_calibration
from graph.judgement import weigh
from graph.model import Weighing
from tests.playbooks.judged import CALM, Shop, Trouble

SMALL = (30, 24)
TROUBLES = {
    "slow code": Trouble(own={"payments": 0.2}),
    "errors": Trouble(failing={"payments": 0.3}),
    "surge": Trouble(traffic=2.0),
    "calm": CALM,
}


def _weighed(shop: Shop) -> Weighing:
    return weigh(shop.incident(), shop.readings("metrics traces edges"))


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(TROUBLES)), st.integers(0, 500))
def test_the_set_is_a_beginning_of_the_list_that_leaves_something_out(trouble: str, seed: int) -> None:
    weighing = _weighed(Shop(TROUBLES[trouble], noise=seed, traces=SMALL))
    if weighing.likely is not None:
        promised = load_calibration().conformal
        assert (weighing.likely.level, weighing.likely.cases) == (promised.level, promised.cases)
        assert 1 <= weighing.likely.places < len(weighing.proposals)


def test_a_plain_fault_has_a_smaller_set_than_a_faint_one() -> None:
    sizes = []
    for slower in (0.02, 5.0):
        weighing = _weighed(Shop(Trouble(own={"payments": slower}), traces=SMALL))
        sizes.append(weighing.likely.places if weighing.likely else len(weighing.proposals))
    assert sizes[1] <= sizes[0]
    assert sizes[1] <= 2
