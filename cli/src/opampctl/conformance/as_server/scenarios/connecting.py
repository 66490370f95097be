"""Connections that break or do not come about: when the agent tries again, and how it leaves."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.manners import Refusal
from opampctl.conformance.as_server.scene import Halt
from opampctl.conformance.heard import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opampctl.conformance.as_server.scene import Scene

ATTEMPTS = 5
_EARLY = 0.9
_DATE_SECONDS = 1.0
"""A date in a header has no fractions."""

_BROKEN, _OVERLOADED = 500, 503


def grows(gaps: Sequence[float]) -> bool:
    """Whether attempts come ever later: one stray gap does not decide."""
    half = len(gaps) // 2
    return len(gaps) > 1 and max(gaps[-half:]) > min(gaps[:half])


def in_step(gaps: Sequence[float]) -> bool:
    """Whether attempts come so evenly that a crowd would come together."""
    return max(gaps) - min(gaps) < max(gaps) / 1000


@scenario("C-251", restarts=True)
async def server_is_broken_at_first(scene: Scene) -> None:
    """Attempts that fail are repeated, ever later."""
    scene.refuse_with(_BROKEN)
    knocks = len(scene.log.knocks)
    await scene.start()
    gaps = await _gaps(scene, "C-251", knocks)
    told = ", ".join(f"{each:.2f} s" for each in gaps)
    scene.judge("C-251", grows(gaps) and not in_step(gaps), f"the attempts are {told} apart")
    scene.admit()


@scenario("C-046 C-253", transports=(Transport.WEBSOCKET,))
async def connection_breaks(scene: Scene) -> None:
    """A broken connection is opened again at once."""
    await scene.meet()
    await scene.full_report()
    begun = await _drop(scene)
    knock = await scene.knocked(begun, scene.patience.effect)
    if knock is None:
        scene.judge("C-253", condition=False, sentence="the agent does not come back")
        return
    took = knock.at - max((each.ended for each in scene.log.meetings if not each.open), default=knock.at)
    scene.judge("C-253", took <= scene.patience.prompt, f"the agent comes back after {took:.1f} s")
    mark = len(scene.log.said)
    said = await scene.hear(lambda each: each.first, mark - 1, scene.patience.prompt)
    scene.judge("C-046", said is None or "agent_description" not in said.parts, "everything is told again")


@scenario("C-254", transports=(Transport.WEBSOCKET,))
async def server_stays_away(scene: Scene) -> None:
    """If the server does not come back, attempts come ever later."""
    await scene.meet()
    scene.refuse_with(_BROKEN)
    knocks = await _drop(scene)
    gaps = await _gaps(scene, "C-254", knocks)
    told = ", ".join(f"{each:.2f} s" for each in gaps)
    scene.judge("C-254", grows(gaps) and not in_step(gaps), f"the attempts are {told} apart")


@scenario("C-225 C-252 C-267 C-268")
async def server_asks_for_patience(scene: Scene) -> None:
    """Retry-After, in seconds and as a date, is waited for, and forgotten afterwards."""
    await scene.meet()
    waits = []
    seconds = scene.patience.wait
    for as_date in (False, True):
        scene.manners.refuse = partial(_ask_for_patience, seconds, as_date)
        knocks = len(scene.log.knocks)
        if not scene.over_http:
            knocks = await _drop(scene)
        first = await scene.knocked(knocks, scene.patience.poll)
        if first is None:
            raise Halt("the agent does not knock again")
        second = await scene.knocked(knocks + 1, scene.patience.poll)
        if second is None:
            raise Halt("the agent does not knock again after 503")
        waits.append(second.at - first.at)
        mark = len(scene.log.said)
        scene.admit()
        if await scene.hear(lambda _said: True, mark, scene.patience.poll) is None and scene.over_http:
            raise Halt("the agent does not come back after 503")
        if not scene.over_http:
            await scene.log.until(lambda: scene.door.socket, scene.patience.effect)
    told = ", ".join(f"{wait:.2f} s" for wait in waits)
    patient = all(wait >= seconds * _EARLY for wait in waits)
    scene.judge("C-225 C-252 C-267", patient, f"asked to wait {seconds:g} s, the agent waits {told}")
    if scene.over_http:
        mark = len(scene.log.said)
        said = await scene.hear(lambda _said: True, mark, scene.patience.poll)
        scene.judge("C-268", said is not None, "after the wait the agent polls no more")
    else:
        await scene.still_there("C-268", scene.meeting, "a wait")


@scenario("C-064 C-248 C-249 C-250", restarts=True)
async def agent_leaves(scene: Scene) -> None:
    """An agent that is ended says goodbye."""
    await scene.meet()
    await scene.full_report()
    meeting = scene.meeting
    await scene.stop()
    said = scene.log.since(0)[-1]
    bye = "agent_disconnect" in said.parts
    if scene.over_http:
        scene.judge("C-250", bye, "the last request says no goodbye")
        return
    scene.judge("C-248", bye, "the last message says no goodbye")
    closed = meeting is not None and meeting.close_code is not None
    scene.judge("C-249", closed, "the connection ends without a Close frame")


def _ask_for_patience(seconds: float, as_date: object, _path: str, _headers: Mapping[str, str]) -> Refusal:
    """Refuse with a Retry-After; a date, which has no fractions, is rounded up."""
    date = formatdate(time.time() + seconds + _DATE_SECONDS, usegmt=True)
    return Refusal(_OVERLOADED, {"Retry-After": date if as_date else str(int(seconds))})


async def _drop(scene: Scene) -> int:
    """Break the connection; returns how many knocks there were until then."""
    socket = await scene.log.until(lambda: scene.door.socket, scene.patience.effect)
    if socket is None:
        raise Halt("the agent has no connection open")
    knocks = len(scene.log.knocks)
    scene.door.excused = True
    socket.drop()
    return knocks


async def _gaps(scene: Scene, row: str, since: int) -> list[float]:
    """Wait for several attempts; how far they are apart."""
    await scene.log.until(
        lambda: len(scene.log.knocks) >= since + ATTEMPTS, scene.patience.effect + scene.patience.poll
    )
    knocks = scene.log.knocks[since:]
    if not knocks:
        scene.judge(row, condition=False, sentence="the agent does not try again")
        raise Halt("the agent does not try again")
    if len(knocks) < ATTEMPTS:
        raise Halt(f"only {len(knocks)} attempts came in time")
    return [two.at - one.at for one, two in pairwise(knocks)]
