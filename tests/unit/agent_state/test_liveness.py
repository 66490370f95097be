from __future__ import annotations

from agent_state.liveness import FUSE_AT_LEAST, Fuse, Rules, Steadiness

LONG = 10_000.0


def listening(until: float) -> Steadiness:
    """Listen from time 0 to *until*, writing down every second."""
    steadiness = Steadiness()
    for second in range(int(until) + 1):
        steadiness.written(float(second))
        steadiness.seconds(float(second), LONG)
    return steadiness


def test_time_counts_from_the_first_look() -> None:
    """A process that just began has heard nothing yet."""
    steadiness = Steadiness()
    steadiness.written(100.0)

    assert steadiness.seconds(100.0, LONG) == 0
    steadiness.written(103.0)
    assert steadiness.seconds(104.0, LONG) == 4


def test_lost_bus_begins_again() -> None:
    """It cannot have listened longer than the bus was there."""
    assert listening(60).seconds(60.0, 2.5) == 2.5


def test_unwritten_presence_begins_again() -> None:
    """What the database does not know cannot be held against anyone."""
    steadiness = listening(60)

    assert steadiness.seconds(66.0, LONG) == 0


def test_overslept_loop_begins_again() -> None:
    """A stopped process missed what was said meanwhile."""
    steadiness = listening(60)
    steadiness.sleeping(60.0, 2.0)
    steadiness.written(69.0)

    assert steadiness.seconds(69.0, LONG) == 0


def test_interruption_begins_again() -> None:
    """A new leader judges nobody at once."""
    steadiness = listening(60)
    steadiness.interrupted(60.0)

    assert steadiness.seconds(60.0, LONG) == 0


def test_rules_wait_for_one_more_beat() -> None:
    """A lease is judged after a lease and a beat of listening, silence after its own threshold and a beat."""
    rules = Rules(lease_seconds=10, beat_seconds=3, silence_seconds=60)

    assert not rules.may_judge_leases(13)
    assert rules.may_judge_leases(13.1)
    assert not rules.may_judge_silence(63)
    assert rules.may_judge_silence(63.1)


def test_fuse_lets_small_groups_pass() -> None:
    """A few silent agents are nothing strange, be they all there are."""
    assert Fuse(0.2, 60).allows(FUSE_AT_LEAST - 1, FUSE_AT_LEAST - 1, 0.0)


def test_fuse_holds_a_mass_back_once() -> None:
    """So many at once must still be silent after a while."""
    fuse = Fuse(0.2, 60)

    assert not fuse.allows(300, 1000, 0.0)
    assert not fuse.allows(300, 1000, 59.0)
    assert fuse.allows(300, 1000, 60.0)


def test_fuse_forgets_a_passing_scare() -> None:
    """When the mass was heard again, the next scare waits its full time."""
    fuse = Fuse(0.2, 60)
    fuse.allows(300, 1000, 0.0)

    assert fuse.allows(10, 1000, 30.0)
    assert not fuse.allows(300, 1000, 61.0)
