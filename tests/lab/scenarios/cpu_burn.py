"""Catalogue's new version compares every product of a page with every other, letter by letter.

Its only process is busy and everything that needs a product waits. A later deploy of cart is innocent.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_checkout
from tests.lab.repository import Edit
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CATALOGUE = "services/catalogue/app.py"

DISTINCT = [
    Edit(
        CATALOGUE,
        "from shopkit import Call, Reply, Service\n",
        "from difflib import SequenceMatcher\n\nfrom shopkit import Call, Reply, Service\n",
    ),
    Edit(
        CATALOGUE,
        "SELECT id, name, price_cents, stock FROM products\nWHERE",
        "SELECT id, name, description, price_cents, stock FROM products\nWHERE",
    ),
    Edit(
        CATALOGUE,
        "async def products(",
        '''def text(product: dict[str, object]) -> str:
    return f"{product['name']} {product['description']}"


def distinct(products: list[dict[str, object]]) -> list[dict[str, object]]:
    """Leave out what reads almost like something already on the page."""
    kept: list[dict[str, object]] = []
    for product in products:
        ratios = [SequenceMatcher(None, text(product), text(other)).ratio() for other in kept]
        if max(ratios, default=0) < 0.999:
            kept.append(product)
    return kept


async def products(''',
    ),
    Edit(
        CATALOGUE,
        'return Reply(await service.db.fetch(BY_CATEGORY, int(call.query["category"]), page))',
        """rows = await service.db.fetch(BY_CATEGORY, int(call.query["category"]), page * 3 // 2)
    return Reply(distinct(rows)[:page])""",
    ),
]


class CpuBurn(Scenario):
    """Version 3.3.0 of catalogue."""

    name = "cpu-burn"
    about = "catalogue's new version burns CPU on every page of products; cart's deploy after it is innocent"
    alert = "GatewayLatencyHigh"

    def __init__(self) -> None:
        self._guilty = ""
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.6 * seconds)
        self._innocent.append(release_checkout(shop))
        shop.wait(0.2 * seconds)
        self._guilty = shop.commit("catalogue: no near duplicates on a page", DISTINCT)
        shop.wait(0.2 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.roll_out("catalogue", "3.3.0", self._guilty)
        shop.wait(35)
        self._innocent.append(release_cart(shop))

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["catalogue"],
            "cpu_saturation",
            self._guilty,
            {"kind": "service", "name": "catalogue"},
            tuple(self._innocent),
        )


SCENARIO = CpuBurn
