"""permessage-deflate: agreed as RFC 7692 says, bounded, and without memory between messages."""

from __future__ import annotations

import zlib

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.speech import UID, answers_in, frames_of, full, masked, message

from opamp_gateway.deflate import WORTH_IT, deflate, inflate, negotiate
from opamp_gateway.errors import FrameViolation
from opamp_gateway.frames import FrameParser
from opamp_gateway.limits import Limits
from opamp_gateway.offers import REMOTE_CONFIG, Offering

PLAIN = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        ("permessage-deflate", (PLAIN, 15)),
        ("permessage-deflate; client_max_window_bits", (PLAIN, 15)),
        ("Permessage-Deflate;client_max_window_bits=8 ; client_no_context_takeover", (PLAIN, 15)),
        ("permessage-deflate; server_max_window_bits=10", (f"{PLAIN}; server_max_window_bits=10", 10)),
        ('permessage-deflate; server_max_window_bits="11"', (f"{PLAIN}; server_max_window_bits=11", 11)),
        ("x-other, permessage-deflate; bad, permessage-deflate", (PLAIN, 15)),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=08", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; client_max_window_bits=16", None),
        ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
        ("x-webkit-deflate-frame", None),
        ("", None),
        ("," * 100 + "permessage-deflate", None),
    ],
)
def test_first_offer_that_can_be_served_is_agreed(offered: str, answer: tuple[str, int] | None) -> None:
    """Anything unknown, doubled or out of range declines that offer."""
    assert negotiate(offered) == answer


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_what_is_packed_can_be_unpacked(bits: int) -> None:
    """With any window that was agreed, an empty message included."""
    for data in (b"", b"a", bytes(range(256)) * 100):
        assert inflate(deflate(data, bits), 1_000_000) == data


def test_bomb_is_cut_off_at_the_limit() -> None:
    """A megabyte of nothing in a kilobyte."""
    bomb = deflate(bytes(1_000_000), 15)
    assert len(bomb) < 5000

    with pytest.raises(FrameViolation) as caught:
        inflate(bomb, 1000)
    assert caught.value.code == 1009


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x07"])
def test_nonsense_is_invalid_data(data: bytes) -> None:
    """1007, not an exception of zlib's."""
    with pytest.raises(FrameViolation) as caught:
        inflate(data, 1000)
    assert caught.value.code == 1007


def test_final_block_is_allowed_and_nothing_behind_it() -> None:
    """RFC 7692 section 7.2.3.4; bytes behind the end of the stream are not."""
    engine = zlib.compressobj(wbits=-15)
    final = engine.compress(b"Hello") + engine.flush(zlib.Z_FINISH)

    assert inflate(final + b"\x00", 1000) == b"Hello"
    with pytest.raises(FrameViolation):
        inflate(final + b"more", 1000)


def test_compressed_fragments_are_one_message() -> None:
    """The bit stands on the first frame; control frames and continuations may not have it."""
    packed = deflate(b"x" * 500, 15)
    events: list[tuple[int, bytes]] = []
    parser = FrameParser(1000, 10, compressed=True)
    parser.feed(masked(2, packed[:3], final=False, reserved=0x40), events)
    parser.feed(masked(9, b"p") + masked(0, packed[3:]), events)
    parser.feed(masked(2, b"plain"), events)

    assert events == [(9, b"p"), (2, b"x" * 500), (2, b"plain")]
    for bad in (
        masked(9, b"", reserved=0x40),
        masked(0, b"", reserved=0x40),
        masked(2, b"", reserved=0x20),
        masked(2, b"", reserved=0x60),
    ):
        with pytest.raises(FrameViolation):
            FrameParser(1000, 10, compressed=True).feed(bad, [])


async def test_agent_that_compresses_is_served_and_answered_alike() -> None:
    """Large answers come back compressed, small ones do not; the heartbeat is recognised."""
    lab = Lab()
    socket, transport = lab.open(window_bits=15)

    def say(data: bytes) -> None:
        socket.data_received(masked(2, deflate(b"\x00" + data, 15), reserved=0x40))

    say(full().SerializeToString())
    say(message(sequence_num=1).SerializeToString())
    assert [told.flags for told in transport.answers()] == [0, 0]
    assert lab.gateway.tally.heartbeats == 1

    socket.deliver(Offering(REMOTE_CONFIG, b"h", b"\x12\x20" + b"h" * 32, "o"))
    large = Offering(REMOTE_CONFIG, b"g", b"\x12\x20" + b"g" * 32 + b"\x1a\x00" * WORTH_IT, "p")
    socket.deliver(large)
    small, packed = transport.written[:2], transport.written[-200:]
    assert small[0] == 0x82
    data = transport.take()
    at = data.index(b"\xc2")
    ((_, body),) = frames_of(data[at:])
    assert answers_in([(2, inflate(body, 1_000_000))])[0].remote_config.config_hash == b"g" * 32
    assert len(packed) < large.size


async def test_bomb_on_a_socket_closes_it_with_1009() -> None:
    """No field of it takes effect."""
    lab = Lab(Limits(max_message_bytes=1000))
    socket, transport = lab.open(window_bits=15)

    socket.data_received(masked(2, deflate(bytes(100_000), 15), reserved=0x40))

    assert int.from_bytes(transport.frames()[-1][1][:2]) == 1009
    assert lab.gateway.connections.get("default", UID) is None


async def test_idle_socket_that_agreed_holds_no_engine() -> None:
    """What a message needs is gone with it."""
    lab = Lab()
    socket, _ = lab.open(window_bits=15)
    socket.data_received(masked(2, deflate(b"\x00" + full().SerializeToString(), 15), reserved=0x40))

    assert socket._parser is None
