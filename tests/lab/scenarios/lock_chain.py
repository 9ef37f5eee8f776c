"""Somebody's archive job locks the orders table in a transaction and then sits idle in it.

Every new order waits behind it. No deploy is guilty, though one lies just before the onset.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_checkout
from tests.lab.shop import Shop
from tests.lab.stage import Scenario


class LockChain(Scenario):
    """A SHARE ROW EXCLUSIVE lock, held and forgotten."""

    name = "lock-chain"
    about = "a job outside the shop holds a lock on orders, idle in transaction; deploys nearby are innocent"

    def __init__(self) -> None:
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_cart(shop))
        shop.wait(0.4 * seconds)
        self._innocent.append(release_checkout(shop))
        shop.wait(0.1 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.jobs.hold_open(
            "order-archive",
            [
                "LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE",
                "SELECT count(*) FROM orders WHERE created_at < now() - interval '690 days'",
            ],
        )

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["checkout"],
            "lock_contention",
            "none",
            {"kind": "table", "name": "orders"},
            tuple(self._innocent),
        )


SCENARIO = LockChain
