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
from opamp_gateway import admission, answers, metrics
from opamp_gateway.entries import may_adopt
from opamp_gateway.offers import NAMES, REMOTE_CONFIG, Offering
from opamp_gateway.registry import ask
from opamp_gateway.session import HTTP, WEBSOCKET, Memory, Session
from servicekit.errors import ServiceError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opamp.v1 import opamp_pb2 as opamp
    from opamp_gateway.admission import Admitted
    from opamp_gateway.connections import Holder
    from opamp_gateway.credentials import Credential
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.session import Step

log = structlog.get_logger()

LOOKS = (0.02, 0.04, 0.08, 0.16, 0.32)
"""Pauses between looks for what another gateway is about to write."""

_LOOKS_AT_HELD = 3
"""As many are enough for an agent whose last connection was not closed in order: a gateway died, or a line."""

_ASKED = 2
"""How often agent-state is asked about one first message: its answer may have been overtaken by a change."""


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

    @property
    def as_of(self) -> int:
        """The newest change of anybody's rights when it was let in."""
        ...

    def welcomed(self, session: Session, step: Step, parts: bytes) -> None:
        """Take the first answer, and *parts* to go with it; the session is open."""
        ...

    def renamed(self, answer: tuple[bytes, bytes]) -> None:
        """Take an answer that gives the agent another uid, and that uid; no session is open."""
        ...

    def put_off(self, reply: bytes) -> None:
        """Take an error answer that asks to come again; no session is open."""
        ...

    def refused(self, uid: bytes, sentence: str) -> None:
        """Be sent off: this agent may not come in."""
        ...


def welcome(gateway: Gateway, newcomer: Newcomer, message: opamp.AgentToServer) -> None:
    """Handle a first message; the newcomer is told sooner or later, unless it is gone by then."""
    credential, uid = newcomer.credential, message.instance_uid
    if admission.is_foreign(gateway, credential, uid):
        # Before anybody is pinged for it: the agent of that name has nothing to do with this.
        if not gateway.errands.run(_vouch(gateway, newcomer, message), "vouch"):
            newcomer.put_off(answers.error(uid, answers.UNAVAILABLE, "busy", 30.0))
        return
    other = gateway.connections.get(credential.tenant_id, uid)
    if other is not None and other is not newcomer.holder:
        if not gateway.errands.run(_contest(gateway, newcomer, other, message), "contest"):
            newcomer.put_off(answers.error(uid, answers.UNAVAILABLE, "busy", 30.0))
        return
    _look_up(gateway, newcomer, message)


async def _vouch(gateway: Gateway, newcomer: Newcomer, message: opamp.AgentToServer) -> None:
    """Find out whether the credential is this agent's under the id it had before."""
    uid = message.instance_uid
    with _sending_off(newcomer, uid):
        try:
            await admission.vouch(gateway, newcomer, message)
        except ServiceError as error:
            if newcomer.gone:
                return
            if error.kind in admission.NO:
                newcomer.refused(uid, error.public)
            else:
                text = "agents cannot be admitted just now"
                newcomer.put_off(answers.error(uid, answers.UNAVAILABLE, text, 30.0))
            return
        if not newcomer.gone:
            welcome(gateway, newcomer, message)


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
        late = memory is not None and _may_come(gateway, memory, message)
        if late and gateway.errands.run(_look_again(gateway, newcomer, message), "second look"):
            return
        _proceed(gateway, newcomer, memory or Memory(), message)

    gateway.registry.look_up(newcomer.credential.tenant_id, message.instance_uid, known)


async def _look_again(gateway: Gateway, newcomer: Newcomer, message: opamp.AgentToServer) -> None:
    """
    Give another gateway a moment to write what it has just learnt, before the agent is asked for everything.

    An agent that moves at once, or polls through a balancer, is quicker than the registry.
    """
    memory: Memory | None = None
    with _sending_off(newcomer, message.instance_uid):
        for number, pause in enumerate(LOOKS, 1):
            await gateway.clock.sleep(pause)
            memory = await ask(gateway.registry, newcomer.credential.tenant_id, message.instance_uid)
            if newcomer.gone or memory is None or not _may_come(gateway, memory, message):
                break
            if number >= _LOOKS_AT_HELD and _is_held_by_a_socket(memory):
                # A socket held it to the last: how far it counted is written when a socket closes, or never.
                break
        if not newcomer.gone:
            _proceed(gateway, newcomer, memory or Memory(), message)


