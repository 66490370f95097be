"""Ids the gateway makes."""

from __future__ import annotations

import uuid

from opamp_gateway.ids import gateway_id, uuid7


def test_uuid7_has_its_version_and_variant() -> None:
    """Version nibble 7, variant bits 10, different each time."""
    made = [uuid.UUID(bytes=uuid7()) for _ in range(200)]

    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {uuid.RFC_4122}
    assert len(set(made)) == 200


def test_uuid7_begins_with_the_time() -> None:
    """Later ones are not smaller in their first 48 bits."""
    assert uuid7()[:6] <= uuid7()[:6]


def test_every_start_is_a_gateway_of_its_own() -> None:
    """The readable part stays, the rest is new."""
    one, two = gateway_id("edge"), gateway_id("edge")

    assert one.startswith("edge-")
    assert one != two
    assert gateway_id("").startswith("gateway-")
