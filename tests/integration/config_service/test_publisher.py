from __future__ import annotations

from typing import TYPE_CHECKING

from contracts import streams, subjects
from fleet.api.v1 import config_service_pb2 as api
from fleet.events.v1 import agent_pb2, config_pb2
from world.facts import uid_of

from .conftest import TENANT, FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .conftest import Running


async def heard(service: Running, prefix: str) -> list[tuple[str, bytes]]:
    """Read every event of the stream whose subject begins so."""
    found = []
    state = await service.bus.js.stream_info(streams.EVENTS.name)
    for sequence in range(1, state.state.last_seq + 1):
        message = await service.bus.js.get_msg(streams.EVENTS.name, sequence)
        if message.subject is not None and message.subject.startswith(prefix):
            found.append((message.subject.removeprefix(prefix), message.data or b""))
    return found


async def test_life_of_a_configuration_is_told(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Created, changed, rolled back, pushed, deleted: in order, after commit, once each."""
    await service.create("a", "a: 1")
    await service.update("a", raw_config="a: 2")
    rollback = api.RollbackConfigurationRequest(tenant_id=TENANT, name="a", version=1, author="carol")
    await service.bus.call(subjects.ROLLBACK_CONFIGURATION, rollback)
    await service.push("a")
    await service.bus.call(
        subjects.DELETE_CONFIGURATION, api.DeleteConfigurationRequest(tenant_id=TENANT, name="a", author="dan")
    )
    root = f"{subjects.ROOT}.config."

    async def all_told() -> bool:
        return len(await heard(service, root)) >= 5

    await eventually(all_told)
    told = await heard(service, root)
    events = [config_pb2.ConfigEvent.FromString(payload) for _, payload in told]
    assert [subject.split(".")[0] for subject, _ in told] == ["created", "changed", "changed", "pushed", "deleted"]
    assert [event.version for event in events] == [1, 2, 3, 3, 3]
    assert [event.author for event in events] == ["ann", "bob", "carol", "eve", "dan"]
    assert events[2].changed.rolled_back_to == 1
    assert len({event.event_id for event in events}) == 5
    assert all(event.time_unix_nano for event in events)


async def test_outcome_on_an_agent_is_told_once(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Applied and failed, with name and version; repeats of a report are no news."""
    made = await service.create("a", "a: 1", {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.offered_to(agent.uid))
    for status in ("APPLIED", "APPLIED", "FAILED"):
        await service.say(agent.status(status, made.config_hash, "broke" if status == "FAILED" else ""))
    root = f"{subjects.ROOT}.agent."

    async def both_told() -> bool:
        return len(await heard(service, root)) >= 2

    await eventually(both_told)
    told = await heard(service, root)
    applied, failed = (agent_pb2.AgentEvent.FromString(payload) for _, payload in told)
    assert [subject.split(".")[0] for subject, _ in told] == ["config_applied", "config_failed"]
    assert (applied.config_applied.configuration_name, applied.config_applied.version) == ("a", 1)
    assert (failed.config_failed.error_message, failed.instance_uid) == ("broke", agent.uid)
