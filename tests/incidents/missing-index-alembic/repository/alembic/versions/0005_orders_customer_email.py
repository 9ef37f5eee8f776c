"""The receipt goes to the address given with the order."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("orders", sa.Column("customer_email", sa.Text))


def downgrade() -> None:
    op.drop_column("orders", "customer_email")
