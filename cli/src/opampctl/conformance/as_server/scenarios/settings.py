"""Connection settings: the trial that goes well, the one that does not, and what an offer leaves out."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.manners import Refusal
from opampctl.conformance.as_server.scene import Halt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opampctl.conformance.as_server.said import Knock, Said
    from opampctl.conformance.as_server.scene import Scene

_ACCEPTS = opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
_REPORTS = opamp.AgentCapabilities_ReportsConnectionSettingsStatus
_APPLIED, _APPLYING = opamp.ConnectionSettingsStatuses_APPLIED, opamp.ConnectionSettingsStatuses_APPLYING
_FAILED = opamp.ConnectionSettingsStatuses_FAILED
_HASH_BYTES = 32
_UNAUTHORISED = 401
_GRACE_SECONDS = 0.25
"""A Close frame and the next connection may reach us together."""

MOVED, REFUSED = "/moved/opamp", "/refused/opamp"
HEADER, VALUE = "X-Conformance", "offered"


def offer(scene: Scene, path: str) -> opamp.ConnectionSettingsOffers:
    """Offer the same server under another path, with a header."""
    offers = opamp.ConnectionSettingsOffers(hash=secrets.token_bytes(_HASH_BYTES))
    offers.opamp.destination_endpoint = scene.setting.urls.of(scene.transport).replace("/v1/opamp", path)
    offers.opamp.heartbeat_interval_seconds = int(scene.patience.interval)
    offers.opamp.headers.headers.add(key=HEADER, value=VALUE)
    before = scene.log.knocks[-1].headers.get("authorization")
    if before:
        offers.opamp.headers.headers.add(key="Authorization", value=before)
    return offers


@scenario("C-003 C-064 C-161 C-165 C-166 C-169 C-170 C-173 C-202 C-250")
async def trial_goes_well(scene: Scene) -> None:
    """New settings are tried on a new connection, and reported as applied."""
    await scene.meet()
    scene.need(_ACCEPTS)
    await scene.full_report()
    offers, old = offer(scene, MOVED), scene.meeting
    knocks, mark = len(scene.log.knocks), await scene.tell(opamp.ServerToAgent(connection_settings=offers))
    knock = await _knock_at(scene, MOVED, knocks)
    if knock is None:
        refused = _status(scene, mark, offers, _FAILED)
        scene.judge("C-170", refused, "the agent does not move to the offered address")
        raise Halt("the agent does not take the settings")
    scene.judge("C-003 C-161", condition=True, sentence="")
    scene.judge("C-202", knock.headers.get(HEADER.lower()) == VALUE, "the offered header is not sent")
    before = [each for each in scene.log.since(mark) if each.at <= knock.at + _GRACE_SECONDS and _old(each, scene, old)]
    bye = bool(before) and "agent_disconnect" in before[-1].parts
    if scene.over_http:
        scene.judge("C-250", bye, "it moves without a goodbye")
    else:
        scene.judge("C-170", bye, "it moves without a goodbye")
        closed = old is not None and old.close_code is not None and old.ended <= knock.at + _GRACE_SECONDS
        scene.judge("C-064", bye and closed, "the old connection was not closed before the new one was opened")
    if not scene.has(_REPORTS):
        raise Halt("the agent does not report the status of connection settings")
    applying = any(each.message.connection_settings_status.status == _APPLYING for each in before)
    scene.judge("C-169", applying, "that a trial begins is not said before leaving")
    said = await scene.expect(
        "C-173",
        lambda each: each.message.connection_settings_status.status == _APPLIED,
        "the trial is not reported as applied",
        since=mark,
        seconds=scene.patience.effect,
    )
    status = said.message.connection_settings_status
    scene.judge("C-165", status.last_connection_settings_hash == offers.hash, "the hash is not the one offered")
    scene.judge("C-166", condition=True, sentence="")


@scenario("C-052")
async def settings_come_twice(scene: Scene) -> None:
    """The same settings again are met with silence."""
    await scene.meet()
    scene.need(_ACCEPTS)
    offers = offer(scene, MOVED)
    knocks = len(scene.log.knocks)
    await scene.tell(opamp.ServerToAgent(connection_settings=offers))
    if await _knock_at(scene, MOVED, knocks) is None:
        raise Halt("the agent does not take the settings")
    await scene.log.until(lambda: scene.over_http or scene.door.socket, scene.patience.effect)
    await scene.quiet(0)
    await scene.full_report()
    mark = await scene.tell(opamp.ServerToAgent(connection_settings=offers))
    news = await scene.quiet(mark)
    scene.judge("C-052", not news, "the same connection settings again cause a report")


@scenario("C-171 C-174 C-175")
async def trial_goes_badly(scene: Scene) -> None:
    """Settings that do not work are given up, and reported as failed over the old connection."""
    await scene.meet()
    scene.need(_ACCEPTS)
    await scene.full_report()
    home = scene.log.knocks[-1].path

    def refuse(path: str, _headers: Mapping[str, str]) -> Refusal | None:
        return Refusal(_UNAUTHORISED) if path == REFUSED else None

    scene.manners.refuse = refuse
    offers = offer(scene, REFUSED)
    knocks, mark = len(scene.log.knocks), await scene.tell(opamp.ServerToAgent(connection_settings=offers))
    tried = await _knock_at(scene, REFUSED, knocks)
    if tried is None:
        applied = _status(scene, mark, offers, _APPLIED)
        scene.judge("C-171", not applied, "settings are called applied that were never tried")
        raise Halt("the agent does not try the settings")
    back = await scene.log.until(
        lambda: next((each for each in scene.log.knocks if each.at > tried.at and each.path == home), None),
        scene.patience.effect,
    )
    scene.judge("C-174", back is not None, "the agent does not come back to the old settings")
    if back is None or not scene.has(_REPORTS):
        raise Halt("the agent does not report the status of connection settings")
    said = await scene.hear(
        lambda each: each.message.connection_settings_status.status in (_FAILED, _APPLIED), mark, scene.patience.effect
    )
    failed = said is not None and said.message.connection_settings_status.status == _FAILED
    scene.judge("C-175", failed, "the trial is not reported as failed")
    scene.judge("C-171", not _status(scene, mark, offers, _APPLIED), "settings that never worked are called applied")


@scenario("C-172", restarts=True)
async def settings_are_remembered(scene: Scene) -> None:
    """Settings that proved good are used after a restart."""
    await scene.meet()
    scene.need(_ACCEPTS)
    knocks = len(scene.log.knocks)
    await scene.tell(opamp.ServerToAgent(connection_settings=offer(scene, MOVED)))
    if await _knock_at(scene, MOVED, knocks) is None:
        raise Halt("the agent does not take the settings")
    await scene.full_report()
    uid = scene.door.uid
    await scene.stop()
    knocks = len(scene.log.knocks)
    met = await scene.meet()
    if met.message.instance_uid != uid:
        scene.skip("C-172", "the agent comes back as another one")
        return
    path = scene.log.knocks[knocks].path
    scene.judge("C-172", path == MOVED, f"after a restart the agent comes to {path}")


@scenario("C-162 C-192")
async def own_telemetry_alone(scene: Scene) -> None:
    """An offer without an opamp member leaves the connection as it is."""
    await scene.meet()
    await scene.full_report()
    bits = {
        opamp.AgentCapabilities_ReportsOwnMetrics: "own_metrics",
        opamp.AgentCapabilities_ReportsOwnTraces: "own_traces",
        opamp.AgentCapabilities_ReportsOwnLogs: "own_logs",
    }
    members = [name for bit, name in bits.items() if scene.has(bit)]
    if not members:
        raise Halt("the agent reports no telemetry of its own")
    offers = opamp.ConnectionSettingsOffers(hash=secrets.token_bytes(_HASH_BYTES))
    root = scene.setting.urls.http.replace("/v1/opamp", "/v1/")
    for name in members:
        getattr(offers, name).destination_endpoint = root + name.removeprefix("own_")
    meeting = scene.meeting
    mark = await scene.tell(opamp.ServerToAgent(connection_settings=offers))
    if scene.has(_REPORTS):
        await scene.expect(
            "C-192",
            lambda each: each.message.connection_settings_status.last_connection_settings_hash == offers.hash,
            "the offer is not reflected by a status",
            since=mark,
        )
    await scene.still_there("C-162", meeting, "an offer without an opamp member")


@scenario("C-189 C-190 C-193 C-197 C-198")
async def own_telemetry_comes(scene: Scene) -> None:
    """Telemetry comes to the offered destination, with the attributes that identify the agent."""
    met = await scene.meet()
    scene.need(opamp.AgentCapabilities_ReportsOwnMetrics)
    offers = opamp.ConnectionSettingsOffers(hash=secrets.token_bytes(_HASH_BYTES))
    offers.own_metrics.destination_endpoint = scene.setting.urls.http.replace("/v1/opamp", "/v1/metrics")
    begun = len(scene.log.telemetry)
    await scene.tell(opamp.ServerToAgent(connection_settings=offers))
    came = await scene.log.until(lambda: scene.log.telemetry[begun:], scene.patience.telemetry)
    if not came:
        raise Halt("the agent sent no telemetry of its own")
    scene.judge("C-190 C-193 C-197", condition=True, sentence="")
    keys = [each.key.encode() for each in met.message.agent_description.identifying_attributes]
    missing = [key.decode() for key in keys if key not in came[0].body]
    scene.judge("C-198", not missing, f"not in the Resource: {', '.join(missing)}")


async def _knock_at(scene: Scene, path: str, since: int) -> Knock | None:
    return await scene.log.until(
        lambda: next((each for each in scene.log.knocks[since:] if each.path == path), None), scene.patience.effect
    )


def _status(
    scene: Scene, mark: int, offers: opamp.ConnectionSettingsOffers, wanted: opamp.ConnectionSettingsStatuses
) -> bool:
    statuses = [each.message.connection_settings_status for each in scene.log.since(mark)]
    return any(each.status == wanted and each.last_connection_settings_hash == offers.hash for each in statuses)


def _old(said: Said, scene: Scene, old: object) -> bool:
    """Whether something was said on the old terms."""
    if scene.over_http:
        return HEADER.lower() not in said.headers
    return said.line == getattr(old, "number", 0)
