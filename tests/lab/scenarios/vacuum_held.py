"""An analyst's session sits idle in a transaction, so no vacuum removes what the warehouse's job leaves.

The table of stock levels is small and rewritten all the time; every order reads it whole, and soon reads
millions of dead rows. Deploys of cart and catalogue lie nearby.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_catalogue
from tests.lab.repository import Beginning, Edit, Past
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CHECKOUT = "services/checkout/app.py"

STOCK = Past(
    "stock: what the warehouse says it has",
    6.4,
    (
        Edit(
            "migrations/0007_stock_levels.sql",
            "",
            "CREATE TABLE stock_levels (\n    product_id bigint PRIMARY KEY,\n"
            "    available integer NOT NULL,\n    told_at timestamptz NOT NULL DEFAULT now()\n);\n",
        ),
    ),
)
SOLD_OUT = Past(
    "checkout: say what is sold out",
    4.3,
    (
        Edit(
            CHECKOUT,
            'PAID = "UPDATE',
            'SOLD_OUT = "SELECT product_id FROM stock_levels WHERE available = 0 LIMIT 100"\n\n'
            'PAID = "UPDATE',
        ),
        Edit(
            CHECKOUT,
            '    return Reply({"orders": orders})',
            '    return Reply({"orders": orders, "sold_out": await service.db.fetch(SOLD_OUT)})',
        ),
        Edit(
            CHECKOUT,
            '    return Reply({"order": order}, 201)',
            '    return Reply({"order": order, "sold_out": await service.db.fetch(SOLD_OUT)}, 201)',
        ),
    ),
)
FILL = "INSERT INTO stock_levels (product_id, available) SELECT id, 1 + id % 60 FROM products"
TELL = "UPDATE stock_levels SET available = 1 + (available + 7) % 60, told_at = now()"


class VacuumHeld(Scenario):
    """A snapshot that nobody needs any more."""

    name = "vacuum-held-by-transaction"
    about = "a forgotten transaction keeps millions of dead rows of a small table; deploys are innocent"
    # A server with tables as hot as this one looks more often than once a minute for what to vacuum.
    beginning = Beginning((STOCK, SOLD_OUT), {"autovacuum_naptime": "10s"})

    def __init__(self) -> None:
        self._innocent: list[str] = []

    def arrange(self, shop: Shop) -> None:
        shop.jobs.run("setup", [FILL, "VACUUM (ANALYZE) stock_levels"])
        shop.jobs.repeat("warehouse-sync", TELL, 0.15)

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_catalogue(shop))
        shop.wait(0.35 * seconds)
        self._innocent.append(release_cart(shop))
        shop.wait(0.15 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.jobs.hold_open(
            "quarterly-report",
            ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM customers"],
        )

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["checkout"],
            "vacuum_blocked",
            "none",
            {"kind": "table", "name": "stock_levels"},
            tuple(self._innocent),
        )


SCENARIO = VacuumHeld
