"""The database of the platform, and the ones tests get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from devstack.database import prepare
from devstack.errors import StackError
from devstack.ports import free_port

if TYPE_CHECKING:
    from devstack.postgres import PostgresServer
    from world.postgres import Database


async def test_service_owns_its_schema_only(postgres: Database) -> None:
    """A service's role makes tables in its own schema and sees nothing of its neighbour's."""
    neighbour = await asyncpg.connect(postgres.url_for("config-service"))
    await neighbour.execute("CREATE TABLE secret (id int)")
    await neighbour.close()

    connection = await asyncpg.connect(postgres.url_for("agent-state"))
    await connection.execute("CREATE TABLE mine (id int)")

    assert await connection.fetchval("SELECT 'agent_state.mine'::regclass::text") == "mine"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT * FROM config_service.secret")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE TABLE public.loose (id int)")
    await connection.close()


async def test_each_test_has_a_database_of_its_own(postgres: Database) -> None:
    """What another test wrote is not there."""
    connection = await asyncpg.connect(postgres.url_for("agent-state"))

    assert await connection.fetchval("SELECT to_regclass('mine')") is None
    await connection.close()


async def test_preparing_twice_changes_the_passwords_only(postgres_server: PostgresServer) -> None:
    """A second start with the same data is harmless; roles log in with the newest password."""
    url = postgres_server.url("prepared")
    try:
        prepare(postgres_server.url(), "prepared", url, {"alert-service": "first"})
        prepare(postgres_server.url(), "prepared", url, {"alert-service": "second"})

        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres_server.url("prepared", "alert_service", "first"))
        connection = await asyncpg.connect(postgres_server.url("prepared", "alert_service", "second"))
        assert await connection.fetchval("SELECT current_schema()") == "alert_service"
        await connection.close()
    finally:
        admin = await asyncpg.connect(postgres_server.url())
        await admin.execute("DROP DATABASE IF EXISTS prepared WITH (FORCE)")
        await admin.execute("DROP ROLE IF EXISTS alert_service")
        await admin.close()


def test_server_that_is_away_is_one_line(postgres_server: PostgresServer) -> None:
    """An external server that does not answer, or refuses the login, is told and not traced."""
    away = f"postgresql://postgres:x@127.0.0.1:{free_port()}/postgres"
    wrong = postgres_server.url("postgres", "postgres", "wrong")

    for url in (away, wrong):
        with pytest.raises(StackError, match="PostgreSQL cannot be prepared: ") as caught:
            prepare(url, "prepared", url, {})
        assert "\n" not in str(caught.value)
