"""S-071 to S-079: description, effective configuration, health."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any

from opamp.v1 import anyvalue_pb2 as anyvalue
from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check
from opampctl.conformance.checks.acting import FULL_STATE, known, nothing_with, offered
from opampctl.conformance.heard import Transport
from opampctl.conformance.persona import ACCEPTS_CONFIG, REPORTS_STATUS, config_of
from opampctl.conformance.verdict import NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe

_EFFECTIVE = REPORTS_STATUS | int(opamp.AgentCapabilities_ReportsEffectiveConfig)
_HEALTH = REPORTS_STATUS | int(opamp.AgentCapabilities_ReportsHealth)
_DEPTH = 12
_BEATS = 4


@check("S-071")
async def offers_depend_on_the_description(probe: Probe) -> None:
    """A config meant for one agent does not reach another one."""
    chosen, other = probe.persona(ACCEPTS_CONFIG), probe.persona(ACCEPTS_CONFIG)
    lines = {}
    for agent in (chosen, other):
        lines[agent.text] = await probe.websocket()
        await lines[agent.text].ask(agent.full())
    await known(probe, other)
    await offered(probe, chosen, lines[chosen.text], "chosen: 1\n")
    await nothing_with(
        probe, other, lines[other.text], lambda said: said.HasField("remote_config"), "the other's config"
    )


@check("S-072")
async def attributes_keep_kind_and_type(probe: Probe) -> None:
    """Every type of value is shown with its kind as it was said."""
    values: dict[str, Any] = {
        "text": "1",
        "yes": True,
        "number": -42,
        "fraction": 1.5,
        "list": ["a", 2],
        "map": {"k": "v"},
    }
    agent = probe.persona()
    description = agent.description()
    description.identifying_attributes.extend(_attribute(f"id.{key}", value) for key, value in values.items())
    description.non_identifying_attributes.extend(_attribute(f"more.{key}", value) for key, value in values.items())
    line = await probe.websocket()
    await line.ask(agent.message(agent_description=description))
    await known(probe, agent)
    view = await probe.look(agent, lambda view: "id.text" in (view.get("identifying_attributes") or {}))
    for kind, prefix in (("identifying_attributes", "id"), ("non_identifying_attributes", "more")):
        shown = view.get(kind) or {}
        for key, value in values.items():
            found = shown.get(f"{prefix}.{key}")
            same = found == value and type(found) is type(value)
            require(same, f"{kind}: {key} was {value!r} and is {found!r}")


@check("S-073")
async def no_effective_config_is_expected(probe: Probe) -> None:
    """An agent that reports none is not asked again and again."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    for _ in range(_BEATS):
        answer = await line.ask(agent.message())
        require(not answer.message.flags & FULL_STATE, "asked for its full state though nothing was left out")


@check("S-074")
async def effective_config_is_shown(probe: Probe) -> None:
    """What the agent runs can be seen."""
    agent = probe.persona(_EFFECTIVE)
    await (await probe.websocket()).ask(agent.full())
    await known(probe, agent)
    view = await probe.look(agent, lambda view: view.get("effective_config"))
    require("config.yaml" in (view.get("effective_config") or {}), "the effective config is not shown")


@check("S-075")
async def content_type_may_be_absent(probe: Probe) -> None:
    """Files with and without content type are taken."""
    for content_type in ("", "text/yaml", "application/x-unheard-of"):
        agent = probe.persona(_EFFECTIVE)
        answer = await (await probe.websocket()).ask(agent.full(effective_config=config_of({"f": b"x"}, content_type)))
        require(not answer.refused, f"a file with the content type {content_type!r} was refused")


@check("S-076")
async def bodies_are_bytes(probe: Probe) -> None:
    """Bytes that are no text are taken, and shown as they were."""
    body = bytes(range(256))
    agent = probe.persona(_EFFECTIVE)
    answer = await (await probe.websocket()).ask(agent.full(effective_config=config_of({"f": body}, "")))
    require(not answer.refused, "a file that is no text was refused")
    await known(probe, agent)
    view = await probe.look(agent, lambda view: view.get("effective_config"))
    shown = (view.get("effective_config") or {}).get("f", "")
    require(base64.b64decode(shown) == body, "the file is not what it was")


@check("S-077")
async def deep_health_is_kept(probe: Probe) -> None:
    """Health of twelve levels is taken, and shown where there is something to look at."""
    agent = probe.persona(_HEALTH)
    await _say_health(probe, agent, _nested(_DEPTH))
    with contextlib.suppress(NotApplicable):
        view = await probe.look(agent, lambda view: view.get("health"))
        node, depth = view.get("health") or {}, 0
        while node.get("components"):
            node, depth = node["components"]["part"], depth + 1
        require(depth == _DEPTH, f"{depth} of {_DEPTH} levels are shown")


@check("S-078")
async def any_status_word_is_taken(probe: Probe) -> None:
    """Words nobody knows, and words of any script, are taken."""
    for word in ("StatusOK", "läuft gerade noch", "\U0001f525" * 20, ""):
        await _say_health(probe, probe.persona(_HEALTH), opamp.ComponentHealth(healthy=True, status=word))


@check("S-079")
async def health_has_attributes(probe: Probe) -> None:
    """Attributes at every level of the health are taken."""
    health = _nested(3)
    node = health
    while True:
        node.attributes.append(_attribute("pid", 4711))
        if not node.component_health_map:
            break
        node = node.component_health_map["part"]
    await _say_health(probe, probe.persona(_HEALTH), health)


async def _say_health(probe: Probe, agent: Persona, health: opamp.ComponentHealth) -> None:
    for transport in Transport:
        line = await probe.line(transport)
        each = agent if transport is Transport.WEBSOCKET else probe.persona(agent.capabilities)
        answer = await line.ask(each.full(health=health))
        require(not answer.refused, f"{transport}: refused: {answer.message.error_response.error_message}")


def _nested(depth: int) -> opamp.ComponentHealth:
    health = opamp.ComponentHealth(healthy=True, status=f"level {depth}")
    for level in range(depth - 1, -1, -1):
        outer = opamp.ComponentHealth(healthy=True, status=f"level {level}")
        outer.component_health_map["part"].CopyFrom(health)
        health = outer
    return health


def _attribute(key: str, value: Any) -> anyvalue.KeyValue:
    return anyvalue.KeyValue(key=key, value=_value(value))


def _value(value: Any) -> anyvalue.AnyValue:
    match value:
        case bool():
            return anyvalue.AnyValue(bool_value=value)
        case int():
            return anyvalue.AnyValue(int_value=value)
        case float():
            return anyvalue.AnyValue(double_value=value)
        case list():
            return anyvalue.AnyValue(array_value=anyvalue.ArrayValue(values=[_value(one) for one in value]))
        case dict():
            pairs = [_attribute(key, one) for key, one in value.items()]
            return anyvalue.AnyValue(kvlist_value=anyvalue.KeyValueList(values=pairs))
        case _:
            return anyvalue.AnyValue(string_value=str(value))
