"""Streams cover the subjects they are said to carry, within bounds."""

from __future__ import annotations

import pytest

from contracts import subjects
from contracts.streams import EVENTS, FACTS, STREAMS, Stream

UID = bytes(16)


def carries(stream: Stream, subject: str) -> bool:
    """Match as NATS does: * is one token, > is one or more."""
    for pattern in stream.subjects:
        wanted, said = pattern.split("."), subject.split(".")
        if wanted[-1] == ">":
            wanted, said = wanted[:-1], said[: len(wanted) - 1] if len(said) >= len(wanted) else []
        if len(wanted) == len(said) and all(token in ("*", word) for token, word in zip(wanted, said, strict=True)):
            return True
    return False


def test_facts_stream_carries_every_partition() -> None:
    """Facts of any partition are stored."""
    assert all(carries(FACTS, subjects.facts(partition)) for partition in range(subjects.DEFAULT_PARTITIONS))


def test_events_stream_carries_domain_events() -> None:
    """Events about agents and configurations are stored."""
    assert carries(EVENTS, subjects.agent_event("online", "default", UID))
    assert carries(EVENTS, subjects.config_event("changed", "default"))
    assert carries(EVENTS, subjects.package_event("published", "default"))


def test_no_two_streams_carry_one_subject() -> None:
    """NATS refuses overlapping streams, so do we."""
    said = [
        subjects.facts(0),
        subjects.agent_event("online", "default", UID),
        subjects.config_event("x", "default"),
    ]

    assert all(sum(carries(stream, subject) for stream in STREAMS) == 1 for subject in said)


@pytest.mark.parametrize("stream", STREAMS, ids=[stream.name for stream in STREAMS])
def test_stream_is_bounded(stream: Stream) -> None:
    """Age, size and the window in which a repeat is recognised all have an end."""
    assert stream.max_age.total_seconds() > 0
    assert stream.max_bytes > 0
    assert stream.duplicate_window.total_seconds() >= 600
