"""Errors: which messages come again, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.manners import Refusal
from opampctl.conformance.as_server.scene import Halt
from opampctl.conformance.heard import Transport

if TYPE_CHECKING:
    from opampctl.conformance.as_server.said import Said
    from opampctl.conformance.as_server.scene import Scene

_NANO = 10**9
_EARLY = 0.9
_ROUNDS = 3
_LONGER = 1.2
"""More than jitter makes of the same wait."""

_TOO_LARGE = 413
_FULL_STATE = opamp.ServerToAgentFlags_ReportFullState


@scenario("C-260")
async def bad_request(scene: Scene) -> None:
    """A report called bad does not come again."""
    await _not_again(scene, "C-260", opamp.ServerErrorResponseType_BadRequest)


@scenario("C-261 C-263")
async def unknown_error(scene: Scene) -> None:
    """A report that failed for unknown reasons does not come again; the agent stays."""
    await _not_again(scene, "C-261", opamp.ServerErrorResponseType_Unknown)
    meeting = scene.meeting
    await scene.still_there("C-263", meeting, "an empty error_response")


@scenario("C-258 C-262 C-264 C-265")
async def overload(scene: Scene) -> None:
    """A report the server had no time for comes again, after the wait, over a new connection."""
    await scene.meet()
    await scene.full_report()
    failed = await _fail_one(scene, _unavailable(scene.patience.wait))
    old, knocks = scene.meeting, len(scene.log.knocks)
    said = await _back(scene, failed, scene.patience.poll)
    if not scene.over_http:
        left = old is None or not old.open
        scene.judge("C-264", left and len(scene.log.knocks) > knocks, "the agent stays on its connection")
    sooner = min([each.at for each in scene.log.knocks[knocks:]] + ([said.at] if said else []), default=0.0)
    if said is not None:
        waited = sooner - failed.at
        sentence = f"it came back after {waited:.2f} s, asked to wait {scene.patience.wait:g} s"
        scene.judge("C-265", waited >= scene.patience.wait * _EARLY, sentence)
    await scene.expect(
        "C-258 C-262",
        lambda each: "agent_description" in each.parts,
        "what the server had no time for never came again",
        since=failed.index + 1,
    )


@scenario("C-266", transports=(Transport.WEBSOCKET,))
async def overload_without_a_term(scene: Scene) -> None:
    """Not told how long, the agent waits longer every time."""
    await scene.meet()
    waits = []
    for _ in range(_ROUNDS):
        failed = await _fail_one(scene, _unavailable(None))
        said = await _back(scene, failed, scene.patience.effect)
        if said is None:
            scene.skip("C-266", f"the agent waits longer than {scene.patience.effect:g} s")
            return
        waits.append(said.at - failed.at)
    told = ", ".join(f"{each:.2f} s" for each in waits)
    scene.judge("C-266", waits[-1] > waits[0] * _LONGER, f"the waits are {told}")


@scenario("C-042", transports=(Transport.HTTP,))
async def too_large(scene: Scene) -> None:
    """What was answered 413 is not sent once more."""
    await scene.meet()
    refused: list[Said] = []

    def reply(said: Said) -> Refusal | None:
        if refused:
            return None
        refused.append(said)
        return Refusal(_TOO_LARGE)

    scene.manners.reply = reply
    if not await scene.log.until(lambda: refused, scene.patience.poll):
        raise Halt("no poll came")
    later = await scene.hear(lambda _said: True, refused[0].index + 1, scene.patience.poll)
    if later is None:
        raise Halt("the agent polls no more after 413")
    await scene.log.quiet(scene.patience.quiet)
    again = [each for each in scene.log.since(refused[0].index + 1) if each.raw == refused[0].raw]
    scene.judge("C-042", not again, "the same request came again after 413")


async def _not_again(scene: Scene, row: str, kind: opamp.ServerErrorResponseType) -> None:
    await scene.meet()
    await scene.full_report()
    error = opamp.ServerErrorResponse(type=kind, error_message="the conformance suite says so")
    if kind == opamp.ServerErrorResponseType_Unknown:
        error = opamp.ServerErrorResponse()
    failed = await _fail_one(scene, error)
    if scene.over_http and await scene.hear(lambda _said: True, failed.index + 1) is None:
        raise Halt("the agent polls no more after an error")
    await scene.log.quiet(scene.patience.quiet)
    again = [each for each in scene.log.since(failed.index + 1) if "agent_description" in each.parts]
    scene.judge(row, not again, "the message the error was about came again")


async def _back(scene: Scene, failed: Said, seconds: float) -> Said | None:
    """Wait for the next thing the agent says that is no goodbye."""

    def look() -> Said | None:
        later = scene.log.since(failed.index + 1)
        return next((each for each in later if "agent_disconnect" not in each.parts), None)

    return await scene.log.until(look, seconds)


async def _fail_one(scene: Scene, error: opamp.ServerErrorResponse) -> Said:
    """Have the agent report its full state, and answer that with an error."""
    failed: list[Said] = []

    def reply(said: Said) -> opamp.ServerToAgent | None:
        if failed or "agent_description" not in said.parts:
            return None
        failed.append(said)
        answer = opamp.ServerToAgent(instance_uid=said.message.instance_uid, error_response=error)
        answer.error_response.SetInParent()
        return answer

    scene.manners.reply = reply
    await scene.tell(opamp.ServerToAgent(flags=_FULL_STATE))
    await scene.log.until(lambda: failed, scene.patience.poll if scene.over_http else scene.patience.effect)
    if not failed:
        raise Halt("the agent did not report its full state when asked")
    return failed[0]


def _unavailable(seconds: float | None) -> opamp.ServerErrorResponse:
    made = opamp.ServerErrorResponse(type=opamp.ServerErrorResponseType_Unavailable, error_message="overloaded")
    if seconds is not None:
        made.retry_info.retry_after_nanoseconds = int(seconds * _NANO)
    return made
