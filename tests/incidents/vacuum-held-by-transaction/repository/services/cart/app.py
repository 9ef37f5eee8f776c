"""Cart: what a customer means to buy."""

from shopkit import Call, Reply, Service

ADD = "INSERT INTO cart_items (cart_id, product_id, quantity, price_cents) VALUES ($1, $2, $3, $4)"

ITEMS = """
SELECT product_id, quantity, price_cents FROM cart_items WHERE cart_id = $1 ORDER BY id DESC LIMIT $2
"""


def total_cents(items: list[dict[str, int]]) -> int:
    return sum(item["quantity"] * item["price_cents"] for item in items)


async def add(service: Service, call: Call) -> Reply:
    answer = await service.peers.get("catalogue", f"/products/{call.body['product_id']}")
    if answer.status_code == 404:
        return Reply({"error": "no such product"}, 404)
    price = answer.json()["price_cents"]
    await service.db.fetch(
        ADD, call.path["cart_id"], call.body["product_id"], call.body.get("quantity", 1), price
    )
    return Reply({"added": call.body["product_id"]}, 201)


async def show(service: Service, call: Call) -> Reply:
    items = await service.db.fetch(ITEMS, call.path["cart_id"], int(service.settings["max_items"]))
    return Reply({"items": items, "total_cents": total_cents(items), "currency": "EUR"})


def build(service: Service) -> None:
    service.route("POST", "/carts/{cart_id:int}/items", add)
    service.route("GET", "/carts/{cart_id:int}", show)
