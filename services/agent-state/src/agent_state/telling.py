"""
Tell one connected agent something now: a command, a custom message, or to list its components.

Told once: whoever asks hears whether a gateway took it. A gateway that does not answer may have told the agent all the
same, and the error says so; nothing is repeated here, because a restart told twice is two restarts.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from google.protobuf.message import DecodeError

from agent_state import metrics
from agent_state.agent import from_signed
from agent_state.errors import AgentNotFound, CannotTell, InvalidQuery
from agent_state.offers import GATEWAY_TOKEN
from contracts import subjects
from contracts.ids import UID_LENGTH, is_tenant_id
from fleet.api.v1 import identity_pb2 as api
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1 import offers_pb2
from opamp.v1 import opamp_pb2 as opamp
from servicekit.bus import NoResponders
from servicekit.errors import Unavailable

if TYPE_CHECKING:
    import asyncpg
    from google.protobuf.message import Message

    from servicekit.bus import Bus

log = structlog.get_logger()

Handler = Callable[[Any], Awaitable["Message"]]

TIMEOUT_SECONDS: Final = 3.0
MAX_GATEWAYS: Final = 16
"""How many are asked for an agent that is not where it was heard of last."""

MAX_NAME_CHARACTERS: Final = 256
MAX_DATA_BYTES: Final = 512 * 1024
MAX_AUTHOR_CHARACTERS: Final = 256

_AGENT = """
SELECT a.epoch, a.link = 'connected' AS connected, a.withheld, a.capabilities, a.transport,
  coalesce(p.gateway_id, a.gateway_id) AS gateway_id, c.report AS custom_capabilities
