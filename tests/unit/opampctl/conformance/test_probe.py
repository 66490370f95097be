"""What one check works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conformancelab.server import TOKEN, running

from opampctl.conformance.heard import Transport
from opampctl.conformance.probe import Patience, Probe, Setting
from opampctl.conformance.target import Target
from opampctl.conformance.verdict import Failed, NotApplicable
from opampctl.conformance.websocket import NotUpgraded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def probe() -> AsyncIterator[Probe]:
    """Give a check's world before a server that does everything right."""
    async with running() as server:
        target = Target.parse(f"ws://127.0.0.1:{server.port}/v1/opamp", token=TOKEN)
        with Probe("S-001", Setting(target, Patience(answer=30, effect=0.3))) as made:
            yield made


@pytest.mark.parametrize("transport", list(Transport))
async def test_line_of_either_transport_asks(probe: Probe, transport: Transport) -> None:
    """A question gets its answer, and the answer is in the ledger with what the agent can."""
    agent = probe.persona(3)
    answer = await (await probe.line(transport)).ask(agent.full())

    assert answer.message.instance_uid == agent.uid
    record = probe.setting.ledger.records[-1]
    assert (record.row, record.ever, record.heard) == ("S-001", 3, answer)


async def test_stranger_is_not_upgraded(probe: Probe) -> None:
    """knock() shows the refusal, websocket() fails by it."""
    with pytest.raises(NotUpgraded) as refusal:
        await probe.knock(anonymous=True)
    assert refusal.value.head.status == 401
    with pytest.raises(Failed, match="401"):
        await probe.websocket(anonymous=True)


async def test_bare_status_is_no_message(probe: Probe) -> None:
    """A refusal without a message is not judged as one."""
    await probe.polling(anonymous=True).post(probe.persona().full())

    assert probe.setting.ledger.records == []


async def test_header_can_be_left_out(probe: Probe) -> None:
    """A header given as an empty text is not sent."""
    assert (await probe.polling(Content_Type="").post(b"")).status == 400


async def test_silence_has_a_reason(probe: Probe) -> None:
    """What was waited for in vain is told: time, or how the connection ended."""
    line = await probe.websocket()
    with pytest.raises(Failed, match="no answer within"):
        await line.hear(0.05)
    line.socket.send_raw(b"\x88\x80abcd", "close frame")
    with pytest.raises(Failed, match="closed the WebSocket"):
        await line.hear()
    assert await line.socket._connection.end(30)
    with pytest.raises(Failed, match="ended"):
        line.say(b"")


async def test_until_ends_with_patience(probe: Probe) -> None:
    """The last answer is returned when none fitted, and the first that fits at once."""
    answers = iter(range(1000))

    async def ask() -> dict[str, Any]:
        return {"n": next(answers)}

    assert (await probe.until(ask, lambda answer: answer["n"] == 2))["n"] == 2
    assert (await probe.until(ask, lambda _: False))["n"] >= 3


async def test_nobody_to_look(probe: Probe) -> None:
    """Without a stimulus nothing can be looked at."""
    with pytest.raises(NotApplicable):
        await probe.look(probe.persona(), bool)
