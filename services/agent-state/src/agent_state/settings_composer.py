"""
Compose what one agent is offered: policies, its own credential and the platform's defaults, as far as it can take them.

An offer is always complete. An `opamp` member without headers makes clients drop their credential, one without
an interval stops heartbeats, one without a destination is invalid; so whatever is known is said every time, and
where something an agent needs is not known, the member is left out and the reason told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from agent_state.settings_policy import OWN_TELEMETRY, Merged, Policy, merge, other
from fleet.events.v1 import facts_pb2 as facts
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from agent_state.settings_policy_store import SettingsPolicyStore
    from servicekit.postgres import Connection as Db

ACCEPTS_OPAMP: Final = int(opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings)
ACCEPTS_OTHER: Final = int(opamp.AgentCapabilities_AcceptsOtherConnectionSettings)
REPORTS_HEARTBEAT: Final = int(opamp.AgentCapabilities_ReportsHeartbeat)
TELEMETRY_BITS: Final = {
    "own_metrics": int(opamp.AgentCapabilities_ReportsOwnMetrics),
    "own_traces": int(opamp.AgentCapabilities_ReportsOwnTraces),
    "own_logs": int(opamp.AgentCapabilities_ReportsOwnLogs),
}
TAKES_SETTINGS: Final = ACCEPTS_OPAMP | ACCEPTS_OTHER | sum(TELEMETRY_BITS.values())
"""An agent with none of these bits is offered nothing."""

DEFAULT_HEARTBEAT_SECONDS: Final = 30
MAX_OFFER_BYTES: Final = 64 * 1024
"""What may travel inside an Offer; settings hold secrets and never go to the content store."""

CREDENTIAL_HEADERS: Final = frozenset({"authorization", "secret-key"})

NO_PUBLIC_URL: Final = "the platform does not know its own address: set AGENT_STATE_OPAMP_PUBLIC_URL"
NO_CREDENTIAL: Final = (
    "the agent's credential is not the platform's to repeat, and an offer without it would lock the agent out: "
    "let its enrolment token issue credentials, or give the policy an Authorization header"
)
TOO_LARGE: Final = f"the settings together are larger than {MAX_OFFER_BYTES} bytes"

_SCHEMES: Final[Mapping[int, Mapping[str, str]]] = {
    facts.TRANSPORT_HTTP: {"ws": "http", "wss": "https"},
    facts.TRANSPORT_WEBSOCKET: {"http": "ws", "https": "wss"},
}

OpampPart = Callable[["Db", str, bytes], Awaitable["opamp.OpAMPConnectionSettings | None"]]
"""Tells an agent's own credential (headers, certificate); None = it has none of its own."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What every offer may say of the platform itself."""

    public_url: str = ""
    """Where agents reach the gateways; empty = unknown."""

    public_ca_pem: str = ""
    """Certificates that verify that address; empty = agents know already."""

    longest_poll_seconds: int = 30
    """Polling agents that stay away longer would count as silent."""


@dataclass(frozen=True, slots=True)
class Composed:
    """What one agent should have."""

    offers: opamp.ConnectionSettingsOffers | None
    """With its hash; None = nothing is to be offered."""

    policies: list[str]
    """Names of the policies that gave something, in order of precedence."""

    fault: str = ""
    """Why something that was wanted is left out; empty when nothing is."""

    @property
    def hash(self) -> bytes:
        """ConnectionSettingsOffers.hash; empty when nothing is to be offered."""
        return b"" if self.offers is None else self.offers.hash


@dataclass(frozen=True, slots=True)
class Taker:
    """What of an agent decides what it can be offered."""

    capabilities: int
    transport: int
    labels: Mapping[str, str]
    credential_id: str = ""
    """What let its connection in; empty = the gateway runs open, or it is not known."""

    retries: int = 0
    """How often a person asked to offer failed settings again; part of the hash, which agents would ignore else."""


class SettingsComposer:
    """
    Composes offers.

    Args:
        policies: Where policies are kept.

        platform: What is known of the platform.

        opamp_part: Asks for an agent's own credential.
    """

    def __init__(self, policies: SettingsPolicyStore, platform: Platform, opamp_part: OpampPart) -> None:
        self._policies = policies
        self._platform = platform
        self._opamp_part = opamp_part

    async def compose(
        self,
        connection: Db,
        tenant_id: str,
        uid: bytes,
        *,
        capabilities: int,
        transport: int,
        labels: Mapping[str, str],
        credential_id: str = "",
    ) -> Composed:
        """
        Tell what an agent should have, as things stand in the caller's transaction.

        Args:
            connection: May be inside a transaction; the agent's credential may be written there.

            tenant_id: Whose agent.

            uid: 16 bytes.

            capabilities: AgentCapabilities; 0 = not stated, which takes nothing.

            transport: Transport of its connection; decides the scheme of the platform's address.

            labels: As selectors see them.

            credential_id: What let the connection in; empty when nothing was asked for.
        """
        if not capabilities & TAKES_SETTINGS:
            return Composed(None, [])
        policies = await self._policies.current(connection, tenant_id)
        retries = await self._policies.retries(connection, tenant_id, uid)
        taker = Taker(capabilities, transport, labels, credential_id, retries)
        return await self.compose_from(connection, policies, (tenant_id, uid), taker)

    async def compose_from(
        self,
        connection: Db,
        policies: Sequence[Policy],
        key: tuple[str, bytes],
        taker: Taker,
        *,
        has_credential: bool = True,
    ) -> Composed:
        """Do the same for policies already read; *has_credential* is False where asking for one is idle."""
        own = None
        if has_credential and taker.capabilities & ACCEPTS_OPAMP:
            own = await self._opamp_part(connection, *key)
        return assemble(merge(policies, taker.labels), own, self._platform, taker)


