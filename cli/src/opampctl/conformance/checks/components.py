"""S-189 to S-193: available components."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check
from opampctl.conformance.checks.acting import COMPONENTS, known, unused
from opampctl.conformance.heard import Transport
from opampctl.conformance.persona import REPORTS_STATUS, attributes
from opampctl.conformance.verdict import NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.probe import Probe

_REPORTS = REPORTS_STATUS | int(opamp.AgentCapabilities_ReportsAvailableComponents)
_DEPTH = 12


@check("S-189")
async def unknown_hash_is_asked_about(probe: Probe) -> None:
    """A hash never seen brings ReportAvailableComponents."""
    if not await _asked(probe, os.urandom(32)):
        raise unused("ask for components")


@check("S-190")
async def components_are_kept_by_hash(probe: Probe) -> None:
    """Another agent with a hash whose components are known is not asked."""
    stamp = os.urandom(32)
    agent = probe.persona(_REPORTS)
    await (await probe.websocket()).ask(agent.full(available_components=_inventory(stamp)))
    with contextlib.suppress(NotApplicable):
        await probe.look(agent, lambda view: view.get("components"))
    if await _asked(probe, stamp):
        raise unused("keep components by their hash")


@check("S-191")
async def hash_alone_erases_nothing(probe: Probe) -> None:
    """After a message with the hash only, the components are still shown."""
    stamp = os.urandom(32)
    agent = probe.persona(_REPORTS)
    line = await probe.websocket()
    await line.ask(agent.full(available_components=_inventory(stamp)))
    await known(probe, agent)
    view = await probe.look(agent, lambda view: view.get("components"))
    require(view.get("components"), "the components are not shown")
    bare = opamp.AvailableComponents(hash=stamp)
    await line.ask(agent.message(available_components=bare, agent_description=agent.description(mark="later")))
    view = await probe.look(agent, lambda view: "mark" in (view.get("non_identifying_attributes") or {}))
    require(view.get("components"), "the hash alone erased the components")


@check("S-192")
async def hash_is_opaque(probe: Probe) -> None:
    """Hashes of one byte, of text and of a kilobyte are taken."""
    for stamp in (b"\x00", b"sha256:text", os.urandom(1024)):
        for transport in Transport:
            agent = probe.persona(_REPORTS)
            answer = await (await probe.line(transport)).ask(agent.full(available_components=_inventory(stamp)))
            require(not answer.refused, f"{transport}: a hash of {len(stamp)} bytes was refused")


@check("S-193")
async def deep_components_are_taken(probe: Probe) -> None:
    """Components of twelve levels are taken, and shown where there is something to look at."""
    node = opamp.ComponentDetails(metadata=attributes({"level": str(_DEPTH)}))
    for level in range(_DEPTH - 1, 0, -1):
        outer = opamp.ComponentDetails(metadata=attributes({"level": str(level)}))
        outer.sub_component_map["part"].CopyFrom(node)
        node = outer
    agent = probe.persona(_REPORTS)
    inventory = opamp.AvailableComponents(hash=os.urandom(8), components={"receivers": node})
    answer = await (await probe.websocket()).ask(agent.full(available_components=inventory))
    require(not answer.refused, f"refused: {answer.message.error_response.error_message}")
    with contextlib.suppress(NotApplicable):
        view = await probe.look(agent, lambda view: view.get("components"))
        shown, depth = (view.get("components") or {}).get("receivers") or {}, 1
        while shown.get("components"):
            shown, depth = shown["components"]["part"], depth + 1
        require(depth == _DEPTH, f"{depth} of {_DEPTH} levels are shown")


async def _asked(probe: Probe, stamp: bytes) -> bool:
    agent = probe.persona(_REPORTS)
    line = await probe.websocket()
    bare = opamp.AvailableComponents(hash=stamp)
    flags = (await line.ask(agent.full(available_components=bare))).message.flags
    flags |= (await line.ask(agent.message())).message.flags
    for heard in await line.silence():
        flags |= heard.message.flags if heard.readable else 0
    return bool(flags & COMPONENTS)


def _inventory(stamp: bytes) -> opamp.AvailableComponents:
    part = opamp.ComponentDetails(metadata=attributes({"code": "otlp"}))
    return opamp.AvailableComponents(hash=stamp, components={"receivers": part})
