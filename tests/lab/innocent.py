"""Deploys that change something real and harm nobody: the red herrings of the scenarios."""

from __future__ import annotations

from tests.lab.repository import Edit
from tests.lab.shop import Shop

CART = [
    Edit(
        "services/cart/app.py",
        'return Reply({"items": items, "total_cents": total_cents(items)})',
        'return Reply({"items": items, "total_cents": total_cents(items), "currency": "EUR"})',
    ),
]
CATALOGUE = [Edit("services/catalogue/config.yaml", "page_size: 24", "page_size: 20")]
CHECKOUT = [
    Edit(
        "services/checkout/app.py",
        'service.log.info(f"order {order} placed", logger="checkout", total_cents=total)',
        'service.log.info(f"order {order} placed", logger="checkout", items=len(cart["items"]))',
    ),
]


def release_cart(shop: Shop) -> str:
    commit = shop.commit("cart: say which currency the total is in", CART)
    shop.roll_out("cart", "1.5.2", commit)
    return commit


def release_catalogue(shop: Shop) -> str:
    commit = shop.commit("catalogue: twenty products a page, as in the new design", CATALOGUE)
    shop.roll_out("catalogue", "3.2.1", commit)
    return commit


def release_checkout(shop: Shop) -> str:
    commit = shop.commit("checkout: log how many items an order has", CHECKOUT)
    shop.roll_out("checkout", "1.8.3", commit)
    return commit
