"""What was wanted once and is not needed now is not vetted any more; everything else stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from package_service.offering import choices
from package_service.vetting import wants
from world import facts as say

from .offering_ground import TENANT, Agent

if TYPE_CHECKING:
    from package_service.file_store import File

    from .offering_ground import Ground

LONG_AGO = 3600.0


async def vetted_long_ago(ground: Ground, version: str, **more: Any) -> File:
    """Publish a file that somebody wanted, and that was found good."""
    file = await ground.publish(version, **more)
    await ground.pool.execute(
        "UPDATE package_file SET wanted_at = now() - interval '2 hours' WHERE file_id = $1", file.file_id
    )
    return file


async def forgotten(ground: Ground) -> list[str]:
    """Take back what is not needed; tell name and version of it."""
    async with ground.pool.acquire() as connection, connection.transaction():
        await wants.take_back(connection, LONG_AGO)
    rows = await ground.pool.fetch(
        "SELECT name, version FROM package_file WHERE wanted_at IS NULL AND vetted_at IS NULL AND vetted_mark = ''"
    )
    return sorted(f"{row['name']} {row['version']}" for row in rows)


async def test_what_nobody_may_be_offered_is_forgotten(ground: Ground) -> None:
    """A version nobody names, a package nobody is assigned, what is switched off; what was wanted just now waits."""
    await ground.assign(version="2.0.0")
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        await vetted_long_ago(ground, version)
    await vetted_long_ago(ground, "1.0.0", name="other")
    await ground.vet(await vetted_long_ago(ground, "2.0.0", name="off"), active=False)
    await ground.pool.execute("UPDATE package_file SET wanted_at = now() WHERE version = '3.0.0'")
    await ground.pool.execute("DELETE FROM package_change")

    assert await forgotten(ground) == ["collector 1.0.0", "off 2.0.0", "other 1.0.0"]
    rows = await ground.pool.fetch("SELECT package FROM package_change")
    assert sorted(row["package"] for row in rows) == ["collector", "other"]
    assert await forgotten(ground) == ["collector 1.0.0", "off 2.0.0", "other 1.0.0"]
    assert await ground.pool.fetchval("SELECT count(*) FROM package_change") == 2


async def test_floating_wishes_keep_what_they_may_come_to(ground: Ground) -> None:
    """The ten newest of each platform, releases and all; older ones are forgotten."""
    await ground.assign(version="latest-9")
    for minor in range(12):
        await vetted_long_ago(ground, f"1.{minor}.0")
    await vetted_long_ago(ground, "2.0.0-rc.1")
    await vetted_long_ago(ground, "0.1.0", platform="windows")

    assert await forgotten(ground) == ["collector 1.0.0", "collector 1.1.0"]


@pytest.mark.usefixtures("gateway")
async def test_what_an_agent_has_or_is_sent_stays(ground: Ground) -> None:
    """Its list names it; also after the assignment is gone, for as long as it says that it has it."""
    file = await vetted_long_ago(ground, "1.0.0")
    assignment = await ground.assign(version="1.0.0")
    agent = Agent(say.uid_of(1))
    await ground.hear(*agent.connected())
    assert (await ground.standing(agent.uid)).listed_file_id == file.file_id
    await ground.pool.execute("UPDATE package_assignment SET enabled = false")
    assert await forgotten(ground) == []

    await ground.assignments.delete(TENANT, assignment.assignment_id)
    await ground.look()
    await ground.pool.execute("""UPDATE package_target SET reported = '{"collector": ["1.0.0", "aa"]}'""")
    assert await ground.pool.fetchval("SELECT count(*) FROM agent_package") == 0
    assert await forgotten(ground) == []

    await ground.pool.execute("UPDATE package_target SET reported = '{}'")
    assert await forgotten(ground) == ["collector 1.0.0"]


@pytest.mark.parametrize("state", ["running", "paused", "halted", "completed"])
async def test_living_campaigns_keep_both_versions(ground: Ground, state: str) -> None:
    """Whether anybody was admitted or not; one that is over keeps nothing."""
    for version in ("1.0.0", "2.0.0"):
        await vetted_long_ago(ground, version)
    assignment = await ground.assign(version="1.0.0", enabled=False)
    await ground.pool.execute(
        """
        INSERT INTO campaign (tenant_id, name, assignment_id, package, from_version, to_version, stages, max_in_flight,
            watch_seconds, timeout_seconds, failure_threshold, rollback, state, created_by, updated_by)
        VALUES ($1, 'c', $2, 'collector', '1.0.0', '2.0.0', '[]', 1, 1, 1, '{}', true, $3, 'ann', 'ann')
        """,
        TENANT,
        assignment.assignment_id,
        state,
    )

    assert await forgotten(ground) == (["collector 1.0.0", "collector 2.0.0"] if state == "completed" else [])


async def test_choices_and_manifests_keep_what_they_name(ground: Ground) -> None:
    """What one agent is to have, and everything active while a manifest is good."""
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        await vetted_long_ago(ground, version)
    assignment = await ground.assign(version="1.0.0")
    async with ground.pool.acquire() as connection, connection.transaction():
        await choices.set_many(connection, TENANT, assignment.assignment_id, [say.uid_of(1)], "2.0.0")
    await ground.pool.execute(
        "INSERT INTO package_manifest (tenant_id, channel, version, content, expires_at, envelope, created_by) "
        "VALUES ($1, 'stable', 1, $2, now() + interval '1 day', '{}', 'ann')",
        TENANT,
        bytes(32),
    )
    assert await forgotten(ground) == []

    await ground.pool.execute("UPDATE package_manifest SET expires_at = now()")
    assert await forgotten(ground) == ["collector 3.0.0"]
