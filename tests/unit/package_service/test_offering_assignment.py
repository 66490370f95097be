"""Which assignment decides about a package on an agent, and what an assignment may be."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from package_service.errors import InvalidPackage
from package_service.offering.assignment import (
    MAX_AGENTS,
    MAX_GROUPS,
    MAX_PAIRS,
    Rule,
    Terms,
    Wish,
    check,
    specificity,
    winners,
    wish_of,
)

GOOD = Terms(package="collector", selector={"env": "prod"})
LABELS = {"env": "prod", "region": "eu"}


def rule(number: int, **fields: object) -> Rule:
    """Make a rule that selects everything in prod."""
    made = Rule(UUID(int=number), "collector", "stable", Wish(), {"env": "prod"}, frozenset(), 0, number)
    return replace(made, **fields)  # type: ignore[arg-type]


def winner(*rules: Rule, group: str = "", listed: frozenset[UUID] = frozenset()) -> int:
    """Tell the number of the rule that decides; 0 = none."""
    found = winners(rules, LABELS, group, listed)
    return found["collector"].assignment_id.int if found else 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1.10.0", Wish(exact="1.10.0")),
        ("2.0.0-rc.1", Wish(exact="2.0.0-rc.1")),
        ("latest", Wish()),
        ("latest-1", Wish(behind=1)),
        ("latest-9", Wish(behind=9)),
        ("latest-0", None),
        ("latest-10", None),
        ("newest", None),
        ("1.0", None),
        ("", None),
    ],
)
def test_version_is_exact_or_counts_from_the_newest(text: str, wanted: Wish | None) -> None:
    """Nothing else can be written."""
    assert wish_of(text) == wanted


def test_agent_is_meant_by_list_group_or_every_label() -> None:
    """A list is more specific than a group, a group than a selector; the empty selector means nobody."""
    one = rule(1, groups=frozenset({"web"}))

    assert specificity(one, LABELS, "", frozenset()) == 1
    assert specificity(one, LABELS, "web", frozenset()) == 2
    assert specificity(one, LABELS, "web", frozenset({UUID(int=1)})) == 3
    assert specificity(one, {"env": "test"}, "db", frozenset({UUID(int=2)})) == 0
    assert specificity(rule(1, selector={"env": "prod", "region": "us"}), LABELS, "", frozenset()) == 0
    assert specificity(rule(1, selector={}), LABELS, "", frozenset()) == 0


def test_priority_then_specificity_then_age_decide() -> None:
    """Exactly one assignment decides about a package, and people can tell which."""
    old, young = rule(1), rule(2)
    grouped = rule(3, selector={}, groups=frozenset({"web"}))
    listed = rule(4, selector={})
    urgent = rule(5, priority=1)

    assert winner(young, old) == 1
    assert winner(old, young, grouped, group="web") == 3
    assert winner(old, young, grouped, listed, group="web", listed=frozenset({UUID(int=4)})) == 4
    assert winner(old, urgent, grouped, listed, group="web", listed=frozenset({UUID(int=4)})) == 5
    assert winner(rule(1, selector={"env": "test"})) == 0


def test_packages_are_decided_about_apart() -> None:
    """An assignment of one package says nothing of another."""
    found = winners([rule(1, priority=9), rule(2, package="plugin")], LABELS, "", frozenset())

    assert {package: decided.assignment_id.int for package, decided in found.items()} == {"collector": 1, "plugin": 2}


def test_good_terms_pass() -> None:
    """Nothing is refused without need."""
    check("all-of-prod", replace(GOOD, version="latest-2", channel="beta", groups=("web",), agents=(bytes(16),)))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("package", {"package": "../etc"}),
        ("channel", {"channel": "nightly"}),
        ("version", {"version": "latest-99"}),
        ("version", {"version": "2.0.0-rc.1"}),
        ("priority", {"priority": 10_000_000}),
        ("groups", {"groups": ("",)}),
        ("groups", {"groups": ("a",) * (MAX_GROUPS + 1)}),
        ("agents", {"agents": (b"short",)}),
        ("agents", {"agents": (bytes(16),) * (MAX_AGENTS + 1)}),
        ("selector", {"selector": {"": "x"}}),
        ("selector", {"selector": {"a": "x\x00"}}),
        ("selector", {"selector": {"a" * 300: "x"}}),
        ("selector", {"selector": {str(number): "x" for number in range(MAX_PAIRS + 1)}}),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(field: str, changes: dict[str, object]) -> None:
    """Every bound has a refusal that names what is wrong."""
    with pytest.raises(InvalidPackage) as refused:
        check("fine", replace(GOOD, **changes))  # type: ignore[arg-type]

    assert [problem.field for problem in refused.value.details] == [field]


def test_every_fault_is_told_at_once() -> None:
    """Whoever writes one need not try again for each."""
    with pytest.raises(InvalidPackage) as refused:
        check("Not Fine", replace(GOOD, package="", version="x"))

    assert [problem.field for problem in refused.value.details] == ["name", "package", "version"]
