"""S-056 to S-061: counting messages, and parts that are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant
from opampctl.conformance.checks.acting import COMPONENTS, FULL_STATE, known, unused
from opampctl.conformance.heard import Transport
from opampctl.conformance.persona import attributes, config_of
from opampctl.conformance.verdict import require

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Line, Probe

_OBSERVED = int(
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_ReportsHealth
    | opamp.AgentCapabilities_ReportsEffectiveConfig
    | opamp.AgentCapabilities_ReportsPackageStatuses
)


@check("S-056")
async def any_number_but_the_next_asks_for_full_state(probe: Probe) -> None:
    """A gap, a repeat and a lower number set ReportFullState, the next number does not; each gap anew."""
    for transport in Transport:
        agent = probe.persona()
        line = await probe.line(transport)
        await line.ask(agent.full())
        require(not await _asked(line, agent, 1), f"{transport}: the next number brought ReportFullState")
        for what, step in (("a gap", 4), ("a repeat", 0), ("a lower number", -3)):
            require(await _asked(line, agent, step), f"{transport}: {what} brought no ReportFullState")
            await line.ask(agent.full())
        require(not await _asked(line, agent, 1), f"{transport}: the number after a lower one counts as a gap")
        for which in ("the first", "the second"):
            require(await _asked(line, agent, 5), f"{transport}: {which} of two gaps brought no ReportFullState")


@check("S-057")
async def counting_goes_on_over_a_reconnect(probe: Probe) -> None:
    """An agent that comes back with the next number and nothing else is not asked for its state."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    await line.ask(agent.message())
    require(
        await line.socket.close(probe.patience.answer), "the server did not close the connection after a Close frame"
    )
    again = await probe.websocket()
    answer = await again.ask(agent.message())
    require(not answer.message.flags & FULL_STATE, "an agent that went on counting was asked for its full state")


@check("S-058")
async def unknown_agent_is_asked(probe: Probe) -> None:
    """An agent never heard of that begins with a bare message is asked for its state."""
    answer = await (await probe.websocket()).ask(probe.persona().message())
    if not answer.message.flags & FULL_STATE:
        raise unused("ask agents it does not know")


@invariant("S-059", broken="an undefined flag")
def flags_are_the_defined_bits(record: Record) -> bool | None:
    """Only ReportFullState and ReportAvailableComponents are ever set."""
    return not record.heard.message.flags & ~(FULL_STATE | COMPONENTS)


@check("S-060")
async def absent_parts_are_unchanged(probe: Probe) -> None:
    """After messages without them, every part is what it was."""
    agent = probe.persona(_OBSERVED)
    line = await probe.websocket()
    await line.ask(_rich(agent))
    await known(probe, agent)
    await line.ask(agent.message())
    await line.ask(agent.message(health=opamp.ComponentHealth(healthy=False, last_error="newer")))
    view = await probe.look(agent, lambda view: view.get("last_error") == "newer")
    require(view.get("last_error") == "newer", "the newer health is not shown")
    require(view.get("name") == agent.name, "the description was lost")
    require("kept.yaml" in (view.get("effective_config") or {}), "the effective config was lost")
    require("org.example.kept" in (view.get("custom_capabilities") or []), "the custom capabilities were lost")
    require("kept" in (view.get("package_statuses") or {}), "the package statuses were lost")


@check("S-061")
async def present_parts_replace_whole(probe: Probe) -> None:
    """A new part leaves nothing of the old one: no component, file, attribute or capability."""
    agent = probe.persona(_OBSERVED)
    line = await probe.websocket()
    await line.ask(_rich(agent))
    await probe.look(agent, lambda view: (view.get("health") or {}).get("components"))
    await line.ask(
        agent.message(
            agent_description=opamp.AgentDescription(
                identifying_attributes=attributes({"service.name": agent.name, "service.instance.id": agent.text})
            ),
            health=opamp.ComponentHealth(
                healthy=True, component_health_map={"new": opamp.ComponentHealth(healthy=True, status="fresh")}
            ),
            effective_config=config_of({"new.yaml": b"new"}),
            package_statuses=opamp.PackageStatuses(),
            custom_capabilities=opamp.CustomCapabilities(),
        )
    )
    view = await probe.look(agent, lambda view: "new.yaml" in (view.get("effective_config") or {}))
    require(set(view.get("effective_config") or {}) == {"new.yaml"}, "a file left out is still shown")
    health = (view.get("health") or {}).get("components") or {}
    require(set(health) == {"new"}, f"components of the health are {sorted(health)}")
    require(not view.get("non_identifying_attributes"), "attributes left out are still shown")
    view = await probe.look(
        agent, lambda view: not view.get("custom_capabilities") and not view.get("package_statuses")
    )
    require(not view.get("custom_capabilities"), "an empty list left the old custom capabilities")
    require(not view.get("package_statuses"), "an empty list left the old package statuses")


async def _asked(line: Line, agent: Persona, step: int) -> bool:
    """Send a heartbeat numbered *step* after the last one; returns whether the answer asks for the full state."""
    agent.sequence += step - 1
    return bool((await line.ask(agent.message())).message.flags & FULL_STATE)


def _rich(agent: Persona) -> opamp.AgentToServer:
    return agent.full(
        health=opamp.ComponentHealth(
            healthy=True,
            status="old",
            component_health_map={"old": opamp.ComponentHealth(healthy=True), "older": opamp.ComponentHealth()},
        ),
        effective_config=config_of({"kept.yaml": b"kept"}),
        custom_capabilities=opamp.CustomCapabilities(capabilities=["org.example.kept"]),
        package_statuses=opamp.PackageStatuses(
            packages={"kept": opamp.PackageStatus(name="kept", agent_has_version="1.0.0")},
            server_provided_all_packages_hash=b"",
        ),
    )
