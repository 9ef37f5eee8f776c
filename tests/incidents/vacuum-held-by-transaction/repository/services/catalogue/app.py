"""Catalogue: products by category and by number."""

from shopkit import Call, Reply, Service

BY_CATEGORY = """
SELECT id, name, price_cents, stock FROM products
WHERE category_id = $1 AND active ORDER BY popularity DESC LIMIT $2
"""

BY_ID = "SELECT id, name, description, price_cents, stock FROM products WHERE id = $1"


async def products(service: Service, call: Call) -> Reply:
    page = int(service.settings["page_size"])
    return Reply(await service.db.fetch(BY_CATEGORY, int(call.query["category"]), page))


async def product(service: Service, call: Call) -> Reply:
    rows = await service.db.fetch(BY_ID, call.path["product_id"])
    return Reply(rows[0]) if rows else Reply({"error": "no such product"}, 404)


def build(service: Service) -> None:
    service.route("GET", "/products", products)
    service.route("GET", "/products/{product_id:int}", product)
