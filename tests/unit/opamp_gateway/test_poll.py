"""What is to be told to a polling agent goes with its next answer, as the specification lets it."""

from __future__ import annotations

from gatewaylab.fakes import Lab
from gatewaylab.speech import CAPABILITIES, UID, answer, message

from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import answers
from opamp_gateway.offers import (
    COMMAND,
    CUSTOM_MESSAGE,
    REMOTE_CONFIG,
    REPORT_COMPONENTS,
    REPORT_FULL_STATE,
    Offering,
)
from opamp_gateway.poll import Poll
from opamp_gateway.session import HTTP, Session, Step

ABLE = CAPABILITIES | opamp.AgentCapabilities_AcceptsRestartCommand | opamp.AgentCapabilities_ReportsAvailableComponents
CONFIG = opamp.AgentRemoteConfig(config_hash=b"h").SerializeToString()


def polling(lab: Lab) -> tuple[Poll, Session]:
    """Make a polling agent that can do everything."""
    poll = Poll(lab.gateway)
    session = poll.session = Session(lab.gateway.rules, "default", UID, HTTP)
    words = message(capabilities=ABLE)
    words.custom_capabilities.capabilities.append("com.example.echo")
    session.receive(words, 0.0, 1)
    return poll, session


def custom(number: int) -> Offering:
    """Make a custom message."""
    content = opamp.CustomMessage(capability="com.example.echo", type="t", data=bytes([number])).SerializeToString()
    return Offering(CUSTOM_MESSAGE, b"", content, "o", capability="com.example.echo")


async def test_command_waits_for_an_answer_of_its_own() -> None:
    """Not beside flags, not beside an error, not beside an offer."""
    poll, _ = polling(Lab())
    poll.deliver(Offering(COMMAND, b"", b"", "c"))
    poll.deliver(Offering(REMOTE_CONFIG, b"h", CONFIG, "o"))

    flagged = answer(poll.answer(Step(UID, flags=1), b""))
    alone = poll.answer(Step(UID), b"")

    assert (flagged.flags, flagged.HasField("remote_config"), flagged.HasField("command")) == (1, True, False)
    assert alone == answers.acknowledge(UID) + b"\x4a\x00"
    assert poll.mailbox is None


async def test_error_answer_takes_nothing_along() -> None:
    """What waits is still there for the next."""
    poll, _ = polling(Lab())
    poll.deliver(Offering(REMOTE_CONFIG, b"h", CONFIG, "o"))

    told = answer(poll.answer(Step(UID, error=answers.error(UID, answers.BAD_REQUEST, "no")), b""))

    assert told.HasField("error_response")
    assert not told.HasField("remote_config")
    assert answer(poll.answer(Step(UID), b"")).HasField("remote_config")


async def test_flags_are_combined() -> None:
    """Those of the message, of a wish for full state and of one for components."""
    poll, _ = polling(Lab())
    poll.deliver(Offering(REPORT_FULL_STATE, b"", b"", "o"))
    poll.deliver(Offering(REPORT_COMPONENTS, b"", b"", "o"))

    assert answer(poll.answer(Step(UID), b"")).flags == 3


async def test_custom_messages_go_one_by_one() -> None:
    """A ServerToAgent has room for one; no more than sixteen wait."""
    poll, _ = polling(Lab())
    taken = [poll.deliver(custom(number)) for number in range(18)]

    heard = [answer(poll.answer(Step(UID), b"")).custom_message.data for _ in range(17)]

    assert taken == [True] * 16 + [False] * 2
    assert heard == [*(bytes([number]) for number in range(16)), b""]


async def test_capability_that_was_withdrawn_is_respected() -> None:
    """What was offered before the agent took it back is not sent."""
    poll, session = polling(Lab())
    poll.deliver(Offering(REMOTE_CONFIG, b"h", CONFIG, "o"))
    session.receive(message(sequence_num=1, capabilities=1), 0.0, 1)

    assert not answer(poll.answer(Step(UID), b"")).HasField("remote_config")


async def test_offer_to_nobody_is_not_taken() -> None:
    """The session is over."""
    poll = Poll(Lab().gateway)

    assert not poll.deliver(custom(1))
    poll.end("again")