def assemble(merged: Merged, own: opamp.OpAMPConnectionSettings | None, platform: Platform, taker: Taker) -> Composed:
    """
    Put an offer together.

    Args:
        merged: What policies say.

        own: The agent's own credential, if it has one.

        platform: Fills in what neither says.

        taker: What the agent can take.
    """
    offers = opamp.ConnectionSettingsOffers()
    members: list[str] = []
    fault = ""
    if taker.capabilities & ACCEPTS_OPAMP and (own is not None or merged.settings.HasField("opamp")):
        fault = _add_opamp(offers, merged.settings.opamp, own, platform, taker)
        if not fault and "opamp" in merged.sources:
            members.append("opamp")
    for member in OWN_TELEMETRY:
        if merged.settings.HasField(member) and taker.capabilities & TELEMETRY_BITS[member]:
            telemetry = getattr(offers, member)
            telemetry.CopyFrom(getattr(merged.settings, member))
            _complete_tls(telemetry, "")
            members.append(member)
    if taker.capabilities & ACCEPTS_OTHER:
        for name, connection in merged.settings.other_connections.items():
            offers.other_connections[name].CopyFrom(connection)
            _complete_tls(offers.other_connections[name], "")
            members.append(other(name))
    if not offers.ByteSize():
        return Composed(None, [], fault)
    offers.hash = hash_of(offers, taker.retries)
    if offers.ByteSize() > MAX_OFFER_BYTES:
        return Composed(None, [], TOO_LARGE)
    chosen = {merged.sources[member] for member in members}
    return Composed(offers, [name for name in merged.order if name in chosen], fault)


def hash_of(offers: opamp.ConnectionSettingsOffers, retries: int = 0) -> bytes:
    """Hash a whole offer, whatever its own hash says; the same settings give the same 32 bytes in every process."""
    bare = opamp.ConnectionSettingsOffers()
    bare.CopyFrom(offers)
    bare.hash = b""
    salt = f"retry {retries}".encode() if retries else b""
    return hashlib.sha256(bare.SerializeToString(deterministic=True) + salt).digest()


def suited(url: str, transport: int) -> str:
    """Write the platform's address with the scheme of an agent's transport; an unknown transport leaves it alone."""
    parts = urlsplit(url)
    schemes = _SCHEMES.get(transport, {})
    return urlunsplit(parts._replace(scheme=schemes.get(parts.scheme, parts.scheme)))


def _add_opamp(
    offers: opamp.ConnectionSettingsOffers,
    wanted: opamp.OpAMPConnectionSettings,
    own: opamp.OpAMPConnectionSettings | None,
    platform: Platform,
    taker: Taker,
) -> str:
    """Add the opamp member; answer why not, if not."""
    ours = not wanted.destination_endpoint or _same_host(wanted.destination_endpoint, platform.public_url)
    made = opamp.OpAMPConnectionSettings()
    made.CopyFrom(wanted)
    made.destination_endpoint = wanted.destination_endpoint or suited(platform.public_url, taker.transport)
    if not made.destination_endpoint:
        return NO_PUBLIC_URL
    if ours and own is not None:
        _add_credential(made, own)
    elsewhere = not ours and bool(platform.public_url)
    if taker.credential_id and not elsewhere and not _shows_credential(made):
        return NO_CREDENTIAL
    made.heartbeat_interval_seconds = _heartbeat(wanted.heartbeat_interval_seconds, platform, taker)
    secure = urlsplit(made.destination_endpoint).scheme in ("wss", "https")
    if ours and secure and platform.public_ca_pem and not made.HasField("tls"):
        made.tls.ca_pem_contents = platform.public_ca_pem
        made.tls.include_system_ca_certs_pool = True
    _complete_tls(made, platform.public_ca_pem if ours else "")
    offers.opamp.CopyFrom(made)
    return ""


def _add_credential(made: opamp.OpAMPConnectionSettings, own: opamp.OpAMPConnectionSettings) -> None:
    """Let the agent's own credential take the place of the policy's headers of that name, and of its certificate."""
    names = {header.key.lower() for header in own.headers.headers}
    kept = [header for header in made.headers.headers if header.key.lower() not in names]
    if names:
        made.headers.CopyFrom(opamp.Headers(headers=[*own.headers.headers, *kept]))
    if own.HasField("certificate"):
        made.certificate.CopyFrom(own.certificate)


def _shows_credential(made: opamp.OpAMPConnectionSettings) -> bool:
    if made.certificate.cert:
        return True
    return any(header.key.lower() in CREDENTIAL_HEADERS for header in made.headers.headers)


def _heartbeat(wanted: int, platform: Platform, taker: Taker) -> int:
    """Never 0 for an agent that can send heartbeats; it may only be told an interval when it can (A-10)."""
    if not taker.capabilities & REPORTS_HEARTBEAT:
        return 0
    seconds = wanted or DEFAULT_HEARTBEAT_SECONDS
    return min(seconds, platform.longest_poll_seconds) if taker.transport == facts.TRANSPORT_HTTP else seconds


def _complete_tls(
    made: opamp.OpAMPConnectionSettings | opamp.TelemetryConnectionSettings | opamp.OtherConnectionSettings,
    ca_pem: str,
) -> None:
    """TLS options that name nobody to trust would trust nobody, or be read as trusting everybody."""
    if made.HasField("tls") and not (made.tls.ca_pem_contents or made.tls.include_system_ca_certs_pool):
        made.tls.ca_pem_contents = ca_pem
        made.tls.include_system_ca_certs_pool = True


def _same_host(one: str, other_url: str) -> bool:
    left, right = urlsplit(one), urlsplit(other_url)
    return bool(left.hostname) and left.hostname == right.hostname
