"""The JetStream streams of the platform: what they carry and how long they keep it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from contracts.subjects import EVENTS_STREAM, FACTS_STREAM, ROOT


@dataclass(frozen=True)
class Stream:
    """A stream as every service that touches it declares it; declaring twice is harmless."""

    name: str
    subjects: tuple[str, ...]
    max_age: timedelta
    max_bytes: int
    duplicate_window: timedelta = timedelta(minutes=10)


FACTS = Stream(FACTS_STREAM, (f"{ROOT}.facts.*",), timedelta(hours=24), 2 * 1024**3)
"""Consumers apply facts within seconds; a day is for the one that was down."""

EVENTS = Stream(
    EVENTS_STREAM,
    (f"{ROOT}.agent.>", f"{ROOT}.config.>", f"{ROOT}.package.>", f"{ROOT}.campaign.>"),
    timedelta(days=7),
    2 * 1024**3,
)
"""Domain events; the outboxes keep them as long."""

STREAMS = (FACTS, EVENTS)
