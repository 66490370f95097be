"""Recommendations no agent can see."""

from __future__ import annotations

from opampctl.conformance.catalogue import reasons_untestable


def test_keys_and_signatures_do_not_show() -> None:
    """Each of the three recommendations has its reason."""
    assert {"S-217", "S-218", "S-219"} <= set(reasons_untestable())
