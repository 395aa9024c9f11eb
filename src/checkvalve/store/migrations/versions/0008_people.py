"""Second factors, access per shop, exposures by log entry"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("users", sa.Column("sites", sa.JSON(), nullable=True))
    op.add_column("users", sa.Column("totp", sa.String(), nullable=True))
    op.add_column("users", sa.Column("totp_step", sa.BigInteger(), nullable=True))
    op.create_index("ix_exposures_incident_entry", "exposures", ["incident", "entry"])
