"""Answers that must be asked for first: a certificate for an agent, or which config it should run by now."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from contracts.ids import format_uid
from fleet.api.v1 import identity_pb2
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import admission, answers, metrics
from opamp_gateway.admission import Known
from opamp_gateway.credentials import Credential
from opamp_gateway.offers import CONNECTION_SETTINGS, REMOTE_CONFIG, Offering
from opamp_gateway.registry import ask
from servicekit.errors import Kind, ServiceError

if TYPE_CHECKING:
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.session import Session, Step

log = structlog.get_logger()

_TAKES_SETTINGS = int(opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings)
_LATER = (Kind.UNAVAILABLE, Kind.TOO_MANY, Kind.INTERNAL)
"""Kinds of error that do not mean no."""


def are_due(session: Session, step: Step) -> bool:
    """Say whether the answer to a message needs asking first."""
    if step.csr is not None:
        return True
    if step.error:
        return False
    return (step.doubtful and session.takes(REMOTE_CONFIG)) or (step.unsettled and session.takes(CONNECTION_SETTINGS))


async def make(gateway: Gateway, session: Session, step: Step) -> bytes:
    """
    Ask, and return what goes with the answer; what fails becomes the step's error.

    Facts of the step are told already; a message whose answer waits is not lost with its connection.
    """
    if step.csr is not None:
        return await _certificate(gateway, session, step, step.csr)
    parts = b""
    if step.unsettled and session.takes(CONNECTION_SETTINGS):
        parts += await _settings(gateway, session, step)
    if step.doubtful and session.takes(REMOTE_CONFIG):
        parts += await _config(gateway, session)
    return parts


async def _certificate(gateway: Gateway, session: Session, step: Step, csr: bytes) -> bytes:
    if not session.capabilities & _TAKES_SETTINGS:
        return _fail(step, answers.BAD_REQUEST, "a certificate needs the capability AcceptsOpAMPConnectionSettings")
    if gateway.certify is None:
        return _fail(step, answers.BAD_REQUEST, "this platform issues no certificates")
    request = identity_pb2.RequestCertificateRequest(
        tenant_id=session.tenant_id,
        instance_uid=session.uid,
        credential_id=session.credential_id,
        csr=csr,
        capabilities=session.capabilities,
        transport=facts_pb2.Transport.Name(facts_pb2.Transport.ValueType(session.transport)),
    )
    try:
        reply = await gateway.certify(request)
    except ServiceError as error:
        metrics.CERTIFICATES.labels(str(error.kind)).inc()
        if error.kind in _LATER:
            return _fail(step, answers.UNAVAILABLE, "certificates cannot be issued just now")
        log.warning("certificate_refused", agent_uid=format_uid(session.uid), reason=error.public)
        return _fail(step, answers.BAD_REQUEST, error.public)
    if not reply.connection_settings:
        metrics.CERTIFICATES.labels("waits for approval").inc()
        return b""
    metrics.CERTIFICATES.labels("issued").inc()
    offering = Offering(CONNECTION_SETTINGS, reply.connection_settings_hash, reply.connection_settings, "")
    return _told(gateway, session, offering)


async def _settings(gateway: Gateway, session: Session, step: Step) -> bytes:
    """Ask which connection settings the agent should have: it reports others."""
    if gateway.admit is None:
        return b""
    known = Known(Credential(session.tenant_id, session.credential_id), session.remote_address, session.transport)
    said = opamp.AgentToServer(instance_uid=session.uid)
    said.connection_settings_status.last_connection_settings_hash = step.settings_hash
    try:
        admitted = await admission.ask(gateway, known, session.capabilities, said)
    except ServiceError as error:
        # Whoever wants the agent gone says so; whoever wants it told repeats it.
        log.debug("settings_not_asked", error=error.public)
        return b""
    return _told(gateway, session, admitted.settings) if admitted.settings is not None else b""


async def _config(gateway: Gateway, session: Session) -> bytes:
    """Look what the agent should run: it reports something nobody here has heard of."""
    memory = await ask(gateway.registry, session.tenant_id, session.uid)
    if memory is None:
        return b""
    session.desired = memory.desired or session.lately_served(gateway.now())
    wanted = session.wanted()
    if not wanted or (wanted == session.served and not session.settled):
        # Told, and never applied: whether once more is of use is not ours to decide.
        return b""
    content = gateway.content.have(wanted)
    if content is None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(gateway.limits.content_seconds):
                content = await gateway.content.get(wanted)
    if content is None:
        return b""
    return _told(gateway, session, Offering(REMOTE_CONFIG, wanted, content, ""))


def _told(gateway: Gateway, session: Session, offering: Offering) -> bytes:
    """Note an offer that goes with the answer, unless it is too large for one."""
    if offering.size > gateway.limits.outgoing(session.transport):
        metrics.OVERSIZE.inc()
        log.warning("offer_too_large", bytes=offering.size)
        return b""
    if session.closed:
        return b""
    fact = session.delivered(offering.kind, offering.content_hash, "", gateway.now(), gateway.stamp())
    gateway.publisher.add((fact,))
    return offering.part


def _fail(step: Step, kind: int, text: str) -> bytes:
    wait = 30.0 if kind == answers.UNAVAILABLE else 0.0
    step.error = answers.error(step.uid, kind, text, wait)
    return b""
