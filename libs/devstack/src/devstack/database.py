"""Make the platform's database with a role and a schema for each service; repeating changes nothing."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import asyncpg

from devstack.errors import StackError
from servicekit.provision import provision

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_SECONDS = 15


def prepare(server_url: str, database: str, database_url: str, passwords: Mapping[str, str]) -> None:
    """
    Prepare a database; may be called where an event loop runs, and blocks it.

    Args:
        server_url: A superuser's address of any existing database.

        database: The one to make when it is missing.

        database_url: The superuser's address of it.

        passwords: By service name.

    Raises:
        StackError: The server is away, or refuses.
    """
    with ThreadPoolExecutor(1) as aside:
        try:
            aside.submit(asyncio.run, _prepare(server_url, database, database_url, passwords)).result()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            message = f"PostgreSQL cannot be prepared: {type(exc).__name__}: {exc}"
            raise StackError(message) from exc


async def _prepare(server_url: str, database: str, database_url: str, passwords: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(server_url, timeout=CONNECT_SECONDS)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
            await connection.execute(f"CREATE DATABASE {await connection.fetchval('SELECT quote_ident($1)', database)}")
    finally:
        await connection.close(timeout=CONNECT_SECONDS)
    for service, password in passwords.items():
        await provision(database_url, service, password)
