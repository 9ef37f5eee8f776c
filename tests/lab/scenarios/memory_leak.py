"""Catalogue's new version keeps every page it ever made, under a key that never comes again.

Its memory grows until the container is killed and started anew. Cart's later deploy is innocent.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_checkout
from tests.lab.repository import Edit
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CATALOGUE = "services/catalogue/app.py"

KEPT_PAGES = [
    Edit(CATALOGUE, "from shopkit import", "import time\n\nfrom shopkit import"),
    Edit(
        CATALOGUE,
        "SELECT id, name, price_cents, stock FROM products\nWHERE",
        "SELECT id, name, description, price_cents, stock FROM products\nWHERE",
    ),
    Edit(
        CATALOGUE,
        "async def products(service: Service, call: Call) -> Reply:\n",
        """PAGES: dict[tuple[int, int], list[dict[str, object]]] = {}


async def products(service: Service, call: Call) -> Reply:
    page = int(service.settings["page_size"])
""",
    ),
    Edit(
        CATALOGUE,
        'return Reply(await service.db.fetch(BY_CATEGORY, int(call.query["category"]), page))',
        """key = int(call.query["category"]), time.monotonic_ns() // FRESH_NS
    if key not in PAGES:
        PAGES[key] = await service.db.fetch(BY_CATEGORY, key[0], page * PAGES_AHEAD)
    return Reply(PAGES[key][:page])""",
    ),
    Edit(CATALOGUE, 'BY_ID = "', 'FRESH_NS = 50_000_000\nPAGES_AHEAD = 120\n\nBY_ID = "'),
]


class MemoryLeak(Scenario):
    """Version 3.3.0 of catalogue."""

    name = "memory-leak-oom"
    about = (
        "catalogue's new version keeps pages for ever and is killed for its memory; cart's deploy is innocent"
    )
    alert = "ContainerRestarted"

    def __init__(self) -> None:
        self._guilty = ""
        self._innocent: list[str] = []

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.6 * seconds)
        self._innocent.append(release_checkout(shop))
        shop.wait(0.2 * seconds)
        self._guilty = shop.commit("catalogue: read pages ahead and keep them", KEPT_PAGES)
        shop.wait(0.2 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.roll_out("catalogue", "3.3.0", self._guilty)
        shop.wait(60)
        self._innocent.append(release_cart(shop))

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["catalogue"],
            "memory_leak",
            self._guilty,
            {"kind": "service", "name": "catalogue"},
            tuple(self._innocent),
        )


SCENARIO = MemoryLeak
