"""The language of a user's console, recovery codes"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("users", sa.Column("recovery", sa.JSON(), nullable=True))
    op.add_column("users", sa.Column("lang", sa.String(), nullable=True))
