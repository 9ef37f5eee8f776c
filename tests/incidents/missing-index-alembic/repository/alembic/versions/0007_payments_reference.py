"""A payment by its reference."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("payments_reference_idx", "payments", ["reference"], postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index("payments_reference_idx", table_name="payments")
