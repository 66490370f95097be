"""Questions about who agents are: asked by gateways at the door, and by people who decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent_state.admission import Arrival
from agent_state.certificates import MAX_CSR_BYTES
from agent_state.checks import may_follow, tenant_of, text_of, uid_of
from agent_state.errors import CertificateRefused, InvalidQuery
from agent_state.paging import Position, encode_cursor, read_page
from agent_state.verdicts import Shown
from agent_state.views import agent_of, credential_of
from contracts import subjects
from contracts.ids import UID_LENGTH
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import identity_pb2 as api
from fleet.api.v1.page_pb2 import PageReply

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from agent_state.access import Access
    from agent_state.admission import Admission
    from agent_state.agent_query import AgentQuery
    from agent_state.certification import Certification
    from agent_state.verdicts import Verdict

MAX_PROOFS = 256
HASH_LENGTH = 32
MAX_COMMENT_CHARACTERS = 1000
MAX_AUTHOR_CHARACTERS = 200
MAX_ID_CHARACTERS = 64
MAX_ADDRESS_CHARACTERS = 64

_SORT = "-created_at"

Handler = Callable[[Any], Awaitable["Message"]]


class IdentityRoutes:
    """Answers about agents' identity."""

    def __init__(self, query: AgentQuery, admission: Admission, certification: Certification, access: Access) -> None:
        self._query = query
        self._admission = admission
        self._certification = certification
        self._access = access

    def handlers(self) -> Mapping[Any, Handler]:
        """Say who answers what."""
        return {
            subjects.AUTHENTICATE_AGENTS: self.authenticate_agents,
            subjects.ADMIT_AGENT: self.admit_agent,
            subjects.REQUEST_CERTIFICATE: self.request_certificate,
            subjects.GET_CERTIFICATE_AUTHORITY: self.get_certificate_authority,
            subjects.LIST_AGENT_CREDENTIALS: self.list_agent_credentials,
            subjects.REVOKE_AGENT_ACCESS: self.revoke_agent_access,
            subjects.ROTATE_AGENT_CREDENTIAL: self.rotate_agent_credential,
            subjects.DECIDE_AGENT: self.decide_agent,
        }

    async def authenticate_agents(self, request: api.AuthenticateAgentsRequest) -> api.AuthenticateAgentsReply:
        """Judge what connections showed at the door."""
        if len(request.proofs) > MAX_PROOFS:
            raise InvalidQuery("proofs", f"at most {MAX_PROOFS} at once")
        verdicts = await self._admission.authenticate([_shown(proof) for proof in request.proofs])
        return api.AuthenticateAgentsReply(verdicts=[_verdict(verdict) for verdict in verdicts])

    async def admit_agent(self, request: api.AdmitAgentRequest) -> api.AdmitAgentReply:
        """Let one agent in with its first message."""
        arrival = Arrival(
            tenant_of(request.tenant_id),
            uid_of(request.instance_uid),
            text_of("credential_id", request.credential_id, MAX_ID_CHARACTERS),
            request.remote_ip[:MAX_ADDRESS_CHARACTERS],
            request.capabilities,
            request.transport,
            request.description if request.HasField("description") else None,
            request.last_connection_settings_hash,
            request.renamed_elsewhere,
        )
        admitted = await self._admission.admit(arrival)
        return api.AdmitAgentReply(
            approval=admitted.approval,
            labels=admitted.labels,
            connection_settings=admitted.settings,
            connection_settings_hash=admitted.settings_hash,
        )

    async def request_certificate(self, request: api.RequestCertificateRequest) -> api.RequestCertificateReply:
        """Sign what an agent asks for; an empty answer means that it waits for approval."""
        if len(request.csr) > MAX_CSR_BYTES:
            raise CertificateRefused(f"The certificate request is larger than {MAX_CSR_BYTES} bytes.")
        arrival = Arrival(
            tenant_of(request.tenant_id),
            uid_of(request.instance_uid),
            text_of("credential_id", request.credential_id, MAX_ID_CHARACTERS),
            capabilities=request.capabilities,
            transport=request.transport,
        )
        offers = await self._certification.request(arrival, request.csr)
        if offers is None:
            return api.RequestCertificateReply()
        return api.RequestCertificateReply(
            connection_settings=offers.SerializeToString(deterministic=True), connection_settings_hash=offers.hash
        )

    async def get_certificate_authority(
        self, request: api.GetCertificateAuthorityRequest
    ) -> api.GetCertificateAuthorityReply:
        """Tell whose certificates gateways may trust."""
        del request
        return api.GetCertificateAuthorityReply(certificates_pem=self._certification.authority_pem)

    async def list_agent_credentials(self, request: api.ListAgentCredentialsRequest) -> api.ListAgentCredentialsReply:
        """List an agent's credentials, newest first, without their secrets."""
        key = (tenant_of(request.tenant_id), uid_of(request.instance_uid))
        page = read_page(request.page, _SORT)
        after = None
        if page.after is not None and isinstance(page.after.value, datetime):
            if not page.after.row_id.isdecimal():
                raise InvalidQuery("cursor", "is not a cursor of this list; start again without one")
            after = (page.after.value, int(page.after.row_id))
        credentials, total, now = await self._access.list(key, page.limit, page.offset, after)
        cursor = ""
        if len(credentials) == page.limit and may_follow(page.offset, len(credentials), total, page.after):
            cursor = encode_cursor(_SORT, Position(credentials[-1].created_at, str(credentials[-1].version)))
        return api.ListAgentCredentialsReply(
            credentials=[credential_of(credential, now) for credential in credentials],
            page=PageReply(total=total, next_cursor=cursor),
        )

    async def revoke_agent_access(self, request: api.RevokeAgentAccessRequest) -> api.RevokeAgentAccessReply:
        """End one credential, or the agent's access as a whole."""
        key = (tenant_of(request.tenant_id), uid_of(request.instance_uid))
        credential_id = text_of("credential_id", request.credential_id, MAX_ID_CHARACTERS)
        author = text_of("author", request.author, MAX_AUTHOR_CHARACTERS)
        comment = text_of("comment", request.comment, MAX_COMMENT_CHARACTERS)
        revoked, now = await self._access.revoke(key, credential_id, author, comment)
        return api.RevokeAgentAccessReply(revoked=[credential_of(credential, now) for credential in revoked])

    async def rotate_agent_credential(
        self, request: api.RotateAgentCredentialRequest
    ) -> api.RotateAgentCredentialReply:
        """Make a new credential and let it be offered."""
        key = (tenant_of(request.tenant_id), uid_of(request.instance_uid))
        made = await self._access.rotate(key, text_of("author", request.author, MAX_AUTHOR_CHARACTERS))
        return api.RotateAgentCredentialReply(credential=credential_of(made, made.created_at))

    async def decide_agent(self, request: api.DecideAgentRequest) -> api.DecideAgentReply:
        """Approve or reject an agent."""
        key = (tenant_of(request.tenant_id), uid_of(request.instance_uid))
        if request.decision not in ("approve", "reject"):
            raise InvalidQuery("decision", "must be among approve, reject")
        author = text_of("author", request.author, MAX_AUTHOR_CHARACTERS)
        comment = text_of("comment", request.comment, MAX_COMMENT_CHARACTERS)
        approval = await self._access.decide(key, request.decision, author, comment)
        row = await self._query.get(*key)
        if row is None:
            # Decided about before its first fact was written down, or after it was forgotten.
            return api.DecideAgentReply(agent=agents.Agent(tenant_id=key[0], instance_uid=key[1], approval=approval))
        return api.DecideAgentReply(agent=agent_of(row, whole=True))


