from __future__ import annotations

import pytest

from agent_state.agent import (
    clean,
    config_status_of,
    from_signed,
    health_of,
    identify,
    to_signed,
)
from contracts.labels import MAX_LABELS, MAX_VALUE_CHARACTERS
from opamp.v1 import anyvalue_pb2, opamp_pb2
from world.facts import description


def test_host_is_found_among_non_identifying_attributes() -> None:
    """Real agents put host.* and os.* there."""
    identity = identify(
        description(
            {"service.name": "collector", "service.version": "0.1"},
            {"host.name": "h1", "host.arch": "arm64", "os.type": "linux"},
        )
    )

    assert (identity.name, identity.version, identity.hostname) == ("collector", "0.1", "h1")
    assert (identity.os_type, identity.architecture) == ("linux", "arm64")


def test_identifying_attribute_wins() -> None:
    """Where both kinds name a key, the identifying one counts."""
    identity = identify(description({"host.name": "right"}, {"host.name": "wrong", "env": "prod"}))

    assert identity.hostname == "right"
    assert identity.labels == {"host.name": "right", "env": "prod"}


def test_values_of_any_type_become_labels() -> None:
    """Numbers, booleans and lists are text in labels, never empty."""
    said = opamp_pb2.AgentDescription(
        non_identifying_attributes=[
            anyvalue_pb2.KeyValue(key="n", value=anyvalue_pb2.AnyValue(int_value=7)),
            anyvalue_pb2.KeyValue(key="b", value=anyvalue_pb2.AnyValue(bool_value=True)),
            anyvalue_pb2.KeyValue(
                key="l",
                value=anyvalue_pb2.AnyValue(
                    array_value=anyvalue_pb2.ArrayValue(values=[anyvalue_pb2.AnyValue(string_value="x")])
                ),
            ),
        ]
    )

    assert identify(said).labels == {"n": "7", "b": "true", "l": '["x"]'}


def test_labels_are_bounded_and_the_cut_is_counted() -> None:
    """Too many labels and too long values are cut, and somebody can see how often."""
    many = {f"key-{number}": "v" for number in range(MAX_LABELS + 5)}

    identity = identify(description({"long": "x" * (MAX_VALUE_CHARACTERS + 1)}, many))

    assert len(identity.labels) == MAX_LABELS
    assert len(identity.labels["long"]) == MAX_VALUE_CHARACTERS
    assert identity.truncated == 1 + 6


def test_text_is_made_storable() -> None:
    """NUL characters go, endless texts end."""
    assert clean("a\x00b", 10) == "ab"
    assert clean("x" * 100, 3) == "xxx"


@pytest.mark.parametrize("value", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_unsigned_numbers_survive_a_signed_column(value: int) -> None:
    """A bitmask of 64 bits fits into a bigint and comes back whole."""
    assert -(1 << 63) <= to_signed(value) < 1 << 63
    assert from_signed(to_signed(value)) == value


def test_health_speaks_of_the_root() -> None:
    """A healthy agent has no error, whatever it left in the field."""
    well = health_of(opamp_pb2.ComponentHealth(healthy=True, last_error="old", status="ok"))
    ill = health_of(opamp_pb2.ComponentHealth(last_error="disk full"))

    assert (well.state, well.error, well.status) == ("healthy", "", "ok")
    assert (ill.state, ill.error) == ("unhealthy", "disk full")


@pytest.mark.parametrize(
    ("status", "state", "error"),
    [
        ("UNSET", "unset", ""),
        ("APPLIED", "applied", ""),
        ("APPLYING", "applying", ""),
        ("FAILED", "failed", "why"),
    ],
)
def test_remote_config_status_has_one_mapping(status: str, state: str, error: str) -> None:
    """Each word of the protocol has one state; only a failure keeps its reason."""
    said = opamp_pb2.RemoteConfigStatus(
        status=f"RemoteConfigStatuses_{status}", error_message="why", last_remote_config_hash=b"x" * 100
    )

    found = config_status_of(said)

    assert (found.state, found.error, found.config_hash) == (state, error, b"x" * 64)