def _proceed(gateway: Gateway, newcomer: Newcomer, memory: Memory, message: opamp.AgentToServer) -> None:
    """Go on with what is known."""
    if _is_elsewhere(gateway, memory) and gateway.errands.run(
        _contest_elsewhere(gateway, newcomer, memory, message), "contest elsewhere"
    ):
        return
    # With too many at once nobody is asked: the newer epoch wins anyway.
    with _sending_off(newcomer, message.instance_uid):
        _enter(gateway, newcomer, memory, message)


def _may_come(gateway: Gateway, memory: Memory, message: opamp.AgentToServer) -> bool:
    """Say whether what is missing for *message* to go on where the agent left off may be on its way here."""
    if not gateway.registry.shared or not message.sequence_num or message.HasField("agent_description"):
        return False
    if gateway.renamed.first_of(message.instance_uid) != message.instance_uid:
        return False
    return memory.sequence_num is None or message.sequence_num != memory.sequence_num + 1 or not memory.described


def _is_held_by_a_socket(memory: Memory) -> bool:
    return memory.transport == WEBSOCKET and bool(memory.gateway_id) and memory.described


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
            _enter(gateway, newcomer, memory, message)


@contextlib.contextmanager
def _sending_off(newcomer: Newcomer, uid: bytes) -> Iterator[None]:
    """Let what goes wrong with one first message cost that connection, and nothing else."""
    try:
        yield
    except Exception:
        # A defect of ours that one message found; nobody else's look-up may end with it.
        log.exception("first_message_failed", agent_uid=format_uid(uid))
        newcomer.holder.end("protocol error")
        newcomer.put_off(answers.error(uid, answers.UNAVAILABLE, "this message could not be handled", 30.0))


def _rename(gateway: Gateway, newcomer: Newcomer, message: opamp.AgentToServer) -> None:
    if newcomer.gone:
        return
    metrics.CLONES.inc()
    log.info("clone_renamed", agent_uid=format_uid(message.instance_uid))
    newcomer.renamed(rename(gateway, message.instance_uid))


def rename(gateway: Gateway, uid: bytes) -> tuple[bytes, bytes]:
    """Give the agent *uid* another one; return the answer that says so, and the new uid."""
    new_uid = gateway.fresh_uid()
    gateway.renamed.note(uid, new_uid)
    log.info("agent_renamed", agent_uid=format_uid(uid), new_uid=format_uid(new_uid))
    return answers.acknowledge(uid) + gateway.rules.greeting.capabilities + answers.identify(new_uid), new_uid


def _enter(gateway: Gateway, newcomer: Newcomer, memory: Memory, message: opamp.AgentToServer) -> None:
    """Let the newcomer in, having asked where that is needed."""
    if newcomer.gone:
        return
    credential = newcomer.credential
    if not admission.must_ask(gateway, newcomer, message.instance_uid):
        _open(gateway, newcomer, memory, message, admission.by_credential(credential))
    elif sentence := gateway.refusals.of(credential.credential_id, message.instance_uid, gateway.now()):
        _turn_away(newcomer, message.instance_uid, sentence)
    elif not gateway.errands.run(_ask(gateway, newcomer, memory, message), "admission"):
        newcomer.put_off(answers.error(message.instance_uid, answers.UNAVAILABLE, "busy", 30.0))


def _turn_away(newcomer: Newcomer, uid: bytes, sentence: str) -> None:
    metrics.REFUSED.labels("admission").inc()
    newcomer.refused(uid, sentence)


