"""
A custom message to an agent and the answer that comes back, whichever gateway holds the agent.

Answers are heard on the bus, not stored for us: we listen before the agent is told, or a quick answer would be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from api_gateway.compose.custom_messages import is_reply
from api_gateway.errors import NoReply, TooManyWaiting
from api_gateway.upstream.identity import Identity
from contracts import subjects
from contracts.ids import AgentUid
from fleet.events.v1.custom_pb2 import CustomMessageHeard
from opamp.v1 import opamp_pb2
from servicekit.bus import Bus
from servicekit.errors import Unavailable

log = structlog.get_logger()

LISTEN_SECONDS = 2.0
"""How long the bus may take to know that we listen."""


class CustomMessages:
    """
    Calls that wait for answers of agents.

    Args:
        bus: Where answers are heard.

        identity: Tells the agent.

        max_waiting: Calls that may wait at once on this replica; further ones get TooMany.
    """

    def __init__(self, bus: Bus, identity: Identity, *, max_waiting: int) -> None:
        self._bus = bus
        self._identity = identity
        self._max_waiting = max_waiting
        self.waiting = 0

    async def ask(
        self,
        tenant_id: str,
        uid: AgentUid,
        message: opamp_pb2.CustomMessage,
        author: str,
        *,
        reply_type: str,
        timeout_seconds: float,
    ) -> opamp_pb2.CustomMessage:
        """
        Send *message* and return the agent's next message of its capability.

        Two calls that wait for one capability of one agent get the same answer: OpAMP has no word that would tell
        which question an answer belongs to. Whoever needs that puts it into the content.

        Args:
            tenant_id: Of the agent.

            uid: Of the agent.

            message: What it is sent.

            author: Who sends it.

            reply_type: Wait for a message of this type; empty = of any.

            timeout_seconds: From when the agent was told.

        Raises:
            NoReply: Told, and no answer in time.

            TooManyWaiting: max_waiting is reached.

            ServiceError: It could not be told; see Identity.send.
        """
        if self.waiting >= self._max_waiting:
            public = "too many calls wait for agents to answer"
            raise TooManyWaiting(public, retry_after_seconds=1)
        self.waiting += 1
        try:
            async with self._listening(tenant_id, uid, message.capability, reply_type) as reply:
                await self._identity.send(tenant_id, uid, message, author)
                try:
                    async with asyncio.timeout(timeout_seconds):
                        return await reply
                except TimeoutError as error:
                    public = f"the agent did not answer within {timeout_seconds:g} s"
                    raise NoReply(public) from error
        finally:
            self.waiting -= 1

    @contextlib.asynccontextmanager
    async def _listening(
        self, tenant_id: str, uid: AgentUid, capability: str, reply_type: str
    ) -> AsyncIterator[asyncio.Future[opamp_pb2.CustomMessage]]:
        reply: asyncio.Future[opamp_pb2.CustomMessage] = asyncio.get_running_loop().create_future()

        async def hear(said: Msg) -> None:
            try:
                heard = CustomMessageHeard.FromString(said.data)
            except DecodeError:
                log.warning("custom_message_unreadable", subject=said.subject)
                return
            if not reply.done() and is_reply(heard.message, capability, reply_type):
                reply.set_result(heard.message)

        try:
            async with asyncio.timeout(LISTEN_SECONDS):
                subscription = await self._bus.nc.subscribe(subjects.custom(tenant_id, uid), cb=hear)
                # The server must know before the agent is told.
                await self._bus.nc.flush(timeout=int(LISTEN_SECONDS))
        except (NatsError, TimeoutError, OSError) as error:
            public = "the bus is not reachable"
            raise Unavailable(public, retry_after_seconds=1) from error
        try:
            yield reply
        finally:
            reply.cancel()
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                async with asyncio.timeout(LISTEN_SECONDS):
                    await subscription.unsubscribe()
