from __future__ import annotations

import asyncpg
import pytest

from servicekit.migrate import migrate
from servicekit.provision import provision
from world.postgres import PASSWORD, Database


async def test_a_service_sees_its_own_schema_only(postgres: Database) -> None:
    """A role works in its schema and may neither read a neighbour's tables nor use the public schema."""
    await migrate(postgres.url_for("config-service"), "servicekit")
    connection = await asyncpg.connect(postgres.url_for("agent-state"))
    try:
        await connection.execute("CREATE TABLE mine (id int)")
        assert await connection.fetchval("SELECT schemaname FROM pg_tables WHERE tablename = 'mine'") == "agent_state"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT * FROM config_service.outbox")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.mine (id int)")
    finally:
        await connection.close()


async def test_provisioning_again_changes_the_password(postgres: Database) -> None:
    """Running it again is harmless and sets the new password."""
    assert await provision(postgres.admin_url, "agent-state", "it's new") == "agent_state"
    try:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.url_for("agent-state"))
        connection = await asyncpg.connect(postgres.server.url(postgres.name, "agent_state", "it's new"))
        await connection.close()
    finally:
        await provision(postgres.admin_url, "agent-state", PASSWORD)
