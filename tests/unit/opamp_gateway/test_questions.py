"""Questions to agent-state as they go over the bus."""

from __future__ import annotations

from typing import Any

import pytest
from gatewaylab.speech import UID

from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import identity_pb2 as identity
from opamp_gateway.credentials import Credential, Proof
from opamp_gateway.questions import AgentState, verdict_of
from servicekit.errors import Unavailable


class FakeBus:
    """Answers by method."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    async def call(self, method: Any, request: Any, *, timeout_seconds: float) -> Any:
        """Answer, with a deadline."""
        assert timeout_seconds > 0
        self.asked.append(request)
        answer = self.answers[method.name]
        if isinstance(answer, Exception):
            raise answer
        return answer


def state(**answers: Any) -> tuple[AgentState, FakeBus]:
    """Make an agent-state to ask."""
    bus = FakeBus(**answers)
    return AgentState(bus, "gw"), bus  # type: ignore[arg-type]


async def test_epochs_are_asked_for_in_the_gateways_name() -> None:
    """The first of them comes back."""
    asked, bus = state(allocate_epochs=agents.AllocateEpochsReply(first=7))

    assert await asked.allocate(3) == 7
    assert bus.asked == [agents.AllocateEpochsRequest(gateway_id="gw", count=3)]


async def test_proofs_travel_whole() -> None:
    """In order, and nothing of a token but its hash."""
    reply = identity.AuthenticateAgentsReply(verdicts=[identity.Verdict(refusal="no"), identity.Verdict(tenant_id="t")])
    asked, bus = state(authenticate_agents=reply)
    shown = Proof(b"h" * 32, b"c" * 32, UID, outside_ca=True, remote_ip="192.0.2.1", instance_uid=UID)

    verdicts = await asked.authenticate([shown, Proof(token_hash=b"x" * 32)])

    assert [verdict.credential is None for verdict in verdicts] == [True, False]
    assert bus.asked[0].proofs[0] == identity.Proof(
        token_hash=b"h" * 32,
        certificate_sha256=b"c" * 32,
        certificate_uid=UID,
        outside_ca=True,
        remote_ip="192.0.2.1",
        instance_uid=UID,
    )


async def test_other_questions_are_passed_on() -> None:
    """Admission, certificates, the authority; what fails is raised."""
    asked, _ = state(
        admit_agent=identity.AdmitAgentReply(approval="approved"),
        request_certificate=Unavailable("away"),
        get_certificate_authority=identity.GetCertificateAuthorityReply(certificates_pem="pem"),
    )

    assert (await asked.admit(identity.AdmitAgentRequest())).approval == "approved"
    assert await asked.authority() == "pem"
    with pytest.raises(Unavailable):
        await asked.certify(identity.RequestCertificateRequest())


def test_verdict_is_read_whole() -> None:
    """Every field has its meaning here."""
    said = identity.Verdict(
        tenant_id="acme",
        credential_id="c",
        bound_uid=UID,
        needs_admission=True,
        cache_seconds=9,
        labels={"b": "2", "a": "1"},
        approval="pending",
    )
    said.expires_at.FromSeconds(1_800_000_000)

    verdict = verdict_of(said)

    assert verdict.cache_seconds == 9.0
    assert verdict.credential == Credential(
        "acme", "c", 1_800_000_000.0, UID, needs_admission=True, labels=(("a", "1"), ("b", "2")), approval="pending"
    )
    assert verdict_of(identity.Verdict(refusal="used up")).refusal == "used up"
