"""Gateway: the shop's public API."""

from shopkit import Call, Reply, Service


async def products(service: Service, call: Call) -> Reply:
    answer = await service.peers.get("catalogue", "/products", category=call.query.get("category", "1"))
    return Reply(answer.json(), answer.status_code)


async def product(service: Service, call: Call) -> Reply:
    answer = await service.peers.get("catalogue", f"/products/{call.path['product_id']}")
    return Reply(answer.json(), answer.status_code)


async def add_to_cart(service: Service, call: Call) -> Reply:
    answer = await service.peers.post("cart", f"/carts/{call.body['cart_id']}/items", dict(call.body))
    return Reply(answer.json(), answer.status_code)


async def place_order(service: Service, call: Call) -> Reply:
    answer = await service.peers.post("checkout", "/orders", dict(call.body))
    return Reply(answer.json(), answer.status_code)


async def order_history(service: Service, call: Call) -> Reply:
    answer = await service.peers.get("checkout", "/orders", **dict(call.query))
    return Reply(answer.json(), answer.status_code)


async def order_export(service: Service, call: Call) -> Reply:
    answer = await service.peers.get("checkout", "/orders/export", **dict(call.query))
    return Reply(answer.json(), answer.status_code)


def build(service: Service) -> None:
    service.route("GET", "/api/products", products)
    service.route("GET", "/api/products/{product_id:int}", product)
    service.route("POST", "/api/cart/items", add_to_cart)
    service.route("POST", "/api/orders", place_order)
    service.route("GET", "/api/orders", order_history)
    service.route("GET", "/api/orders/export", order_export)
