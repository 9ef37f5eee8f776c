"""A campaign brings nearly three times the customers. The database is busy, and nothing is wrong with it.

The products page asks what was bought lately, which has always been the shop's heaviest statement; it now
takes most of the machine. Deploys of cart and checkout lie nearby.
"""

from __future__ import annotations

from dataclasses import replace

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_checkout
from tests.lab.repository import Beginning, Edit, Past
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CATALOGUE = "services/catalogue/app.py"

LATELY = Past(
    "catalogue: show what was bought lately",
    5.6,
    (
        Edit(
            CATALOGUE,
            'BY_ID = "SELECT',
            '''LATELY = """
SELECT product_id, sum(quantity) AS bought FROM order_items
WHERE order_id > (SELECT max(id) FROM orders) - $1 GROUP BY product_id ORDER BY bought DESC LIMIT 10
"""

BY_ID = "SELECT''',
        ),
        Edit(
            CATALOGUE,
            """    return Reply(await service.db.fetch(BY_CATEGORY, int(call.query["category"]), page))
""",
            """    lately = await service.db.fetch(LATELY, int(service.settings["lately_orders"]))
    shown = await service.db.fetch(BY_CATEGORY, int(call.query["category"]), page)
    return Reply({"products": shown, "lately": lately})
""",
        ),
        Edit("services/catalogue/config.yaml", "page_size: 24", "page_size: 24\nlately_orders: 300000"),
    ),
)
STEPS = (1.6, 2.2, 2.8)


class BusyDatabase(Scenario):
    """More of everything."""

    name = "busy-database"
    about = "nearly three times the customers keep the database busy; neither it nor any deploy is at fault"
    alert = "GatewayLatencyHigh"
    beginning = Beginning((LATELY,))

    def __init__(self) -> None:
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_checkout(shop))
        shop.wait(0.4 * seconds)
        self._innocent.append(release_cart(shop))
        shop.wait(0.1 * seconds)

    def inject(self, shop: Shop) -> None:
        for factor in STEPS:
            shop.set_demand(replace(shop.demand, rate=factor * shop.options.rate))
            shop.wait(15)

    def truth(self) -> Truth:
        return Truth("cause", ["gateway", "catalogue"], "traffic_surge", "none", decoys=tuple(self._innocent))


SCENARIO = BusyDatabase
