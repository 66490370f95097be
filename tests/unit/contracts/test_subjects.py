"""The telephone book."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import subjects
from contracts.streams import STREAMS

UID = bytes.fromhex("019a0000000070008000000000000001")


def matcher(pattern: str) -> re.Pattern[str]:
    """Turn <tokens> of a pattern into one subject token each."""
    return re.compile(re.sub(r"<[a-z]+>", r"[^. *>]+", pattern.replace(".", r"\.")))


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("facts", subjects.facts(3)),
        ("presence", subjects.presence("gw-1")),
        ("offer", subjects.offer("gw-1")),
        ("offer to all", subjects.OFFER_ALL),
        ("agent event", subjects.agent_event("online", "default", UID)),
        ("config event", subjects.config_event("changed", "default")),
        ("package event", subjects.package_event("published", "default")),
        ("resync", subjects.RESYNC),
    ],
)
def test_builder_dials_a_listed_number(name: str, subject: str) -> None:
    """What the functions build is what the book lists."""
    entry = next(entry for entry in subjects.BOOK if entry.name == name)

    assert matcher(entry.pattern).fullmatch(subject)


def test_names_and_patterns_are_unique() -> None:
    """Nobody shares a line."""
    assert len({entry.name for entry in subjects.BOOK}) == len(subjects.BOOK)
    assert len({entry.pattern for entry in subjects.BOOK}) == len(subjects.BOOK)
    assert len({method.subject for method in subjects.METHODS}) == len(subjects.METHODS)


def test_streams_of_the_book_exist() -> None:
    """Whatever is said to be carried by a stream is carried by one of ours."""
    carriers = {entry.carried_by for entry in subjects.BOOK} - {"core", "request"}

    assert carriers <= {stream.name for stream in STREAMS}


@given(st.binary(min_size=16, max_size=16))
def test_partition_is_stable_and_in_range(uid: bytes) -> None:
    """An agent has one partition, the same in every process."""
    assert subjects.partition_of(uid) == subjects.partition_of(bytes(uid))
    assert 0 <= subjects.partition_of(uid) < subjects.DEFAULT_PARTITIONS


def test_partition_does_not_change_between_versions() -> None:
    """The number is part of the contract: a change would reorder agents in flight."""
    assert subjects.partition_of(UID) == 2


def test_methods_are_asked_under_their_service() -> None:
    """A question carries the version, the service and its name in its subject."""
    assert subjects.GET_AGENT.subject == "fleet.v1.api.agent-state.get_agent"
    assert {method.service for method in subjects.METHODS} == {
        subjects.AGENT_STATE,
        subjects.CONFIG_SERVICE,
        subjects.PACKAGE_SERVICE,
        subjects.API_GATEWAY,
    }
