"""
Let agents in: verdicts at the door, and the decision about each agent with its first message.

Enrolment is one transaction per agent: use of the token, labels, approval and credential come together or not at all.
An agent that asks again is the same enrolment, and is offered the same credential.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from agent_state import metrics
from agent_state.belonging import stranger_sentence
from agent_state.enrolment import (
    ADDRESS_NOT_ALLOWED,
    APPROVED,
    PENDING,
    TOKEN_REVOKED,
    barred_sentence,
    is_allowed_from,
)
from agent_state.errors import AgentRefused
from agent_state.identity_store import AgentIdentity
from agent_state.publisher import enrolled
from agent_state.succession import Succession
from agent_state.verdicts import (
    ANOTHER_AGENT,
    OUTSIDE,
    OWN,
    UNKNOWN_TOKEN,
    Shown,
    StoredToken,
    Verdict,
    closed_sentence,
    ended_of,
    judge,
)
from contracts.labels import labels_of
from opamp.v1 import opamp_pb2 as opamp
from servicekit import outbox

if TYPE_CHECKING:
    import asyncpg

    from agent_state.belonging import Ties
    from agent_state.credential_offers import CredentialOffers
    from agent_state.credential_store import CredentialStore
    from agent_state.identity_store import IdentityStore
    from servicekit.postgres import Connection as Db

log = structlog.get_logger()

_LABELS = "SELECT labels FROM agent_description WHERE tenant_id = $1 AND agent_uid = $2"


@dataclass(frozen=True, slots=True)
class Arrival:
    """An agent's first message, as far as it matters for admission."""

    tenant_id: str
    uid: bytes
    credential_id: str
    remote_ip: str = ""
    capabilities: int = 0
    transport: int = 0
    description: opamp.AgentDescription | None = None
    last_settings_hash: bytes = b""
    renamed_elsewhere: bool = False
    """Its credential names another id, and the gateway did not give it this one."""

    @property
    def key(self) -> tuple[str, bytes]:
        """Which agent."""
        return self.tenant_id, self.uid


@dataclass(frozen=True, slots=True)
class Admitted:
    """How an agent was let in."""

    approval: str = APPROVED
    labels: Mapping[str, str] = field(default_factory=dict)
    settings: bytes = b""
    """Serialised ConnectionSettingsOffers for the first answer; empty = nothing is due."""

    settings_hash: bytes = b""


Compose = Callable[["Db", Arrival, Mapping[str, str]], Awaitable["opamp.ConnectionSettingsOffers | None"]]
"""Puts together what an agent is offered: its arrival, and its labels as selectors see them."""

IsDue = Callable[["Db", Arrival, "opamp.ConnectionSettingsOffers"], Awaitable[bool]]
"""Says whether the first answer carries these settings, and records that it does."""


