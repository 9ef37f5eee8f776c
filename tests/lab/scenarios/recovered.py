"""A spike that is over when somebody looks: a partner's export job pulls large order lists for some minutes.

Each export keeps checkout's only process busy, so everything behind it waits. Then the job is done.
"""

from __future__ import annotations

from dataclasses import replace

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_catalogue
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

QUIET_SECONDS = 150


class Recovered(Scenario):
    """Checkout is slow while the job runs and well again afterwards."""

    name = "recovered"
    about = "a partner's export job makes checkout slow; it has ended well before the investigation begins"

    def __init__(self) -> None:
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_catalogue(shop))
        shop.wait(0.35 * seconds)
        self._innocent.append(release_cart(shop))
        shop.wait(0.15 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.set_demand(replace(shop.demand, exports=0.7, export_rows=100_000))

    def after_alert(self, shop: Shop) -> None:
        shop.wait(10)
        shop.set_demand(shop.demand)
        shop.progress("the spike is over; waiting until nobody could still see it")
        # The quantiles look back one minute; after that comes the time in which all is well again.
        shop.wait(60 + QUIET_SECONDS)

    def truth(self) -> Truth:
        return Truth("recovered", ["checkout", "gateway"], decoys=tuple(self._innocent))


SCENARIO = Recovered
