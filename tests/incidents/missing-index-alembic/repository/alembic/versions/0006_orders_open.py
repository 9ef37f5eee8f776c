"""The fulfilment job asks for open orders, oldest first."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "orders_open_created_at_idx",
            "orders",
            ["created_at"],
            postgresql_where=sa.text("status = 'pending'"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("orders_open_created_at_idx", table_name="orders")
