from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent_state.connections import FINAL, INFERRED, OPEN, Connection, Plan, Stored, merge_late, plan, settle
from agent_state.folding import fold
from fleet.events.v1 import facts_pb2 as facts
from world.facts import batch, connected, disconnected, health, uid_of

NOW = datetime.now(UTC)
UID = uid_of(1)


def planned(stored: Stored | None, *said: facts.Fact) -> Plan:
    """Plan what *said* means after *stored*."""
    into = Plan()
    plan(fold([batch(*said)], NOW).deltas[0], stored, into)
    return into


def row(epoch: int, minute: int, closed_by: int = OPEN, reason: str = "", end: int | None = None) -> Connection:
    """Make a row of the history; minutes count from a fixed moment."""
    began = NOW + timedelta(minutes=minute)
    ended = None if end is None else NOW + timedelta(minutes=end)
    return Connection("default", UID, began, epoch, ended, reason, closed_by, "gw", "addr", 1, implied=False)


def test_first_connection_opens_a_row() -> None:
    """An agent never seen gets an open row."""
    into = planned(None, connected(UID, 5))

    assert [(opening.epoch, opening.closed_by) for opening in into.openings] == [(5, OPEN)]
    assert into.closings == []


def test_connection_that_began_and_ended_in_one_batch_is_closed_at_once() -> None:
    """Beginning and end in one batch make one closed row."""
    into = planned(None, connected(UID, 5), disconnected(UID, 5, 2, "drain"))

    assert [(opening.reason, opening.closed_by) for opening in into.openings] == [("drain", FINAL)]


def test_next_connection_replaces_the_open_one() -> None:
    """The open row ends where the next begins."""
    into = planned(Stored(5, NOW, 1, is_open=True), connected(UID, 6))

    assert [(closing.epoch, closing.reason, closing.closed_by) for closing in into.closings] == [
        (5, "replaced", INFERRED)
    ]


def test_own_end_beats_being_replaced() -> None:
    """A batch that tells the end and the next beginning closes with the agent's own reason."""
    into = planned(Stored(5, NOW, 1, is_open=True), disconnected(UID, 5, 9, "connection lost"), connected(UID, 6))

    assert [(closing.reason, closing.closed_by) for closing in into.closings] == [("connection lost", FINAL)]


def test_closed_connection_is_not_replaced() -> None:
    """What has ended stays as it ended."""
    assert planned(Stored(5, NOW, 1, is_open=False), connected(UID, 6)).closings == []


def test_late_word_of_an_old_connection_is_looked_up() -> None:
    """Facts that begin or end an older epoch are merged; others say nothing of it."""
    stored = Stored(9, NOW, 1, is_open=True)

    assert [late.epoch for late in planned(stored, disconnected(UID, 5, 2)).late] == [5]
    assert planned(stored, health(UID, 5, 2)).late == []


def test_connected_after_other_facts_moves_the_beginning() -> None:
    """An implied row gets its true beginning when Connected comes."""
    stored = Stored(5, NOW, 0, is_open=True)

    assert [late.epoch for late in planned(stored, connected(UID, 5)).late] == [5]


def test_late_unknown_connection_counts_as_replaced() -> None:
    """Nobody told its end, but a newer one exists."""
    merged = merge_late(row(3, 0), None)

    assert (merged.closed_by, merged.reason) == (INFERRED, "replaced")


def test_final_word_replaces_a_guess() -> None:
    """Disconnected tells better than we inferred."""
    guess = row(5, 0, INFERRED, "gateway lost", 9)
    word = row(5, 0, FINAL, "connection lost", 4)

    merged = merge_late(word, guess)

    assert (merged.reason, merged.disconnected_at, merged.closed_by) == ("connection lost", word.disconnected_at, FINAL)
    assert merge_late(guess, word) == word


def test_settling_ends_each_where_the_next_began() -> None:
    """Connections without an end of their own touch each other; others stay."""
    history = [row(9, 30), row(5, 0), row(7, 10, INFERRED, "replaced", 30), row(6, 5, FINAL, "drain", 6)]

    ((before, after),) = settle(history)

    assert before.epoch == 5
    assert after.disconnected_at == NOW + timedelta(minutes=5)
    assert after.reason == "replaced"
