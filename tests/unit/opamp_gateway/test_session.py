"""The protocol as a playbook: a message in, the answer and the facts out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from gatewaylab.fakes import RULES
from gatewaylab.speech import CAPABILITIES, UID, answer, full, message

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import facts
from opamp_gateway.errors import BadMessage
from opamp_gateway.messages import NOTHING, SLOTS, digest_of, parse, wants_uid
from opamp_gateway.session import HTTP, WEBSOCKET, Memory, Rules, Session, Step

NOW = 1000.0
REMOTE_CONFIG = int(facts_pb2.OFFER_KIND_REMOTE_CONFIG)
FULL_STATE = opamp.ServerToAgentFlags_ReportFullState


def start(memory: Memory | None = None, *, rules: Rules = RULES, adopt: bool = False) -> Session:
    """Begin a session that knows *memory*."""
    session = Session(rules, "default", UID, HTTP if adopt else WEBSOCKET, remote_address="a:1", credential_id="c")
    session.remember(memory or Memory(), adopt=adopt)
    return session


def hear(session: Session, said: opamp.AgentToServer, now: float = NOW) -> Step:
    """Let the session hear a message."""
    return session.receive(said, now, 1)


def kinds(step: Step) -> list[int]:
    """List the kinds of a step's facts."""
    return [fact.kind for fact in step.facts]


def flags(step: Step) -> int:
    """Read the flags of a step's answer."""
    return answer(step.reply).flags


def greeted() -> Session:
    """Begin a session that heard a full status as message 0."""
    session = start()
    hear(session, full())
    return session


def test_first_answer_states_capabilities_later_ones_do_not() -> None:
    """Server capabilities are in the first answer of a connection."""
    session = start()

    first, second = hear(session, full()), hear(session, message(sequence_num=1))

    assert answer(first.reply).capabilities
    assert second.reply == b"\x0a\x10" + UID


def test_first_full_status_becomes_facts_in_order() -> None:
    """Connected is number 1, then one fact for each part."""
    step = hear(start(), full())

    assert kinds(step) == [
        facts.CONNECTED,
        facts.DESCRIBED,
        facts.HEALTH_REPORTED,
        facts.EFFECTIVE_CONFIG_REPORTED,
        facts.REMOTE_CONFIG_STATUS_REPORTED,
    ]
    assert [fact.sequence for fact in step.facts] == [1, 2, 3, 4, 5]
    assert flags(step) == 0


def test_absent_parts_are_unchanged() -> None:
    """A message without statuses publishes nothing and asks for nothing."""
    step = hear(greeted(), message(sequence_num=1))

    assert (step.facts, flags(step)) == ([], 0)


def test_equal_status_is_no_news() -> None:
    """A part equal to what was last published makes no fact; another one does."""
    session = greeted()
    again, changed = full(sequence_num=1), full(sequence_num=2)
    changed.health.healthy = False

    assert hear(session, again).facts == []
    assert kinds(hear(session, changed)) == [facts.HEALTH_REPORTED]


def test_map_order_is_no_news() -> None:
    """Go writes maps in random order: the digest must not see it."""
    one, two = opamp.AgentToServer(), opamp.AgentToServer()
    for said, names in ((one, "abcdef"), (two, "fedcba")):
        for name in names:
            said.effective_config.config_map.config_map[name].body = name.encode()
    session = greeted()
    one.instance_uid = two.instance_uid = UID
    one.sequence_num, two.sequence_num = 1, 2

    assert kinds(hear(session, one)) == [facts.EFFECTIVE_CONFIG_REPORTED]
    assert hear(session, two).facts == []


def test_present_but_empty_part_is_news() -> None:
    """An empty sub-message clears the value: presence counts, not content."""
    said = message(sequence_num=1)
    said.health.SetInParent()

    assert kinds(hear(greeted(), said)) == [facts.HEALTH_REPORTED]


