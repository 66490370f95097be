"""
What people decide about agents: approve, reject, revoke, renew.

Decision, event and the end of credentials are one transaction; gateways are told after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from agent_state import announcer, metrics
from agent_state.credential import is_due, told_together
from agent_state.enrolment import APPROVED, REVOKED, decide
from agent_state.errors import AgentNotFound, CredentialNotFound, DecisionNotAllowed, NothingToRotate
from agent_state.publisher import credential_revoked, decided
from agent_state.succession import Succession
from contracts.ids import format_uid
from servicekit import outbox

if TYPE_CHECKING:
    import asyncpg

    from agent_state.announcer import Announcer
    from agent_state.credential import Credential
    from agent_state.credential_offers import CredentialOffers
    from agent_state.credential_store import CredentialStore
    from agent_state.folding import Key
    from agent_state.identity_store import AgentIdentity, IdentityStore
    from servicekit.postgres import Connection as Db

log = structlog.get_logger()

_KNOWN = """
SELECT EXISTS (SELECT FROM agent WHERE tenant_id = $1 AND agent_uid = $2)
  OR EXISTS (SELECT FROM agent_identity WHERE tenant_id = $1 AND agent_uid = $2)
"""

SignPending = Callable[["Db", "AgentIdentity"], Awaitable[None]]
"""Signs the certificate request that waited for approval, if one did."""

SettingsDue = Callable[["Db", str, bytes], Awaitable[None]]
"""Notes that an agent's connection settings must be composed anew."""


