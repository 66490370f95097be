from __future__ import annotations

import asyncio
import sys
from pathlib import Path

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


async def test_address_and_password_may_lie_in_files(postgres: Database, tmp_path: Path) -> None:
    """The command as compose and Kubernetes run it: nothing secret on its command line."""
    (tmp_path / "url").write_text(f"{postgres.admin_url}\n")
    (tmp_path / "password").write_text("from a file\n")
    environment = {
        "PROVISION_ADMIN_URL_FILE": str(tmp_path / "url"),
        "PROVISION_PASSWORD_FILE": str(tmp_path / "password"),
    }
    command = (sys.executable, "-m", "servicekit.provision", "--service", "agent-state")
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        async with asyncio.timeout(60):
            assert await process.wait() == 0

        connection = await asyncpg.connect(postgres.server.url(postgres.name, "agent_state", "from a file"))
        await connection.close()
    finally:
        await provision(postgres.admin_url, "agent-state", PASSWORD)
