"""Sequence numbers a sensor, object, blind index, erased entries"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("events", sa.Column("object", sa.String(), nullable=True))
    op.add_column("events", sa.Column("tokens", sa.LargeBinary(), nullable=True))
    op.create_table(
        "sequences",
        sa.Column("sensor", sa.String(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sensor", name=op.f("pk_sequences")),
    )
    op.execute("INSERT INTO sequences SELECT sensor, max(seq) FROM events WHERE seq IS NOT NULL GROUP BY sensor")
    op.create_table(
        "erased",
        sa.Column("entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_erased")),
    )