class Access:
    """
    Carries decisions out.

    Args:
        sign_pending: Called with every approval.

        settings_due: Called with every new credential.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        identities: IdentityStore,
        credentials: CredentialStore,
        offers: CredentialOffers,
        announcer: Announcer,
        *,
        sign_pending: SignPending,
        settings_due: SettingsDue,
    ) -> None:
        self._pool = pool
        self._succession = Succession(identities)
        self._identities = identities
        self._credentials = credentials
        self._offers = offers
        self._announcer = announcer
        self._sign_pending = sign_pending
        self._settings_due = settings_due

    async def decide(self, key: Key, decision: str, author: str, comment: str) -> str:
        """
        Approve or reject an agent; return its approval.

        An approved one that is connected is closed, so that it comes again and is given everything.

        Raises:
            AgentNotFound: Nobody has heard of it.

            DecisionNotAllowed: Its approval does not allow it.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            identity = await self._found(connection, key)
            approval = decide(identity.approval, decision)
            if approval is None:
                raise DecisionNotAllowed(
                    f"The agent is {identity.approval}: "
                    + ("it needs no approval." if decision == "approve" else "only a pending agent can be rejected.")
                )
            identity = await self._identities.decide(connection, key, approval, author, comment)
            if approval == APPROVED:
                await self._sign_pending(connection, identity)
                await self._settings_due(connection, *key)
            now = await self._credentials.now(connection)
            await outbox.add(connection, [decided(key, approval, author, comment, now)])
        metrics.DECISIONS.labels(approval).inc()
        reason = announcer.APPROVED if approval == APPROVED else announcer.UNAUTHORISED
        await self._announcer.changed(key, close=True, reason=reason)
        return approval

    async def list(
        self, key: Key, limit: int, offset: int, after: tuple[datetime, int] | None
    ) -> tuple[Sequence[Credential], int, datetime]:
        """
        List an agent's credentials, newest first; also how many there are, and the time they are seen at.

        Raises:
            AgentNotFound: Nobody has heard of the agent.
        """
        async with self._pool.acquire() as connection:
            credentials, total = await self._credentials.list(connection, key, limit, offset, after)
            if not credentials and not await connection.fetchval(_KNOWN, *key):
                raise AgentNotFound
            return credentials, total, await self._credentials.now(connection)

    async def revoke(
        self, key: Key, credential_id: str, author: str, comment: str
    ) -> tuple[Sequence[Credential], datetime]:
        """
        End one credential, or with an empty id the agent's access as a whole, and that of all it was cloned into.

        Repeating it is harmless, and tells gateways again.

        Returns:
            The credentials that ended now, those of clones included, and when that is.

        Raises:
            AgentNotFound: Nobody has heard of the agent.

            CredentialNotFound: It has no such credential.
        """
        revoked: list[tuple[AgentIdentity, Sequence[Credential]]] = []
        async with self._pool.acquire() as connection, connection.transaction():
            identity = await self._found(connection, key)
            now = await self._credentials.now(connection)
            if credential_id:
                known = await self._credentials.get(connection, key[0], credential_id)
                if known is None or known.uid != key[1]:
                    raise CredentialNotFound
            if credential_id:
                ended = await self._revoke_one(connection, key, credential_id, author, comment)
            else:
                family = [identity, *await self._heirs(connection, identity)]
                revoked = [(each, await self._revoke_all(connection, each, author, comment)) for each in family]
                ended = [credential for _, credentials in revoked for credential in credentials]
        for credential in ended:
            metrics.CREDENTIALS.labels(credential.kind, "revoked").inc()
        if credential_id:
            await self._announcer.withdrawn([(key[0], credential_id)], close=True)
        for each, credentials in revoked:
            ids = [credential.id for credential in credentials]
            await self._announcer.changed(
                (each.tenant_id, each.uid), credential_ids=ids, close=True, reason=announcer.UNAUTHORISED
            )
        return ended, now

    async def _revoke_one(
        self, connection: Db, key: Key, credential_id: str, author: str, comment: str
    ) -> Sequence[Credential]:
        ended = await self._credentials.revoke(connection, *key, credential_id, author)
        if ended:
            now = await self._credentials.now(connection)
            await self._settings_due(connection, *key)
            await outbox.add(connection, [credential_revoked(key, credential_id, author, comment, now)])
        return ended

    async def _revoke_all(
        self, connection: Db, identity: AgentIdentity, author: str, comment: str
    ) -> Sequence[Credential]:
        key = (identity.tenant_id, identity.uid)
        ended = await self._credentials.revoke(connection, *key, "", author)
        if identity.approval != REVOKED:
            now = await self._credentials.now(connection)
            await self._identities.decide(connection, key, REVOKED, author, comment)
            await outbox.add(connection, [decided(key, REVOKED, author, comment, now)])
            metrics.DECISIONS.labels(REVOKED).inc()
        return ended

    async def _heirs(self, connection: Db, identity: AgentIdentity) -> Sequence[AgentIdentity]:
        """Lock whoever came of an agent by being given another id."""
        found = []
        for uid in await self._succession.heirs(connection, identity):
            heir = await self._identities.hold(connection, identity.tenant_id, uid)
            if heir is not None:
                found.append(heir)
        return found

    async def rotate(self, key: Key, author: str) -> Credential:
        """
        Make a new credential and let it be offered; the old one lives until the new one was used.

        Raises:
            AgentNotFound: Nobody has heard of the agent.

            NothingToRotate: It has no credential the platform could renew by itself.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            identity = await self._found(connection, key)
            made = await self.renew(connection, identity)
        # No decision about the agent, so no event; the log is where people look for who did it.
        log.info("credential_rotated", agent_uid=format_uid(key[1]), credential_id=made.id, author=author)
        return made

    async def renew(self, connection: Db, identity: AgentIdentity) -> Credential:
        """Do rotate() inside the caller's transaction; the identity is locked."""
        live = await self._credentials.live(connection, identity.tenant_id, identity.uid)
        if not live:
            raise NothingToRotate("The agent has no credential of its own.")
        newest, _ = told_together(live)
        if newest is None:
            raise NothingToRotate("Only the agent can ask for a new certificate: nobody else has its key.")
        if not self._offers.can_issue:
            raise NothingToRotate("No AGENT_STATE_CREDENTIAL_KEY is set to derive a new credential from.")
        made = await self._offers.make(connection, identity, newest.kind, newest.lifetime)
        await self._settings_due(connection, identity.tenant_id, identity.uid)
        return made

    @property
    def can_renew(self) -> bool:
        """Say whether there is a key to derive new credentials from."""
        return self._offers.can_issue

    async def renew_if_due(self, connection: Db, identity: AgentIdentity) -> bool:
        """Renew what two thirds of its life are over, seen with the identity locked; say whether that was so."""
        live = await self._credentials.live(connection, identity.tenant_id, identity.uid)
        newest, _ = told_together(live)
        now = await self._credentials.now(connection)
        if identity.approval != APPROVED or newest is None or not is_due(newest, now):
            return False
        await self.renew(connection, identity)
        return True

    async def _found(self, connection: Db, key: Key) -> AgentIdentity:
        """Lock the identity of an agent somebody has heard of."""
        if not await connection.fetchval(_KNOWN, *key):
            raise AgentNotFound
        return await self._identities.found(connection, *key, APPROVED)
