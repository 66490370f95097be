"""S-214 to S-216: who is let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opampctl.conformance.catalogue import check
from opampctl.conformance.verdict import NotApplicable, require
from opampctl.conformance.websocket import NotUpgraded

if TYPE_CHECKING:
    from opampctl.conformance.probe import Probe

_UNAUTHORISED = 401
_WRONG = "Bearer conformance-wrong-credential"


@check("S-214")
async def http_authentication_is_used(probe: Probe) -> None:
    """With the credential given, an agent is let in on both transports."""
    _needs_token(probe)
    await (await probe.websocket()).ask(probe.persona().full())
    await probe.polling().ask(probe.persona().full())


@check("S-215")
async def authentication_precedes_the_upgrade(probe: Probe) -> None:
    """Without a credential, or with a wrong one, there is no 101."""
    _needs_token(probe)
    for what, headers in _strangers().items():
        require(await _upgrade_status(probe, headers) is not None, f"{what}: the WebSocket was opened")


@check("S-216")
async def strangers_are_answered_401(probe: Probe) -> None:
    """Without a credential, or with a wrong one, both transports answer 401."""
    _needs_token(probe)
    for what, headers in _strangers().items():
        status = await _upgrade_status(probe, headers)
        said = "101" if status is None else status
        require(status == _UNAUTHORISED, f"WebSocket, {what}: HTTP {said}")
        line = probe.polling(anonymous=True, **headers)
        answer = await line.post(probe.persona().full())
        require(answer.status == _UNAUTHORISED, f"HTTP, {what}: HTTP {answer.status}")


async def _upgrade_status(probe: Probe, headers: dict[str, str]) -> int | None:
    """Knock as a stranger; returns the status of the refusal, None when let in."""
    try:
        await probe.knock(headers=headers, anonymous=True)
    except NotUpgraded as error:
        return error.head.status
    return None


def _strangers() -> dict[str, dict[str, str]]:
    return {"no credential": {}, "a wrong credential": {"Authorization": _WRONG}}


def _needs_token(probe: Probe) -> None:
    if not probe.target.token:
        raise NotApplicable("needs --token")
