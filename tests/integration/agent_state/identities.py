"""Agents' identity without the service around it: real tables, a bus that only notes what is said."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from agent_state.agent_query import AgentQuery
from agent_state.agent_store import AgentStore
from agent_state.announcer import Announcer
from agent_state.certificates import create_authority
from agent_state.deletion import Deletion
from agent_state.identity_parts import identity_of, registry_of
from agent_state.identity_routes import IdentityRoutes
from agent_state.settings import Settings
from agent_state.settings_composer import Platform, SettingsComposer
from agent_state.settings_policy_store import SettingsPolicyStore
from agent_state.settings_store import SettingsStore
from agent_state.token_routes import TokenRoutes
from agent_state.token_store import TokenStore
from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as tokens
from fleet.api.v1 import identity_pb2 as api
from fleet.events.v1 import agent_pb2, facts_pb2
from fleet.events.v1.identity_pb2 import IdentityChanged
from opamp.v1 import opamp_pb2 as opamp
from world.facts import connected

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import asyncpg

    from agent_state.offers import Target
    from servicekit.postgres import Connection as Db

TENANT = "default"
URL = "wss://opamp.example.org/v1/opamp"
TAKES_CREDENTIALS = int(
    opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
    | opamp.AgentCapabilities_ReportsConnectionSettingsStatus
    | opamp.AgentCapabilities_ReportsHeartbeat
)


class NotingBus:
    """Notes what would be said to gateways."""

    def __init__(self) -> None:
        self.said: list[IdentityChanged] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        """Note it."""
        assert subject == subjects.IDENTITY
        self.said.append(IdentityChanged.FromString(payload))


class SilentOffers:
    """Asks nobody to close anything."""

    async def close(self, targets: Iterable[Target], reason: str = "") -> None:
        """Do nothing."""


class Lab:
    """Everything that decides who agents are, on one pool."""

    def __init__(self, pool: asyncpg.Pool, now: datetime, *, key: str | None = "k" * 32, ca: bool = True) -> None:
        self.pool = pool
        self.bus = NotingBus()
        authority = create_authority(now) if ca else (None, None)
        self.settings = Settings.model_validate(
            {
                "postgres_url": "postgresql://unused",
                "credential_key": key,
                "ca_key": None if authority[0] is None else authority[0].decode(),
                "ca_certificate": None if authority[1] is None else authority[1].decode(),
            }
        )
        announcer = Announcer(self.bus)  # type: ignore[arg-type] # only published to
        self.registry = registry_of(self.settings)
        self.standings = SettingsStore()
        composer = SettingsComposer(SettingsPolicyStore(), Platform(URL), self.registry.offers.opamp_part)
        self.parts = identity_of(
            pool, self.registry, composer, announcer, self.settings, settings_due=self._settings_due
        )
        self.routes = IdentityRoutes(
            AgentQuery(pool), self.parts.admission, self.parts.certification, self.parts.access
        )
        self.tokens = TokenRoutes(TokenStore(pool), announcer, can_issue=self.registry.offers.can_issue)

    async def token(self, tenant: str = TENANT, lifetime_seconds: int = 0, **rules: Any) -> tuple[str, bytes]:
        """Make an enrolment token; return its id and the hash of its text."""
        made = await self.tokens.create_enrolment_token(
            tokens.CreateEnrolmentTokenRequest(
                tenant_id=tenant,
                name="lab",
                lifetime_seconds=lifetime_seconds,
                rules=tokens.EnrolmentRules(**rules),
            )
        )
        return made.token.id, hashlib.sha256(made.secret.encode()).digest()

    async def knock(self, token_hash: bytes, uid: bytes = b"", ip: str = "10.1.2.3") -> api.Verdict:
        """Show a token, or a credential's text by its hash, at the door."""
        proof = api.Proof(token_hash=token_hash, instance_uid=uid, remote_ip=ip)
        reply = await self.routes.authenticate_agents(api.AuthenticateAgentsRequest(proofs=[proof]))
        return reply.verdicts[0]

    async def admit(self, credential_id: str, uid: bytes, *, tenant: str = TENANT, **more: Any) -> api.AdmitAgentReply:
        """Send the first message of an agent that takes credentials, over a WebSocket."""
        asked = {
            "capabilities": TAKES_CREDENTIALS,
            "transport": facts_pb2.TRANSPORT_WEBSOCKET,
            "remote_ip": "10.1.2.3",
            **more,
        }
        return await self.routes.admit_agent(
            api.AdmitAgentRequest(tenant_id=tenant, credential_id=credential_id, instance_uid=uid, **asked)
        )

    async def credentials(self, uid: bytes) -> list[api.AgentCredential]:
        """List an agent's credentials, newest first."""
        reply = await self.routes.list_agent_credentials(
            api.ListAgentCredentialsRequest(tenant_id=TENANT, instance_uid=uid)
        )
        return list(reply.credentials)

    async def delete(self, uid: bytes) -> None:
        """Delete an agent that is not connected, or whose gateway is not there to be told."""
        await Deletion(self.pool, AgentStore(), SilentOffers()).delete(TENANT, uid)  # type: ignore[arg-type] # a stand-in

    async def events(self) -> list[str]:
        """List the domain events written so far."""
        rows = await self.pool.fetch("SELECT payload FROM outbox ORDER BY id")
        return [str(agent_pb2.AgentEvent.FromString(row["payload"]).WhichOneof("what")) for row in rows]

    async def _settings_due(self, connection: Db, tenant_id: str, uid: bytes) -> None:
        await self.standings.mark_due(connection, tenant_id, [uid])


def text_in(serialised: bytes) -> str:
    """Read the bearer text out of an offer."""
    offers = opamp.ConnectionSettingsOffers.FromString(serialised)
    (header,) = offers.opamp.headers.headers
    assert header.key == "Authorization"
    return header.value.removeprefix("Bearer ")


def hash_of(text: str) -> bytes:
    """Hash a text as gateways do."""
    return hashlib.sha256(text.encode()).digest()


def came(uid: bytes, epoch: int, credential_id: str = "", *, withheld: bool = False, **labels: str) -> facts_pb2.Fact:
    """An agent connected by this credential, stamped with these labels."""
    said = connected(uid, epoch)
    said.connected.credential_id = credential_id
    said.connected.withheld = withheld
    said.connected.labels.update(labels)
    return said