def test_every_part_reaches_the_bus() -> None:
    """Each optional part of a message has its fact."""
    said = message(sequence_num=1)
    said.package_statuses.server_provided_all_packages_hash = b"p"
    said.connection_settings_status.last_connection_settings_hash = b"s"
    said.connection_settings_request.opamp.certificate_request.csr = b"-----BEGIN"
    said.custom_message.capability = "c"
    said.available_components.components["receiver"].SetInParent()

    assert kinds(hear(greeted(), said)) == [
        facts.PACKAGE_STATUSES_REPORTED,
        facts.CONNECTION_SETTINGS_STATUS_REPORTED,
        facts.COMPONENTS_REPORTED,
        facts.CONNECTION_SETTINGS_REQUESTED,
        facts.CUSTOM_MESSAGE_RECEIVED,
    ]


def test_custom_messages_are_never_compared() -> None:
    """The same custom message twice is two messages."""
    session = greeted()
    for number in (1, 2):
        said = message(sequence_num=number)
        said.custom_message.capability = "c"
        assert kinds(hear(session, said)) == [facts.CUSTOM_MESSAGE_RECEIVED]


def test_config_status_is_news_whenever_it_differs() -> None:
    """APPLYING, APPLIED and back again are three facts."""
    applied, applying = opamp.RemoteConfigStatuses_APPLIED, opamp.RemoteConfigStatuses_APPLYING
    session = greeted()
    found = []
    for number, status in enumerate((applying, applied, applying, applying), 1):
        said = message(sequence_num=number)
        said.remote_config_status.status = status
        said.remote_config_status.last_remote_config_hash = b"h"
        found.append(len(hear(session, said).facts))

    assert found == [1, 1, 1, 0]
    assert session.reported_hash == b"h"


def test_unknown_agent_without_description_is_asked_once() -> None:
    """ReportFullState is set for the first contact with a compressed report, not again right after."""
    session = start()

    assert flags(hear(session, message(sequence_num=5))) == FULL_STATE
    assert flags(hear(session, message(sequence_num=6))) == 0
    assert flags(hear(session, full(sequence_num=7))) == 0


def test_agent_that_ignores_the_flag_is_asked_again_later() -> None:
    """The question is repeated, but only after a while."""
    session = start()
    hear(session, message(sequence_num=5))

    assert flags(hear(session, message(sequence_num=6), NOW + 29)) == 0
    assert flags(hear(session, message(sequence_num=7), NOW + 31)) == FULL_STATE


@pytest.mark.parametrize("got", [0, 1, 3, 700])
def test_gap_repeat_and_reset_ask_for_full_state(got: int) -> None:
    """Whatever is not the previous number plus one means something may be missing."""
    session = greeted()
    hear(session, message(sequence_num=1))

    assert flags(hear(session, message(sequence_num=got))) == FULL_STATE


def test_each_gap_is_asked_about_once() -> None:
    """A second gap after an answered question is asked about again."""
    session = greeted()

    assert flags(hear(session, message(sequence_num=5))) == FULL_STATE
    assert flags(hear(session, full(sequence_num=6))) == 0
    assert flags(hear(session, message(sequence_num=9))) == FULL_STATE


def test_every_gap_is_asked_about() -> None:
    """Gaps, repeats and steps back: one question each, whatever came a moment before."""
    session = greeted()

    assert [flags(hear(session, message(sequence_num=number))) for number in (5, 5, 3)] == [FULL_STATE] * 3


def test_stuck_counter_is_no_loop() -> None:
    """An agent whose number never moves and that answers at once is asked a few times, then now and then."""
    session = greeted()
    asked = [flags(hear(session, full(sequence_num=7))) for _ in range(20)]

    assert sum(asked) == 5 * FULL_STATE
    assert flags(hear(session, full(sequence_num=7), NOW + 31)) == FULL_STATE


def test_agent_that_does_not_count_is_left_alone() -> None:
    """A client that never sets sequence_num reads as 0 each time and loses nothing."""
    session = greeted()

    assert [flags(hear(session, full(sequence_num=0))) for _ in range(10)] == [0] * 10


