"""Sightings, attempts, fingerprints of answers"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("inference", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("detected_ms", sa.BigInteger(), nullable=False),
        sa.Column("plugin", sa.String(), nullable=True),
        sa.Column("route", sa.String(), nullable=True),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("trace", sa.String(), nullable=True),
        sa.Column("incident", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("inference", "subject", "category", "recipient", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_site_seen", "attempts", ["site", "seen_ms"], unique=False)
    op.create_index("ix_attempts_incident", "attempts", ["incident"], unique=False)
    op.create_table(
        "sightings",
        sa.Column("inference", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("withheld", sa.Boolean(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("detected_ms", sa.BigInteger(), nullable=False),
        sa.Column("plugin", sa.String(), nullable=True),
        sa.Column("route", sa.String(), nullable=True),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("trace", sa.String(), nullable=True),
        sa.Column("incident", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("inference", "kind", "what", name=op.f("pk_sightings")),
    )
    op.create_index("ix_sightings_incident", "sightings", ["incident"], unique=False)
    op.create_table(
        "answers",
        sa.Column("inference", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("prints", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("inference", name=op.f("pk_answers")),
    )
    op.create_index("ix_answers_site_recipient", "answers", ["site", "recipient"], unique=False)
    op.create_index("ix_answers_entry", "answers", ["entry"], unique=False)
