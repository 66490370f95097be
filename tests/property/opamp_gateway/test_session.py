"""The session machine under anything at all: it answers, it never raises, its fence only grows."""

from __future__ import annotations

from gatewaylab.fakes import RULES, Lab
from gatewaylab.speech import UID, answer, masked
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway.errors import BadMessage
from opamp_gateway.heartbeat import is_beat
from opamp_gateway.messages import parse
from opamp_gateway.session import WEBSOCKET, Memory, Session


@st.composite
def messages(draw: st.DrawFn) -> opamp.AgentToServer:
    """Draw a message of the session's agent, with any parts."""
    said = opamp.AgentToServer(
        instance_uid=UID,
        sequence_num=draw(st.integers(0, 6) | st.integers(0, 2**64 - 1)),
        capabilities=draw(st.integers(0, 0xFFFF) | st.integers(0, 2**64 - 1)),
        flags=draw(st.integers(0, 7)),
    )
    text = st.text(max_size=5)
    if draw(st.booleans()):
        item = said.agent_description.identifying_attributes.add(key=draw(text))
        item.value.string_value = draw(text)
    if draw(st.booleans()):
        said.health.healthy = draw(st.booleans())
    if draw(st.booleans()):
        said.effective_config.config_map.config_map[draw(text)].body = draw(st.binary(max_size=20))
    if draw(st.booleans()):
        said.remote_config_status.last_remote_config_hash = draw(st.binary(max_size=33))
        said.remote_config_status.status = draw(st.integers(0, 5))  # type: ignore[assignment]
    if draw(st.booleans()):
        said.available_components.hash = draw(st.binary(max_size=2))
        if draw(st.booleans()):
            said.available_components.components[draw(text)].SetInParent()
    for name in ("package_statuses", "custom_capabilities", "custom_message", "connection_settings_request"):
        if draw(st.integers(0, 4)) == 0:
            getattr(said, name).SetInParent()
    return said


@given(st.lists(messages(), max_size=12))
@settings(max_examples=200, deadline=None)
def test_any_order_of_messages_is_answered_and_fenced(said: list[opamp.AgentToServer]) -> None:
    """One answer each for the agent itself, facts that read back, sequence numbers that only grow."""
    session = Session(RULES, "default", UID, WEBSOCKET)
    session.remember(Memory())
    session.epoch = 3
    fence = 0
    for number, message in enumerate(said):
        step = session.receive(message, float(number), number)
        told = answer(step.reply)
        assert told.instance_uid == UID
        assert bool(told.capabilities) == (number == 0)
        for fact in step.facts:
            read = facts_pb2.Fact.FromString(fact.to_bytes())
            assert read.sequence > fence
            assert read.WhichOneof("kind") is not None
            fence = read.sequence


@given(st.lists(messages(), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_repetition_publishes_no_status_twice(said: list[opamp.AgentToServer]) -> None:
    """The same message again makes at most the facts that are never compared."""
    session = Session(RULES, "default", UID, WEBSOCKET)
    session.remember(Memory())
    for message in said:
        session.receive(message, 1.0, 1)
        again = session.receive(message, 1.0, 1)
        assert {fact.kind for fact in again.facts} <= {24, 26}


@given(st.lists(messages(), max_size=10), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_full_state_is_not_asked_for_ever(said: list[opamp.AgentToServer], start: int) -> None:
    """Whatever an agent does, questions in a row that bring nothing are few."""
    session = Session(RULES, "default", UID, WEBSOCKET)
    session.remember(Memory(sequence_num=start))
    asked = 0
    for message in said * 3:
        message.ClearField("agent_description")
        before = session.sequence_num
        flag = answer(session.receive(message, 1.0, 1).reply).flags & 1
        lost = message.sequence_num != before + 1 and not message.sequence_num == before == 0
        asked = asked + flag if lost else flag
        assert asked <= 6


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_a_message_or_a_bad_one(data: bytes) -> None:
    """Nothing else is ever raised."""
    try:
        message = parse(data)
    except BadMessage:
        return
    assert len(message.instance_uid) == 16


@given(st.binary(max_size=60), st.integers(0, 2**64 - 2))
@settings(max_examples=300, deadline=None)
def test_fast_path_agrees_with_the_ordinary_road(tail: bytes, last: int) -> None:
    """What it takes would have been answered with a bare acknowledgement and no fact."""
    session = Session(RULES, "default", UID, WEBSOCKET)
    session.receive(opamp.AgentToServer(instance_uid=UID, sequence_num=last, capabilities=7), 1.0, 1)
    session.receive(_described(last), 1.0, 1)
    before = session.sequence_num
    payload = session.prefix + tail
    if is_beat(session, payload):
        session.sequence_num = before
        step = session.receive(parse(payload[1:]), 1.0, 1)
        assert (step.reply, step.facts) == (b"\x0a\x10" + UID, [])


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2, 2, 2, 8, 9, 10]), st.binary(max_size=60), st.booleans()), max_size=8)
)
@settings(max_examples=150, deadline=None)
async def test_socket_survives_anything(said: list[tuple[int, bytes, bool]]) -> None:
    """Any frames with any payload: no exception leaves the socket, and closed means closed."""
    lab = Lab()
    socket, transport = lab.open()
    for opcode, payload, final in said:
        if transport.closed:
            break
        socket.data_received(masked(opcode, payload, final=final))
    socket.connection_lost(None)

    assert lab.gateway.sockets == set()
    assert len(lab.gateway.connections) == 0


def _described(last: int) -> opamp.AgentToServer:
    said = opamp.AgentToServer(instance_uid=UID, sequence_num=last, capabilities=7)
    said.agent_description.SetInParent()
    return said
