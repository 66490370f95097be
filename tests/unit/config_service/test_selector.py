from __future__ import annotations

import pytest

from config_service.selector import Candidate, CandidateIndex, Reason, can_meet, conflicts, matches


def candidate(name: str, selector: dict[str, str], priority: int = 0) -> Candidate:
    """Make a current configuration."""
    return Candidate(name, 1, name.encode().ljust(32), selector, priority)


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({"env": "prod"}, {"env": "prod", "zone": "a"}, True),
        ({"env": "prod", "zone": "a"}, {"env": "prod"}, False),
        ({"env": "prod"}, {"env": "Prod"}, False),
        ({"env": "prod"}, {}, False),
        ({}, {"env": "prod"}, False),
        ({}, {}, False),
        ({"env": ""}, {}, False),
        ({"env": ""}, {"env": ""}, True),
    ],
)
def test_selector_is_a_subset_of_labels(selector: dict[str, str], labels: dict[str, str], expected: bool) -> None:
    """Every pair must stand among the labels, exactly; an empty selector matches nobody."""
    assert matches(selector, labels) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"env": "prod"}, {"env": "staging"}, False),
        ({"env": "prod"}, {"env": "prod"}, True),
        ({"env": "prod"}, {"zone": "a"}, True),
        ({"env": "prod", "zone": "a"}, {"env": "prod", "zone": "b"}, False),
        ({"env": "prod"}, {}, False),
    ],
)
def test_selectors_meet_unless_they_contradict(one: dict[str, str], other: dict[str, str], expected: bool) -> None:
    """Two selectors can match one agent unless a shared key has two values."""
    assert can_meet(one, other) is expected
    assert can_meet(other, one) is expected


def test_conflict_needs_equal_priority_and_another_name() -> None:
    """Only a tie is refused; a configuration is no rival of its own older self."""
    others = [candidate("b", {"env": "prod"}), candidate("c", {"env": "prod"}, 1), candidate("a", {"env": "prod"})]

    assert [other.name for other in conflicts(candidate("a", {"env": "prod"}), others)] == ["b"]


def test_highest_priority_wins() -> None:
    """Several match: the highest priority is the answer, and all are told in order."""
    index = CandidateIndex([candidate("low", {"env": "prod"}), candidate("high", {"zone": "a"}, 5)])
    labels = {"env": "prod", "zone": "a"}

    found = index.resolve(labels)

    assert found.winner is not None
    assert (found.winner.name, found.reason) == ("high", Reason.SELECTOR)
    assert [item.name for item in index.matching(labels)] == ["high", "low"]


def test_assignment_wins_over_selectors() -> None:
    """What a person chose for one agent stands above every selector; a choice that is gone does not."""
    index = CandidateIndex([candidate("any", {"env": "prod"}, 9), candidate("chosen", {})])

    assert index.resolve({"env": "prod"}, "chosen").reason is Reason.ASSIGNMENT
    assert index.resolve({"env": "prod"}, "gone").reason is Reason.SELECTOR


def test_fallback_is_for_agents_nothing_matches() -> None:
    """The named fallback fills the gap and nothing else; without it nothing is sent."""
    candidates = [candidate("safe", {}), candidate("prod", {"env": "prod"})]

    assert CandidateIndex(candidates, fallback="safe").resolve({"env": "x"}).reason is Reason.FALLBACK
    assert CandidateIndex(candidates, fallback="safe").resolve({"env": "prod"}).reason is Reason.SELECTOR
    assert CandidateIndex(candidates, fallback="gone").resolve({"env": "x"}).winner is None
    assert CandidateIndex(candidates).resolve({"env": "x"}).reason is Reason.NONE


def test_index_agrees_with_trying_each() -> None:
    """The shortcut by rarest pair finds exactly what a full scan finds."""
    candidates = [
        candidate(
            f"c{number}",
            {"env": f"e{number % 3}", "zone": f"z{number % 5}"} if number % 2 else {"env": f"e{number % 3}"},
        )
        for number in range(40)
    ]
    index = CandidateIndex(candidates)

    for env in range(4):
        for zone in range(6):
            labels = {"env": f"e{env}", "zone": f"z{zone}", "host": "h"}
            expected = {item.name for item in candidates if matches(item.selector, labels)}
            assert {item.name for item in index.matching(labels)} == expected


def test_index_knows_its_members() -> None:
    """By name, or all of them."""
    index = CandidateIndex([candidate("a", {"x": "y"})])

    assert index.get("a") is not None
    assert index.get("b") is None
    assert [item.name for item in index.all()] == ["a"]
