"""What an agent can do beyond the plain one: what it hears, what it says next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import extras as module
from opampctl.simulate.agent import CAPABILITIES, Reaction, SimulatedAgent
from opampctl.simulate.extras import COMPONENTS, MAX_ECHOES
from opampctl.simulate.options import FleetOptions
from opampctl.simulate.statistics import Statistics
from opampctl.simulate.terms import Terms

if TYPE_CHECKING:
    from pathlib import Path

ECHO = "com.example.echo"
CSR_SERVER = opamp.ServerCapabilities_AcceptsConnectionSettingsRequest
BEARER = opamp.Headers(headers=[opamp.Header(key="Authorization", value="Bearer new")])
OFFER = opamp.ConnectionSettingsOffers(
    hash=b"h", opamp=opamp.OpAMPConnectionSettings(headers=BEARER, heartbeat_interval_seconds=30)
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


def announcement(*names: str) -> opamp.ServerToAgent:
    """Announce custom capabilities of the server."""
    return opamp.ServerToAgent(custom_capabilities=opamp.CustomCapabilities(capabilities=names))


def test_a_plain_agent_has_none_of_it() -> None:
    """No object, no bit, and offers are passed over."""
    agent = make_agent()
    said(agent)

    assert agent.extras is None
    assert hear(agent, opamp.ServerToAgent(connection_settings=OFFER)) is None
    assert said(agent).capabilities == CAPABILITIES


def test_each_ability_states_its_bits() -> None:
    """And no other."""
    settings = make_agent(accept_settings=True)
    components = make_agent(components=True)

    assert said(settings).capabilities & opamp.AgentCapabilities_ReportsConnectionSettingsStatus
    assert said(components).capabilities == CAPABILITIES | opamp.AgentCapabilities_ReportsAvailableComponents


def test_settings_are_tried_reported_and_kept(tmp_path: Path) -> None:
    """APPLYING on the old connection, APPLIED on the new one; the next process begins with them."""
    options = {"accept_settings": True, "uid_seed": "x", "state_folder": str(tmp_path / "agents"), "token": "oet"}
    agent = make_agent(**options)
    said(agent)

    assert hear(agent, opamp.ServerToAgent(connection_settings=OFFER)) == Reaction(reconnect=True)
    applying = said(agent).connection_settings_status
    agent.begin()
    again = said(agent).connection_settings_status
    assert hear(agent, opamp.ServerToAgent()) is None
    applied = said(agent).connection_settings_status

    statuses = [status.status for status in (applying, again, applied)]
    assert statuses == [
        opamp.ConnectionSettingsStatuses_APPLYING,
        opamp.ConnectionSettingsStatuses_APPLYING,
        opamp.ConnectionSettingsStatuses_APPLIED,
    ]
    assert applied.last_connection_settings_hash == b"h"
    assert not agent.has_news
    reborn = make_agent(**options)
    assert reborn.extras is not None
    assert reborn.extras.slots.terms == Terms(headers=(("Authorization", "Bearer new"),), heartbeat_seconds=30)
    (file,) = (tmp_path / "agents").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_error_is_no_answer() -> None:
    """Terms that get nothing but errors do not become the agent's own."""
    agent = make_agent(accept_settings=True)
    said(agent)
    hear(agent, opamp.ServerToAgent(connection_settings=OFFER))

    hear(agent, opamp.ServerToAgent(error_response=opamp.ServerErrorResponse(error_message="no")))

    assert agent.extras is not None
    assert agent.extras.slots.trial is not None


def test_what_was_remembered_must_be_readable(tmp_path: Path) -> None:
    """Whoever spoilt the file is told which."""
    (tmp_path / "agent-0.json").write_text("{}")

    with pytest.raises(ValueError, match=r"agent-0\.json does not hold"):
        make_agent(accept_settings=True, uid_seed="x", state_folder=str(tmp_path))


def test_remembering_needs_ids_that_stay() -> None:
    """Settings of one agent are no other's."""
    with pytest.raises(ValueError, match="need a uid seed"):
        FleetOptions(accept_settings=True, state_folder="x")


