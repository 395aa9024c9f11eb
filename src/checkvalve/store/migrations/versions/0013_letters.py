"""Letters to people"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "letters",
        sa.Column("incident", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("batch", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("incident", "ref", name=op.f("pk_letters")),
    )
    op.create_index("ix_letters_batch", "letters", ["batch"], unique=False)
