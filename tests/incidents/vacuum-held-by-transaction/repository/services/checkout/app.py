"""Checkout: takes orders and shows a customer what was ordered before."""

import csv
import io

from shopkit import Call, Reply, Service

RECENT_ORDERS = """
SELECT id, status, total_cents, created_at::text FROM orders
WHERE customer_id = $1 ORDER BY created_at DESC LIMIT $2
"""

PLACE = """
INSERT INTO orders (customer_id, customer_email, status, total_cents, currency)
VALUES ($1, $2, 'pending', $3, 'EUR') RETURNING id
"""

PLACE_ITEM = "INSERT INTO order_items (order_id, product_id, quantity, price_cents) VALUES ($1, $2, $3, $4)"

SOLD_OUT = "SELECT product_id FROM stock_levels WHERE available = 0 LIMIT 100"

PAID = "UPDATE orders SET status = 'paid', external_reference = $2 WHERE id = $1"

EXPORT = "SELECT id, customer_id, status, total_cents, created_at::text FROM orders ORDER BY id DESC LIMIT $1"


async def recent_orders(service: Service, call: Call, limit: int) -> list[dict[str, object]]:
    return await service.db.fetch(RECENT_ORDERS, int(call.query["customer_id"]), limit)


async def order_history(service: Service, call: Call) -> Reply:
    orders = await recent_orders(service, call, int(service.settings["history_size"]))
    return Reply({"orders": orders, "sold_out": await service.db.fetch(SOLD_OUT)})


async def place_order(service: Service, call: Call) -> Reply:
    cart = (await service.peers.get("cart", f"/carts/{call.body['cart_id']}")).json()
    total = max(cart["total_cents"], 100)
    async with service.db.transaction() as tx:
        placed = await tx.fetch(PLACE, call.body["customer_id"], call.body["customer_email"], total)
        order = placed[0]["id"]
        for item in cart["items"][:3]:
            await tx.fetch(PLACE_ITEM, order, item["product_id"], item["quantity"], item["price_cents"])
    paid = await service.peers.post("payments", "/payments", {"order_id": order, "amount_cents": total})
    await service.db.fetch(PAID, order, paid.json()["reference"])
    service.log.info(f"order {order} placed", logger="checkout", total_cents=total)
    return Reply({"order": order, "sold_out": await service.db.fetch(SOLD_OUT)}, 201)


async def export(service: Service, call: Call) -> Reply:
    rows = await service.db.fetch(EXPORT, int(call.query.get("rows", "1000")))
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([row["id"], row["customer_id"], row["status"], row["total_cents"], row["created_at"]])
    return Reply({"csv": text.getvalue()})


def build(service: Service) -> None:
    service.route("GET", "/orders", order_history)
    service.route("GET", "/orders/export", export)
    service.route("POST", "/orders", place_order)
