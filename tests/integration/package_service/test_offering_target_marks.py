"""Saying who must be looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from package_service.offering import target_marks
from world import facts as say

from .offering_ground import LINUX, TENANT, Agent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .offering_ground import Ground

WEB, PROD, OTHER = say.uid_of(1), say.uid_of(2), say.uid_of(3)


async def marked(ground: Ground) -> set[bytes]:
    """Tell who is marked."""
    return {
        row["instance_uid"] for row in await ground.pool.fetch("SELECT instance_uid FROM package_target WHERE dirty")
    }


@pytest.mark.parametrize(
    ("selector", "groups", "uids", "wanted"),
    [
        ({"env": "prod"}, [], [], {PROD}),
        ({}, ["web"], [], {WEB}),
        ({}, [], [OTHER, say.uid_of(77)], {OTHER}),
        ({"env": "prod"}, ["web"], [OTHER], {WEB, PROD, OTHER}),
        ({}, [], [], set()),
        ({"env": "prod", "os.type": "windows"}, [], [], set()),
    ],
)
async def test_whom_an_assignment_may_mean(
    ground: Ground, selector: Mapping[str, str], groups: list[str], uids: list[bytes], wanted: set[bytes]
) -> None:
    """By labels, by the stamped group, by name; nobody else."""
    for agent in (
        Agent(WEB, {**LINUX, "env": "test"}, group="web"),
        Agent(PROD),
        Agent(OTHER, {**LINUX, "env": "test", "group": "web"}),
    ):
        await ground.hear(*agent.connected())
    async with ground.pool.acquire() as connection, connection.transaction():
        count = await target_marks.mark_meant(
            connection, TENANT, UUID(int=1), selector=selector, groups=groups, uids=uids
        )

    assert (count, await marked(ground)) == (len(wanted), wanted)


async def test_whom_it_decided_for_and_who_has_the_package(ground: Ground) -> None:
    """Also when its terms mean them no more; unknown agents and packages mark nobody."""
    assignment = await ground.assign()
    await ground.hear(*Agent(PROD).connected())
    async with ground.pool.acquire() as connection, connection.transaction():
        assert await target_marks.mark(connection, TENANT, []) == 0
        assert await target_marks.having(connection, TENANT, ["nothing"]) == []
        assert await marked(ground) == set()
        assert await target_marks.having(connection, TENANT, ["collector", "nothing"]) == [PROD]
        assert (
            await target_marks.mark_meant(connection, TENANT, assignment.assignment_id, selector={}, groups=[], uids=[])
            == 1
        )
