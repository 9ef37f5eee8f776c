"""Payments: charges a card through the payment provider and keeps the reference."""

from shopkit import Call, Reply, Service

BY_ORDER = "SELECT id, reference, status FROM payments WHERE order_id = $1"

RECORD = """
INSERT INTO payments (order_id, amount_cents, provider, reference, status)
VALUES ($1, $2, $3, $4, 'captured') RETURNING id
"""


async def charge(service: Service, call: Call) -> Reply:
    order, amount = call.body["order_id"], call.body["amount_cents"]
    known = await service.db.fetch(BY_ORDER, order)
    if known:
        return Reply({"payment": known[0]["id"], "reference": known[0]["reference"]})
    provider = str(service.settings["provider"])
    charged = await service.peers.post(provider, "/v1/charges", {"amount": amount, "currency": "EUR"})
    reference = charged.json()["id"]
    kept = await service.db.fetch(RECORD, order, amount, provider, reference)
    return Reply({"payment": kept[0]["id"], "reference": reference}, 201)


def build(service: Service) -> None:
    service.route("POST", "/payments", charge)
