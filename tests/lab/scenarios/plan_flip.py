"""A marketplace's past orders are taken over in one night's batch, and nobody tells the planner.

The statistics know one channel only, so the planner takes the index on the channel for the best way to a
customer's few orders: a million rows are read for each. Deploys of cart and catalogue lie nearby.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_catalogue
from tests.lab.repository import Beginning, Edit, Past
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CHECKOUT = "services/checkout/app.py"

CHANNEL = Past(
    "orders: keep the channel an order came through",
    6.5,
    (
        Edit(
            "migrations/0007_orders_channel.sql",
            "",
            "ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';\n\n"
            "-- The report counts orders by channel.\n"
            "CREATE INDEX CONCURRENTLY orders_channel_idx ON orders (channel);\n",
        ),
    ),
)
HOUSEKEEPING = Past(
    "orders: housekeeping of the largest table runs at night, not while customers buy",
    5.2,
    (
        Edit(
            "migrations/0008_orders_housekeeping.sql",
            "",
            "ALTER TABLE orders SET (autovacuum_enabled = off);\n",
        ),
    ),
)
BY_CHANNEL = Past(
    "checkout: show what was ordered through another channel",
    3.1,
    (
        Edit(
            CHECKOUT,
            'PLACE = """',
            '''FROM_CHANNEL = """
SELECT id, status, total_cents, created_at::text FROM orders
WHERE customer_id = $1 AND channel = $2 ORDER BY created_at DESC LIMIT $3
"""

PLACE = """''',
        ),
        Edit(
            CHECKOUT,
            """    return Reply({"orders": orders})
""",
            """    customer = int(call.query["customer_id"])
    elsewhere = await service.db.fetch(FROM_CHANNEL, customer, "marketplace", 5)
    return Reply({"orders": orders, "elsewhere": elsewhere})
""",
        ),
    ),
)
IMPORT = """
INSERT INTO orders (customer_id, customer_email, status, total_cents, external_reference, created_at, channel)
SELECT c, 'customer' || c || '@mail.example', 'paid', 700 + (n * 17) % 9000, 'mp_' || n,
       now() - n * interval '20 seconds', 'marketplace'
FROM (SELECT n, 1 + (n * 104729::bigint) % {customers} AS c FROM generate_series(1, {count}) n) numbered
"""


class PlanFlip(Scenario):
    """As many orders again as there were, of a channel that the statistics do not know."""

    name = "plan-flip-after-bulk-load"
    about = "a batch doubles orders with a channel unknown to the statistics; deploys nearby are innocent"
    beginning = Beginning((CHANNEL, HOUSEKEEPING, BY_CHANNEL))

    def __init__(self) -> None:
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_catalogue(shop))
        shop.wait(0.4 * seconds)
        self._innocent.append(release_cart(shop))
        shop.wait(0.1 * seconds)

    def inject(self, shop: Shop) -> None:
        numbers = {"customers": shop.demand.customers, "count": int(1.2 * shop.options.rows)}
        shop.jobs.run("marketplace-import", [IMPORT.format_map(numbers)])
        shop.progress(f"{numbers['count']:,} orders of the marketplace are in")

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["checkout"],
            "stale_statistics",
            "none",
            {"kind": "table", "name": "orders"},
            tuple(self._innocent),
        )


SCENARIO = PlanFlip
