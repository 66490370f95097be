"""Registry entries: read whatever is in them, and what is about to be in them."""

from __future__ import annotations

from gatewaylab.fakes import RULES
from gatewaylab.speech import UID

from opamp_gateway.entries import CUSTOMS, EPOCH, GATEWAY, SEQUENCE_NUM, Update, lines, may_adopt, memory_of, newest
from opamp_gateway.session import HTTP, WEBSOCKET, Memory, Session


def update(epoch: int, **fields: bytes) -> Update:
    """Make an update of a session of *epoch*."""
    session = Session(RULES, "default", UID, WEBSOCKET)
    session.epoch = epoch
    made = Update(session)
    made.fields.update({name.encode(): value for name, value in fields.items()})
    return made


def test_entry_of_anything_is_a_memory() -> None:
    """Missing and unreadable count as unknown."""
    assert memory_of({}) == Memory()
    found = memory_of({EPOCH: b"x", SEQUENCE_NUM: b"7", GATEWAY: b"\xff", CUSTOMS: lines(("a", "b"))})
    assert (found.epoch, found.sequence_num, found.customs) == (0, 7, ("a", "b"))


def test_pending_updates_count_unless_somebody_newer_wrote() -> None:
    """In the order they were made; a release takes the owner away."""
    entry = {EPOCH: b"5", GATEWAY: b"gw", SEQUENCE_NUM: b"1"}
    release = update(5, seq=b"3")
    release.release = True

    assert newest(entry, None, update(5, seq=b"2"), release) == {
        EPOCH: b"5",
        b"turn": b"0",
        SEQUENCE_NUM: b"3",
    }
    assert newest(entry, update(4, seq=b"9")) == entry


def test_only_a_poll_with_the_same_credential_goes_on() -> None:
    """A socket does not, nor what was released, nor somebody with another credential."""
    held = Memory("gw", 5, HTTP, credential_id="c")

    assert may_adopt(held, "c")
    assert not may_adopt(held, "d")
    assert not may_adopt(Memory("gw", 5, WEBSOCKET, credential_id="c"), "c")
    assert not may_adopt(Memory("", 5, HTTP, credential_id="c"), "c")
