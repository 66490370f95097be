"""One simulated agent as a playbook: what it hears, what it says next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opamp_double import SERVER_CAPABILITIES, remote_config

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate.agent import (
    CAPABILITIES,
    CONFIG_STATUS,
    FAILURE,
    REJECTION,
    Reaction,
    SimulatedAgent,
)
from opampctl.simulate.options import FleetOptions
from opampctl.simulate.statistics import Statistics

if TYPE_CHECKING:
    from pathlib import Path

APPLYING, APPLIED, FAILED = (
    opamp.RemoteConfigStatuses_APPLYING,
    opamp.RemoteConfigStatuses_APPLIED,
    opamp.RemoteConfigStatuses_FAILED,
)


def make_agent(**changes: object) -> SimulatedAgent:
    """Make an agent that has just connected."""
    agent = SimulatedAgent(
        FleetOptions(**changes),  # type: ignore[arg-type]  # the tests choose well
        0,
        statistics=Statistics(),
        shared_configs={},
        started_unix_nano=1,
    )
    agent.established(monotonic=0.0)
    agent.begin()
    return agent


def said(agent: SimulatedAgent) -> opamp.AgentToServer:
    """Return the agent's next message."""
    return opamp.AgentToServer.FromString(agent.next_message(now_unix_nano=2))


def hear(agent: SimulatedAgent, message: opamp.ServerToAgent) -> Reaction | None:
    """Let the agent hear a message addressed to it."""
    message.instance_uid = agent.uid
    return agent.receive(message.SerializeToString(), at=1.0, monotonic=2.0)


def test_heartbeat_says_who_and_that_only() -> None:
    """A heartbeat is instance_uid, sequence_num and capabilities, written without protobuf and read with it."""
    agent = make_agent()
    for number in range(300):
        message = opamp.AgentToServer.FromString(agent.heartbeat())
        expected = opamp.AgentToServer(instance_uid=agent.uid, sequence_num=number, capabilities=CAPABILITIES)
        assert message == expected


def test_first_message_is_complete_and_the_next_is_a_heartbeat() -> None:
    """Everything is said once; then there is no news."""
    agent = make_agent()
    first, second = said(agent), said(agent)
    for part in ("agent_description", "health", "effective_config", "remote_config_status"):
        assert first.HasField(part)
        assert not second.HasField(part)
    assert not agent.has_news


def test_only_known_capabilities_are_stated() -> None:
    """ReportsStatus is set, and no bit beyond the sixteen."""
    assert CAPABILITIES & opamp.AgentCapabilities_ReportsStatus
    assert CAPABILITIES & ~0xFFFF == 0


def test_acknowledgements_make_no_news() -> None:
    """Any number of plain answers in, no message out (C-052)."""
    agent = make_agent()
    said(agent)
    for message in (opamp.ServerToAgent(), opamp.ServerToAgent(capabilities=SERVER_CAPABILITIES)):
        assert hear(agent, message) is None
        assert not agent.has_news


def test_configuration_is_applying_then_applied_with_its_effect() -> None:
    """An offer is reported APPLYING, later APPLIED together with the configuration now in effect."""
    agent = make_agent()
    said(agent)
    offer = remote_config("a: 1")

    assert hear(agent, opamp.ServerToAgent(remote_config=offer)) == Reaction(apply=True)
    applying = said(agent)
    agent.finish_apply(fails=False)
    applied = said(agent)

    assert applying.remote_config_status.status == APPLYING
    assert not applying.HasField("effective_config")
    assert applied.remote_config_status.status == APPLIED
    assert applied.remote_config_status.last_remote_config_hash == offer.config_hash
    assert applied.effective_config.config_map == offer.config
    assert agent.effective_config.config_map == offer.config
    assert agent.applied_hash == offer.config_hash
    assert agent.received[0][:4] == (offer.config_hash, 1.0, 2.0, False)


