"""S-127, S-128 and S-130 to S-133: agents' own credentials."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check
from opampctl.conformance.checks.acting import hear_field, known, unused
from opampctl.conformance.persona import REPORTS_STATUS
from opampctl.conformance.verdict import NotApplicable, require
from opampctl.conformance.websocket import NotUpgraded

if TYPE_CHECKING:
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe, SocketLine

_CAPABILITIES = REPORTS_STATUS | int(
    opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
    | opamp.AgentCapabilities_ReportsConnectionSettingsStatus
    | opamp.AgentCapabilities_ReportsHeartbeat
)
_UNAUTHORISED = 401


@check("S-127")
async def old_and_new_credential_both_work(probe: Probe) -> None:
    """Until the new credential was used, the old one still opens a WebSocket; then the new one does."""
    agent, line, old = await _own(probe)
    new = await _rotated(probe, agent, line)
    require(await _lets_in(probe, agent, old), "the old credential does not work though the new one was never used")
    require(await _lets_in(probe, agent, new), "the new credential does not work")


@check("S-128")
async def used_credential_ends_the_old_one(probe: Probe) -> None:
    """Once the agent has come with the new credential, the old one is answered 401."""
    agent, line, old = await _own(probe)
    new = await _rotated(probe, agent, line)
    await line.socket.close(probe.patience.answer)
    with contextlib.suppress(NotUpgraded):
        fresh = await probe.knock(headers=new, anonymous=True)
        await fresh.ask(agent.full())
        found = await probe.until(lambda: _knocked(probe, old), lambda answer: answer["status"] == _UNAUTHORISED)
        require(found["status"] == _UNAUTHORISED, "the old credential still works after the new one was used")
        return
    require(condition=False, sentence="the new credential does not work")


@check("S-130")
async def agent_without_certificate_is_let_in(probe: Probe) -> None:
    """An agent that shows no client certificate is let in, and could be offered one."""
    answer = await (await probe.websocket()).ask(probe.persona(_CAPABILITIES).full())
    if not answer.message.capabilities & opamp.ServerCapabilities_AcceptsConnectionSettingsRequest:
        raise unused("give certificates to agents that come without one")


@check("S-131")
async def agent_without_headers_is_let_in(probe: Probe) -> None:
    """An agent that shows no authorisation header is let in."""
    try:
        line = await probe.knock(anonymous=True)
    except NotUpgraded:
        raise unused("let agents in that show nothing") from None
    await line.ask(probe.persona(_CAPABILITIES).full())


@check("S-132")
async def newcomer_is_given_its_own_credential(probe: Probe) -> None:
    """An agent that came with a shared credential is offered one of its own, which works."""
    agent, _, own = await _own(probe)
    require(await _lets_in(probe, agent, own), "the credential it was offered does not work")


@check("S-133")
async def revoked_agent_is_cut_off(probe: Probe) -> None:
    """The WebSocket of a revoked agent is closed, its credential is answered 401, another agent stays."""
    agent, line, own = await _own(probe)
    other = probe.persona()
    others = await probe.websocket()
    await others.ask(other.full())
    await probe.do("revoke_agent", instance_uid=agent.text)
    require(await line.socket.ending(probe.patience.effect), "the revoked agent's WebSocket is still open")
    require(line.socket.closed_with is not None, "the revoked agent's WebSocket was dropped without a Close frame")
    found = await probe.until(lambda: _knocked(probe, own), lambda answer: answer["status"] == _UNAUTHORISED)
    require(found["status"] == _UNAUTHORISED, "the revoked agent's credential still works")
    require(not (await others.ask(other.message())).refused, "another agent was refused, too")


async def _own(probe: Probe) -> tuple[Persona, SocketLine, dict[str, str]]:
    """Bring an agent to its own credential; returns it, its line, and the headers that show its credential."""
    shared = await probe.do("make_credential", own=True)
    probe.setting.secrets.add(*shared["headers"].values())
    agent = probe.persona(_CAPABILITIES)
    line = await probe.knock(headers=shared["headers"], anonymous=True)
    line.say(agent.full())
    own = await _credential(probe, agent, line)
    line.say(agent.message(agent_disconnect=opamp.AgentDisconnect()))
    await line.socket.close(probe.patience.answer)
    fresh = await probe.knock(headers=own, anonymous=True)
    await fresh.ask(agent.full())
    await known(probe, agent)
    return agent, fresh, own


async def _rotated(probe: Probe, agent: Persona, line: SocketLine) -> dict[str, str]:
    await probe.do("rotate_credential", instance_uid=agent.text)
    return await _credential(probe, agent, line)


async def _credential(probe: Probe, agent: Persona, line: SocketLine) -> dict[str, str]:
    """Wait for an offer of OpAMP settings with headers, and report it applied."""
    offer = (await hear_field(probe, line, "connection_settings")).message.connection_settings
    headers = {header.key: header.value for header in offer.opamp.headers.headers}
    if not headers:
        raise NotApplicable("what was offered are no headers")
    probe.setting.secrets.add(*headers.values())
    status = opamp.ConnectionSettingsStatus(
        last_connection_settings_hash=offer.hash, status=opamp.ConnectionSettingsStatuses_APPLIED
    )
    line.say(agent.message(connection_settings_status=status))
    return headers


async def _lets_in(probe: Probe, agent: Persona, headers: dict[str, str]) -> bool:
    try:
        line = await probe.knock(headers={**headers, "OpAMP-Instance-UID": agent.text}, anonymous=True)
    except NotUpgraded:
        return False
    line.socket.drop()
    return True


async def _knocked(probe: Probe, headers: dict[str, str]) -> dict[str, Any]:
    try:
        line = await probe.knock(headers=headers, anonymous=True)
    except NotUpgraded as error:
        return {"status": error.head.status}
    line.socket.drop()
    return {"status": 101}
