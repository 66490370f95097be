"""
An agent's first message: is its uid free, what is known of it, what should the first answer carry.

A uid that is in use is first checked for staleness: the holder is pinged, and only a holder that answers
makes the newcomer a clone, which then gets a uid of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

import structlog

from contracts.ids import format_uid
from opamp_gateway import answers, metrics
from opamp_gateway.offers import REMOTE_CONFIG, Offering
from opamp_gateway.registry import may_adopt
from opamp_gateway.session import HTTP, WEBSOCKET, Memory, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opamp.v1 import opamp_pb2 as opamp
    from opamp_gateway.connections import Holder
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.session import Step
    from opamp_gateway.tokens import Credential

log = structlog.get_logger()


class Newcomer(Protocol):
    """Whoever brings a first message: a WebSocket, or one poll."""

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        ...

    @property
    def holder(self) -> Holder:
        """What the session will hang on."""
        ...

    @property
    def transport_kind(self) -> int:
        """WEBSOCKET or HTTP."""
        ...

    @property
    def remote_address(self) -> str:
        """The peer as host:port."""
        ...

    @property
    def credential(self) -> Credential:
        """What let it in."""
        ...

    def welcomed(self, reply: bytes) -> None:
        """Take the first answer; the session is open."""
        ...

    def renamed(self, reply: bytes) -> None:
        """Take an answer that gives the agent another uid; no session is open."""
        ...


def welcome(gateway: Gateway, newcomer: Newcomer, message: opamp.AgentToServer) -> None:
    """Handle a first message; the newcomer is told sooner or later, unless it is gone by then."""
    tenant_id = newcomer.credential.tenant_id
    other = gateway.connections.get(tenant_id, message.instance_uid)
    if other is not None and other is not newcomer.holder:
        if not gateway.errands.run(_contest(gateway, newcomer, other, message), "contest"):
            newcomer.renamed(answers.error(message.instance_uid, answers.UNAVAILABLE, "busy", 5.0))
        return
    _look_up(gateway, newcomer, message)


async def _contest(gateway: Gateway, newcomer: Newcomer, other: Holder, message: opamp.AgentToServer) -> None:
    """Let the holder show that it lives; the loser gets another uid."""
    if await other.answers(gateway.limits.clone_seconds):
        _rename(gateway, newcomer, message)
        return
    other.end("replaced")
    _look_up(gateway, newcomer, message)


def _look_up(gateway: Gateway, newcomer: Newcomer, message: opamp.AgentToServer) -> None:
    def known(memory: Memory | None) -> None:
        if newcomer.gone:
            return
        memory = memory or Memory()
        if _is_elsewhere(gateway, memory) and gateway.errands.run(
            _contest_elsewhere(gateway, newcomer, memory, message), "contest elsewhere"
        ):
            return
        # With too many at once nobody is asked: the newer epoch wins anyway.
        with _sending_off(newcomer, message.instance_uid):
            _open(gateway, newcomer, memory, message)

    gateway.registry.look_up(newcomer.credential.tenant_id, message.instance_uid, known)


def _is_elsewhere(gateway: Gateway, memory: Memory) -> bool:
    """Say whether a socket of another gateway held the agent last."""
    return memory.transport == WEBSOCKET and memory.gateway_id not in ("", gateway.rules.gateway_id)


async def _contest_elsewhere(
    gateway: Gateway, newcomer: Newcomer, memory: Memory, message: opamp.AgentToServer
) -> None:
    """Let the gateway that held the agent last say whether it still does."""
    tenant_id = newcomer.credential.tenant_id
    with _sending_off(newcomer, message.instance_uid):
        if await gateway.rival(memory.gateway_id, tenant_id, message.instance_uid, memory.epoch):
            _rename(gateway, newcomer, message)
        else:
            _open(gateway, newcomer, memory, message)


@contextlib.contextmanager
def _sending_off(newcomer: Newcomer, uid: bytes) -> Iterator[None]:
    """Let what goes wrong with one first message cost that connection, and nothing else."""
    try:
        yield
    except Exception:
        # A defect of ours that one message found; nobody else's look-up may end with it.
        log.exception("first_message_failed", agent_uid=format_uid(uid))
        newcomer.holder.end("protocol error")
        newcomer.renamed(answers.error(uid, answers.UNAVAILABLE, "this message could not be handled", 30.0))


def _rename(gateway: Gateway, newcomer: Newcomer, message: opamp.AgentToServer) -> None:
    if newcomer.gone:
        return
    metrics.CLONES.inc()
    new_uid = gateway.fresh_uid()
    log.info("clone_renamed", agent_uid=format_uid(message.instance_uid), new_uid=format_uid(new_uid))
    newcomer.renamed(rename(message.instance_uid, new_uid))


def rename(uid: bytes, new_uid: bytes) -> bytes:
    """Write the answer that gives the agent *uid* another one."""
    return answers.acknowledge(uid) + answers.CAPABILITIES + answers.identify(new_uid)


def _open(gateway: Gateway, newcomer: Newcomer, memory: Memory, message: opamp.AgentToServer) -> None:
    if newcomer.gone:
        return
    credential = newcomer.credential
    rival = gateway.connections.get(credential.tenant_id, message.instance_uid)
    if rival is not None and rival is not newcomer.holder:
        # Somebody else was quicker while we looked.
        welcome(gateway, newcomer, message)
        return
    session = Session(
        gateway.rules,
        credential.tenant_id,
        message.instance_uid,
        newcomer.transport_kind,
        remote_address=newcomer.remote_address,
        credential_id=credential.credential_id,
    )
    session.remember(memory, adopt=newcomer.transport_kind == HTTP and may_adopt(memory))
    step = session.receive(message, gateway.now(), gateway.stamp())
    wanted = session.wanted()
    content = gateway.content.have(wanted) if wanted else None
    if wanted and content is None and not step.goodbye:
        waiting = _open_with_content(gateway, newcomer, session, step, wanted)
        if gateway.errands.run(waiting, "first config"):
            return
    _greet(gateway, newcomer, session, step, content)


async def _open_with_content(gateway: Gateway, newcomer: Newcomer, session: Session, step: Step, wanted: bytes) -> None:
    """Wait a little for the wanted config; an answer without it beats a late one."""
    content: bytes | None = None
    try:
        async with asyncio.timeout(gateway.limits.content_seconds):
            content = await gateway.content.get(wanted)
    except TimeoutError:
        log.info("first_config_not_in_time", content_hash=wanted.hex())
    if newcomer.gone:
        return
    rival = gateway.connections.get(session.tenant_id, session.uid)
    if rival is not None and rival is not newcomer.holder:
        rival.end("replaced")
    with _sending_off(newcomer, session.uid):
        _greet(gateway, newcomer, session, step, content)


def _greet(gateway: Gateway, newcomer: Newcomer, session: Session, step: Step, content: bytes | None) -> None:
    reply = step.reply
    gateway.opened(newcomer.holder, session, step)
    if content is not None and not step.goodbye:
        offering = Offering(REMOTE_CONFIG, session.desired, content, "")
        if offering.size + len(reply) <= gateway.limits.max_message_bytes:
            reply += offering.part
            fact = session.delivered(REMOTE_CONFIG, session.desired, "", gateway.now(), gateway.stamp())
            gateway.publisher.add((fact,))
            metrics.DELIVERED.labels("remote_config").inc()
        else:
            metrics.OVERSIZE.inc()
    newcomer.welcomed(reply)
