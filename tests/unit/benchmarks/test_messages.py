"""The frames of the load generator are what an agent would send."""

from __future__ import annotations

from benchmarks.messages import FIRST_SEQUENCE, FRAGMENT_BYTES, KEY, Messages, full_status
from opamp.v1 import opamp_pb2 as opamp


def unmask(wire: bytes) -> list[tuple[int, bytes]]:
    """Read masked client frames as (first byte, payload)."""
    frames = []
    while wire:
        size, at = wire[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(wire[2:4], "big"), 4
        assert wire[1] & 0x80
        assert wire[at : at + 4] == KEY
        body = wire[at + 4 : at + 4 + size]
        frames.append((wire[0], bytes(byte ^ KEY[i % 4] for i, byte in enumerate(body))))
        wire = wire[at + 4 + size :]
    return frames


def parse(wire: bytes) -> opamp.AgentToServer:
    """Join the fragments, drop the zero header, parse."""
    message = b"".join(payload for _, payload in unmask(wire))
    assert message[0] == 0
    return opamp.AgentToServer.FromString(message[1:])


def test_heartbeat_is_one_frame_of_three_fields() -> None:
    """A heartbeat carries uid, sequence number and capabilities, nothing else."""
    messages = Messages(3)

    for sequence in (FIRST_SEQUENCE, 5_000):
        wire = messages.heartbeat(2, sequence)
        heard = parse(wire)

        assert len(unmask(wire)) == 1
        assert heard.instance_uid == messages.uids[2]
        assert heard.sequence_num == sequence
        assert {field.name for field, _ in heard.ListFields()} == {"instance_uid", "sequence_num", "capabilities"}


def test_full_status_is_fragmented_as_the_go_client_does() -> None:
    """More than 4,096 bytes leave as a first frame without FIN and a continuation."""
    messages = Messages(2)

    first, second = unmask(messages.status(1, FIRST_SEQUENCE))

    assert (first[0], len(first[1])) == (0x02, FRAGMENT_BYTES)
    assert second[0] == 0x80
    assert 5_000 <= messages.status_bytes <= 6_000
    assert len(first[1]) + len(second[1]) == messages.status_bytes


def test_full_status_parses_and_its_variants_differ() -> None:
    """Each status tells who and how the agent is; the next one differs in health and configuration."""
    messages = Messages(2, labels={"environment": "bench"})

    heard = [parse(messages.status(0, FIRST_SEQUENCE + turn, turn)) for turn in (0, 1)]

    assert {part.instance_uid for part in heard} == {messages.uids[0]}
    assert heard[0].health != heard[1].health
    assert heard[0].effective_config != heard[1].effective_config
    attributes = {item.key: item.value.string_value for item in heard[0].agent_description.non_identifying_attributes}
    assert attributes["environment"] == "bench"


def test_status_bytes_are_the_same_in_every_run() -> None:
    """A run can be compared with an earlier one."""
    assert full_status(0) == full_status(0)
    assert Messages(2).uids == Messages(2).uids


def test_applied_report_names_the_hash() -> None:
    """After an offer the generator reports it applied, as an agent does."""
    heard = parse(Messages(1).config_applied(0, FIRST_SEQUENCE, b"h" * 32))

    assert heard.remote_config_status.last_remote_config_hash == b"h" * 32
    assert heard.remote_config_status.status == opamp.RemoteConfigStatuses_APPLIED
