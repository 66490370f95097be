"""Every row is judged, or there is a reason why it cannot be."""

from __future__ import annotations

from opampctl.conformance import catalogue, server_rows


def test_every_row_has_a_check_or_a_reason() -> None:
    """No row of the register is forgotten, and none is invented."""
    judged = set(catalogue.checks()) | set(catalogue.invariants())

    assert judged | set(catalogue.reasons_untestable()) == set(server_rows())
    assert judged & set(catalogue.reasons_untestable()) == set()


def test_checks_are_named_for_what_they_show() -> None:
    """Names of checks tell their module and function, and each says in a sentence what it shows."""
    for check in catalogue.checks().values():
        assert check.name.count(".") == 1
    assert catalogue.checks()["S-011"].name == "framing.other_headers_are_refused"
    assert catalogue.invariants()["S-062"].name == "capabilities.capabilities_are_the_defined_bits"
