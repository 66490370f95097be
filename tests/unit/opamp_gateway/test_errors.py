"""Errors carry what the edge needs to answer."""

from __future__ import annotations

from opamp_gateway.errors import BadHead, BadMessage, ConfigurationRefused, FrameViolation
from servicekit.errors import Kind


def test_errors_carry_their_answer() -> None:
    """Close code, status, uid, kind."""
    violation, head = FrameViolation(1002, "why"), BadHead(400, "why")

    assert (violation.code, violation.reason, str(violation)) == (1002, "why", "why")
    assert (head.status, head.reason) == (400, "why")
    assert BadMessage("x").uid == b""
    assert (ConfigurationRefused("x").kind, ConfigurationRefused.code) == (
        Kind.INVALID,
        "gateway_configuration_refused",
    )
