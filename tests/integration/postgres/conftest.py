"""A real PostgreSQL; each test has a database of its own in it."""

import itertools
from collections.abc import Callable, Iterator

import psycopg
import pytest
from tests.simulators import postgres


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with postgres.room() as room, postgres.running(room) as url:
        yield url


@pytest.fixture
def database(cluster: str) -> Callable[[], str]:
    """The URL of a new empty database."""
    numbers = itertools.count()

    def make() -> str:
        with psycopg.connect(cluster, autocommit=True) as connection:
            taken = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            name = next(n for i in numbers if (n := f"state{i}") not in taken)
            connection.execute(f"CREATE DATABASE {name}")
        return cluster.rpartition("/")[0] + "/" + name

    return make