def test_agent_that_begins_anew_and_tells_everything_is_not_asked() -> None:
    """A restarted process counts from 0 or 1; from anywhere else something may be missing."""
    known = Memory(sequence_num=40)

    assert [flags(hear(start(known), full(sequence_num=number))) for number in (0, 1, 41)] == [0, 0, 0]
    assert flags(hear(start(known), full(sequence_num=7))) == FULL_STATE
    assert flags(hear(start(known), message(sequence_num=0))) == FULL_STATE


def test_duplicate_changes_nothing() -> None:
    """The same bytes twice are answered twice and make facts once."""
    session = greeted()
    said = message(sequence_num=1)
    said.health.healthy = False

    assert len(hear(session, said).facts) == 1
    repeated = hear(session, said)
    assert repeated.facts == []
    assert answer(repeated.reply).instance_uid == UID


def test_reconnect_that_goes_on_counting_is_not_asked() -> None:
    """sequence_num belongs to the agent, not to the connection."""
    known = Memory(sequence_num=41, digests=digest_of(b"x") + NOTHING[8:], capabilities=CAPABILITIES)

    step = hear(start(known), message(sequence_num=42))

    assert flags(step) == 0
    assert kinds(step) == [facts.CONNECTED]


def test_reconnect_with_a_gap_is_asked() -> None:
    """Somebody else heard messages we do not know of, or they were lost."""
    known = Memory(sequence_num=41, digests=digest_of(b"x") + NOTHING[8:])

    assert flags(hear(start(known), message(sequence_num=50))) == FULL_STATE


def test_restarted_agent_with_a_full_status_is_not_asked() -> None:
    """A first message that describes its agent is complete, wherever it counts from."""
    known = Memory(sequence_num=41, digests=digest_of(b"x") + NOTHING[8:])

    assert flags(hear(start(known), full(sequence_num=0))) == 0


def test_storm_of_unchanged_agents_publishes_only_connections() -> None:
    """Digests from the registry make a reconnect with an unchanged full status one fact."""
    digests = greeted().digests

    assert kinds(hear(start(Memory(sequence_num=0, digests=digests)), full())) == [facts.CONNECTED]


def test_forgotten_digests_publish_everything_again() -> None:
    """When a service asks for the full state, whatever comes next is published."""
    session = greeted()
    session.forget()

    assert len(hear(session, full(sequence_num=1)).facts) == 4


def test_unstated_capabilities_are_unchanged() -> None:
    """Zero means not stated; a change is published at once."""
    session = greeted()

    assert hear(session, message(sequence_num=1, capabilities=0)).facts == []
    assert session.capabilities == CAPABILITIES
    changed = hear(session, message(sequence_num=2, capabilities=1))
    described = facts_pb2.Described.FromString(changed.facts[0].body)
    assert (described.capabilities, described.HasField("description")) == (1, False)


def test_goodbye_ends_the_session_and_is_answered() -> None:
    """agent_disconnect makes the last fact of the epoch."""
    session = greeted()
    said = message(sequence_num=1)
    said.agent_disconnect.SetInParent()

    step = hear(session, said)

    assert step.goodbye
    assert session.closed
    assert facts_pb2.Disconnected.FromString(step.facts[-1].body).reason == "agent disconnect"
    assert answer(step.reply).instance_uid == UID


def test_component_hash_alone_is_published_once() -> None:
    """Whether somebody knows the list is for agent-state to say; the list is news, its hash then is none."""
    session = greeted()
    short, again, whole, known = (message(sequence_num=number) for number in (1, 2, 3, 4))
    for said in (short, again, whole, known):
        said.available_components.hash = b"h1"
    whole.available_components.components["receiver"].SetInParent()

    steps = [hear(session, said) for said in (short, again, whole, known)]

    assert [kinds(step) for step in steps] == [[facts.COMPONENTS_REPORTED], [], [facts.COMPONENTS_REPORTED], []]
    assert {flags(step) for step in steps} == {0}


