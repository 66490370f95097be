"""The agent arrives: how it connects and what it says first."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opampctl.conformance.as_server.scene import Scene

_NANO = 10**9
_YEAR_2000 = 946_684_800 * _NANO
_PROMISED = {
    opamp.AgentCapabilities_ReportsHealth: "health",
    opamp.AgentCapabilities_ReportsEffectiveConfig: "effective_config",
    opamp.AgentCapabilities_ReportsRemoteConfig: "remote_config_status",
    opamp.AgentCapabilities_ReportsPackageStatuses: "package_statuses",
    opamp.AgentCapabilities_ReportsAvailableComponents: "available_components",
}
_COLLECTOR = re.compile(r"otelcol|collector", re.IGNORECASE)


@scenario("C-005 C-043 C-044 C-045 C-055 C-060 C-061 C-102 C-270 C-271")
async def first_report(scene: Scene) -> None:
    """The first report comes unasked, before anything else, and is complete."""
    met = await scene.meet()
    alone = scene.setting.agent.restarts
    knock = scene.log.knocks[-1]
    if scene.over_http:
        scene.judge("C-005", knock.method == "POST", f"the request is a {knock.method}")
    else:
        fault = scene.log.meetings[-1].fault
        scene.judge("C-005", not fault, fault)
    if alone or met.first:
        scene.judge("C-043", met.readable, "the first message is no AgentToServer")
        early = met.parts & {"custom_message", "connection_settings_request", "agent_disconnect"}
        scene.judge("C-044", not early and "agent_description" in met.parts, f"it has {_listed(met.parts)}")
        missing = [part for bit, part in _PROMISED.items() if scene.has(bit) and part not in met.parts]
        missing += [] if "agent_description" in met.parts else ["agent_description"]
        missing += [] if met.message.capabilities else ["capabilities"]
        scene.judge("C-045", not missing, f"the first report lacks {', '.join(missing)}")
    wishes = bool(met.message.flags & opamp.AgentToServerFlags_RequestInstanceUid)
    scene.judge("C-055", any(met.message.instance_uid) or wishes, "the uid is empty or all zeros")
    if wishes:
        scene.judge("C-060 C-061", any(met.message.instance_uid), "the flag is up and instance_uid is empty")
    else:
        scene.skip("C-060 C-061", "the agent chooses its own uid")
    if scene.has(opamp.AgentCapabilities_ReportsHealth) and "health" in met.parts:
        scene.judge("C-102", condition=True, sentence="")
    if "authorization" in knock.headers:
        scene.judge("C-270 C-271", condition=True, sentence="")
    else:
        scene.skip("C-270 C-271", "the agent shows no credentials")


@scenario("C-090 C-091 C-287 C-289")
async def description(scene: Scene) -> None:
    """The description says what a stranger needs to know."""
    met = await scene.meet()
    if "agent_description" not in met.parts:
        met = await scene.full_report()
    said = met.message.agent_description
    identifying = {each.key: each.value.string_value for each in said.identifying_attributes}
    other = {each.key for each in said.non_identifying_attributes}
    lacking = [key for key in ("service.name", "service.version", "service.instance.id") if not identifying.get(key)]
    scene.judge("C-090", not lacking, f"not among the identifying attributes: {', '.join(lacking)}")
    told = "os.type" in other and any(key.startswith("host.") for key in other)
    scene.judge("C-091", told, f"neither os.type nor host.* are complete: {_listed(other)}")
    if _COLLECTOR.search(identifying.get("service.name", "")):
        scene.judge("C-287", not lacking, f"not among the identifying attributes: {', '.join(lacking)}")
        scene.judge("C-289", told, f"neither os.type nor host.* are complete: {_listed(other)}")
    else:
        scene.skip("C-287 C-289", "by its service.name the agent is no Collector")


def plausible(nanoseconds: int) -> bool:
    """Whether a number can be a time of this age in nanoseconds since 1970."""
    return _YEAR_2000 < nanoseconds < (time.time() + 86_400) * _NANO


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
