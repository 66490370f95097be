from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent_state.folding import MAX_AGE, fold, keys_of
from fleet.events.v1 import facts_pb2 as facts
from world.facts import batch, config_status, connected, described, disconnected, fact, health, uid_of

NOW = datetime.now(UTC)
UID = uid_of(1)


def test_newest_fact_of_each_kind_stands() -> None:
    """Of two health reports the later one counts, wherever it lies in the batch."""
    folded = fold([batch(health(UID, 5, 9, "late"), health(UID, 5, 3), connected(UID, 5))], NOW)

    (delta,) = folded.deltas
    assert delta.fence == (5, 9)
    assert delta.health is not None
    assert delta.health.last_error == "late"


def test_higher_epoch_beats_higher_sequence() -> None:
    """A new connection counts from one again."""
    folded = fold([batch(config_status(UID, 5, 90, "FAILED"), config_status(UID, 6, 2, "APPLIED"))], NOW)

    assert folded.deltas[0].config_status_fence == (6, 2)


def test_deltas_come_sorted_by_key() -> None:
    """Every transaction locks agents in the same order."""
    folded = fold([batch(*(connected(uid_of(number), 1) for number in (3, 1, 2)))], NOW)

    assert [delta.uid for delta in folded.deltas] == [uid_of(1), uid_of(2), uid_of(3)]


def test_each_connection_is_told_apart() -> None:
    """Two connections in one batch keep their own beginnings and ends."""
    folded = fold([batch(connected(UID, 5), disconnected(UID, 5, 2, "drain"), connected(UID, 6))], NOW)

    (delta,) = folded.deltas
    assert delta.closed_epoch == 5
    assert delta.connections[5].reason == "drain"
    assert delta.connections[6].closed_at is None
    assert delta.newest is delta.connections[6]


def test_connection_may_be_implied() -> None:
    """A fact without a Connected before it still tells that there is a connection."""
    folded = fold([batch(health(UID, 5, 2), gateway="gw-7")], NOW)

    assert folded.deltas[0].newest.connected_sequence == 0
    assert folded.deltas[0].newest.gateway_id == "gw-7"


def test_capabilities_alone_do_not_erase_the_description() -> None:
    """Described without a description leaves the one there is."""
    only_capabilities = fact(UID, 5, 3, described=facts.Described(capabilities=7))

    folded = fold([batch(described(UID, 5, 2), only_capabilities)], NOW)

    (delta,) = folded.deltas
    assert delta.description is not None
    assert delta.description_fence == (5, 2)
    assert (delta.capabilities, delta.capabilities_fence) == (7, (5, 3))


def test_facts_of_others_are_not_ours() -> None:
    """Custom messages and deliveries change nothing here, not even the fence."""
    folded = fold([batch(fact(UID, 5, 2, offer_delivered=facts.OfferDelivered()), fact(UID, 5, 3))], NOW)

    assert folded.deltas == []
    assert folded.refused == 0


def test_impossible_facts_are_refused_and_counted() -> None:
    """Bad uid, bad tenant, no epoch, no sequence: left out, the rest stands."""
    bad = [
        connected(b"short", 5),
        connected(UID, 5, tenant="Not A Tenant"),
        connected(UID, 0),
        connected(UID, 5, 0),
    ]

    folded = fold([batch(*bad, connected(UID, 5))], NOW)

    assert folded.refused == 4
    assert len(folded.deltas) == 1
    assert keys_of([batch(*bad)]) == set()


def test_tombstones_bury_old_epochs_only() -> None:
    """A deleted agent's facts are ignored up to its epoch; its next connection is a new agent."""
    said = batch(disconnected(UID, 5, 9), connected(UID, 6))

    folded = fold([said], NOW, {("default", UID): 5})

    assert list(folded.deltas[0].connections) == [6]


def test_gateway_clocks_are_bent_into_the_last_day() -> None:
    """A clock years ahead or behind cannot put a connection outside the history."""
    ahead = connected(UID, 5, at_nano=int((NOW + timedelta(days=900)).timestamp()) * 10**9)
    behind = connected(uid_of(2), 5, at_nano=1)

    folded = fold([batch(ahead, behind)], NOW)

    assert [delta.newest.opened_at for delta in folded.deltas] == [NOW, NOW - MAX_AGE]
