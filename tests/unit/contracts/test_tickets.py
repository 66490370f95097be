"""What both sides of a ticket agree on."""

from __future__ import annotations

from contracts import tickets


def test_ticket_cannot_pass_for_an_access_token() -> None:
    """Its audience is package-service alone, and it lives shorter than any access token may."""
    assert tickets.AUDIENCE == "package-service"
    assert tickets.LIFETIME_SECONDS <= 60
