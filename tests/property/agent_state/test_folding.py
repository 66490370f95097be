from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from agent_state.folding import AgentDelta, fold
from fleet.events.v1 import facts_pb2 as facts
from world.facts import batch, config_status, connected, described, disconnected, health, uid_of

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime.now(UTC)


@st.composite
def some_facts(draw: st.DrawFn) -> list[facts.Fact]:
    """Make facts whose fences are unique per agent, as a gateway numbers them."""
    fences = draw(st.sets(st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 9)), max_size=12))
    said = []
    for number, epoch, sequence in sorted(fences):
        uid = uid_of(number)
        make = draw(st.sampled_from((connected, disconnected, described, health)))
        if sequence == 1:
            make = connected
        elif make is connected:
            said.append(config_status(uid, epoch, sequence, draw(st.sampled_from(("APPLIED", "FAILED")))))
            continue
        said.append(make(uid, epoch, sequence))
    return said


def folded(said: Sequence[facts.Fact]) -> list[AgentDelta]:
    """Fold and make comparable."""
    return fold([batch(one) for one in said], NOW).deltas


@given(said=some_facts(), data=st.data())
def test_order_and_repetition_change_nothing(said: list[facts.Fact], data: st.DataObject) -> None:
    """However facts are shuffled and repeated, they fold into the same changes."""
    repeated = data.draw(st.lists(st.sampled_from(said), max_size=6)) if said else []
    shuffled = data.draw(st.permutations([*said, *repeated]))

    assert folded(shuffled) == folded(said)


@given(st.binary(max_size=300))
def test_random_batches_never_raise(payload: bytes) -> None:
    """Whatever parses as a batch folds without an error."""
    try:
        parsed = facts.FactBatch.FromString(payload)
    except Exception:  # noqa: BLE001 - protobuf refused it; its own error class differs between builds
        return
    fold([parsed], NOW)
