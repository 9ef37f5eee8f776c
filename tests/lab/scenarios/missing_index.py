"""Checkout's new version looks orders up by a column that nothing indexes.

The commit changes the statement and brings no migration. A harmless deploy of cart lands after it, closer to
the alert, and a harmless one of catalogue lies in the baseline.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_catalogue
from tests.lab.repository import Edit
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CHECKOUT = "services/checkout/app.py"

BY_EMAIL = [
    Edit(
        CHECKOUT,
        "WHERE customer_id = $1 ORDER BY created_at DESC LIMIT $2",
        "WHERE customer_email = $1 ORDER BY created_at DESC LIMIT $2",
    ),
    Edit(
        CHECKOUT,
        'service.db.fetch(RECENT_ORDERS, int(call.query["customer_id"]), limit)',
        'service.db.fetch(RECENT_ORDERS, call.query["customer_email"], limit)',
    ),
]


class MissingIndex(Scenario):
    """Version 1.9.0 of checkout."""

    name = "missing-index-after-deploy"
    about = "checkout's new version filters orders by a column without index; cart's later deploy is innocent"

    def __init__(self) -> None:
        self._guilty = ""
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.55 * seconds)
        self._innocent.append(release_catalogue(shop))
        shop.wait(0.25 * seconds)
        message = "checkout: show guests the orders placed with their e-mail address"
        self._guilty = shop.commit(message, BY_EMAIL)
        shop.wait(0.2 * seconds)

    def inject(self, shop: Shop) -> None:
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


SCENARIO = MissingIndex
