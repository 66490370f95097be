"""S-209 to S-213: too much, too fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant
from opampctl.conformance.connection import Gone
from opampctl.conformance.verdict import Failed, NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.heard import Heard
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

_MANY = 600
_UNAVAILABLE = opamp.ServerErrorResponseType_Unavailable
_SHORTEST_SECONDS = 30
_NANOSECONDS = 1_000_000_000
_THROTTLED = frozenset({429, 503})
_CALM = f"{_MANY} messages in a row were not too many"


@check("S-209", alone=True)
async def flood_is_answered_unavailable(probe: Probe) -> None:
    """Of many messages in a row, those that are not processed are answered Unavailable."""
    heard, ended = await _flood(probe)
    if any(_is_unavailable(each) for each in heard):
        return
    require(not ended, "the connection was ended without a word of Unavailable")
    require(len(heard) == _MANY, f"{len(heard)} of {_MANY} messages were answered, none with Unavailable")
    raise NotApplicable(_CALM)


@check("S-210", alone=True)
async def unavailable_says_how_long(probe: Probe) -> None:
    """Unavailable bears retry_info."""
    heard, _ = await _flood(probe)
    refusals = [each for each in heard if _is_unavailable(each)]
    if not refusals:
        raise NotApplicable(_CALM)
    if not any(each.message.error_response.HasField("retry_info") for each in refusals):
        raise NotApplicable("the server does not say how long to wait, and need not")


@check("S-211", alone=True)
async def flood_of_polls_is_turned_away(probe: Probe) -> None:
    """Of many polls in a row some are answered 503 or 429."""
    await _turned_away(probe)


@check("S-212", alone=True)
async def turned_away_polls_bear_retry_after(probe: Probe) -> None:
    """503 and 429 bear Retry-After."""
    if "retry-after" not in (await _turned_away(probe)).headers:
        raise NotApplicable("the server does not say how long to wait, and need not")


@invariant("S-213", broken="a wait of less than 30 s", unseen="the server told nobody to wait")
def waits_are_30_seconds_or_more(record: Record) -> bool | None:
    """No retry_info is below 30 s."""
    error = record.heard.message.error_response
    if not error.HasField("retry_info"):
        return None
    return error.retry_info.retry_after_nanoseconds >= _SHORTEST_SECONDS * _NANOSECONDS


@check("S-213", alone=True)
async def retry_after_is_30_seconds_or_more(probe: Probe) -> None:
    """No Retry-After in seconds is below 30."""
    told = (await _turned_away(probe)).headers.get("retry-after", "")
    require(not told.isdigit() or int(told) >= _SHORTEST_SECONDS, f"Retry-After is {told}")


async def _flood(probe: Probe) -> tuple[list[Heard], bool]:
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    for _ in range(_MANY):
        try:
            line.say(agent.message())
        except Failed:
            break
    heard: list[Heard] = []
    while len(heard) < _MANY and (each := await line.socket.next(probe.patience.answer)) is not None:
        heard.append(each)
        if _is_unavailable(each):
            break
    return heard, line.socket.ended


async def _turned_away(probe: Probe) -> Heard:
    """Poll until a poll is turned away."""
    agent = probe.persona()
    line = probe.polling()
    await line.ask(agent.full())
    for _ in range(_MANY):
        try:
            heard = await line.post(agent.message())
        except Gone as error:
            raise Failed(str(error)) from error
        if heard.status in _THROTTLED:
            return heard
    raise NotApplicable(_CALM)


def _is_unavailable(heard: Heard) -> bool:
    return heard.refused and heard.message.error_response.type == _UNAVAILABLE
