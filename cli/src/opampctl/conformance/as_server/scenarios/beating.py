"""Heartbeats: that they come, and that an offered interval is used."""

from __future__ import annotations

import secrets
from itertools import pairwise
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario

if TYPE_CHECKING:
    from opampctl.conformance.as_server.scene import Scene

_REPORTS = opamp.AgentCapabilities_ReportsHeartbeat
_ACCEPTS = opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
_BEATS = 3
_SLACK = 12
_EARLY = 0.5
_HASH_BYTES = 32


@scenario("C-215 C-216 C-223 C-224")
async def heartbeats_come(scene: Scene) -> None:
    """Who says so sends heartbeats, and who sends them says so."""
    await scene.meet()
    await scene.full_report()
    states = scene.has(_REPORTS)
    if not states:
        scene.judge("C-224", condition=True, sentence="")
    mark = len(scene.log.said)
    wait = scene.patience.beat if states else scene.patience.quiet
    beat = await scene.hear(lambda each: each.bare, mark, wait)
    if states:
        scene.judge("C-216 C-223", beat is not None, f"no heartbeat came within {wait:g} s")
        scene.judge("C-215", condition=True, sentence="")
    elif not scene.over_http and beat is not None:
        scene.judge("C-215", condition=False, sentence="heartbeats come, and ReportsHeartbeat is not stated")


@scenario("C-019 C-218 C-219 C-221 C-222 C-223")
async def offered_interval(scene: Scene) -> None:
    """An offered interval is used, counted from the last message, and 0 ends heartbeats."""
    await scene.meet()
    scene.need(_ACCEPTS)
    if not scene.over_http:
        scene.need(_REPORTS)
    interval = scene.patience.interval
    await _offer(scene, int(interval))
    mark = len(scene.log.said)
    await scene.log.until(
        lambda: sum(each.bare for each in scene.log.since(mark)) >= _BEATS, interval * _BEATS * _SLACK
    )
    said = scene.log.since(mark)
    rows = "C-019 C-218 C-221" if scene.over_http else "C-218 C-223"
    beats = sum(each.bare for each in said)
    scene.judge(rows, beats >= _BEATS, f"{beats} heartbeats came in {_BEATS * _SLACK} intervals of {interval:g} s")
    gaps = [two.at - one.at for one, two in pairwise(said) if two.bare and one.line == two.line]
    if gaps and not scene.over_http:
        # A stalled machine may bring two heartbeats together; an agent that hurries does so every time.
        hasty = sorted(gaps)[len(gaps) // 2] < interval * _EARLY
        scene.judge("C-222", not hasty, f"a heartbeat came {min(gaps):.2f} s after the message before it")
    if scene.over_http:
        return
    await _offer(scene, 0)
    mark = len(scene.log.said)
    await scene.log.quiet(interval * 2.5)
    beats = sum(each.bare for each in scene.log.since(mark))
    scene.judge("C-219", beats <= 1, f"{beats} heartbeats came after they were switched off")


async def _offer(scene: Scene, seconds: int) -> None:
    """Offer what there is, with another interval, and wait until all is said about it."""
    offers = opamp.ConnectionSettingsOffers(hash=secrets.token_bytes(_HASH_BYTES))
    offers.opamp.destination_endpoint = scene.setting.urls.of(scene.transport)
    offers.opamp.heartbeat_interval_seconds = seconds
    await scene.tell(opamp.ServerToAgent(connection_settings=offers))
    await scene.log.quiet(scene.patience.quiet)
    await scene.log.until(lambda: scene.over_http or scene.door.socket, scene.patience.effect)
    await scene.full_report()
