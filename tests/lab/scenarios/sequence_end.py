"""Receipts have a serial number of four bytes, and a job that writes old receipts anew uses up the rest.

From then on every order fails that would get a receipt. Deploys of cart and catalogue lie nearby.
"""

from __future__ import annotations

from contextlib import suppress

from psycopg.errors import SequenceGeneratorLimitExceeded

from tests.lab.casefile import Truth
from tests.lab.innocent import release_cart, release_catalogue
from tests.lab.repository import Beginning, Edit, Past
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

CHECKOUT = "services/checkout/app.py"
LAST = 2_147_483_647
LEFT = 150_000
"""Numbers left when recording begins, far more than customers use up meanwhile."""

RECEIPTS = Past(
    "checkout: number the receipts",
    6.3,
    (
        Edit(
            "migrations/0007_receipts.sql",
            "",
            "CREATE TABLE receipts (\n    number serial PRIMARY KEY,\n    order_id bigint NOT NULL,\n"
            "    issued_at timestamptz NOT NULL DEFAULT now()\n);\n\n"
            "CREATE INDEX receipts_order_id_idx ON receipts (order_id);\n",
        ),
        Edit(
            CHECKOUT,
            'PAID = "UPDATE',
            'RECEIPT = "INSERT INTO receipts (order_id) VALUES ($1) RETURNING number"\n\nPAID = "UPDATE',
        ),
        Edit(
            CHECKOUT,
            "    paid = await service.peers.post(",
            "    await service.db.fetch(RECEIPT, order)\n    paid = await service.peers.post(",
        ),
    ),
)
REISSUE = "INSERT INTO receipts (order_id) SELECT 1 + n % {rows} FROM generate_series(1, {count}) n"
BATCH = 10_000


class SequenceEnd(Scenario):
    """The serial number comes to 2147483647."""

    name = "sequence-end"
    about = "a four-byte serial number is used up; every order fails; deploys nearby are innocent"
    alert = "CheckoutErrorsHigh"
    beginning = Beginning((RECEIPTS,))

    def __init__(self) -> None:
        self._innocent: list[str] = []

    def arrange(self, shop: Shop) -> None:
        shop.jobs.run("setup", [f"SELECT setval('receipts_number_seq', {LAST - LEFT})"])

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_catalogue(shop))
        shop.wait(0.4 * seconds)
        self._innocent.append(release_cart(shop))
        shop.wait(0.1 * seconds)

    def inject(self, shop: Shop) -> None:
        batch = REISSUE.format(rows=shop.options.rows, count=BATCH)
        with suppress(SequenceGeneratorLimitExceeded):  # the last batch fails, and the customers with it
            for _ in range(LEFT // BATCH + 1):
                shop.jobs.run("receipt-reissue", [batch])
                shop.wait(2)

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["checkout"],
            "sequence_exhausted",
            "none",
            {"kind": "table", "name": "receipts"},
            tuple(self._innocent),
        )


SCENARIO = SequenceEnd
