from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from world.facts import uid_of

from .identities import TENANT, Lab, hash_of, text_in

if TYPE_CHECKING:
    import asyncpg

    from opamp.v1 import opamp_pb2 as opamp


async def part(lab: Lab, uid: bytes, *, renew: bool = False) -> opamp.OpAMPConnectionSettings | None:
    """Ask for what an agent authenticates with."""
    async with lab.pool.acquire() as connection, connection.transaction():
        return await lab.registry.offers.opamp_part(connection, TENANT, uid, renew=renew)


async def test_an_agent_without_its_own_has_no_part(pool: asyncpg.Pool) -> None:
    """What it came by is not the platform's to repeat."""
    assert await part(Lab(pool, datetime.now(UTC)), uid_of(1)) is None


async def test_the_same_is_said_until_it_is_renewed(pool: asyncpg.Pool) -> None:
    """Asking changes nothing; renewing makes a candidate, which is said from then on."""
    lab = Lab(pool, datetime.now(UTC))
    token_id, _ = await lab.token(issues="bearer")
    text = text_in((await lab.admit(token_id, uid_of(1))).connection_settings)

    first = await part(lab, uid_of(1))
    elsewhere = await part(Lab(pool, datetime.now(UTC)), uid_of(1))
    renewed = await part(lab, uid_of(1), renew=True)

    assert first is not None
    assert first == elsewhere
    assert first.headers.headers[0].value == f"Bearer {text}"
    assert renewed is not None
    assert renewed != first
    assert renewed == await part(lab, uid_of(1))
    for header in (first.headers.headers[0], renewed.headers.headers[0]):
        assert not (await lab.knock(hash_of(header.value.removeprefix("Bearer ")))).refusal


async def test_without_the_key_nothing_is_said(pool: asyncpg.Pool) -> None:
    """Better no offer than one with a wrong text: the agent keeps what it has."""
    lab = Lab(pool, datetime.now(UTC))
    token_id, _ = await lab.token(issues="bearer")
    await lab.admit(token_id, uid_of(1))

    keyless = Lab(pool, datetime.now(UTC), key=None)

    assert not keyless.registry.offers.can_issue
    assert await part(keyless, uid_of(1)) is None
    assert not (await keyless.admit(token_id, uid_of(1))).connection_settings


async def test_agents_that_cannot_take_credentials_get_none(pool: asyncpg.Pool) -> None:
    """They live on their enrolment token."""
    lab = Lab(pool, datetime.now(UTC))
    token_id, _ = await lab.token(issues="bearer")

    admitted = await lab.admit(token_id, uid_of(1), capabilities=1)

    assert not admitted.connection_settings
    assert await lab.credentials(uid_of(1)) == []
