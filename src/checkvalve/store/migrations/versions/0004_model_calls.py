"""Answers of a model that did or did not come through a gateway"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "model_calls",
        sa.Column("entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("trace", sa.String(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("gateway_entry", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_model_calls")),
    )
    op.create_index("ix_model_calls_verdict_ended", "model_calls", ["verdict", "ended_ms"])
    op.create_table(
        "gateway_answers",
        sa.Column("entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trace", sa.String(), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_gateway_answers")),
    )
    op.create_index("ix_gateway_answers_trace", "gateway_answers", ["trace"])
    op.create_index("ix_gateway_answers_started_ms", "gateway_answers", ["started_ms"])
    op.create_index("ix_model_calls_source_gateway_entry", "model_calls", ["source", "gateway_entry"])