def test_messages_of_its_capability_come_back_one_by_one() -> None:
    """OpAMP has room for one per message; those of other capabilities are ignored (C-124)."""
    agent = make_agent(custom_capabilities=(ECHO,))
    assert list(said(agent).custom_capabilities.capabilities) == [ECHO]
    hear(agent, announcement(ECHO))
    for data in (b"1", b"2"):
        hear(agent, opamp.ServerToAgent(custom_message=opamp.CustomMessage(capability=ECHO, type="t", data=data)))
    hear(agent, opamp.ServerToAgent(custom_message=opamp.CustomMessage(capability="other")))

    answers = [said(agent).custom_message for _ in range(2)]

    assert [(answer.capability, answer.type, answer.data) for answer in answers] == [
        (ECHO, "t", b"1"),
        (ECHO, "t", b"2"),
    ]
    assert not agent.has_news


def test_server_that_announces_nothing_is_sent_no_custom_message() -> None:
    """Neither before it announced the capability, nor after a newer list of its dropped it (C-232, C-231)."""
    agent = make_agent(custom_capabilities=(ECHO,))
    said(agent)
    question = opamp.ServerToAgent(custom_message=opamp.CustomMessage(capability=ECHO))
    hear(agent, question)
    assert not agent.has_news

    hear(agent, announcement(ECHO))
    hear(agent, announcement("other"))
    hear(agent, question)

    assert not agent.has_news
    assert agent.extras is not None
    assert agent.extras.heard == 2


def test_a_flood_is_answered_in_part() -> None:
    """An agent that cannot speak does not gather for ever."""
    agent = make_agent(custom_capabilities=(ECHO,))
    said(agent)
    hear(agent, announcement(ECHO))
    for _ in range(MAX_ECHOES + 10):
        hear(agent, opamp.ServerToAgent(custom_message=opamp.CustomMessage(capability=ECHO)))

    assert agent.extras is not None
    assert agent.extras.heard == MAX_ECHOES + 10
    for _ in range(MAX_ECHOES):
        assert said(agent).HasField("custom_message")
    assert not agent.has_news


def test_components_are_a_hash_until_asked_for() -> None:
    """Then the details, once; the hash is over them."""
    agent = make_agent(components=True)
    first = said(agent).available_components
    hear(agent, opamp.ServerToAgent(flags=opamp.ServerToAgentFlags_ReportAvailableComponents))
    details = said(agent).available_components

    assert (first.hash, len(first.components)) == (COMPONENTS.hash, 0)
    assert details == COMPONENTS
    assert not agent.has_news


def test_a_certificate_is_renewed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once when it is due, again only if nothing came of it; agents without one ask for none."""
    monkeypatch.setattr(module, "renewal_time", lambda _certificate: 1000.0)
    agent = make_agent(csr=True)
    said(agent)
    assert agent.extras is not None
    asked = []
    agent.extras.renew_if_due(agent.uid, 5000.0)
    asked.append(agent.has_news)

    agent.extras.slots.current = Terms(certificate="CERT", private_key="KEY")
    for now in (999.0, 1000.0, 1001.0, 1001.0 + module.ASK_AGAIN_SECONDS):
        agent.extras.renew_if_due(agent.uid, now)
        asked.append(said(agent).HasField("connection_settings_request"))

    assert asked == [False, False, True, False, True]


def test_a_certificate_is_asked_for_once_the_server_takes_requests() -> None:
    """One request; the certificate that comes is for the key that stayed here."""
    agent = make_agent(csr=True)
    said(agent)
    hear(agent, opamp.ServerToAgent())
    assert not agent.has_news

    for _ in range(2):
        hear(agent, opamp.ServerToAgent(capabilities=CSR_SERVER))
    asked = said(agent).connection_settings_request.opamp.certificate_request.csr
    assert not agent.has_news
    own = opamp.OpAMPConnectionSettings(certificate=opamp.TLSCertificate(cert=b"CERT"), heartbeat_interval_seconds=30)
    answer = opamp.ServerToAgent(connection_settings=opamp.ConnectionSettingsOffers(hash=b"c", opamp=own))

    assert hear(agent, answer) == Reaction(reconnect=True)
    assert x509.load_pem_x509_csr(asked).is_signature_valid
    assert agent.extras is not None
    assert "PRIVATE KEY" in agent.extras.slots.terms.private_key
