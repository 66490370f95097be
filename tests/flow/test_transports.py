"""What differs between the transports, and what must not: sizes, compression, tokens, secrets in logs."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import httpx
from websockets.exceptions import InvalidStatus

from opamp.v1 import opamp_pb2

if TYPE_CHECKING:
    from world.agents import NewAgent
    from world.eventually import Eventually
    from world.platform import Platform


async def test_large_configuration_travels_by_reference(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """A body too large for an offer lies in the object store, and reaches agents all the same."""
    body = "".join(f"key_{number}: {'long ' * 400}\n" for number in range(100))
    async with new_agent(labels={"place": place}) as agent:
        await eventually(lambda: running.api.agent(agent))
        draft = {"name": place, "content_type": "yaml", "raw_config": body, "selector": {"place": place}}
        made = await running.api.post("/configurations", draft)

        await agent.until(lambda agent: agent.body == body)

        assert agent.configs[-1].config_hash.hex() == made["config_hash"]

        async def applied() -> bool:
            detail = await running.api.agent(agent)
            return detail is not None and detail["config_state"] == "applied"

        await eventually(applied)


async def test_compressed_messages_are_understood(running: Platform) -> None:
    """A poll may be compressed with gzip, and so may its answer."""
    agent = running.http_agent()
    content = gzip.compress(agent.full_state().SerializeToString())
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}

    async with httpx.AsyncClient(headers={**agent.headers, **headers}, timeout=60) as client:
        answer = await client.post(agent.url, content=content)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-protobuf"
    assert opamp_pb2.ServerToAgent.FromString(answer.content).instance_uid == agent.uid


async def test_token_is_taken_in_every_spelling(running: Platform) -> None:
    """Bearer, Secret-Key as a scheme, and Secret-Key as a header."""
    for headers in (
        {"Authorization": f"Bearer {running.token}"},
        {"Authorization": f"Secret-Key {running.token}"},
        {"Secret-Key": running.token},
    ):
        agent = running.websocket_agent()
        agent.headers = headers
        await agent.connect()
        await agent.until(lambda agent: agent.heard)
        await agent.close()


async def test_revoked_token_opens_nothing(running: Platform, eventually: Eventually) -> None:
    """A revoked enrolment token lets nobody in any more, over either transport."""
    made = await running.api.post("/enrolment-tokens", {"name": "short-lived"})
    agent = running.websocket_agent()
    agent.headers = {"Authorization": f"Bearer {made['secret']}"}
    await agent.connect()
    await agent.close()

    await running.api.delete(f"/enrolment-tokens/{made['id']}")

    async def refused() -> bool:
        try:
            await agent.connect()
        except InvalidStatus as exc:
            return exc.response.status_code == 401
        await agent.close()
        return False

    await eventually(refused)


async def test_no_secret_is_logged(running: Platform, new_agent: NewAgent) -> None:
    """Passwords and tokens appear in no log of any process."""
    async with new_agent() as agent:
        await agent.until(lambda agent: agent.heard)
    facts = running.run_json
    secrets: list[Any] = [facts["admin_password"], facts["enrolment_token"], *_passwords(facts)]

    for log in running.stack.logs.iterdir():
        text = log.read_text(errors="replace")
        for secret in secrets:
            assert secret not in text, f"{log.name} tells a secret"


def _passwords(facts: dict[str, Any]) -> list[str]:
    return [httpx.URL(facts[name]).password for name in ("nats_url", "redis_url", "postgres_url")]