async def _ask(gateway: Gateway, newcomer: Newcomer, memory: Memory, message: opamp.AgentToServer) -> None:
    """Let agent-state decide on the newcomer."""
    uid, credential = message.instance_uid, newcomer.credential
    with _sending_off(newcomer, uid):
        try:
            for _ in range(_ASKED):
                before = gateway.changes.count
                admitted = await admission.ask(gateway, newcomer, memory.capabilities, message)
                if not gateway.changes.since(before, credential.tenant_id, uid, credential.credential_id):
                    break
            else:
                raise Unavailable("too much changes about this agent")
        except ServiceError as error:
            if newcomer.gone:
                return
            if error.kind in admission.NO:
                if gateway.tokens is not None:
                    # The door asks anew: a refused upgrade slows the agent down, a closed socket does not.
                    gateway.tokens.doubt(credential.credential_id)
                gateway.refusals.note(credential.credential_id, uid, error.public, gateway.now())
                log.warning(
                    "agent_not_admitted",
                    agent_uid=format_uid(uid),
                    credential_id=credential.credential_id,
                    peer=newcomer.remote_address,
                    reason=error.public,
                )
                _turn_away(newcomer, uid, error.public)
            else:
                text = "agents cannot be admitted just now"
                newcomer.put_off(answers.error(uid, answers.UNAVAILABLE, text, 30.0))
            return
        _open(gateway, newcomer, memory, message, admitted)


def _open(
    gateway: Gateway, newcomer: Newcomer, memory: Memory, message: opamp.AgentToServer, admitted: Admitted
) -> None:
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
        labels=admitted.labels,
        withheld=admitted.withheld,
    )
    session.remember(memory, adopt=newcomer.transport_kind == HTTP and may_adopt(memory, credential.credential_id))
    step = session.receive(message, gateway.now(), gateway.stamp())
    offerings = [] if admitted.settings is None else [admitted.settings]
    wanted = session.wanted()
    content = gateway.content.have(wanted) if wanted else None
    if content is not None:
        offerings.append(Offering(REMOTE_CONFIG, wanted, content, ""))
    elif wanted and not step.goodbye:
        waiting = _open_with_content(gateway, newcomer, session, step, offerings)
        if gateway.errands.run(waiting, "first config"):
            return
    _greet(gateway, newcomer, session, step, offerings)


async def _open_with_content(
    gateway: Gateway, newcomer: Newcomer, session: Session, step: Step, offerings: list[Offering]
) -> None:
    """Wait a little for the wanted config; an answer without it beats a late one."""
    wanted = session.wanted()
    before = gateway.changes.count
    try:
        async with asyncio.timeout(gateway.limits.content_seconds):
            content = await gateway.content.get(wanted)
        if content is not None:
            offerings.append(Offering(REMOTE_CONFIG, wanted, content, ""))
    except TimeoutError:
        log.info("first_config_not_in_time", content_hash=wanted.hex())
    if newcomer.gone:
        return
    if gateway.changes.since(before, session.tenant_id, session.uid, session.credential_id):
        # Whoever was to be closed by that change is not found before it is in.
        newcomer.put_off(answers.error(session.uid, answers.UNAVAILABLE, "agents cannot be admitted just now", 30.0))
        return
    rival = gateway.connections.get(session.tenant_id, session.uid)
    if rival is not None and rival is not newcomer.holder:
        rival.end("replaced")
    with _sending_off(newcomer, session.uid):
        _greet(gateway, newcomer, session, step, offerings)


def _greet(gateway: Gateway, newcomer: Newcomer, session: Session, step: Step, offerings: list[Offering]) -> None:
    gateway.opened(newcomer.holder, session, step)
    if step.goodbye or not offerings:
        newcomer.welcomed(session, step, b"")
        return
    room = gateway.limits.outgoing(session.transport) - len(step.reply)
    parts: list[bytes] = []
    late: list[Offering] = []
    for offering in offerings:
        if not session.takes(offering.kind):
            continue
        if step.error or step.csr is not None or offering.size > room:
            late.append(offering)
            continue
        room -= offering.size
        parts.append(offering.part)
        fact = session.delivered(offering.kind, offering.content_hash, "", gateway.now(), gateway.stamp())
        gateway.publisher.add((fact,))
        metrics.DELIVERED.labels(NAMES[offering.kind]).inc()
    newcomer.welcomed(session, step, b"".join(parts))
    for offering in late:
        # An error answer carries nothing else; what does not fit beside the rest may fit alone.
        newcomer.holder.deliver(offering)
