"""What the gateway asks agent-state: numbers for connections, who is let in, certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import identity_pb2 as identity
from opamp_gateway.credentials import APPROVED, Credential
from opamp_gateway.shelf import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opamp_gateway.credentials import Proof
    from servicekit.bus import Bus

_EPOCH_SECONDS = 3.0
_AUTHENTICATE_SECONDS = 5.0
_ADMIT_SECONDS = 2.0
_CERTIFICATE_SECONDS = 5.0
_AUTHORITY_SECONDS = 3.0


class AgentState:
    """Asks; every question has a deadline and raises ServiceError when it is not answered."""

    def __init__(self, bus: Bus, gateway_id: str) -> None:
        self._bus = bus
        self._gateway_id = gateway_id

    async def allocate(self, count: int) -> int:
        """Ask for *count* epochs; return the first."""
        request = agents.AllocateEpochsRequest(gateway_id=self._gateway_id, count=count)
        reply = await self._bus.call(subjects.ALLOCATE_EPOCHS, request, timeout_seconds=_EPOCH_SECONDS)
        return int(reply.first)

    async def authenticate(self, proofs: Sequence[Proof]) -> Sequence[Verdict]:
        """Ask who is let in."""
        request = identity.AuthenticateAgentsRequest()
        for proof in proofs:
            request.proofs.add(
                token_hash=proof.token_hash,
                certificate_sha256=proof.certificate_sha256,
                certificate_uid=proof.certificate_uid,
                outside_ca=proof.outside_ca,
                remote_ip=proof.remote_ip,
                instance_uid=proof.instance_uid,
            )
        reply = await self._bus.call(subjects.AUTHENTICATE_AGENTS, request, timeout_seconds=_AUTHENTICATE_SECONDS)
        return [verdict_of(verdict) for verdict in reply.verdicts]

    async def admit(self, request: identity.AdmitAgentRequest) -> identity.AdmitAgentReply:
        """Ask whether an agent may stay, and what its first answer carries."""
        return await self._bus.call(subjects.ADMIT_AGENT, request, timeout_seconds=_ADMIT_SECONDS)

    async def certify(self, request: identity.RequestCertificateRequest) -> identity.RequestCertificateReply:
        """Ask for a certificate."""
        return await self._bus.call(subjects.REQUEST_CERTIFICATE, request, timeout_seconds=_CERTIFICATE_SECONDS)

    async def authority(self) -> str:
        """Ask for the certificates of the platform's authority, PEM; empty = it is off."""
        request = identity.GetCertificateAuthorityRequest()
        reply = await self._bus.call(subjects.GET_CERTIFICATE_AUTHORITY, request, timeout_seconds=_AUTHORITY_SECONDS)
        return str(reply.certificates_pem)


def verdict_of(said: identity.Verdict) -> Verdict:
    """Read a verdict as agent-state says it."""
    if said.refusal:
        return Verdict(refusal=said.refusal)
    credential = Credential(
        said.tenant_id,
        said.credential_id,
        said.expires_at.ToNanoseconds() / 1e9 if said.HasField("expires_at") else 0.0,
        said.bound_uid,
        said.needs_admission,
        tuple(sorted(said.labels.items())),
        said.approval or APPROVED,
    )
    return Verdict(credential, cache_seconds=float(said.cache_seconds))
