"""Payments' new version looks for a payment by its reference. The migration with the index was never run.

The shop keeps its schema with Alembic: revision 0007 is in the deployed commit, the database stands at
0006. A deploy of cart lands after it, closer to the alert.
"""

from __future__ import annotations

from tests.lab.casefile import Truth
from tests.lab.frameworks import ALEMBIC
from tests.lab.innocent import release_cart, release_catalogue
from tests.lab.repository import Beginning, Edit
from tests.lab.shop import Shop
from tests.lab.stage import Scenario

PAYMENTS = "services/payments/app.py"

TAKEN_OVER = """
INSERT INTO payments (order_id, amount_cents, provider, reference, status)
SELECT 1 + n % {rows}, 500 + (n * 31) % 20000, 'old.payprovider.example',
       'tx_' || substr(md5(n::text), 1, 20), 'captured'
FROM generate_series(1, 4 * {rows}) n
"""

ONCE = [
    Edit(
        "alembic/versions/0007_payments_reference.py",
        "",
        '''"""A payment by its reference."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("payments_reference_idx", "payments", ["reference"], postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index("payments_reference_idx", table_name="payments")
''',
    ),
    Edit(
        PAYMENTS,
        'RECORD = """',
        'BY_REFERENCE = "SELECT id, status FROM payments WHERE reference = $1"\n\nRECORD = """',
    ),
    Edit(
        PAYMENTS,
        "    kept = await service.db.fetch(RECORD,",
        """    twice = await service.db.fetch(BY_REFERENCE, reference)
    if twice:
        return Reply({"payment": twice[0]["id"], "reference": reference})
    kept = await service.db.fetch(RECORD,""",
    ),
]


class MissingIndexAlembic(Scenario):
    """Version 1.13.0 of payments."""

    name = "missing-index-alembic"
    about = "payments' new version filters payments by a column whose Alembic migration was never run"
    beginning = Beginning(framework=ALEMBIC)

    def __init__(self) -> None:
        self._guilty = ""
        self._innocent: list[str] = []

    def arrange(self, shop: Shop) -> None:
        taken = TAKEN_OVER.format(rows=shop.options.rows)
        shop.jobs.run(
            "old-shop-import", [taken, "VACUUM ANALYZE payments", "SELECT pg_stat_statements_reset()"]
        )

    def baseline(self, shop: Shop, seconds: float) -> None:
        shop.wait(0.5 * seconds)
        self._innocent.append(release_catalogue(shop))
        shop.wait(0.3 * seconds)
        self._guilty = shop.commit("payments: never keep one reference twice", ONCE)
        shop.wait(0.2 * seconds)

    def inject(self, shop: Shop) -> None:
        shop.roll_out("payments", "1.13.0", self._guilty)  # and `alembic upgrade head` was forgotten
        shop.wait(40)
        self._innocent.append(release_cart(shop))

    def truth(self) -> Truth:
        return Truth(
            "cause",
            ["payments"],
            "missing_index",
            self._guilty,
            {"kind": "table", "name": "payments"},
            tuple(self._innocent),
        )


SCENARIO = MissingIndexAlembic
