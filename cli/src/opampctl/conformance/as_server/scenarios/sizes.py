"""Messages over the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.heard import Transport
from opampctl.conformance.wire import delimited

if TYPE_CHECKING:
    from opampctl.conformance.as_server.scene import Scene

_STRANGE_FIELD = 1999
_TOO_BIG = 1009


@scenario("C-027 C-028 C-029", transports=(Transport.WEBSOCKET,))
async def oversized_message(scene: Scene) -> None:
    """A WebSocket message over the limit has no effect and ends the connection."""
    await scene.meet()
    await scene.full_report()
    meeting = scene.meeting
    mark = await scene.tell_raw(_oversized(scene))
    await scene.log.until(
        lambda: (meeting is not None and not meeting.open) or _full(scene, mark), scene.patience.effect
    )
    scene.judge("C-027 C-028", not _full(scene, mark), "an oversized message is heeded")
    code = meeting.close_code if meeting is not None else None
    scene.judge(
        "C-029", code == _TOO_BIG, f"the Close frame has {code or 'no code'}" if code else "no Close frame came"
    )


@scenario("C-035 C-036 C-037", transports=(Transport.HTTP,))
async def oversized_response(scene: Scene) -> None:
    """A response over the limit has no effect."""
    await scene.meet()
    await scene.full_report()
    mark = await scene.tell_raw(_oversized(scene))
    later = await scene.hear(lambda _said: True, mark, scene.patience.poll)
    if later is None:
        scene.skip("C-035 C-036 C-037", "the agent polls no more after an oversized response")
        return
    await scene.quiet(mark)
    scene.judge("C-035 C-036 C-037", not _full(scene, mark), "an oversized response is heeded")


def _oversized(scene: Scene) -> bytes:
    """Write a wish for the full state, and more than anybody may take."""
    scene.door.excused = True
    wish = opamp.ServerToAgent(instance_uid=scene.door.uid, flags=opamp.ServerToAgentFlags_ReportFullState)
    return delimited(_STRANGE_FIELD, bytes(scene.setting.limit_bytes)) + wish.SerializeToString()


def _full(scene: Scene, mark: int) -> bool:
    """Whether everything was told on a connection that stood before."""
    return any("agent_description" in each.parts and not each.first for each in scene.log.since(mark))
