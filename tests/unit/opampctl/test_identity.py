"""Who a simulated agent is."""

from __future__ import annotations

import uuid
from collections import Counter

from contracts.ids import AgentUid
from opampctl.simulate.identity import attributes, describe, fraction, health, make_uid
from opampctl.simulate.options import FleetOptions


def test_uids_are_version_7_and_distinct() -> None:
    """Every id is a UUID version 7, with a seed or without."""
    fresh = [make_uid(None, 0) for _ in range(50)]
    seeded = [make_uid("demo", index) for index in range(50)]
    for uid in fresh + seeded:
        assert uuid.UUID(bytes=bytes(uid)).version == 7
    assert len(set(fresh + seeded)) == 100


def test_seeded_uids_are_the_same_in_every_run() -> None:
    """Seed and index decide, and nothing else."""
    assert make_uid("demo", 7) == make_uid("demo", 7)
    assert make_uid("demo", 7) != make_uid("other", 7)


def test_attributes_are_those_of_a_collector() -> None:
    """The attributes the platform maps and selectors use are all there; environments are dealt out in turn."""
    options = FleetOptions(environments=("prod", "dev"), labels={"site": "berlin"})
    uid = AgentUid(bytes(16))

    identifying, other = attributes(options, 3, uid)

    assert set(identifying) == {"service.name", "service.namespace", "service.version", "service.instance.id"}
    assert other["deployment.environment.name"] == "dev"
    assert other["site"] == "berlin"
    assert {"host.name", "host.arch", "os.type", "region", "team"} <= set(other)
    assert attributes(options, 3, uid) == (identifying, other)


def test_description_carries_all_attributes() -> None:
    """The message says what the attributes say."""
    options = FleetOptions()
    uid = AgentUid(bytes(16))
    identifying, other = attributes(options, 0, uid)

    message = describe(options, 0, uid)

    assert {item.key: item.value.string_value for item in message.identifying_attributes} == identifying
    assert {item.key: item.value.string_value for item in message.non_identifying_attributes} == other


def test_health_tree_names_the_failing_part() -> None:
    """When unhealthy, the exporter and its pipeline are; the receiver is not."""
    well = health(healthy=True, error="", started_unix_nano=1, now_unix_nano=2)
    ill = health(healthy=False, error="queue full", started_unix_nano=1, now_unix_nano=2)

    assert well.healthy
    assert all(part.healthy for part in well.component_health_map.values())
    assert ill.last_error == "queue full"
    assert not ill.component_health_map["exporter:otlphttp"].healthy
    assert ill.component_health_map["receiver:otlp"].healthy


def test_fractions_are_spread_and_repeatable() -> None:
    """Shares drawn from seed and index come out near what was asked for, the same every time."""
    drawn = [fraction(1, index, "reject") for index in range(2000)]
    assert all(0 <= value < 1 for value in drawn)
    assert 0.27 < sum(value < 0.3 for value in drawn) / 2000 < 0.33
    assert drawn[5] == fraction(1, 5, "reject") != fraction(1, 5, "health")


def test_platforms_are_spread_by_weight() -> None:
    """Three to one over any hundred agents, the same in every run; the system's text fits."""
    options = FleetOptions(platforms=(("linux/amd64", 3.0), ("darwin/arm64", 1.0)))
    uid = make_uid("x", 0)

    others = [attributes(options, index, uid)[1] for index in range(100)]

    found = Counter((each["os.type"], each["host.arch"]) for each in others)
    assert found[("darwin", "arm64")] in range(23, 28)
    assert found.total() == 100
    assert set(found) == {("linux", "amd64"), ("darwin", "arm64")}
    assert {each["os.description"] for each in others if each["os.type"] == "darwin"} == {"macOS 26.1"}
