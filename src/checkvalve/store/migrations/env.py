"""Alembic environment: the connection is handed in by `checkvalve.store.state`."""

from alembic import context

from checkvalve.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
