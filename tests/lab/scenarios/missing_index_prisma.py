"""Catalogue's new version counts a product's reviews. Its model promises the index; no migration creates it.

The shop keeps its schema with Prisma: `@@index` was written into schema.prisma, and `prisma migrate dev`
was not run. A deploy of cart lands after it, closer to the alert.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.frameworks import PRISMA
from tests.lab.innocent import release_cart, release_checkout
from tests.lab.repository import Beginning, Edit, Past
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CATALOGUE = "services/catalogue/app.py"
SCHEMA = "prisma/schema.prisma"

REVIEWS = (
    Edit(
        SCHEMA,
        "model Payment {",
        """model Review {
  id         BigInt   @id @default(autoincrement())
  productId  BigInt   @map("product_id")
  customerId BigInt   @map("customer_id")
  stars      Int      @db.SmallInt
  words      String   @default("")
  writtenAt  DateTime @default(now()) @map("written_at") @db.Timestamptz(6)

  @@map("reviews")
}

model Payment {""",
    ),
    Edit(
        "prisma/migrations/0007_reviews/migration.sql",
        "",
        """-- CreateTable
CREATE TABLE "reviews" (
    "id" BIGSERIAL NOT NULL,
    "product_id" BIGINT NOT NULL,
    "customer_id" BIGINT NOT NULL,
    "stars" SMALLINT NOT NULL,
    "words" TEXT NOT NULL DEFAULT '',
    "written_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "reviews_pkey" PRIMARY KEY ("id")
);
""",
    ),
)

WRITTEN = """
INSERT INTO reviews (product_id, customer_id, stars, words)
SELECT 1 + n % {products}, 1 + (n * 7919::bigint) % {customers}, 1 + n % 5, 'as described'
FROM generate_series(1, 3 * {rows}) n
"""

STARS = [
    Edit(SCHEMA, '  @@map("reviews")', '  @@index([productId])\n  @@map("reviews")'),
    Edit(
        CATALOGUE,
        'BY_ID = "',
        '''STARS = """
SELECT count(*) AS reviews, coalesce(avg(stars), 0)::float AS stars FROM reviews WHERE product_id = $1
"""

BY_ID = "''',
    ),
    Edit(
        CATALOGUE,
        '    return Reply(rows[0]) if rows else Reply({"error": "no such product"}, 404)',
        """    if not rows:
        return Reply({"error": "no such product"}, 404)
    stars = await service.db.fetch(STARS, call.path["product_id"])
    return Reply(rows[0] | stars[0])""",
    ),
]


class MissingIndexPrisma(Scenario):
    """Version 3.3.0 of catalogue."""

    name = "missing-index-prisma"
    about = "catalogue's new version filters reviews by a column whose index only the Prisma model promises"
    alert = "GatewayLatencyHigh"
    beginning = Beginning(past=(Past("catalogue: keep reviews", 6, REVIEWS),), framework=PRISMA)

    def __init__(self) -> None:
        self._guilty = ""
        self._innocent: list[str] = []

    def arrange(self, shop: Shop) -> None:
        demand = shop.demand
        written = WRITTEN.format(rows=shop.options.rows, products=demand.products, customers=demand.customers)
        shop.jobs.run(
            "old-shop-import", [written, "VACUUM ANALYZE reviews", "SELECT pg_stat_statements_reset()"]
        )

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_checkout(shop))
        shop.wait(0.3 * seconds)
        self._guilty = shop.commit("catalogue: show how many stars a product has", STARS)
        shop.wait(0.2 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.migrate(self._guilty)
        shop.roll_out("catalogue", "3.3.0", self._guilty)
        shop.wait(40)
        self._innocent.append(release_cart(shop))

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["catalogue"],
            "missing_index",
            self._guilty,
            {"kind": "table", "name": "reviews"},
            tuple(self._innocent),
        )


SCENARIO = MissingIndexPrisma