class Admission:
    """
    Decides who comes in.

    Args:
        compose: Puts an agent's connection settings together.

        is_due: Asked before they are told.

        cache_seconds: How long gateways may remember a verdict.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        identities: IdentityStore,
        credentials: CredentialStore,
        offers: CredentialOffers,
        compose: Compose,
        *,
        is_due: IsDue,
        cache_seconds: int,
    ) -> None:
        self._pool = pool
        self._succession = Succession(identities)
        self._identities = identities
        self._credentials = credentials
        self._offers = offers
        self._compose = compose
        self._is_due = is_due
        self._cache_seconds = cache_seconds

    async def authenticate(self, proofs: Sequence[Shown]) -> list[Verdict]:
        """
        Judge proofs, all by one query; the answers stand in their order.

        Tokens shown beside certificates that let nobody in are judged by one more.
        """
        if not proofs:
            return []
        verdicts = await self._judge(proofs)
        fallen = [number for number, verdict in enumerate(verdicts) if verdict.refusal and proofs[number].has_both]
        if fallen:
            again = await self._judge([proofs[number].token_alone() for number in fallen])
            for number, verdict in zip(fallen, again, strict=True):
                if not verdict.refusal:
                    verdicts[number] = verdict
        for verdict in verdicts:
            metrics.AUTHENTICATIONS.labels("refused" if verdict.refusal else "accepted").inc()
        return verdicts

    async def _judge(self, proofs: Sequence[Shown]) -> list[Verdict]:
        found, now = await self._identities.look_up(self._pool, proofs)
        return [judge(shown, stored, now, self._cache_seconds) for shown, stored in zip(proofs, found, strict=True)]

    async def admit(self, arrival: Arrival) -> Admitted:
        """
        Let an agent in, enrolling it when it is new to its token.

        Raises:
            AgentRefused: It is not let in; the sentence says why.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                identity, is_new = await self._identify(connection, arrival)
                settings = await self._settings(connection, arrival, identity)
        except AgentRefused:
            metrics.ENROLMENTS.labels("refused").inc()
            raise
        if is_new:
            metrics.ENROLMENTS.labels("enrolled").inc()
        if settings is None:
            return Admitted(identity.approval, identity.stamped_labels)
        return Admitted(
            identity.approval,
            identity.stamped_labels,
            settings.SerializeToString(deterministic=True),
            settings.hash,
        )

    async def compose(
        self, connection: Db, arrival: Arrival, identity: AgentIdentity
    ) -> opamp.ConnectionSettingsOffers | None:
        """Compose what an agent should have, whatever it has."""
        if arrival.description is None:
            own = await connection.fetchval(_LABELS, *arrival.key) or {}
        else:
            own = labels_of(arrival.description)[0]
        return await self._compose(connection, arrival, {**own, **identity.stamped_labels})

    async def _identify(self, connection: Db, arrival: Arrival) -> tuple[AgentIdentity, bool]:
        """Find out who it is and whether it may; the flag tells whether it enrolled now."""
        credential_id = arrival.credential_id
        if credential_id.startswith(OWN):
            return await self._recognise(connection, arrival), False
        if not credential_id or credential_id.startswith(OUTSIDE):
            # The gateway runs open, or has checked the certificate and the id it names.
            held = await self._identities.hold(connection, *arrival.key)
            identity = held or AgentIdentity(*arrival.key)
            _refuse(barred_sentence(identity.approval))
            return identity, False
        token = await self._identities.token(connection, arrival.tenant_id, credential_id, arrival.uid)
        if token is None:
            raise AgentRefused(UNKNOWN_TOKEN)
        return await self._enrol(connection, arrival, token)

    async def _recognise(self, connection: Db, arrival: Arrival) -> AgentIdentity:
        credential = await self._credentials.get(connection, arrival.tenant_id, arrival.credential_id)
        if credential is None:
            raise AgentRefused(UNKNOWN_TOKEN)
        _refuse(ended_of(credential.state, credential.expires_at, await self._credentials.now(connection)))
        if credential.uid == arrival.uid:
            held = await self._identities.hold(connection, *arrival.key)
        else:
            held = await self._succession.succeed(
                connection, arrival.key, credential, is_new=not arrival.renamed_elsewhere
            )
            if held is None:
                raise AgentRefused(ANOTHER_AGENT)
        identity = held or AgentIdentity(*arrival.key)
        _refuse(barred_sentence(identity.approval))
        if credential.uid != arrival.uid:
            await self._offers.ensure_for(connection, identity, arrival.capabilities)
        return identity

    async def _enrol(self, connection: Db, arrival: Arrival, token: StoredToken) -> tuple[AgentIdentity, bool]:
        if token.revoked:
            raise AgentRefused(TOKEN_REVOKED)
        if not is_allowed_from(token.rules.cidrs, arrival.remote_ip):
            raise AgentRefused(ADDRESS_NOT_ALLOWED)
        held = await self._identities.hold(connection, *arrival.key)
        if held is not None:
            _refuse(barred_sentence(held.approval))
        elif not token.rules.needs_admission:
            # Settings for its tenant brought it here, or a guarded neighbour: this token keeps no list.
            _refuse(closed_sentence(token, await self._credentials.now(connection)))
            return AgentIdentity(*arrival.key, stamped_labels=token.rules.labels), False
        identity = await self._identities.found(
            connection, *arrival.key, PENDING if token.rules.requires_approval else APPROVED
        )
        _refuse(barred_sentence(identity.approval))
        # Seen with the identity locked: whoever came first with this id has it.
        ties = await self._identities.ties(connection, *arrival.key, token.id)
        _refuse(stranger_sentence(token.id, ties, keeps_list=token.rules.needs_admission))
        if not token.rules.needs_admission and not identity.enrolment_token_id:
            # Somebody decided about it once; that ties it to no token.
            _refuse(closed_sentence(token, await self._credentials.now(connection)))
            return replace(identity, stamped_labels=token.rules.labels), False
        is_new = await self._identities.enrol(connection, token, arrival.uid)
        if is_new:
            identity = await self._let_go(connection, identity, ties, token)
            identity = await self._take_on(connection, arrival, token, identity)
        elif identity.ephemeral_seconds or ties.released:
            await self._identities.admitted(connection, *arrival.key)
        await self._offers.ensure_for(connection, identity, arrival.capabilities)
        return identity, is_new

    async def _let_go(self, connection: Db, identity: AgentIdentity, ties: Ties, token: StoredToken) -> AgentIdentity:
        """End what an agent had of which a person let go, for the token that is about to enrol it anew."""
        if not ties.released:
            return identity
        key = (identity.tenant_id, identity.uid)
        await self._identities.untie(connection, *key, token.id)
        await self._credentials.supersede(connection, *key)
        if ties.approved_anew:
            return identity
        return replace(identity, approval=PENDING if token.rules.requires_approval else APPROVED)

    async def _take_on(
        self, connection: Db, arrival: Arrival, token: StoredToken, identity: AgentIdentity
    ) -> AgentIdentity:
        """Use the token for an agent it did not know; a refusal rolls everything back."""
        now = await self._credentials.now(connection)
        _refuse(closed_sentence(token, now))
        if not await self._identities.consume(connection, token):
            # Others took the last use since we looked, or it was revoked.
            again = await self._identities.token(connection, arrival.tenant_id, token.id, arrival.uid)
            raise AgentRefused((closed_sentence(again, now) if again else "") or TOKEN_REVOKED)
        await outbox.add(connection, [enrolled(arrival.key, token.id, now)])
        log.info("agent_enrolled", token_id=token.id, approval=identity.approval)
        return await self._identities.stamp(connection, *arrival.key, identity.approval, token)

    async def _settings(
        self, connection: Db, arrival: Arrival, identity: AgentIdentity
    ) -> opamp.ConnectionSettingsOffers | None:
        """Compose what is due; nothing is offered to an agent that waits for approval."""
        if identity.approval != APPROVED:
            return None
        offers = await self.compose(connection, arrival, identity)
        if offers is None or not await self._is_due(connection, arrival, offers):
            return None
        return offers


def _refuse(sentence: str) -> None:
    if sentence:
        raise AgentRefused(sentence)
