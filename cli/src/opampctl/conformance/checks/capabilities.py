"""S-062 to S-070: what server and agent say they can, and hold each other to."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant
from opampctl.conformance.checks.acting import (
    COMPONENTS,
    attempt,
    configure,
    hear_field,
    known,
    nothing_with,
    offered,
    settle,
    unused,
)
from opampctl.conformance.heard import Transport
from opampctl.conformance.ledger import UNKNOWN_CAPABILITIES
from opampctl.conformance.persona import ACCEPTS_CONFIG, REPORTS_STATUS, config_of
from opampctl.conformance.verdict import NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

_ALL_SERVER_BITS = 0x7F
_OFFERS_CONFIG = int(opamp.ServerCapabilities_OffersRemoteConfig)
_TAKES_EFFECTIVE = int(opamp.ServerCapabilities_AcceptsEffectiveConfig)
_UNSTATED = "no message stated capabilities"
_SAID_LAST = "true.yaml"


@invariant("S-062", broken="an undefined capability bit", unseen=_UNSTATED)
def capabilities_are_the_defined_bits(record: Record) -> bool | None:
    """Only seven bits are ever set."""
    bits = record.heard.message.capabilities
    return None if not bits else not bits & ~_ALL_SERVER_BITS


@check("S-063")
async def first_answer_states_capabilities(probe: Probe) -> None:
    """The first answer to an agent, whole or bare, has capabilities."""
    for transport in Transport:
        for whole in (True, False):
            agent = probe.persona()
            answer = await (await probe.line(transport)).ask(agent.full() if whole else agent.message())
            require(answer.message.capabilities, f"{transport}: the first answer states no capabilities")


@check("S-064")
async def later_answers_may_leave_them_out(probe: Probe) -> None:
    """A later answer has no capabilities."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    if (await line.ask(agent.message())).message.capabilities:
        raise unused("leave capabilities out of later answers")


@invariant("S-065", broken="capabilities without AcceptsStatus", unseen=_UNSTATED)
def capabilities_include_accepts_status(record: Record) -> bool | None:
    """Capabilities, where stated, include bit 1."""
    bits = record.heard.message.capabilities
    return None if not bits else bool(bits & 1)


@check("S-066")
async def capabilities_are_true(probe: Probe) -> None:
    """A config can be offered exactly if OffersRemoteConfig is set; an effective config is kept if accepted."""
    agent = probe.persona(ACCEPTS_CONFIG | int(opamp.AgentCapabilities_ReportsEffectiveConfig))
    line = await probe.websocket()
    bits = (await line.ask(agent.full())).message.capabilities
    await line.ask(agent.message(effective_config=config_of({_SAID_LAST: b"true"})))
    view = await probe.look(agent, _shows_what_was_said_last)
    shown = _shows_what_was_said_last(view)
    require(shown == bool(bits & _TAKES_EFFECTIVE), f"AcceptsEffectiveConfig is {'clear' if shown else 'set'}")
    if bits & _OFFERS_CONFIG:
        await offered(probe, agent, line, "true: 1\n")
        return
    await attempt(probe, "offer_config", agent, body="false: 1\n", content_type="yaml")
    await nothing_with(probe, agent, line, lambda said: said.HasField("remote_config"), "a config nobody announced")


@check("S-067")
async def changed_capabilities_count_at_once(probe: Probe) -> None:
    """Without its bit an agent is offered nothing more; with the bit again it is offered what it missed."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    first = await offered(probe, agent, line, "first: 1\n")
    applied = opamp.RemoteConfigStatus(last_remote_config_hash=first, status=opamp.RemoteConfigStatuses_APPLIED)
    await line.ask(agent.message(remote_config_status=applied))
    agent.capabilities = REPORTS_STATUS
    await line.ask(agent.message())
    await configure(probe, agent, "second: 2\n")
    await settle(probe)
    await nothing_with(
        probe, agent, line, lambda said: said.HasField("remote_config"), "a config after its bit was withdrawn"
    )
    agent.capabilities = ACCEPTS_CONFIG
    line.say(agent.message())
    heard = await hear_field(probe, line, "remote_config")
    require(heard.message.remote_config.config_hash != first, "the config offered with the bit is the old one")


@invariant("S-068", broken="something the agent never said it could take")
def nothing_beyond_the_agents_capabilities(record: Record) -> bool | None:
    """Offers, commands and flags stay within what the agent had stated."""
    if record.ever == UNKNOWN_CAPABILITIES:
        return None
    return not needs_of(record.heard.message) & ~record.ever


@check("S-068")
async def nothing_beyond_when_moved(probe: Probe) -> None:
    """An agent that only reports its status is sent nothing else, whatever the server is told to do."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    await configure(probe, agent, "beyond: 1\n")
    for action in ("restart_agent", "request_components"):
        with contextlib.suppress(NotApplicable):
            await attempt(probe, action, agent)
    await settle(probe)
    await nothing_with(probe, agent, line, needs_of, "something the agent cannot take")


@invariant("S-069", broken="a reserved bit")
def reserved_bits_are_zero(record: Record) -> bool | None:
    """Neither capabilities nor flags have a reserved bit set."""
    message = record.heard.message
    return not message.capabilities & ~_ALL_SERVER_BITS and not message.flags & ~0b11


@check("S-070")
async def humblest_agent_is_served(probe: Probe) -> None:
    """An agent with nothing but ReportsStatus is answered, and shown where there is something to look at."""
    agent = probe.persona()
    line = await probe.websocket()
    for message in (agent.full(), agent.message(), agent.message()):
        require(not (await line.ask(message)).refused, "an agent with ReportsStatus alone was refused")
    with contextlib.suppress(NotApplicable):
        await known(probe, agent)


def _shows_what_was_said_last(view: dict[str, Any]) -> bool:
    """Tell the newest effective config from the one the agent came with, which a server may show for a while."""
    return _SAID_LAST in (view.get("effective_config") or {})


def needs_of(message: opamp.ServerToAgent) -> int:
    """Return the capability bits an agent must have stated to be sent this."""
    settings = message.connection_settings
    needed = (
        (message.HasField("remote_config"), opamp.AgentCapabilities_AcceptsRemoteConfig),
        (message.HasField("packages_available"), opamp.AgentCapabilities_AcceptsPackages),
        (settings.HasField("opamp"), opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings),
        (settings.HasField("own_metrics"), opamp.AgentCapabilities_ReportsOwnMetrics),
        (settings.HasField("own_traces"), opamp.AgentCapabilities_ReportsOwnTraces),
        (settings.HasField("own_logs"), opamp.AgentCapabilities_ReportsOwnLogs),
        (bool(settings.other_connections), opamp.AgentCapabilities_AcceptsOtherConnectionSettings),
        (message.HasField("command"), opamp.AgentCapabilities_AcceptsRestartCommand),
        (bool(message.flags & COMPONENTS), opamp.AgentCapabilities_ReportsAvailableComponents),
    )
    bits = 0
    for there, bit in needed:
        bits |= int(bit) if there else 0
    return bits