def _shown(proof: api.Proof) -> Shown:
    for field, value in (("token_hash", proof.token_hash), ("certificate_sha256", proof.certificate_sha256)):
        if value and len(value) != HASH_LENGTH:
            raise InvalidQuery(field, f"must be {HASH_LENGTH} bytes")
    for field, value in (("certificate_uid", proof.certificate_uid), ("instance_uid", proof.instance_uid)):
        if value and len(value) != UID_LENGTH:
            raise InvalidQuery(field, f"must be {UID_LENGTH} bytes")
    return Shown(
        proof.token_hash,
        proof.certificate_sha256,
        proof.certificate_uid,
        proof.outside_ca,
        proof.remote_ip[:MAX_ADDRESS_CHARACTERS],
        proof.instance_uid,
    )


def _verdict(verdict: Verdict) -> api.Verdict:
    said = api.Verdict(
        refusal=verdict.refusal,
        tenant_id=verdict.tenant_id,
        credential_id=verdict.credential_id,
        bound_uid=verdict.bound_uid,
        needs_admission=verdict.needs_admission,
        cache_seconds=verdict.cache_seconds,
        labels=verdict.labels,
        approval=verdict.approval,
    )
    if verdict.expires_at is not None:
        said.expires_at.FromDatetime(verdict.expires_at)
    return said
