from __future__ import annotations

import pytest

from agent_state.settings_policy import Policy, in_precedence, matches, merge
from opamp.v1 import opamp_pb2 as opamp


def policy(name: str, priority: int = 0, selector: dict[str, str] | None = None, **urls: str) -> Policy:
    """Write a policy that gives these members these addresses; `other_x` is the named connection x."""
    settings = opamp.ConnectionSettingsOffers()
    for member, url in urls.items():
        if member.startswith("other_"):
            settings.other_connections[member.removeprefix("other_")].destination_endpoint = url
        else:
            getattr(settings, member).destination_endpoint = url
    return Policy("default", name, settings, selector or {}, priority)


@pytest.mark.parametrize(
    ("selector", "labels", "matched"),
    [
        ({}, {}, True),
        ({}, {"env": "prod"}, True),
        ({"env": "prod"}, {"env": "prod", "zone": "a"}, True),
        ({"env": "prod"}, {"env": "dev"}, False),
        ({"env": "prod"}, {}, False),
        ({"env": ""}, {}, False),
    ],
)
def test_selector_needs_every_pair(selector: dict[str, str], labels: dict[str, str], matched: bool) -> None:
    """Every pair must be there; no pair at all matches everybody."""
    assert matches(policy("p", selector=selector), labels) is matched


def test_highest_priority_decides_member_by_member() -> None:
    """A strong policy that says nothing of traces leaves them to a weaker one."""
    strong = policy("z", 10, own_metrics="https://strong/v1/metrics")
    weak = policy("a", 1, own_metrics="https://weak/v1/metrics", own_traces="https://weak/v1/traces")

    merged = merge(in_precedence([weak, strong]), {})

    assert merged.settings.own_metrics.destination_endpoint == "https://strong/v1/metrics"
    assert merged.settings.own_traces.destination_endpoint == "https://weak/v1/traces"
    assert merged.sources == {"own_metrics": "z", "own_traces": "a"}
    assert merged.order == ["z", "a"]


def test_equal_priority_is_decided_by_name() -> None:
    """The name that sorts first wins, whatever order they were read in."""
    one, two = policy("a", own_logs="https://a/v1/logs"), policy("b", own_logs="https://b/v1/logs")

    assert merge(in_precedence([two, one]), {}).sources == {"own_logs": "a"}


def test_named_connections_are_members_of_their_own() -> None:
    """Two policies may each give another connection."""
    merged = merge(in_precedence([policy("a", other_x="x:1"), policy("b", other_x="x:2", other_y="y:1")]), {})

    endpoints = {name: one.destination_endpoint for name, one in merged.settings.other_connections.items()}
    assert endpoints == {"x": "x:1", "y": "y:1"}


def test_policy_that_does_not_match_gives_nothing() -> None:
    """Not even where nobody else says anything."""
    merged = merge([policy("a", selector={"env": "prod"}, opamp="wss://a")], {"env": "dev"})

    assert not merged.settings.HasField("opamp")
    assert merged.order == []
