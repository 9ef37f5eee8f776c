"""Checkout's new version takes a connection from its pool and, on one way out, does not give it back.

Within a minute every connection is gone and requests wait for one in vain. Cart's later deploy is innocent.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_catalogue
from tests.lab.repository import Edit
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CHECKOUT = "services/checkout/app.py"

VOUCHERS = [
    Edit(
        CHECKOUT,
        """async def recent_orders(service: Service, call: Call, limit: int) -> list[dict[str, object]]:
    return await service.db.fetch(RECENT_ORDERS, int(call.query["customer_id"]), limit)


async def order_history(service: Service, call: Call) -> Reply:
    orders = await recent_orders(service, call, int(service.settings["history_size"]))
    return Reply({"orders": orders})
""",
        """async def order_history(service: Service, call: Call) -> Reply:
    session = await service.db.acquire()
    limit = int(service.settings["history_size"])
    orders = await session.fetch(RECENT_ORDERS, int(call.query["customer_id"]), limit)
    if sum(order["total_cents"] for order in orders) > VOUCHER_FROM_CENTS:
        return Reply({"orders": orders, "voucher": True})
    await service.db.release(session)
    return Reply({"orders": orders, "voucher": False})
""",
    ),
    Edit(CHECKOUT, 'PLACE = """', 'VOUCHER_FROM_CENTS = 130_000\n\nPLACE = """'),
]


class PoolExhausted(Scenario):
    """Version 1.9.0 of checkout."""

    name = "pool-exhausted"
    about = (
        "checkout's new version leaks database connections until its pool is empty; cart's deploy is innocent"
    )

    def __init__(self) -> None:
        self._guilty = ""
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_catalogue(shop))
        shop.wait(0.3 * seconds)
        self._guilty = shop.commit("checkout: tell good customers about their voucher", VOUCHERS)
        shop.wait(0.2 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.roll_out("checkout", "1.9.0", self._guilty)
        shop.wait(45)
        self._innocent.append(release_cart(shop))

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["checkout"],
            "connection_pool_exhausted",
            self._guilty,
            {"kind": "service", "name": "checkout"},
            tuple(self._innocent),
        )


SCENARIO = PoolExhausted