FROM agent a
LEFT JOIN agent_presence p ON p.tenant_id = a.tenant_id AND p.agent_uid = a.agent_uid
LEFT JOIN agent_custom_capabilities c ON c.tenant_id = a.tenant_id AND c.agent_uid = a.agent_uid
WHERE a.tenant_id = $1 AND a.agent_uid = $2
"""
_GATEWAYS = "SELECT gateway_id FROM gateway_lease WHERE expires_at > now() AND gateway_id <> $1 LIMIT $2"


@dataclass(frozen=True, slots=True)
class _Agent:
    """What of an agent decides whether and where it can be told."""

    epoch: int
    connected: bool
    withheld: bool
    capabilities: int
    transport: int
    gateway_id: str
    custom_capabilities: frozenset[str]


class Telling:
    """
    Answers TELL_AGENT.

    Args:
        pool: To find the agent.

        bus: Where its gateway listens.
    """

    def __init__(self, pool: asyncpg.Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus

    def handlers(self) -> Mapping[Any, Handler]:
        """Say who answers what."""
        return {subjects.TELL_AGENT: self.tell_agent}

    async def tell_agent(self, request: api.TellAgentRequest) -> api.TellAgentReply:
        """
        Tell an agent.

        Raises:
            AgentNotFound: There is none.

            CannotTell: It is not connected, not approved, or not able; the sentence says which.

            Unavailable: Its gateway did not answer: it may or may not have been told.
        """
        kind, content = _what(request)
        if not is_tenant_id(request.tenant_id) or len(request.instance_uid) != UID_LENGTH:
            raise InvalidQuery("instance_uid", f"a tenant and {UID_LENGTH} bytes are needed")
        name = facts.OfferKind.Name(kind).removeprefix("OFFER_KIND_").lower()
        agent = await self._find(request.tenant_id, request.instance_uid)
        try:
            _check(agent, request)
            gateway_id = await self._tell(agent, request, kind, content)
        except CannotTell:
            metrics.TOLD.labels(name, "refused").inc()
            raise
        except Unavailable:
            metrics.TOLD.labels(name, "unanswered").inc()
            raise
        metrics.TOLD.labels(name, "told").inc()
        author = request.author[:MAX_AUTHOR_CHARACTERS]
        log.info("agent_told", what=name, uid=request.instance_uid.hex(), gateway_id=gateway_id, author=author)
        return api.TellAgentReply(gateway_id=gateway_id, at_once=agent.transport == facts.TRANSPORT_WEBSOCKET)

    async def _find(self, tenant_id: str, uid: bytes) -> _Agent:
        row = await self._pool.fetchrow(_AGENT, tenant_id, uid)
        if row is None:
            raise AgentNotFound
        return _Agent(
            row["epoch"],
            row["connected"],
            row["withheld"],
            from_signed(row["capabilities"]),
            row["transport"],
            row["gateway_id"],
            frozenset(opamp.CustomCapabilities.FromString(row["custom_capabilities"] or b"").capabilities),
        )

    async def _tell(self, agent: _Agent, request: api.TellAgentRequest, kind: facts.OfferKind, content: bytes) -> str:
        """Ask the gateway it was heard of last, then the others: a polling agent may have moved a moment ago."""
        offer = offers_pb2.Offer(
            offer_id=uuid.uuid4().hex,
            tenant_id=request.tenant_id,
            kind=kind,
            content=content,
            targets=[offers_pb2.OfferTarget(instance_uid=request.instance_uid, epoch=agent.epoch)],
        )
        reply = await self._ask(agent.gateway_id, offer)
        if reply is None:
            for gateway_id in await self._others(agent.gateway_id):
                reply = await self._ask(gateway_id, offer)
                if reply is not None:
                    break
        if reply is None:
            raise CannotTell("The agent is not connected.")
        if reply.incapable_uids:
            raise CannotTell("The agent, or the gateway it is connected to, does not support this.")
        if not reply.accepted:
            raise CannotTell("The gateway did not take it; too much may be waiting for this agent.")
        return reply.gateway_id

    async def _others(self, gateway_id: str) -> Sequence[str]:
        return [row["gateway_id"] for row in await self._pool.fetch(_GATEWAYS, gateway_id, MAX_GATEWAYS)]

    async def _ask(self, gateway_id: str, offer: offers_pb2.Offer) -> offers_pb2.OfferReply | None:
        """Ask one gateway; None when it does not hold the agent, or is not there."""
        if not GATEWAY_TOKEN.fullmatch(gateway_id):
            return None
        try:
            raw = await self._bus.request(
                subjects.offer(gateway_id), offer.SerializeToString(), timeout_seconds=TIMEOUT_SECONDS
            )
            reply = offers_pb2.OfferReply.FromString(raw)
        except NoResponders:
            return None
        except DecodeError as error:
            raise Unavailable("The gateway's answer cannot be read; the agent may have been told.") from error
        return None if reply.unknown_uids else reply


def _what(request: api.TellAgentRequest) -> tuple[facts.OfferKind, bytes]:
    """Read what is to be told."""
    match request.WhichOneof("what"):
        case "command":
            if request.command.type != opamp.CommandType_Restart:
                raise InvalidQuery("command", "only Restart is known")
            return facts.OFFER_KIND_COMMAND, request.command.SerializeToString()
        case "custom_message":
            message = request.custom_message
            for field in ("capability", "type"):
                if len(getattr(message, field)) > MAX_NAME_CHARACTERS:
                    raise InvalidQuery(f"custom_message.{field}", f"must be at most {MAX_NAME_CHARACTERS} characters")
            if not message.capability:
                raise InvalidQuery("custom_message.capability", "must not be empty")
            if len(message.data) > MAX_DATA_BYTES:
                raise InvalidQuery("custom_message.data", f"must be at most {MAX_DATA_BYTES} bytes")
            return facts.OFFER_KIND_CUSTOM_MESSAGE, message.SerializeToString()
        case "report_available_components" if request.report_available_components:
            return facts.OFFER_KIND_REPORT_AVAILABLE_COMPONENTS, b""
        case _:
            raise InvalidQuery("what", "says nothing")


def _check(agent: _Agent, request: api.TellAgentRequest) -> None:
    """Refuse what the agent could not take, and say why."""
    if not agent.connected:
        raise CannotTell("The agent is not connected.")
    if agent.withheld:
        raise CannotTell("The agent is not approved.")
    match request.WhichOneof("what"):
        case "command" if not agent.capabilities & opamp.AgentCapabilities_AcceptsRestartCommand:
            raise CannotTell("The agent does not accept the restart command (AcceptsRestartCommand).")
        case "custom_message" if request.custom_message.capability not in agent.custom_capabilities:
            raise CannotTell(f"The agent has not announced the capability {request.custom_message.capability}.")
        case "report_available_components" if (
            not agent.capabilities & opamp.AgentCapabilities_ReportsAvailableComponents
        ):
            raise CannotTell("The agent does not report its components (ReportsAvailableComponents).")
        case _:
            pass
