"""AgentToServer as it comes: read, counted, digested."""

from __future__ import annotations

import pytest
from gatewaylab.fakes import RULES
from gatewaylab.speech import UID, full

from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import messages as module
from opamp_gateway.errors import BadMessage
from opamp_gateway.messages import digest_of, fault_of, parse, shared


def test_readable_message_with_a_uid_is_read() -> None:
    """Unknown fields and all."""
    data = full().SerializeToString() + b"\xfa\x7f\x01x"

    assert parse(data).instance_uid == UID


@pytest.mark.parametrize("data", [b"\xff", b"", b"\x0a\x03abc"])
def test_anything_else_is_a_bad_message(data: bytes) -> None:
    """Undecodable, or a uid of another length, which is kept to be echoed."""
    with pytest.raises(BadMessage) as caught:
        parse(data)
    assert caught.value.uid in {b"", b"abc"}


def test_nested_components_count_at_every_depth() -> None:
    """A wide tree below the surface is as heavy as one on top."""
    health = opamp.ComponentHealth()
    below = health.component_health_map["a"].component_health_map["b"]
    for number in range(RULES.max_entries):
        below.component_health_map[str(number)].healthy = True
    components = opamp.AvailableComponents()
    for number in range(RULES.max_entries):
        components.components["a"].sub_component_map[str(number)].SetInParent()

    assert fault_of("health", health, RULES) is not None
    assert fault_of("available_components", components, RULES) is not None


def test_deep_health_is_taken() -> None:
    """Any reasonable depth."""
    health = node = opamp.ComponentHealth()
    for _ in range(40):
        node = node.component_health_map["x"]

    assert fault_of("health", health, RULES) is None


def test_custom_capabilities_are_counted() -> None:
    """A list without end is refused."""
    many = opamp.CustomCapabilities(capabilities=["c"] * (RULES.max_capabilities + 1))

    assert fault_of("custom_capabilities", many, RULES) is not None


def test_equal_lists_are_one_object() -> None:
    """A hundred thousand agents with one list hold it once; strangers' lists do not pile up."""
    assert shared(["a", "b"]) is shared(["a", "b"])
    for number in range(module._SHARED_LISTS + 2):
        shared([str(number)])
    assert len(module._shared) <= module._SHARED_LISTS + 1


def test_digest_is_short_and_steady() -> None:
    """Eight bytes, the same for the same body."""
    assert digest_of(b"x") == digest_of(b"x") != digest_of(b"y")
    assert len(digest_of(b"x")) == 8
