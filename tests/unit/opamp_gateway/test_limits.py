"""Buckets and the gate before every connect."""

from __future__ import annotations

from opamp_gateway.limits import Admission, Bucket, Limits, earned


def admission(**more: float) -> Admission:
    """Make a gate with small numbers."""
    made = {"connects_per_second": 10.0, "connect_burst": 8.0, "max_connections": 100} | more
    return Admission(
        connects_per_second=made["connects_per_second"],
        connect_burst=made["connect_burst"],
        max_connections=int(made["max_connections"]),
        retry_after_seconds=30,
        remembered=2,
        now=0.0,
    )


def test_bucket_gives_a_burst_then_its_rate() -> None:
    """What was not used is saved up to the burst."""
    bucket = Bucket(2.0, 3.0, 0.0)

    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(1.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_credit_is_earned_by_time_up_to_the_burst() -> None:
    """An agent that waited may speak again, never more than a burst."""
    assert earned(10.0, 50, 0.0, 0.05) == 0
    assert earned(10.0, 50, 0.0, 1.0) == 10
    assert earned(10.0, 50, 0.0, 1000.0) == 50


def test_strangers_leave_a_quarter_to_those_who_were_here() -> None:
    """After a crash the fleet comes back before newcomers get in."""
    gate = admission()
    gate.remember("known")

    strangers = [gate.ask("new", 0, 0.0, 0.0) is None for _ in range(8)]
    known = [gate.ask("known", 0, 0.0, 0.0) is None for _ in range(3)]

    assert strangers == [True] * 6 + [False] * 2
    assert known == [True, True, False]


def test_memory_of_the_gate_is_bounded() -> None:
    """Who was not seen for longest is forgotten first."""
    gate = admission(connect_burst=1.0)
    for who in ("a", "b", "c"):
        gate.remember(who)

    assert gate.ask("a", 0, 0.0, 0.0) is not None
    assert gate.ask("c", 0, 0.0, 0.0) is None


def test_each_gate_refuses_by_name() -> None:
    """The reason is a metric's label."""
    gate = admission()
    full = gate.ask("x", 100, 0.0, 0.0)
    gate.spool_full = True
    spool = gate.ask("x", 0, 0.0, 0.0)
    gate.draining = True
    draining = gate.ask("x", 0, 0.0, 0.0)

    assert [refusal.gate for refusal in (full, spool, draining) if refusal] == ["connections", "spool", "draining"]


def test_retry_after_is_jittered_and_grows_with_the_crowd() -> None:
    """Nobody is told less than the minimum; a crowd is spread over the time it needs."""
    gate = admission()
    refusals = [gate.ask("x", 100, 0.0, 1.0) for _ in range(1000)]
    waits = [refusal.retry_after_seconds for refusal in refusals if refusal]
    calm = gate.ask("x", 100, 1000.0, 0.0)

    assert waits[0] == 60
    assert waits[-1] == 130
    assert calm is not None
    assert calm.retry_after_seconds == 30


def test_defaults_are_the_documented_ones() -> None:
    """A change of a default is a change of a promise."""
    limits = Limits()

    assert (limits.path, limits.max_message_bytes, limits.handshake_seconds) == ("/v1/opamp", 4 * 1024**2, 10.0)