def test_components_that_are_asked_for_are_published_again() -> None:
    """The question makes the same list news."""
    session = greeted()
    said = message(sequence_num=1)
    said.available_components.hash = b"h1"
    said.available_components.components["receiver"].SetInParent()
    hear(session, said)
    session.forget_components()
    said.sequence_num = 2

    assert kinds(hear(session, said)) == [facts.COMPONENTS_REPORTED]


def test_too_large_a_part_is_an_error_and_the_rest_still_counts() -> None:
    """What does not fit on the bus is refused by name; other parts of the message are processed."""
    session = start(rules=replace(RULES, max_fact_bytes=100))
    said = full()
    said.effective_config.config_map.config_map[""].body = b"x" * 200

    step = hear(session, said)

    assert "effective_config" in answer(step.reply).error_response.error_message
    assert answer(step.reply).capabilities == 0
    assert facts.HEALTH_REPORTED in kinds(step)


def test_description_and_custom_capabilities_too_large_together_are_two_facts() -> None:
    """Each fits on the bus by itself."""
    session = start(rules=replace(RULES, max_fact_bytes=100))
    said = message()
    said.agent_description.identifying_attributes.add(key="k").value.string_value = "x" * 60
    said.custom_capabilities.capabilities.append("y" * 60)

    step = hear(session, said)

    described = [fact for fact in step.facts if fact.kind == facts.DESCRIBED]
    assert [(fact.variant, len(fact.slots)) for fact in described] == [(1, 1), (2, 1)]
    assert all(len(fact.body) <= 110 for fact in described)


def test_too_large_a_custom_message_is_an_error() -> None:
    """Parts that are said once have the same bound."""
    session = start(rules=replace(RULES, max_fact_bytes=100))
    said = full()
    said.custom_message.data = b"x" * 200
    components = full(sequence_num=1)
    components.available_components.hash = b"x" * 200

    assert "custom_message" in answer(hear(session, said).reply).error_response.error_message
    assert "available_components" in answer(hear(session, components).reply).error_response.error_message


def test_error_answer_holds_nothing_but_the_error() -> None:
    """error_response excludes every other part."""
    session = start(rules=replace(RULES, max_attributes=0))

    told = answer(hear(session, full()).reply)

    assert told.error_response.type == opamp.ServerErrorResponseType_BadRequest
    assert (told.flags, told.capabilities) == (0, 0)


@pytest.mark.parametrize(
    ("limit", "what"),
    [
        ("max_attributes", "attributes"),
        ("max_config_files", "config files"),
        ("max_entries", "health components"),
        ("max_entries", "package statuses"),
        ("max_entries", "components"),
    ],
)
def test_countless_parts_are_refused_and_named(limit: str, what: str) -> None:
    """Each count has a limit; the rest of the message is taken."""
    changes: dict[str, Any] = {limit: 0}
    said = full()
    said.health.component_health_map["h"].healthy = True
    said.package_statuses.packages["p"].name = "p"
    said.available_components.components["c"].SetInParent()

    step = hear(start(rules=replace(RULES, **changes)), said)

    assert f"too many {what}: " in answer(step.reply).error_response.error_message
    assert facts.REMOTE_CONFIG_STATUS_REPORTED in kinds(step)


def test_desired_config_is_wanted_when_it_differs() -> None:
    """Only for an agent that accepts it and did not report that very hash."""
    known = Memory(desired=b"d" * 32, sequence_num=0)
    session, unable, running = start(known), start(known), start(known)
    hear(session, full())
    hear(unable, message(capabilities=1))
    said = full()
    said.remote_config_status.last_remote_config_hash = b"d" * 32
    hear(running, said)

    assert session.wanted() == b"d" * 32
    assert unable.wanted() == b""
    assert running.wanted() == b""
    assert greeted().wanted() == b""


