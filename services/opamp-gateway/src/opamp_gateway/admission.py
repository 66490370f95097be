"""
May this agent stay: what its credential says, and where that is not enough, what agent-state says.

Decided before the first message is answered. Most fleets never come here: a plain token or a credential of its own
needs no admission, so a reconnect storm asks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from contracts.ids import format_uid
from fleet.api.v1 import identity_pb2
from fleet.events.v1 import facts_pb2
from opamp_gateway import metrics
from opamp_gateway.credentials import APPROVED, BARRED
from opamp_gateway.head import address_of
from opamp_gateway.offers import CONNECTION_SETTINGS, Offering, fitting
from servicekit.errors import Kind, ServiceError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from opamp.v1 import opamp_pb2 as opamp
    from opamp_gateway.credentials import Credential
    from opamp_gateway.gateway import Gateway

log = structlog.get_logger()

OTHER_AGENT = "this credential belongs to another agent"

NO = (Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.INVALID, Kind.NOT_FOUND, Kind.CONFLICT)
"""Kinds of error that mean no, and not: later."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An agent that may stay."""

    labels: tuple[tuple[str, str], ...] = ()
    withheld: bool = False
    """It waits for approval: heard and shown, and offered nothing."""

    settings: Offering | None = None
    """Connection settings for its first answer."""


_PLAINLY = Admitted()


def by_credential(credential: Credential) -> Admitted:
    """Tell what the credential alone says."""
    if not credential.labels and credential.approval == APPROVED:
        return _PLAINLY
    return Admitted(credential.labels, credential.approval != APPROVED)


def is_foreign(gateway: Gateway, credential: Credential, uid: bytes) -> bool:
    """
    Say whether *credential* belongs to another agent than *uid*, as far as is known here.

    One that was given *uid* here is the same. Whether one was given it elsewhere, or before this process began,
    agent-state knows: see `vouch`.
    """
    bound = credential.bound_uid
    return bool(bound) and bound not in (uid, gateway.renamed.first_of(uid))


def must_ask(gateway: Gateway, knocker: Knocker, uid: bytes) -> bool:
    """Say whether agent-state decides on the first message of *uid*."""
    if gateway.admit is None:
        return False
    credential = knocker.credential
    if credential.needs_admission or (credential.bound_uid and credential.bound_uid != uid):
        # With a credential that names the uid it had before, an agent is known by neither name: ask.
        return True
    # A socket may have been let in long ago, and bring an agent that was barred since.
    return gateway.changes.since(knocker.as_of, credential.tenant_id, uid, credential.credential_id)


class Knocker(Protocol):
    """Whoever asks to come in."""

    @property
    def credential(self) -> Credential:
        """What let it through the door."""
        ...

    @property
    def as_of(self) -> int:
        """The newest change of anybody's rights when it was let through."""
        ...

    @property
    def remote_address(self) -> str:
        """The peer as host:port."""
        ...

    @property
    def transport_kind(self) -> int:
        """WEBSOCKET or HTTP."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """An agent that is in already, and asked about again."""

    credential: Credential
    remote_address: str
    transport_kind: int
    as_of: int = 0


async def ask(gateway: Gateway, knocker: Knocker, capabilities: int, message: opamp.AgentToServer) -> Admitted:
    """
    Let agent-state decide.

    Args:
        gateway: Whose guest it will be.

        knocker: Whoever brings the message.

        capabilities: As far as they are known.

        message: The agent's first.

    Raises:
        ServiceError: Unauthenticated when it may not stay, with the sentence; Unavailable when nobody can say.
    """
    if gateway.admit is None:
        raise Unavailable("agents cannot be admitted just now", retry_after_seconds=30)
    credential, uid = knocker.credential, message.instance_uid
    request = identity_pb2.AdmitAgentRequest(
        tenant_id=credential.tenant_id,
        credential_id=credential.credential_id,
        instance_uid=uid,
        remote_ip=address_of(knocker.remote_address),
        capabilities=message.capabilities or capabilities,
        transport=facts_pb2.Transport.Name(facts_pb2.Transport.ValueType(knocker.transport_kind)),
        last_connection_settings_hash=message.connection_settings_status.last_connection_settings_hash,
        renamed_elsewhere=is_foreign(gateway, credential, uid),
    )
    if message.HasField("agent_description"):
        request.description.CopyFrom(message.agent_description)
    try:
        reply = await gateway.admit(request)
    except ServiceError as error:
        metrics.ADMISSIONS.labels(str(error.kind)).inc()
        raise
    if reply.approval in BARRED:
        metrics.ADMISSIONS.labels(reply.approval).inc()
        raise Unauthenticated(f"this agent was {reply.approval}")
    withheld = (reply.approval or APPROVED) != APPROVED
    metrics.ADMISSIONS.labels("withheld" if withheld else "admitted").inc()
    settings: Offering | None = None
    content = fitting(reply.connection_settings, request.capabilities) if reply.connection_settings else None
    if content is not None and not withheld:
        settings = Offering(CONNECTION_SETTINGS, reply.connection_settings_hash, content, "")
    labels = tuple(sorted(reply.labels.items())) or credential.labels
    return Admitted(labels, withheld, settings)


async def vouch(gateway: Gateway, knocker: Knocker, message: opamp.AgentToServer) -> None:
    """
    Let agent-state say whether a credential that names another agent belongs to this one under the id it had before.

    A yes is remembered; a no, too, for a little while: the agent is told so again without a question and a record.

    Raises:
        ServiceError: Unauthenticated when it is another agent's, or may not stay; Unavailable when nobody can say.
    """
    credential, uid = knocker.credential, message.instance_uid
    sentence = gateway.refusals.of(credential.credential_id, uid, gateway.now())
    if sentence:
        metrics.REFUSED.labels("binding").inc()
        raise Unauthenticated(sentence)
    try:
        if gateway.admit is None:
            raise Unauthenticated(OTHER_AGENT)
        # What it can do is left out: nothing is to be offered with this answer.
        _ = await ask(gateway, knocker, 0, type(message)(instance_uid=uid))
    except ServiceError as error:
        if error.kind not in NO:
            raise
        audit_foreign(credential, uid, knocker.remote_address)
        gateway.refusals.note(credential.credential_id, uid, error.public, gateway.now())
        raise Unauthenticated(error.public) from error
    gateway.renamed.note(credential.bound_uid, uid)


def is_known_foreign(gateway: Gateway, credential: Credential, uid: bytes) -> bool:
    """Say whether agent-state need not be asked whether *credential* is another agent's than *uid*."""
    if not uid or not is_foreign(gateway, credential, uid):
        return False
    return gateway.admit is None or bool(gateway.refusals.of(credential.credential_id, uid, gateway.now()))


def audit_foreign(credential: Credential, uid: bytes, remote_address: str) -> None:
    """Leave a record of somebody who speaks for another agent than its credential's."""
    metrics.REFUSED.labels("binding").inc()
    log.warning(
        "credential_of_another_agent",
        agent_uid=format_uid(uid),
        bound_uid=format_uid(credential.bound_uid),
        credential_id=credential.credential_id,
        peer=remote_address,
    )
