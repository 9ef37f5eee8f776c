"""Catalogue: products by category and by number."""

from shopkit import Call, Reply, Service

BY_CATEGORY = """
SELECT id, name, price_cents, stock FROM products
WHERE category_id = $1 AND active ORDER BY popularity DESC LIMIT $2
"""

STARS = """
SELECT count(*) AS reviews, coalesce(avg(stars), 0)::float AS stars FROM reviews WHERE product_id = $1
"""

BY_ID = "SELECT id, name, description, price_cents, stock FROM products WHERE id = $1"


async def products(service: Service, call: Call) -> Reply:
    page = int(service.settings["page_size"])
    return Reply(await service.db.fetch(BY_CATEGORY, int(call.query["category"]), page))


async def product(service: Service, call: Call) -> Reply:
    rows = await service.db.fetch(BY_ID, call.path["product_id"])
    if not rows:
        return Reply({"error": "no such product"}, 404)
    stars = await service.db.fetch(STARS, call.path["product_id"])
    return Reply(rows[0] | stars[0])


def build(service: Service) -> None:
    service.route("GET", "/products", products)
    service.route("GET", "/products/{product_id:int}", product)
