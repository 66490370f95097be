from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent_state.agent import Health, Identity
from agent_state.agent_store import After, Before, Change, Deleted
from agent_state.publisher import back_online, credential_revoked, decided, deleted, enrolled, events_of, offline
from contracts.ids import format_uid
from fleet.events.v1 import agent_pb2
from servicekit.outbox import OutboxEvent
from world.facts import uid_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
UID = uid_of(1)
KEY = ("default", UID)
WELL = Health("healthy", "", "ok")
UNKNOWN = Health("unknown", "", "")


def before(link: str = "connected", health: Health = UNKNOWN) -> Before:
    """Make a row as it was."""
    return Before(5, 1, NOW, link, "online" if link == "connected" else "offline", health)


def after(link: str = "connected", health: Health = UNKNOWN) -> After:
    """Make a row as it is."""
    ended = NOW + timedelta(seconds=30) if link == "disconnected" else None
    status = "online" if link == "connected" else "offline"
    return After("default", UID, 5, 9, NOW, ended, "drain" if ended else "", link, status, 1, "gw-1", health)


def said(events: list[OutboxEvent]) -> list[str]:
    """List what is said."""
    return [agent_pb2.AgentEvent.FromString(event.payload).WhichOneof("what") or "" for event in events]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(None, after()), ["online"]),
        (Change(None, after("disconnected")), ["online", "offline"]),
        (Change(before("disconnected"), after()), ["online"]),
        (Change(before(), after("disconnected")), ["offline"]),
        (Change(before(), after()), []),
        (Change(before("disconnected"), after("disconnected")), []),
        (Change(before(), after(health=WELL)), ["health_changed"]),
        (Change(before(health=WELL), after(health=WELL)), []),
    ],
)
def test_transitions_and_nothing_else_are_said(change: Change, expected: list[str]) -> None:
    """What did not change is not said."""
    assert said(events_of([change], {}, NOW)) == expected


def test_event_carries_who_when_and_where() -> None:
    """The first event of an agent tells everything a listener needs."""
    (entry,) = events_of([Change(None, after())], {}, NOW)
    event = agent_pb2.AgentEvent.FromString(entry.payload)

    assert entry.subject == f"fleet.v1.agent.online.default.{format_uid(UID)}"
    assert entry.message_id == event.event_id
    assert (event.epoch, event.sequence, event.tenant_id, event.instance_uid) == (5, 9, "default", UID)
    assert event.time_unix_nano == int(NOW.timestamp()) * 10**9
    assert event.online.first_seen
    assert event.online.gateway_id == "gw-1"


def test_description_is_said_with_its_labels() -> None:
    """Listeners match on labels without asking back."""
    identity = Identity("name", "1", "", "", "", {"env": "prod"}, 0)

    entry = events_of([Change(before(), after())], {KEY: identity}, NOW)[0]

    described = agent_pb2.AgentEvent.FromString(entry.payload).described
    assert (described.name, dict(described.labels)) == ("name", {"env": "prod"})


def test_offline_tells_reason_and_length() -> None:
    """How long it was there and why it went."""
    entry = events_of([Change(before(), after("disconnected"))], {}, NOW)[0]

    event = agent_pb2.AgentEvent.FromString(entry.payload).offline
    assert (event.reason, event.duration_seconds) == ("drain", 30.0)


def test_other_transitions_have_their_words() -> None:
    """Lost, back and deleted are said by name."""
    events = [
        offline(KEY, (5, 9), "gateway lost", 1.0, NOW),
        back_online(KEY, (5, 9), "gw", 2, NOW),
        deleted(KEY, Deleted(5, 9, "gw", "online", "connected"), NOW),
    ]

    assert said(events) == ["offline", "online", "deleted"]
    assert len({event.message_id for event in events}) == 3


def test_decisions_are_said_with_their_author() -> None:
    """Enrolment by the token's id; decisions by who took them and why; a single credential by its id."""
    said_of = [
        agent_pb2.AgentEvent.FromString(entry.payload)
        for entry in (
            enrolled(KEY, "t1", NOW),
            decided(KEY, "approved", "ann", "fine", NOW),
            decided(KEY, "rejected", "ann", "odd", NOW),
            decided(KEY, "revoked", "ann", "stolen", NOW),
            credential_revoked(KEY, "k1", "ann", "leaked", NOW),
        )
    ]

    assert [event.WhichOneof("what") for event in said_of] == ["enrolled", "approved", "rejected", "revoked", "revoked"]
    assert said_of[0].enrolled.enrolment_token_id == "t1"
    assert (said_of[1].approved.author, said_of[2].rejected.comment) == ("ann", "odd")
    assert (said_of[3].revoked.comment, said_of[3].revoked.credential_id) == ("stolen", "")
    assert said_of[4].revoked.credential_id == "k1"
