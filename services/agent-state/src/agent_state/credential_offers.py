"""
What an agent is offered to authenticate with: its newest credential, told again as often as it asks.

Credentials are written before they are spoken of. An offer nobody hears leaves a candidate nobody uses; it is
offered again with the next connection.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from agent_state import metrics
from agent_state.credential import CERTIFICATE, CURRENT, Credential, is_due, to_offer, told_together
from agent_state.credential_store import CredentialStore, candidate
from agent_state.enrolment import APPROVED
from agent_state.issuer import Issuer, hash_of, new_id
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from agent_state.identity_store import AgentIdentity, IdentityStore
    from servicekit.postgres import Connection as Db

log = structlog.get_logger()

AUTHORIZATION = "Authorization"


class CredentialOffers:
    """
    Makes credentials and says them.

    Args:
        issuer: Derives texts; None where no key is set, then no bearer text is made or told.

        lifetime: Of a credential whose token does not say.

        authority_pem: The platform's CA certificates, newest first; they go along with certificates.
    """

    def __init__(
        self,
        identities: IdentityStore,
        credentials: CredentialStore,
        issuer: Issuer | None,
        *,
        lifetime: timedelta,
        authority_pem: bytes = b"",
    ) -> None:
        self._identities = identities
        self._credentials = credentials
        self._issuer = issuer
        self._lifetime = lifetime
        self._authority_pem = authority_pem

    @property
    def can_issue(self) -> bool:
        """Say whether bearer texts can be made at all."""
        return self._issuer is not None

    async def opamp_part(
        self, connection: Db, tenant_id: str, uid: bytes, *, renew: bool = False
    ) -> opamp.OpAMPConnectionSettings | None:
        """
        Tell headers or certificate of the credentials an agent should use: candidates, else current ones.

        Args:
            connection: The caller's transaction; a new credential is written in it.

            tenant_id: Whose agent.

            uid: Which agent.

            renew: Make a new candidate first, of the kind it has, if that goes into a header.

        Returns:
            None when the agent has no credential of its own, or none whose text is known.
        """
        header, certificate = told_together(await self._credentials.live(connection, tenant_id, uid))
        if header is not None and (renew or (self._issuer is not None and not self._issuer.knows(header))):
            identity = await self._identities.hold(connection, tenant_id, uid)
            if identity is not None and self._issuer is not None:
                header = await self.make(connection, identity, header.kind, header.lifetime)
        part = opamp.OpAMPConnectionSettings()
        for told in (header, certificate):
            if told is not None:
                part.MergeFrom(self.part_of(told) or opamp.OpAMPConnectionSettings())
        return part if part.ByteSize() else None

    def part_of(self, credential: Credential) -> opamp.OpAMPConnectionSettings | None:
        """Write a credential as an agent takes it; None when its text is not known here."""
        part = opamp.OpAMPConnectionSettings()
        if credential.kind == CERTIFICATE:
            part.certificate.cert = credential.certificate_pem or b""
            part.certificate.ca_cert = self._authority_pem
            return part
        if self._issuer is None or not self._issuer.knows(credential):
            log.warning("credential_text_unknown", credential_id=credential.id)
            return None
        header = part.headers.headers.add()
        header.key = AUTHORIZATION
        header.value = f"Bearer {self._issuer.text(credential)}"
        return part

    async def ensure_for(self, connection: Db, identity: AgentIdentity, capabilities: int) -> None:
        """Do ensure() for an agent that is approved and can take a credential."""
        if identity.approval == APPROVED and capabilities & opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings:
            await self.ensure(connection, identity)

    async def ensure(self, connection: Db, identity: AgentIdentity) -> Credential | None:
        """
        Let an agent have what its enrolment promised; the identity must be locked.

        An agent that comes again gets what it had, unless that is due for renewal or its text is not known any more.

        Returns:
            The credential it should use; None when nothing is promised or no key is set.
        """
        if not identity.issues or self._issuer is None:
            return None
        live = await self._credentials.live(connection, identity.tenant_id, identity.uid)
        own = [credential for credential in live if credential.kind == CERTIFICATE or self._issuer.knows(credential)]
        header, certificate = told_together(own)
        if header is None and certificate is not None and certificate.state == CURRENT:
            return certificate
        now = await self._credentials.now(connection)
        chosen = to_offer([] if header is None else [header], now)
        if chosen is not None and not is_due(chosen, now):
            return chosen
        lifetime = timedelta(seconds=identity.credential_lifetime_seconds) or self._lifetime
        return await self.make(connection, identity, identity.issues, lifetime)

    async def make(self, connection: Db, identity: AgentIdentity, kind: str, lifetime: timedelta) -> Credential:
        """Make a new candidate with a derived text; the identity must be locked, and a key set."""
        if self._issuer is None:
            message = "texts are derived from a key, and none is set"
            raise RuntimeError(message)
        key = (identity.tenant_id, identity.uid)
        numbered = await self._credentials.next_version(connection, *key)
        bare = candidate(key, new_id(), kind, numbered, lifetime)
        made = replace(
            bare, proof_hash=hash_of(self._issuer.text(bare)), enrolment_token_id=identity.enrolment_token_id
        )
        await self._credentials.add(connection, made)
        metrics.CREDENTIALS.labels(kind, "issued").inc()
        return made
