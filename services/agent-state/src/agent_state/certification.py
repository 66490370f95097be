"""
Agents ask for certificates: who asks is checked, the request is signed, and the certificate offered back.

A pending agent's request waits with its identity; approval signs it, and the agent gets it when it comes again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from agent_state import metrics
from agent_state.belonging import ANOTHER_TOKEN, stranger_sentence
from agent_state.certificates import certifies, issue, read_request
from agent_state.credential import CANDIDATE, CERTIFICATE, is_due
from agent_state.credential_store import candidate
from agent_state.enrolment import APPROVED, PENDING, TOKEN_REVOKED, barred_sentence
from agent_state.errors import CertificateRefused
from agent_state.issuer import new_id
from agent_state.succession import Succession
from agent_state.verdicts import OUTSIDE, OWN, ended_of

if TYPE_CHECKING:
    import asyncpg

    from agent_state.admission import Admission, Arrival
    from agent_state.certificates import FileSigner
    from agent_state.credential import Credential
    from agent_state.credential_store import CredentialStore
    from agent_state.folding import Key
    from agent_state.identity_store import AgentIdentity, IdentityStore
    from opamp.v1 import opamp_pb2 as opamp
    from servicekit.postgres import Connection as Db

log = structlog.get_logger()

NO_AUTHORITY = "This platform issues no certificates."
NOT_YOURS = "This id belongs to another agent."
NOT_OFFERED = "The certificate cannot be offered: "

_KEEP_CSR = "UPDATE agent_identity SET pending_csr = $3 WHERE tenant_id = $1 AND agent_uid = $2"

Told = Callable[["Db", "Arrival", "opamp.ConnectionSettingsOffers"], Awaitable[None]]
"""Records that an answer carries these settings."""


class Certification:
    """
    Signs requests.

    Args:
        signer: The platform's CA; None where it is off.

        lifetime: How long a certificate is good.

        told: Called with every offer made, in its transaction.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        identities: IdentityStore,
        credentials: CredentialStore,
        admission: Admission,
        signer: FileSigner | None,
        *,
        lifetime: timedelta,
        told: Told,
    ) -> None:
        self._told = told
        self._pool = pool
        self._succession = Succession(identities)
        self._identities = identities
        self._credentials = credentials
        self._admission = admission
        self._signer = signer
        self._lifetime = lifetime

    @property
    def authority_pem(self) -> str:
        """What gateways trust; empty where the CA is off."""
        return "" if self._signer is None else self._signer.certificates_pem.decode()

    async def request(self, arrival: Arrival, csr: bytes) -> opamp.ConnectionSettingsOffers | None:
        """
        Sign an agent's request and put the offer together; None = it waits for approval.

        Asking again is served like the first time; older certificates live until a newer one is used.

        Raises:
            CertificateRefused: It is not given; the sentence is for the agent.
        """
        try:
            offers = await self._request(arrival, csr)
        except CertificateRefused as error:
            metrics.CERTIFICATES.labels("refused").inc()
            log.info("certificate_refused", reason=error.public)
            raise
        metrics.CERTIFICATES.labels("waiting" if offers is None else "signed").inc()
        return offers

    async def _request(self, arrival: Arrival, csr: bytes) -> opamp.ConnectionSettingsOffers | None:
        if self._signer is None:
            raise CertificateRefused(NO_AUTHORITY)
        _ = read_request(csr, arrival.uid)
        async with self._pool.acquire() as connection, connection.transaction():
            identity = await self._identify(connection, arrival)
            if identity.approval == PENDING:
                await connection.execute(_KEEP_CSR, *arrival.key, csr)
                return None
            made = await self._sign(connection, identity, csr)
            composed = await self._admission.compose(connection, arrival, identity)
            if composed is None or composed.opamp.certificate.cert != made.certificate_pem:
                # Rolled back: a certificate nobody gets is not kept.
                raise CertificateRefused(
                    NOT_OFFERED + "the agent must accept OpAMP connection settings, and the platform know its address."
                )
            await self._told(connection, arrival, composed)
        return composed

    async def sign_pending(self, connection: Db, identity: AgentIdentity) -> None:
        """Sign what waited for approval; inside the caller's transaction, the identity locked."""
        if identity.pending_csr is None or self._signer is None:
            return
        await self._sign(connection, identity, identity.pending_csr)
        await connection.execute(_KEEP_CSR, identity.tenant_id, identity.uid, None)
        metrics.CERTIFICATES.labels("signed").inc()

    async def _identify(self, connection: Db, arrival: Arrival) -> AgentIdentity:
        """Check that who asks may have a certificate for this id; locks its identity."""
        if arrival.credential_id.startswith(OWN):
            credential = await self._credentials.get(connection, arrival.tenant_id, arrival.credential_id)
            now = await self._credentials.now(connection)
            if credential is None or ended_of(credential.state, credential.expires_at, now):
                raise CertificateRefused("The credential of this connection is not valid any more.")
            if credential.uid != arrival.uid:
                # Admission came first, and wrote down that the platform gave it this id.
                heir = await self._succession.succeed(connection, arrival.key, credential, is_new=False)
                if heir is None:
                    raise CertificateRefused(NOT_YOURS)
        token = None
        if arrival.credential_id and arrival.credential_id[0] not in (OWN, OUTSIDE):
            token = await self._identities.token(connection, arrival.tenant_id, arrival.credential_id, arrival.uid)
            if token is None or (token.rules.needs_admission and not token.enrolled):
                raise CertificateRefused("The agent was not enrolled.")
        identity = await self._identities.found(connection, *arrival.key, APPROVED)
        if token is not None:
            ties = await self._identities.ties(connection, *arrival.key, token.id)
            stranger = TOKEN_REVOKED if token.revoked else stranger_sentence(token.id, ties, keeps_list=False)
            if stranger or (ties.released and not ties.by_token):
                raise CertificateRefused(stranger or ANOTHER_TOKEN)
            await self._identities.bind(connection, token, arrival.uid)
        sentence = barred_sentence(identity.approval)
        if sentence:
            raise CertificateRefused(sentence)
        return identity

    async def _sign(self, connection: Db, identity: AgentIdentity, csr: bytes) -> Credential:
        assert self._signer is not None  # noqa: S101 - asked by every caller
        request = read_request(csr, identity.uid)
        key = (identity.tenant_id, identity.uid)
        waiting = await self._waiting(connection, key)
        if waiting is not None and certifies(waiting.certificate_pem or b"", request, self._signer):
            return waiting
        # An agent holds one certificate that it has not used; however often it asks.
        await self._credentials.end_unused_certificates(connection, *key)
        numbered = await self._credentials.next_version(connection, *key)
        now = numbered[1]
        issued = issue(self._signer, request, identity.uid, now, self._lifetime)
        bare = candidate(key, new_id(), CERTIFICATE, numbered, issued.not_after - now)
        made = replace(
            bare,
            proof_hash=issued.sha256,
            certificate_pem=issued.pem,
            enrolment_token_id=identity.enrolment_token_id,
        )
        await self._credentials.add(connection, made)
        metrics.CREDENTIALS.labels(CERTIFICATE, "issued").inc()
        return made

    async def _waiting(self, connection: Db, key: Key) -> Credential | None:
        """Find the certificate an agent was given and has not used, if it is worth offering still."""
        now = await self._credentials.now(connection)
        for credential in await self._credentials.live(connection, *key):
            if credential.kind == CERTIFICATE and credential.state == CANDIDATE and not is_due(credential, now):
                return credential
        return None
