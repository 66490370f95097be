"""Whatever agents say, in whatever order and however often: the machine keeps its promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from package_service.offering import packages, reconcile
from package_service.offering.assignment import Rule, Wish
from package_service.offering.packages import Entry
from package_service.offering.reconcile import Action, plan
from package_service.offering.resolve import NO_WISHES, Findings, Index, Item, resolved
from package_service.offering.standing import Said, State
from package_service.offering.target import ACCEPTS_PACKAGES, REPORTS_PACKAGES, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    Event = Callable[[Target, datetime], Target]

START = datetime(2026, 11, 20, tzinfo=UTC)
URL = "https://files.example"
LABELS = {"os.type": "linux", "host.arch": "amd64", "env": "prod"}
NAMES = ("collector", "plugin")


def item(name: str, version: str, number: int, *, vetted: bool = True) -> Item:
    """Make a file for linux/amd64."""
    entry = Entry(name, "top_level", version, UUID(int=number), bytes([number]) * 32)
    return Item(entry, "linux", "amd64", vetted, "", packages.package_hash(entry, URL))


ITEMS = [
    item(name, f"{version}.0.0", number * 10 + version) for number, name in enumerate(NAMES, 1) for version in (1, 2, 3)
]
RULES = [
    Rule(UUID(int=number), name, "stable", Wish(), {"env": "prod"}, frozenset(), 0, number)
    for number, name in enumerate(NAMES, 1)
]
HASHES = [one.package_hash for one in ITEMS] + [b"", b"x" * 32]

fences = st.tuples(st.integers(1, 3), st.integers(1, 30))
said = st.builds(
    Said,
    version=st.sampled_from(["", "1.0.0", "2.0.0", "3.0.0"]),
    hash=st.sampled_from(HASHES),
    offered_hash=st.sampled_from(HASHES),
    status=st.integers(0, 6),
    error=st.sampled_from(["", "disk full"]),
    percent=st.floats(allow_nan=False),
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Draw something an agent may say, perhaps about the very list it was sent."""
    fence = draw(fences)
    kind = draw(st.integers(0, 5))
    if kind == 0:
        capabilities = draw(st.sampled_from([0, 1, ACCEPTS_PACKAGES, ACCEPTS_PACKAGES | REPORTS_PACKAGES]))
        withheld = draw(st.booleans())
        return lambda target, _: reconcile.on_connected(
            target, fence, gateway_id="gw", capabilities=capabilities, stamped_labels={}, withheld=withheld
        )
    if kind == 1:
        return lambda target, _: reconcile.on_disconnected(target, fence)
    if kind == 2:
        labels = draw(st.sampled_from([LABELS, {}, {**LABELS, "env": "test"}]))
        return lambda target, _: reconcile.on_described(target, fence, labels=labels, capabilities=0)
    if kind == 3:
        right = draw(st.booleans())
        return lambda target, now: reconcile.on_delivered(
            target, fence, content_hash=target.content_hash if right else b"?", now=now
        )
    reported = draw(st.dictionaries(st.sampled_from([*NAMES, "own"]), said))
    about, error = draw(st.sampled_from(["", "desired", "other"])), draw(st.sampled_from(["", "broken"]))
    has = {name: (one.version, one.hash.hex()) for name, one in reported.items() if one.version or one.hash}

    def tell(target: Target, now: datetime) -> Target:
        all_hash = {"": b"", "desired": target.desired_hash, "other": b"?"}[about]
        heard = reconcile.on_heard(target, fence, gateway_id="gw")
        return reconcile.on_statuses(heard, fence, said=reported, has=has, all_hash=all_hash, error=error, now=now)

    return tell


def step(target: Target, now: datetime, index: Index) -> tuple[Target, Action]:
    """Resolve and plan, as settle() does."""
    if target.dirty:
        target = resolved(target, index, NO_WISHES, now, Findings())
    target, action = plan(target, now)
    if action is Action.OFFER:
        assert target.connected
        assert target.accepts
        assert not target.withheld
        assert target.desired_hash
        for known in target.packages.values():
            assert not (known.is_quarantined and known.is_listed)
    return target, action


@given(st.lists(st.tuples(events(), st.integers(0, 100)), max_size=25), st.sets(st.integers(0, 5)))
def test_promises_hold_whatever_is_said(said_by_agent: list[tuple[Event, int]], unvetted: set[int]) -> None:
    """Nobody is told who may not be, nothing that failed is offered again, states and times fit together."""
    away = [item(one.entry.name, one.entry.version, one.entry.file_id.int, vetted=False) for one in ITEMS]
    index = Index(RULES, [away[place] if place in unvetted else one for place, one in enumerate(ITEMS)], URL)
    target, now = Target("default", bytes(16), dirty=True), START
    for event, seconds in said_by_agent:
        now += timedelta(seconds=seconds)
        target, _ = step(event(target, now), now, index)
        again, action = plan(target, now)
        assert (again.packages, again.desired_hash) == (target.packages, target.desired_hash)
        assert action is not Action.PROBE or target.reports
        assert not target.dirty
        for known in target.packages.values():
            assert 0 <= known.percent <= 100
            assert known.since <= known.moved_at <= now
            assert (known.state is State.INSTALLED) <= (known.content_hash not in known.failed_hashes)
            assert len(known.failed_hashes) <= 8


@given(st.lists(events(), max_size=12))
def test_repeated_facts_change_nothing(said_by_agent: list[Event]) -> None:
    """A batch that is applied twice ends as if it had been applied once."""
    index = Index(RULES, ITEMS, URL)

    def through(target: Target) -> Target:
        for event in said_by_agent:
            target, _ = step(event(target, START), START, index)
        return target

    once = through(Target("default", bytes(16), dirty=True))
    twice = through(once)

    assert {name: known.state for name, known in once.packages.items()} == {
        name: known.state for name, known in twice.packages.items()
    }
    assert (once.epoch, once.connected, once.fences) == (twice.epoch, twice.connected, twice.fences)


@given(st.permutations(ITEMS), st.permutations(RULES))
def test_list_does_not_depend_on_the_order_of_anything(items: list[Item], rules: list[Rule]) -> None:
    """The same rules and files, the same list: so agents and replicas share contents."""
    target = Target("default", bytes(16), capabilities=ACCEPTS_PACKAGES, dirty=True)
    described = reconcile.on_described(target, (1, 1), labels=LABELS, capabilities=0)
    one, other = (
        resolved(described, Index(by, files, URL), NO_WISHES, START, Findings())
        for by, files in ((RULES, ITEMS), (rules, items))
    )

    assert one.desired_hash == other.desired_hash != b""
