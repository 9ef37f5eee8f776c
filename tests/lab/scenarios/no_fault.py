"""Nothing is wrong: traffic is at the low of its day, and a rule with a plain number for a level fires.

The same low lies one period earlier in the baseline. Two deploys lie nearby and did nothing.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_checkout
from tests.lab.shop import Shop
from tests.lab.stage import Scenario


class NoFault(Scenario):
    """The customers sleep."""

    name = "no-fault"
    about = "the daily low of traffic crosses the level of an alert rule; nothing is wrong"
    alert = "GatewayTrafficLow"

    def __init__(self) -> None:
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.7 * seconds)
        self._innocent.append(release_checkout(shop))
        shop.wait(0.3 * seconds)

    def inject(self, shop: Shop) -> None:
        self._innocent.append(release_cart(shop))

    def truth(self) -> Truth:
        return Truth("no_fault", ["gateway"], commit="none", decoys=tuple(self._innocent))


SCENARIO = NoFault
