"""Orders of shops, answers of checkouts, roles of plugins"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "shop_orders",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("placed_ms", sa.BigInteger(), nullable=False),
        sa.Column("taken_ms", sa.BigInteger(), nullable=True),
        sa.Column("failed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("site", "number", name=op.f("pk_shop_orders")),
    )
    op.create_index("ix_shop_orders_site_placed", "shop_orders", ["site", "placed_ms"], unique=False)
    op.create_index("ix_shop_orders_site_taken", "shop_orders", ["site", "taken_ms"], unique=False)
    op.create_table(
        "checkout_answers",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("broken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site", "minute", name=op.f("pk_checkout_answers")),
    )
    op.create_table(
        "plugin_roles",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("plugin", sa.String(), nullable=False),
        sa.Column("depends", sa.Boolean(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("tried_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "plugin", name=op.f("pk_plugin_roles")),
    )
