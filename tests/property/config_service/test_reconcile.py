"""Whatever order and however often facts arrive, the machine ends where it should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from config_service import reconcile
from config_service.attempt import OPEN, Cause
from config_service.reconcile import Action, Policy
from config_service.selector import Reason
from config_service.target import Desired, Reported, State, Target, replace

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HASHES = tuple(bytes([number]) * 32 for number in range(1, 4))
CAPABILITIES = 0x1006

Move = "Callable[[Target, datetime], Target]"

kinds = st.one_of(
    st.tuples(st.just("connected"), st.sampled_from([0, CAPABILITIES, 0x1000])),
    st.tuples(st.just("disconnected")),
    st.tuples(st.just("described"), st.sampled_from(["prod", "staging"])),
    st.tuples(st.just("health"), st.booleans()),
    st.tuples(st.just("effective"), st.sampled_from(HASHES), st.sampled_from([True, False, None])),
    st.tuples(st.just("delivered"), st.sampled_from(HASHES)),
    st.tuples(st.just("status"), st.sampled_from([*HASHES, b"", b"short"]), st.sampled_from(list(Reported))),
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[tuple[int, int], tuple[object, ...]]]:
    """Draw what one agent said, in order, over a few connections: (fence, what)."""
    said = []
    epoch, sequence = 1, 0
    for kind in draw(st.lists(kinds, max_size=25)):
        if kind[0] == "connected":
            epoch, sequence = epoch + 1, 0
        sequence += 1
        said.append(((epoch, sequence), kind))
    return said


def take(target: Target, fence: tuple[int, int], kind: tuple[object, ...], now: datetime) -> Target:
    """Move the target by one fact, as the consumer does."""
    name, *rest = kind
    if name == "connected":
        return reconcile.on_connected(target, fence, gateway_id="gw", capabilities=rest[0], now=now)  # type: ignore[arg-type] # as drawn
    if name == "disconnected":
        return reconcile.on_disconnected(target, fence)
    target = reconcile.on_heard(target, fence, gateway_id="gw", now=now)
    if name == "described":
        return reconcile.on_described(target, fence, labels={"env": str(rest[0])}, capabilities=0)
    if name == "health":
        return reconcile.on_health(target, fence, healthy=bool(rest[0]), now=now)
    if name == "effective":
        return reconcile.on_effective_config(target, fence, compared_with=rest[0], holds=rest[1])  # type: ignore[arg-type] # as drawn
    if name == "delivered":
        return reconcile.on_delivered(target, fence, config_hash=rest[0], now=now)  # type: ignore[arg-type] # as drawn
    return reconcile.on_status(target, fence, config_hash=rest[0], status=rest[1], error="", now=now)  # type: ignore[arg-type] # as drawn


def new_target() -> Target:
    """Make an agent that should run something and was offered it."""
    target = reconcile.on_connected(
        Target("default", b"a" * 16), (1, 1), gateway_id="gw", capabilities=CAPABILITIES, now=T0
    )
    target = reconcile.desire(target, Desired("c", 1, HASHES[0]), Reason.SELECTOR)
    return reconcile.plan(target, T0, cause=Cause.CHANGE)[0]


def run(said: list[tuple[tuple[int, int], tuple[object, ...]]]) -> Target:
    """Apply a history, deciding after each fact."""
    target = new_target()
    for fence, kind in said:
        target, _ = reconcile.plan(take(target, fence, kind, T0), T0, cause=Cause.CONNECT)
    return target


@given(histories(), st.data())
def test_repeats_change_nothing(said: list[tuple[tuple[int, int], tuple[object, ...]]], data: st.DataObject) -> None:
    """Any fact delivered again, at any later time, leaves the very same row, ledger and all."""
    repeated = list(said)
    for index in data.draw(st.lists(st.integers(0, max(0, len(said) - 1)), max_size=15)) if said else []:
        at = data.draw(st.integers(index, len(said)))
        position = repeated.index(said[at], at) if at < len(said) else len(repeated)
        repeated.insert(max(position, repeated.index(said[index]) + 1), said[index])

    assert run(repeated) == run(said)


@given(histories(), st.randoms())
def test_what_is_known_of_an_agent_does_not_depend_on_order(
    said: list[tuple[tuple[int, int], tuple[object, ...]]], random: object
) -> None:
    """Shuffled facts end in the same labels, health, effective configuration and connection."""
    shuffled = list(said)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis hands in random.Random
    in_order, mixed = run(said), run(shuffled)

    assert mixed.fences == in_order.fences
    assert (mixed.labels, mixed.healthy, mixed.effective_hash, mixed.effective_holds) == (
        in_order.labels,
        in_order.healthy,
        in_order.effective_hash,
        in_order.effective_holds,
    )
    assert (mixed.epoch, mixed.connected) == (in_order.epoch, in_order.connected)


@given(histories(), st.lists(st.sampled_from([*HASHES, None]), max_size=4))
def test_nothing_forbidden_is_ever_offered(
    said: list[tuple[tuple[int, int], tuple[object, ...]]], wishes: list[bytes | None]
) -> None:
    """Never to who is away, does not accept, refused it, or runs it; whatever happens, the sweeper comes to rest."""
    target, now = new_target(), T0
    pending = list(wishes)
    for step, (fence, kind) in enumerate(said):
        now += timedelta(seconds=7)
        target = take(target, fence, kind, now)
        if pending and step % 3 == 0:
            wish = pending.pop()
            desired = Desired("c", 1, wish) if wish else None
            target = reconcile.desire(target, desired, Reason.SELECTOR if desired else Reason.NONE)
        before = target
        target, action = reconcile.plan(target, now, cause=Cause.SWEEP)
        if action is Action.OFFER:
            assert before.connected
            assert before.accepts
            assert target.desired is not None
            assert target.desired.config_hash not in before.failed_hashes
            assert not before.runs_desired
            assert target.state is State.PENDING or target.state is State.OFFERED
        assert action is not Action.PROBE or before.connected
        check(target, now)


@given(histories())
def test_every_open_attempt_comes_to_an_end(said: list[tuple[tuple[int, int], tuple[object, ...]]]) -> None:
    """Left alone after any history, a delivered offer does not stay open for ever."""
    target, now = replace(run(said), closed=()), T0
    target = take(target, (99, 1), ("connected", CAPABILITIES), now)
    target, _ = reconcile.plan(target, now, cause=Cause.CONNECT)
    for sequence in range(2, 60):
        if target.due_at is None:
            break
        now = max(now, target.due_at)
        target, action = reconcile.plan(target, now, cause=Cause.SWEEP)
        if action is Action.OFFER:
            target = take(target, (99, sequence), ("delivered", target.offered_hash), now)
            target, _ = reconcile.plan(target, now, cause=Cause.SWEEP)

    assert target.due_at is None
    assert target.attempt is None or target.attempt.status not in OPEN


def check(target: Target, now: datetime) -> None:
    """Hold what must hold of every agent at every time."""
    again, action = reconcile.plan(target, now, cause=Cause.SWEEP)
    assert action is Action.NOTHING, "deciding twice must not act twice"
    assert again == target, "deciding twice must not change anything"
    assert target.due_at is None or target.due_at > now, "the sweeper would spin"
    assert len(target.failed_hashes) <= 8
    assert all(attempt.status not in OPEN for attempt in target.closed)
    assert Policy().redo_most <= timedelta(seconds=60)
    assert target.registry_hash in (b"", target.desired.config_hash if target.desired else b"")
