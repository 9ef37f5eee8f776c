"""Checkout's new version asks for an order by its payment's reference, and the index for that is INVALID.

Its migration builds a unique index concurrently, meets two orders with one reference, and fails; the
rollout goes on all the same. A deploy of cart lands after it, closer to the alert.
"""

from __future__ import annotations

from contextlib import suppress

from tests.lab.casefile import Truth
from tests.lab.frameworks import MigrationError
from tests.lab.innocent import release_cart, release_catalogue
from tests.lab.repository import Edit
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CHECKOUT = "services/checkout/app.py"

# The old shop charged some orders twice under one reference.
TWICE = """
UPDATE orders SET external_reference = twin.external_reference FROM orders twin
WHERE orders.id = twin.id + 1 AND twin.id % 250000 = 77
"""

ONCE = [
    Edit(
        "migrations/0007_orders_external_reference_key.sql",
        "",
        """-- The provider sends an answer again when ours was late; a reference pays one order.
CREATE UNIQUE INDEX CONCURRENTLY orders_external_reference_key ON orders (external_reference);
""",
    ),
    Edit(
        CHECKOUT,
        'PAID = "UPDATE',
        'BY_REFERENCE = "SELECT id FROM orders WHERE external_reference = $1"\n\nPAID = "UPDATE',
    ),
    Edit(
        CHECKOUT,
        '    await service.db.fetch(PAID, order, paid.json()["reference"])\n',
        """    reference = paid.json()["reference"]
    known = await service.db.fetch(BY_REFERENCE, reference)
    if known:
        return Reply({"order": known[0]["id"]}, 200)
    await service.db.fetch(PAID, order, reference)
""",
    ),
]


class InvalidIndex(Scenario):
    """Version 1.9.0 of checkout and migration 0007."""

    name = "invalid-index"
    about = "a concurrent index build of checkout's new version fails and leaves it INVALID; cart is innocent"

    def __init__(self) -> None:
        self._guilty = ""
        self._innocent: list[str] = []

    def arrange(self, shop: Shop) -> None:
        shop.jobs.run(
            "old-shop-import", [TWICE, "VACUUM ANALYZE orders", "SELECT pg_stat_statements_reset()"]
        )

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_catalogue(shop))
        shop.wait(0.3 * seconds)
        self._guilty = shop.commit("checkout: a payment's reference pays one order", ONCE)
        shop.wait(0.2 * seconds)

    def inject(self, shop: Shop) -> None:
        with suppress(MigrationError):
            shop.migrate(self._guilty)
        shop.roll_out("checkout", "1.9.0", self._guilty)
        shop.wait(40)
        self._innocent.append(release_cart(shop))

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["checkout"],
            "missing_index",
            self._guilty,
            {"kind": "table", "name": "orders"},
            tuple(self._innocent),
        )


SCENARIO = InvalidIndex