@pytest.mark.parametrize(("rejects", "error"), [(True, REJECTION), (False, FAILURE)])
def test_failure_keeps_what_was_in_effect(rejects: bool, error: str) -> None:
    """A configuration that failed is reported with an error; the one before stays in effect."""
    agent = make_agent()
    first, second = remote_config("a: 1"), remote_config("a: 2")
    hear(agent, opamp.ServerToAgent(remote_config=first))
    agent.finish_apply(fails=False)
    agent.rejects = rejects
    hear(agent, opamp.ServerToAgent(remote_config=second))
    agent.finish_apply(fails=not rejects)

    message = said(agent)

    assert message.remote_config_status.status == FAILED
    assert message.remote_config_status.error_message == error
    assert message.remote_config_status.last_remote_config_hash == second.config_hash
    assert agent.applied_hash == first.config_hash
    assert agent.effective_config.config_map == first.config


@pytest.mark.parametrize("answers", [False, True])
def test_repeated_offer_is_remembered_but_not_applied_again(answers: bool) -> None:
    """The same configuration twice is one application; whether it is reported again is a choice."""
    agent = make_agent(answer_repeated_offers=answers)
    offer = opamp.ServerToAgent(remote_config=remote_config("a: 1"))
    hear(agent, offer)
    agent.finish_apply(fails=False)
    said(agent)

    assert hear(agent, offer) is None

    assert agent.has_news is answers
    assert [received.repeated for received in agent.received] == [False, True]
    assert agent.receipts_of(offer.remote_config.config_hash) == 2


def test_failed_configuration_offered_again_is_tried_again() -> None:
    """After a failure the same content is no repetition: somebody wants another attempt."""
    agent = make_agent()
    offer = opamp.ServerToAgent(remote_config=remote_config("a: 1"))
    hear(agent, offer)
    agent.finish_apply(fails=True)

    assert hear(agent, offer) == Reaction(apply=True)


def test_newer_offer_takes_the_place_of_one_being_applied() -> None:
    """Only the newest configuration gets an outcome."""
    agent = make_agent()
    newest = remote_config("a: 2")
    hear(agent, opamp.ServerToAgent(remote_config=remote_config("a: 1")))
    hear(agent, opamp.ServerToAgent(remote_config=newest))
    agent.finish_apply(fails=False)
    agent.finish_apply(fails=True)  # a late timer finds nothing to finish

    assert agent.applied_hash == newest.config_hash
    assert agent.config_status == APPLIED


def test_full_state_is_news_when_asked_for() -> None:
    """ReportFullState makes everything news."""
    agent = make_agent()
    said(agent)
    hear(agent, opamp.ServerToAgent(flags=3 | 1 << 40))
    assert said(agent).HasField("agent_description")


def test_new_identity_is_used_from_then_on() -> None:
    """A new instance_uid replaces the old one; one of another length is refused and counted."""
    agent = make_agent()
    change = opamp.ServerToAgent()
    change.agent_identification.new_instance_uid = b"short"
    hear(agent, change)
    assert agent.uid == agent.original_uid
    change.agent_identification.new_instance_uid = bytes(16)
    hear(agent, change)
    assert said(agent).instance_uid == bytes(16)
    assert agent.uid_text == "00000000-0000-0000-0000-000000000000"


def test_error_of_an_unknown_type_is_endured() -> None:
    """A newer server may have types nobody knows yet (C-285)."""
    agent = make_agent()
    said(agent)
    error = opamp.ServerToAgent()
    error.error_response.type = 77  # type: ignore[assignment]  # open enum

    assert hear(agent, error) is None
    assert not agent.has_news


def test_overload_is_waited_out_and_said_again() -> None:
    """Unavailable asks for a pause as long as the server says; what was lost is news again."""
    agent = make_agent()
    said(agent)
    error = opamp.ServerToAgent()
    error.error_response.type = opamp.ServerErrorResponseType_Unavailable
    assert hear(agent, error) == Reaction(pause_seconds=5.0)
    error.error_response.retry_info.retry_after_nanoseconds = 1_500_000_000
    assert hear(agent, error) == Reaction(pause_seconds=1.5)
    assert said(agent).HasField("agent_description")


