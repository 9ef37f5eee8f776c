"""The payment provider, an outside company, becomes slow. No deploy is guilty, though two lie close by."""

from __future__ import annotations

from tests.lab import provider
from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_checkout
from tests.lab.shop import Shop
from tests.lab.stage import Scenario


class SlowDependency(Scenario):
    """Charges take twenty times as long as usual."""

    name = "slow-dependency"
    about = (
        "the payment provider behind payments slows down; deploys of checkout and cart nearby are innocent"
    )

    def __init__(self) -> None:
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.85 * seconds)
        self._innocent.append(release_checkout(shop))
        shop.wait(0.15 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.set_provider_pace(provider.Pace(seconds=0.95, spread=0.25))
        shop.wait(min(25, shop.options.levels.hold_seconds / 2))
        self._innocent.append(release_cart(shop))

    def truth(self) -> Truth:
        return Truth(
            "external",
            ["payments"],
            "external_provider",
            "none",
            {"kind": "external", "name": provider.HOST},
            tuple(self._innocent),
        )


SCENARIO = SlowDependency