def test_same_config_does_not_leave_twice_in_a_moment() -> None:
    """Unless the agent said it failed: then somebody may try again at once."""
    session = greeted()
    session.delivered(facts_pb2.OFFER_KIND_REMOTE_CONFIG, b"h", "o", NOW, 1)

    assert session.just_offered(REMOTE_CONFIG, b"h", NOW + 1)
    assert not session.just_offered(REMOTE_CONFIG, b"other", NOW + 1)
    assert not session.just_offered(REMOTE_CONFIG, b"h", NOW + 60)
    said = message(sequence_num=1)
    said.remote_config_status.status = opamp.RemoteConfigStatuses_FAILED
    hear(session, said)
    assert not session.just_offered(REMOTE_CONFIG, b"h", NOW + 1)


def test_config_may_leave_again_once_another_was_reported() -> None:
    """An agent that went back to something else is not made to wait; its own echo changes nothing."""
    session = greeted()
    session.delivered(facts_pb2.OFFER_KIND_REMOTE_CONFIG, b"h" * 32, "o1", NOW, 1)
    said = message(sequence_num=1)
    said.remote_config_status.last_remote_config_hash = b"h" * 32
    hear(session, said)
    assert session.just_offered(REMOTE_CONFIG, b"h" * 32, NOW + 1)

    said = message(sequence_num=2)
    said.remote_config_status.last_remote_config_hash = b"g" * 32
    hear(session, said)

    assert not session.just_offered(REMOTE_CONFIG, b"h" * 32, NOW + 1)


def test_status_repeated_after_an_offer_is_news() -> None:
    """An agent that is offered what it already runs reports the same words again, and they are told."""
    session = greeted()
    said = message(sequence_num=1)
    said.remote_config_status.last_remote_config_hash = b"h"
    said.remote_config_status.status = opamp.RemoteConfigStatuses_APPLIED
    assert kinds(hear(session, said)) == [facts.REMOTE_CONFIG_STATUS_REPORTED]
    said.sequence_num = 2
    assert kinds(hear(session, said)) == []

    session.delivered(facts_pb2.OFFER_KIND_REMOTE_CONFIG, b"h", "o", NOW, 1)
    said.sequence_num = 3

    assert kinds(hear(session, said)) == [facts.REMOTE_CONFIG_STATUS_REPORTED]


def test_adopted_polling_session_goes_on() -> None:
    """Same epoch, one turn further, no second Connected, and a fence above all the other gateway said."""
    digests = greeted().digests
    known = Memory("gw-other", 9, HTTP, 2, 41, CAPABILITIES, digests)
    session = start(known, adopt=True)
    said = message(sequence_num=42)
    said.health.healthy = False

    step = hear(session, said)

    assert kinds(step) == [facts.HEALTH_REPORTED]
    assert (session.epoch, step.facts[0].sequence) == (9, (3 << 32) + 1)
    assert flags(step) == 0


def test_slots_are_fields_of_the_message() -> None:
    """A slot that is no field would never be filled."""
    assert set(SLOTS) <= set(opamp.AgentToServer.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("uid", [b"", b"x" * 15, b"x" * 17, b"x" * 26])
def test_uid_of_another_length_is_refused_and_echoed(uid: bytes) -> None:
    """Exactly 16 bytes of any value."""
    with pytest.raises(BadMessage, match="16 bytes") as caught:
        parse(opamp.AgentToServer(instance_uid=uid).SerializeToString())

    assert caught.value.uid == uid


def test_unreadable_bytes_are_refused() -> None:
    """What is no protobuf is a bad message."""
    with pytest.raises(BadMessage, match="readable"):
        parse(b"\xff\xff\xff")


def test_request_for_a_uid_is_recognised() -> None:
    """The flag is a bit among others."""
    assert wants_uid(opamp.AgentToServer(flags=5))
    assert not wants_uid(opamp.AgentToServer(flags=4))
