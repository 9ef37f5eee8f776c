"""Catalogue: products by category and by number."""

from difflib import SequenceMatcher

from shopkit import Call, Reply, Service

BY_CATEGORY = """
SELECT id, name, description, price_cents, stock FROM products
WHERE category_id = $1 AND active ORDER BY popularity DESC LIMIT $2
"""

BY_ID = "SELECT id, name, description, price_cents, stock FROM products WHERE id = $1"


def text(product: dict[str, object]) -> str:
    return f"{product['name']} {product['description']}"


def distinct(products: list[dict[str, object]]) -> list[dict[str, object]]:
    """Leave out what reads almost like something already on the page."""
    kept: list[dict[str, object]] = []
    for product in products:
        ratios = [SequenceMatcher(None, text(product), text(other)).ratio() for other in kept]
        if max(ratios, default=0) < 0.999:
            kept.append(product)
    return kept


async def products(service: Service, call: Call) -> Reply:
    page = int(service.settings["page_size"])
    rows = await service.db.fetch(BY_CATEGORY, int(call.query["category"]), page * 3 // 2)
    return Reply(distinct(rows)[:page])


async def product(service: Service, call: Call) -> Reply:
    rows = await service.db.fetch(BY_ID, call.path["product_id"])
    return Reply(rows[0]) if rows else Reply({"error": "no such product"}, 404)


def build(service: Service) -> None:
    service.route("GET", "/products", products)
    service.route("GET", "/products/{product_id:int}", product)