def test_bad_request_is_counted_only() -> None:
    """A message the server could not read is not sent again."""
    agent = make_agent()
    said(agent)
    error = opamp.ServerToAgent()
    error.error_response.type = opamp.ServerErrorResponseType_BadRequest
    assert hear(agent, error) is None
    assert not agent.has_news
    assert agent._statistics.errors == {"server_badrequest": 1}


def test_effective_config_is_kept_from_a_server_that_does_not_take_it() -> None:
    """Once the server's capabilities are known, nothing is sent it cannot use (C-083)."""
    agent = make_agent()
    hear(agent, opamp.ServerToAgent(capabilities=opamp.ServerCapabilities_AcceptsStatus))
    assert not said(agent).HasField("effective_config")
    hear(agent, opamp.ServerToAgent(flags=1))  # 0 means: as before (C-084)
    assert not said(agent).HasField("effective_config")


def test_message_for_another_agent_is_refused() -> None:
    """An answer with a foreign instance_uid is counted and not acted upon."""
    agent = make_agent()
    foreign = opamp.ServerToAgent(instance_uid=bytes(16), remote_config=remote_config("a: 1"))
    assert agent.receive(foreign.SerializeToString(), at=0, monotonic=0) is None
    assert agent.received == []
    assert agent._statistics.errors == {"wrong_instance_uid": 1}


def test_restart_command_is_left_to_the_conversation() -> None:
    """The command asks for a restart; the state after it is complete and younger."""
    agent = make_agent()
    said(agent)
    command = opamp.ServerToAgent()
    command.command.SetInParent()
    assert hear(agent, command) == Reaction(restart=True)
    agent.restart(now_unix_nano=99)
    assert said(agent).health.start_time_unix_nano == 99


def test_reconnect_repeats_the_state_or_not() -> None:
    """A second connection begins with the full state, unless the agent is to behave as opamp-go."""
    for chatty in (True, False):
        agent = make_agent(first_message_on_reconnect=chatty)
        said(agent)
        agent.begin()
        assert agent.has_news is chatty


def test_health_change_is_news() -> None:
    """A change of health is said with the next message."""
    agent = make_agent()
    said(agent)
    agent.set_health(healthy=False, error="disk full")
    message = said(agent)
    assert message.health.last_error == "disk full"
    assert not message.HasField("agent_description")


def test_part_of_the_state_may_be_reported() -> None:
    """`report` makes news of exactly what was named."""
    agent = make_agent()
    said(agent)
    agent.report(CONFIG_STATUS)
    message = said(agent)
    assert message.HasField("remote_config_status")
    assert not message.HasField("health")


def test_empty_configuration_is_counted_as_an_error() -> None:
    """An empty map would stop a real collector; a server must never send one."""
    agent = make_agent()
    hear(agent, opamp.ServerToAgent(remote_config=opamp.AgentRemoteConfig(config_hash=b"x")))
    assert agent._statistics.errors["empty_config"] == 1


@given(st.binary(max_size=200))
def test_nothing_a_server_sends_breaks_an_agent(body: bytes) -> None:
    """Any bytes are taken without an exception."""
    agent = make_agent()
    agent.receive(body, at=0, monotonic=0)
    agent.receive(b"\x0a\x10" + agent.uid + body, at=0, monotonic=0)
    said(agent)


def test_outcome_is_kept_over_a_restart_of_the_process(tmp_path: Path) -> None:
    """The next process of the agent reports the status and the configuration the last one ended with."""
    options = {"state_folder": str(tmp_path), "uid_seed": "kept"}
    agent = make_agent(**options)
    good, bad = remote_config("a: 1"), remote_config("a: 2")
    hear(agent, opamp.ServerToAgent(remote_config=good))
    agent.finish_apply(fails=False)
    hear(agent, opamp.ServerToAgent(remote_config=bad))
    agent.finish_apply(fails=True)

    reborn = make_agent(**options)
    report = said(reborn)
    status = report.remote_config_status
    assert (status.status, status.last_remote_config_hash) == (FAILED, bad.config_hash)
    assert status.error_message == FAILURE
    assert report.effective_config == agent.effective_config
