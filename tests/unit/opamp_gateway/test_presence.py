"""The beat names everybody heard from, once."""

from __future__ import annotations

import pytest
from gatewaylab.fakes import RULES, Lab
from gatewaylab.speech import OTHER, UID

from fleet.events.v1 import presence_pb2
from opamp_gateway import presence as module
from opamp_gateway.poll import Poll
from opamp_gateway.presence import Presence
from opamp_gateway.session import HTTP, Session
from servicekit.clock import FakeClock
from servicekit.errors import Unavailable


class Listener:
    """Hears beats."""

    def __init__(self) -> None:
        self.beats: list[presence_pb2.Presence] = []
        self.away = False

    async def say(self, payload: bytes) -> None:
        """Hear one."""
        if self.away:
            raise Unavailable("away")
        self.beats.append(presence_pb2.Presence.FromString(payload))


def heard(presence: Presence, uid: bytes, epoch: int, tenant_id: str = "default") -> Poll:
    """Let an agent be heard."""
    holder = Poll(Lab().gateway)
    holder.session = Session(RULES, tenant_id, uid, HTTP)
    holder.session.epoch = epoch
    holder.heard = True
    presence.heard.append(holder)
    return holder


async def test_beat_names_who_was_heard_with_their_epochs() -> None:
    """Packed per tenant, and only once."""
    listener = Listener()
    presence = Presence(listener.say, "gw", FakeClock())
    holder = heard(presence, UID, 5)
    heard(presence, OTHER, 6)
    heard(presence, UID, 7, "acme")

    await presence.beat(3)
    await presence.beat(3)

    named = {entry.tenant_id: (entry.uids, list(entry.epochs)) for beat in listener.beats for entry in beat.heard}
    assert named == {"default": (UID + OTHER, [5, 6]), "acme": (UID, [7])}
    assert listener.beats[-1] == presence_pb2.Presence(gateway_id="gw", connections=3)
    assert (holder.heard, holder.last_heard) == (False, 1000.0)


async def test_agent_without_epoch_waits_for_the_next_beat() -> None:
    """Nobody can place an agent without its epoch."""
    listener = Listener()
    presence = Presence(listener.say, "gw", FakeClock())
    holder = heard(presence, UID, 0)

    await presence.beat(1)
    assert not listener.beats[0].heard
    assert holder.session is not None
    holder.session.epoch = 9
    await presence.beat(1)

    assert list(listener.beats[1].heard[0].epochs) == [9]


async def test_agent_that_left_is_not_named() -> None:
    """Its Disconnected fact said it all."""
    listener = Listener()
    presence = Presence(listener.say, "gw", FakeClock())
    holder = heard(presence, UID, 4)
    assert holder.session is not None
    holder.session.closed = True

    await presence.beat(0)

    assert not listener.beats[0].heard


async def test_long_list_is_cut_into_several_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat fits in one bus message."""
    monkeypatch.setattr(module, "MAX_PER_BEAT", 2)
    listener = Listener()
    presence = Presence(listener.say, "gw", FakeClock())
    for epoch in range(1, 6):
        heard(presence, UID, epoch)

    await presence.beat(5)

    assert [list(beat.heard[0].epochs) for beat in listener.beats] == [[1, 2], [3, 4], [5]]


async def test_lost_bus_does_not_stop_the_beat() -> None:
    """A beat nobody hears is no error, and whom it named is named by the next; the last one says so."""
    listener, clock = Listener(), FakeClock()
    presence = Presence(listener.say, "gw", clock)
    holder = heard(presence, UID, 5)
    gone = heard(presence, OTHER, 6)
    listener.away = True
    await presence.beat(2)
    await clock.advance(3)
    await presence.beat(2)
    assert (holder.heard, holder.last_heard) == (False, 1000.0)
    gone.session = None
    listener.away = False

    await presence.beat(2, leaving=True)

    assert [beat.leaving for beat in listener.beats] == [True]
    assert [(entry.uids, list(entry.epochs)) for entry in listener.beats[0].heard] == [(UID, [5])]


async def test_agent_heard_while_a_beat_fails_is_named_once() -> None:
    """It stands in line already."""
    listener = Listener()
    presence = Presence(listener.say, "gw", FakeClock())
    holder = heard(presence, UID, 5)

    async def fail(_: bytes) -> None:
        holder.heard = True
        presence.heard.append(holder)
        raise Unavailable("away")

    presence._say = fail
    await presence.beat(1)
    presence._say = listener.say
    await presence.beat(1)

    assert list(listener.beats[0].heard[0].epochs) == [5]
